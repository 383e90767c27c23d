"""The server is told to stop, or to look for a new index, while it answers."""

import json
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from index.embedding import EmbeddingModel
from index.rebuild import build_index
from index.settings import IndexSettings
from model_server import HANG, Endpoint
from model_server import serving as serving_model
from places import CACHE_DIR
from processes import becomes, environment, serving, wait_for

SENTENCE = "Паром «Чайка» починили за неделю."
QUESTION = "Паром «Чайка» починили за неделю?"
TIMEOUT_S = 60


@pytest.fixture
def data_dir(tmp_path: Path, model: EmbeddingModel) -> Path:
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "ferry.txt").write_text(SENTENCE, encoding="utf-8")
    settings = IndexSettings(data_dir=tmp_path / "data", cache_dir=CACHE_DIR, corpus=tmp_path / "corpus")
    build_index([settings.corpus], settings=settings, model=model)
    return settings.data_dir


class Writing:
    """The pieces of an answer, the last of which come when `go` is set."""

    def __init__(self) -> None:
        self.begun, self.go = threading.Event(), threading.Event()

    def __iter__(self) -> Iterator[str]:
        yield "Паром "
        self.begun.set()
        assert self.go.wait(TIMEOUT_S)
        yield "починили за неделю [1]."


class Asking(threading.Thread):
    """Asks in a thread of its own, over a connection that it would keep."""

    def __init__(self, url: str, **options: Any) -> None:
        super().__init__()
        self.url, self.options = url, options
        self.response: httpx.Response | None = None
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            with httpx.Client(timeout=TIMEOUT_S, trust_env=False) as client:
                self.response = client.post(f"{self.url}/answer", json={"question": QUESTION, **self.options})
        except httpx.HTTPError as exc:
            self.error = exc


def is_open(url: str) -> bool:
    host, port = url.removeprefix("http://").split(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


def with_model(data_dir: Path, endpoint: Endpoint, **more: str) -> dict[str, str]:
    return environment(data_dir, OTVET_CHAT_MODEL="tiny", OTVET_CHAT_BASE_URL=endpoint.url, **more)


def ended(process: "subprocess.Popen[str]") -> None:
    process.wait(TIMEOUT_S)
    assert process.returncode in (0, -signal.SIGTERM)


def test_an_answer_that_is_being_written_is_finished(data_dir: Path, tmp_path: Path) -> None:
    writing = Writing()
    with (
        serving_model(Endpoint(writing)) as endpoint,
        serving(with_model(data_dir, endpoint), tmp_path) as (url, process),
        httpx.stream("GET", f"{url}/gradio_api/heartbeat/page", timeout=TIMEOUT_S, trust_env=False),  # an open page
    ):
        asking = Asking(url)
        asking.start()
        assert writing.begun.wait(TIMEOUT_S)
        process.send_signal(signal.SIGTERM)
        assert becomes(lambda: not is_open(url))
        assert process.poll() is None
        writing.go.set()
        asking.join(TIMEOUT_S)
        assert asking.response is not None, asking.error
        assert asking.response.json()["mode"] == "generative"
        assert asking.response.headers["connection"] == "close"
        ended(process)


def test_an_answer_that_never_ends_is_given_up(data_dir: Path, tmp_path: Path) -> None:
    with (
        serving_model(Endpoint([HANG])) as endpoint,
        serving(with_model(data_dir, endpoint, OTVET_STOP_TIMEOUT_S="1"), tmp_path) as (url, process),
    ):
        asking = Asking(url)
        asking.start()
        wait_for(lambda: endpoint.requests)
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        ended(process)
        assert time.monotonic() - began < TIMEOUT_S / 2
        endpoint.closing.set()
        asking.join(TIMEOUT_S)
        assert asking.response is not None, asking.error
        assert asking.response.status_code == 503
        assert asking.response.json()["type"] == "urn:otvet:problem:overloaded"


def test_a_hangup_brings_the_new_generation_and_fails_no_request(
    data_dir: Path, tmp_path: Path, model: EmbeddingModel
) -> None:
    settings = IndexSettings(data_dir=data_dir, cache_dir=CACHE_DIR, corpus=tmp_path / "corpus")
    env = environment(data_dir)
    generations: list[str] = []
    over = threading.Event()

    def ask_on(url: str) -> None:
        with httpx.Client(timeout=TIMEOUT_S, trust_env=False) as client:
            while not over.is_set():
                response = client.post(f"{url}/answer", json={"question": QUESTION})
                assert response.status_code == 200, response.text
                generations.append(response.json()["generation"])

    with serving(env, tmp_path) as (url, process):
        failures: list[BaseException] = []

        def work() -> None:
            try:
                ask_on(url)
            except BaseException as exc:
                failures.append(exc)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        wait_for(lambda: "g-0001" in generations)
        (tmp_path / "corpus" / "pier.txt").write_text("Причал покрасили в мае.", encoding="utf-8")
        build_index([settings.corpus], settings=settings, model=model)
        process.send_signal(signal.SIGHUP)
        wait_for(lambda: "g-0002" in generations)
        assert process.poll() is None
        over.set()
        for thread in threads:
            thread.join(TIMEOUT_S)
        assert not failures
        assert set(generations) == {"g-0001", "g-0002"}
        assert json.loads(httpx.get(f"{url}/ready", trust_env=False).text)["generation"] == "g-0002"
