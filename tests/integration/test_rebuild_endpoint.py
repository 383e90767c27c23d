"""Rebuilds that a running server is asked for: who may, what is told of them, and what they leave behind."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from apps import app_over
from index.embedding import EmbeddingModel
from index.generations import check_unlocked, index_root, writing
from index.rebuild import build_index
from index.settings import IndexSettings
from places import CACHE_DIR
from processes import environment, is_running, serving, wait_for
from qa.engine import Engine
from ui.app import following
from ui.rebuilding import Rebuilder
from ui.scopes import Scope
from ui.settings import Settings
from ui.tokens import Tokens

BRIDGE = "date 2025-03-01 Старый мост через реку закрыли на ремонт."
FERRY = "date 2025-03-02 Паром «Чайка» снова ходит у дальнего причала."
REPORT = {
    *("n_articles", "n_chunks", "n_added", "n_changed", "n_unchanged", "n_moved", "n_deleted", "n_duplicates"),
    *("n_embedded", "n_failed", "failed", "seconds", "articles_per_second"),
}
HOLD = """
import sys, time
from pathlib import Path
from index.generations import writing
with writing(Path(sys.argv[1])) as (draft, tell):
    time.sleep(0.6)  # the progress is written down twice a second
    tell("embed", 30, 40)
    print("holds", flush=True)
    sys.stdin.read()
"""


@dataclass
class Server:
    """A running `otvet serve`, its corpus and its data."""

    url: str
    process: subprocess.Popen[str]
    corpus: Path
    data_dir: Path
    token: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def index(self) -> dict[str, Any]:
        return dict(httpx.get(f"{self.url}/index", headers=self.headers, timeout=60).raise_for_status().json())

    def post(self) -> httpx.Response:
        return httpx.post(f"{self.url}/index/rebuild", headers=self.headers, timeout=60)

    def delete(self) -> httpx.Response:
        return httpx.delete(f"{self.url}/index/rebuild", headers=self.headers, timeout=60)

    def build_here(self, model: EmbeddingModel) -> str:
        """What a build by somebody else would do, but quicker; gives the generation."""
        settings = IndexSettings(data_dir=self.data_dir, corpus=self.corpus)
        return build_index([self.corpus], settings=settings, model=model).generation

    def start(self) -> int:
        """Start a rebuild; gives its process."""
        reply = self.post()
        assert reply.status_code == 202, reply.text
        assert reply.json()["rebuild"]["started_here"]
        return int(reply.json()["rebuild"]["pid"])

    def ended(self) -> dict[str, Any]:
        """How the rebuild ended, as soon as it has."""
        index = wait_for(lambda: found if (found := self.index())["rebuild"] is None else None)
        return dict(index["last_rebuild"])

    def titles(self, query: str) -> list[str]:
        asked = {"query": query, "k": 3}
        reply = httpx.post(f"{self.url}/search", json=asked, headers=self.headers, timeout=60)
        return [hit["text"] for hit in reply.raise_for_status().json()["hits"]]


@contextmanager
def running_server(folder: Path, model: EmbeddingModel) -> Iterator[Server]:
    corpus = folder / "corpus"
    corpus.mkdir()
    (corpus / "bridge.txt").write_text(BRIDGE)
    settings = IndexSettings(data_dir=folder / "data", cache_dir=CACHE_DIR)
    build_index([corpus], settings=settings, model=model)
    tokens = Tokens(folder / "tokens.json")
    token = tokens.add("deploy", frozenset({Scope.READ, Scope.ADMIN}))
    env = environment(settings.data_dir, OTVET_API_TOKENS=str(tokens.path), OTVET_CORPUS=str(corpus))
    with serving(env, folder) as (url, process):
        yield Server(url, process, corpus, settings.data_dir, token)


@pytest.fixture(scope="module")
def kept_server(tmp_path_factory: pytest.TempPathFactory, model: EmbeddingModel) -> Iterator[Server]:
    with running_server(tmp_path_factory.mktemp("server"), model) as server:
        yield server


@pytest.fixture
def server(kept_server: Server) -> Server:
    """A server whose corpus is one article, whatever its index is."""
    for path in kept_server.corpus.iterdir():
        path.unlink()
    (kept_server.corpus / "bridge.txt").write_text(BRIDGE)
    return kept_server


def add_many(corpus: Path, n_articles: int) -> None:
    """Articles that take a while to embed."""
    for number in range(n_articles):
        text = f"Порт номер {number} принял судно {number * 7} с зерном. Судно разгрузили за {number} часов."
        (corpus / f"port-{number}.txt").write_text(f"date 2025-04-01 {text}")


def n_done(server: Server) -> int:
    """Articles embedded so far by the rebuild; fails where it ended."""
    rebuild = server.index()["rebuild"]
    assert rebuild is not None, server.index()["last_rebuild"]
    return int(rebuild["done"]) if rebuild["stage"] == "embed" else 0


@pytest.fixture(scope="module")
def guarded(sample_engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> TestClient:
    """Sends the token of an administrator with each request that does not say otherwise."""
    folder = tmp_path_factory.mktemp("guarded")
    tokens = Tokens(folder / "tokens.json")
    token = tokens.add("deploy", frozenset({Scope.READ, Scope.ADMIN}))
    settings = Settings(api_tokens=tokens.path, data_dir=folder)
    return TestClient(app_over(sample_engine, settings), headers={"Authorization": f"Bearer {token}"})


@pytest.mark.parametrize("method", ["POST", "DELETE"])
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer "}, {"Authorization": "Bearer otvet_any"}])
def test_where_there_is_no_administrator_nobody_may(
    sample_engine: Engine, sample_settings: IndexSettings, method: str, headers: dict[str, str]
) -> None:
    """With one, who may is tested in test_token_access.py and test_login.py."""
    client = TestClient(app_over(sample_engine))
    reply = client.request(method, "/index/rebuild", headers=headers)
    assert reply.status_code == 403
    for word in ("neither OTVET_API_TOKENS nor OTVET_USERS is set", "otvet tokens add NAME --scope admin"):
        assert word in reply.json()["detail"]
    assert client.get("/index").json()["rebuild"] is None
    check_unlocked(sample_settings.data_dir)


def test_nothing_to_cancel(guarded: TestClient) -> None:
    reply = guarded.delete("/index/rebuild")
    assert reply.status_code == 409
    assert "no build is running" in reply.json()["detail"]


def test_the_index_is_told_with_every_field(guarded: TestClient) -> None:
    index = guarded.get("/index").json()
    assert set(index["report"]) == REPORT
    assert (index["report"]["n_added"], index["report"]["failed"]) == (12, [])
    index.pop("report")
    assert index.pop("created_at")[-1] == "Z"
    assert index.pop("n_chunks") >= 12
    assert index == {
        "generation": "g-0001",
        "n_articles": 12,
        "embedding_model": "multilingual-e5-small",
        "chunk_max_tokens": 384,
        "rebuild": None,
        "last_rebuild": None,
    }


def test_a_rebuild_is_told_of_and_then_answers(server: Server) -> None:
    before = server.index()["generation"]
    (server.corpus / "ferry.txt").write_text(FERRY)
    (server.corpus / "empty.txt").write_text("")
    add_many(server.corpus, 130)
    pid = server.start()
    assert wait_for(lambda: os.getpriority(os.PRIO_PROCESS, pid)) > 0
    refused = server.post()
    assert refused.status_code == 409
    assert f"process {pid}" in refused.json()["detail"]
    assert "Паром" not in str(server.titles("паром у причала"))  # it answers meanwhile
    rebuild = wait_for(lambda: found if (found := server.index()["rebuild"])["stage"] == "embed" else None)
    assert (rebuild["pid"], rebuild["started_here"], rebuild["total"]) == (pid, True, 131)
    assert 0 < rebuild["done"] <= 131
    assert rebuild["seconds_left"] >= 0
    ended = server.ended()
    assert (ended["state"], ended["report"]["n_added"]) == ("published", 131)
    [failed] = ended["report"]["failed"]
    assert (failed["source"], failed["line"]) == ("empty.txt", None)
    index = server.index()
    assert index["generation"] != before
    assert index["generation"] in ended["message"]
    assert index["report"] == ended["report"] | {key: index["report"][key] for key in ("seconds",)}
    assert "Паром" in server.titles("паром у причала")[0]
    assert not is_running(pid)


def test_the_server_follows_though_nobody_asks(server: Server, model: EmbeddingModel) -> None:
    """What it read before is removed as soon as it has let it go."""
    before = index_root(server.data_dir) / server.index()["generation"]
    (server.corpus / "tunnel.txt").write_text("date 2025-03-03 Тоннель под холмом открыли.")
    server.build_here(model)
    wait_for(lambda: not before.exists(), timeout_s=10)


def test_a_rebuild_that_has_nothing_to_do(server: Server, model: EmbeddingModel) -> None:
    generation = server.build_here(model)
    server.start()
    ended = server.ended()
    assert (ended["state"], ended["report"]["n_unchanged"]) == ("unchanged", 1)
    assert server.index()["generation"] == generation


def test_a_rebuild_that_fails_says_why(server: Server) -> None:
    (server.corpus / "bridge.txt").write_text("")
    before = server.index()["generation"]
    server.start()
    ended = server.ended()
    assert (ended["state"], ended["report"]) == ("failed", None)
    assert ended["message"].startswith("there is no readable article in ")
    assert "bridge.txt: " in ended["message"]
    assert server.index()["generation"] == before


def test_settings_of_the_build_are_those_in_force_and_no_secret_is_among_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FORCE_COLOR makes programs write to a pipe as to a terminal."""
    for name, value in (("OTVET_CHAT_API_KEY", "a-key"), ("OTVET_CORPUS", "/no/such"), ("FORCE_COLOR", "1")):
        monkeypatch.setenv(name, value)
    (tmp_path / "otvet.toml").write_text('k = 7\nembedding_model = "/no/such"\n')
    monkeypatch.chdir(tmp_path)
    settings = Settings(corpus=tmp_path / "«нет»", embedding_model="multilingual-e5-small")
    with closing(Rebuilder(settings)) as rebuilder:
        rebuilder.start()
        ended = wait_for(rebuilder.last)
    assert (ended.state, ended.report) == ("failed", None)
    assert ended.message == (
        f"corpus path {str(settings.corpus)!r} does not exist; name a file or directory of articles"
    )
    assert "rebuild" not in {thread.name for thread in threading.enumerate()}


def test_a_rebuild_that_is_killed_says_so(server: Server) -> None:
    pid = server.start()
    os.kill(pid, signal.SIGKILL)
    ended = server.ended()
    assert ended["state"] == "failed"
    assert "Killed" in ended["message"]


def test_a_build_of_somebody_else_is_told_of_and_left_alone(server: Server) -> None:
    command = [sys.executable, "-c", HOLD, str(server.data_dir)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "holds\n"
        rebuild = server.index()["rebuild"]
        assert rebuild.pop("since")
        assert rebuild.pop("seconds_left") >= 0
        assert rebuild == {"pid": other.pid, "stage": "embed", "done": 30, "total": 40, "started_here": False}
        for reply in (server.post(), server.delete()):
            assert reply.status_code == 409
            assert f"process {other.pid}" in reply.json()["detail"]
        assert other.poll() is None
        other.communicate("")
    assert server.index()["rebuild"] is None
    assert server.delete().json()["detail"].startswith("no build is running")


def test_a_cancelled_rebuild_leaves_the_old_index_and_its_work_to_the_next(
    server: Server, model: EmbeddingModel
) -> None:
    before = server.build_here(model)
    add_many(server.corpus, 260)
    pid = server.start()
    wait_for(lambda: n_done(server))
    reply = server.delete()
    assert reply.status_code == 202
    assert reply.json()["rebuild"] is None
    assert reply.json()["last_rebuild"]["state"] == "cancelled"
    assert not is_running(pid)
    assert server.index()["generation"] == before
    assert "мост" in server.titles("ремонт моста")[0]
    server.start()
    ended = server.ended()
    assert (ended["state"], ended["report"]["n_added"]) == ("published", 260)
    assert ended["report"]["n_embedded"] < 260


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGKILL])
def test_a_server_that_ends_leaves_no_build_behind(tmp_path: Path, model: EmbeddingModel, told: signal.Signals) -> None:
    with running_server(tmp_path, model) as server:
        add_many(server.corpus, 260)
        pid = server.start()
        wait_for(lambda: n_done(server))
        server.process.send_signal(told)
        server.process.wait(30)
        wait_for(lambda: not is_running(pid), timeout_s=10)
    check_unlocked(server.data_dir)
    assert (tmp_path / "serve.err").read_text() == ""


class Failing:
    """An index that cannot be followed."""

    def __init__(self, times: int) -> None:
        self.n_calls, self.times = 0, times

    def follow(self) -> None:
        self.n_calls += 1
        if self.n_calls <= self.times:
            raise OSError("no such device")


def test_following_survives_and_tells_once(caplog: pytest.LogCaptureFixture) -> None:
    index: Any = Failing(times=2)
    with following(index):
        wait_for(lambda: index.n_calls > 3, timeout_s=20)
    assert [record.getMessage() for record in caplog.records] == ["cannot look for a new generation: no such device"]
    assert "follow" not in {thread.name for thread in threading.enumerate()}


def test_who_only_looks_does_not_seem_to_build(tmp_path: Path) -> None:
    with writing(tmp_path):
        pass
    troubles: list[Exception] = []

    def look() -> None:
        try:
            for _ in range(300):
                check_unlocked(tmp_path)
        except Exception as exc:
            troubles.append(exc)

    looking = [threading.Thread(target=look) for _ in range(8)]
    for thread in looking:
        thread.start()
    for thread in looking:
        thread.join()
    assert not troubles
