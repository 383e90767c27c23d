"""Two replicas behind a proxy, asked all the while: a rolling restart and a new index fail no request."""

import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from doors import events_of
from index.embedding import EmbeddingModel
from places import CACHE_DIR
from processes import OTVET, becomes, environment, serving, wait_for
from proxy import Proxy, proxying

pytestmark = pytest.mark.long

FACTS = {
    "Паром «Чайка» починили за неделю.": "Паром «Чайка» починили за неделю?",
    "Библиотека в Лиственном открылась в марте.": "Библиотека в Лиственном открылась в марте?",
}
LATER, ASKED_LATER = "Причал в Дубках покрасили в мае.", "Причал в Дубках покрасили в мае?"
DRAIN_S = 1.0  # five times as long as the proxy takes to look
TIMEOUT_S = 60
N_CLIENTS = 3  # that ask /answer; one more reads /answer/stream
N_ANSWERS = 10  # that each of them has seen before something is over


@dataclass
class Store:
    """Where replicas find the index.

    Attributes:
        corpus: what it is built of.
        environment: of a replica that has this folder of its own.
    """

    corpus: Path
    environment: Callable[[Path], dict[str, str]]

    def build(self, folder: Path) -> None:
        """Publish what is in the corpus now."""
        subprocess.run([OTVET, "index", self.corpus], env=self.environment(folder), check=True, cwd=folder)


@pytest.fixture(scope="module", params=["files", "servers"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, model: EmbeddingModel) -> Store:
    """An index of FACTS: a folder that both replicas read, or servers, and each has a folder that is empty.

    `model`: that it is in the cache.
    """
    folder = tmp_path_factory.mktemp(request.param)
    corpus, builder = folder / "corpus", folder / "builder"
    corpus.mkdir()
    builder.mkdir()
    for number, fact in enumerate(FACTS):
        (corpus / f"{number}.txt").write_text(fact, encoding="utf-8")
    common = {"OTVET_CACHE_DIR": str(CACHE_DIR), "OTVET_DRAIN_S": str(DRAIN_S)}
    if request.param == "files":
        made = Store(corpus, lambda own: environment(folder / "data", **common))
    else:
        shared = {
            "OTVET_POSTGRES_URL": request.getfixturevalue("postgres_url"),
            "OTVET_POSTGRES_SCHEMA": f"replicas_{uuid4().hex}",
            "OTVET_CHROMA_URL": request.getfixturevalue("chroma_url"),
        }
        made = Store(corpus, lambda own: environment(own / "data", **common, **shared))
    made.build(builder)
    return made


class Replica:
    """An `otvet serve` that can be replaced by a new one."""

    def __init__(self, store: Store, folder: Path, proxy: Proxy) -> None:
        folder.mkdir()
        self._store, self._folder, self._proxy = store, folder, proxy
        self._stack = ExitStack()
        self.process: subprocess.Popen[str]
        self.url = ""

    def start(self) -> None:
        """Begin to serve, take the place of the one before at the proxy, and wait until that sees it."""
        old = self.url
        self.url, self.process = self._stack.enter_context(serving(self._store.environment(self._folder), self._folder))
        self._proxy.backends[:] = [url for url in self._proxy.backends if url != old] + [self.url]
        assert becomes(lambda: self.url in self._proxy.ready, timeout_s=TIMEOUT_S)

    def stop(self) -> None:
        """As an orchestrator does."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(TIMEOUT_S) in (0, -signal.SIGTERM)
        self._stack.close()

    def close(self) -> None:
        """End at once what still runs."""
        self._stack.close()

    def generation(self) -> str:
        """That it serves; asked past the proxy."""
        return str(httpx.get(f"{self.url}/ready", timeout=TIMEOUT_S, trust_env=False).json()["generation"])


@dataclass
class Load:
    """Clients that ask on and on; what they were told, and what went wrong."""

    url: str
    n_answers: list[int] = field(default_factory=lambda: [0] * (N_CLIENTS + 1))
    generations: set[str] = field(default_factory=set)
    failures: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def ask_on(self, number: int) -> None:
        """Ask in turn what the articles tell; the last client reads streams."""
        path = "/answer/stream" if number == N_CLIENTS else "/answer"
        with httpx.Client(timeout=TIMEOUT_S, trust_env=False) as client:
            while not self.over.is_set():
                fact, question = list(FACTS.items())[self.n_answers[number] % len(FACTS)]
                try:
                    answer = _asked(client, f"{self.url}{path}", question)
                    assert fact in [citation["quote"] for citation in answer["citations"]], answer
                    self.generations.add(answer["generation"])
                except Exception as exc:
                    self.failures.append(repr(exc))
                self.n_answers[number] += 1

    def goes_on(self) -> None:
        """Wait until every client was answered often from now on."""
        goal = [n + N_ANSWERS for n in self.n_answers]
        wait_for(lambda: all(n >= least for n, least in zip(self.n_answers, goal, strict=True)))


def _asked(client: httpx.Client, url: str, question: str) -> dict[str, object]:
    with client.stream("POST", url, json={"question": question}) as response:
        if not url.endswith("/stream"):
            response.read()
            assert response.status_code == 200, response.text
            return response.json()
        assert response.status_code == 200, response.read()
        *_, answer, done = events_of(response.iter_bytes())
        assert (answer.name, done.name) == ("answer", "done")
        return answer.data


@contextmanager
def asking(url: str) -> Iterator[Load]:
    """Load on this address until the end of the `with`, where all of it must have gone well."""
    load = Load(url)
    threads = [threading.Thread(target=load.ask_on, args=[number]) for number in range(N_CLIENTS + 1)]
    for thread in threads:
        thread.start()
    try:
        yield load
    finally:
        load.over.set()
        for thread in threads:
            thread.join(TIMEOUT_S)
    assert load.failures == []


@pytest.fixture(scope="module")
def proxy() -> Iterator[Proxy]:
    with proxying() as proxy:
        yield proxy


@pytest.fixture(scope="module")
def replicas(store: Store, proxy: Proxy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Replica]]:
    """Two that serve; each test leaves two behind that do."""
    folder = tmp_path_factory.mktemp("replicas")
    made = [Replica(store, folder / str(number), proxy) for number in range(2)]
    try:
        for replica in made:
            replica.start()
        yield made
    finally:
        for replica in made:
            replica.close()
        proxy.backends.clear()


def is_open(url: str) -> bool:
    host, port = url.removeprefix("http://").split(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


def test_a_rolling_restart_fails_no_request(replicas: list[Replica], proxy: Proxy) -> None:
    pids = [replica.process.pid for replica in replicas]
    with asking(proxy.url) as load:
        load.goes_on()
        for replica in replicas:
            replica.stop()
            load.goes_on()
            replica.start()
            load.goes_on()
    assert set(pids).isdisjoint(replica.process.pid for replica in replicas)
    assert sorted(proxy.backends) == sorted(replica.url for replica in replicas)
    assert proxy.n_tried_again == 0  # nothing was sent to a closed port


def test_both_follow_a_new_generation(replicas: list[Replica], proxy: Proxy, store: Store, tmp_path: Path) -> None:
    (before,) = {replica.generation() for replica in replicas}
    with asking(proxy.url) as load:
        load.goes_on()
        (store.corpus / "later.txt").write_text(LATER, encoding="utf-8")
        store.build(tmp_path)
        wait_for(lambda: before not in {replica.generation() for replica in replicas})
        load.goes_on()
    (after,) = {replica.generation() for replica in replicas}
    assert load.generations == {before, after}
    with httpx.Client(timeout=TIMEOUT_S, trust_env=False) as client:
        for replica in replicas:
            answer = _asked(client, f"{replica.url}/answer", ASKED_LATER)
            assert answer["citations"][0]["quote"] == LATER


def test_a_replica_that_is_being_stopped_answers_but_says_that_it_is_not_ready(store: Store, tmp_path: Path) -> None:
    env = store.environment(tmp_path) | {"OTVET_DRAIN_S": str(TIMEOUT_S)}
    with (
        serving(env, tmp_path) as (url, process),
        httpx.Client(base_url=url, timeout=TIMEOUT_S, trust_env=False) as client,
    ):
        assert client.get("/ready").status_code == 200
        process.send_signal(signal.SIGTERM)
        assert becomes(lambda: client.get("/ready").status_code == 503)
        told = client.get("/ready")
        assert told.json()["type"] == "urn:otvet:problem:not-ready"
        assert told.json()["detail"].startswith("the server is being stopped")
        assert told.json()["request_id"] == told.headers["x-request-id"]
        fact, question = next(iter(FACTS.items()))
        answered = client.post("/answer", json={"question": question})
        assert answered.json()["citations"][0]["quote"] == fact
        assert answered.headers["connection"] == "close"
        assert client.get("/health").status_code == 200
        process.send_signal(signal.SIGTERM)  # a second one ends the wait
        process.wait(TIMEOUT_S / 2)


def test_without_a_time_to_drain_the_port_closes_at_once(store: Store, tmp_path: Path) -> None:
    env = store.environment(tmp_path) | {"OTVET_DRAIN_S": ""}
    with serving(env, tmp_path) as (url, process):
        process.send_signal(signal.SIGTERM)
        assert becomes(lambda: not is_open(url))
        process.wait(TIMEOUT_S)
