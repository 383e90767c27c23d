"""A build by Ray: the same generation as a local one's, whatever is killed. Skips where Ray is not installed."""

import json
import os
import pickle
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from importlib.metadata import EntryPoint, EntryPoints
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from fakes import HashedWordsModel
from index import readers
from index.build_engine import LocalEngine, open_engine
from index.drafts import EmbeddedChunk
from index.embedding import EmbeddingModel
from index.encoding import Encoding
from index.errors import CorpusError, IndexStateError, ModelError, SettingsError
from index.generations import current_generation, index_root
from index.ray_engine import LOOPBACK, QUIET, RayEngine
from index.readers import CorpusFile, corpus_files, read_corpus
from index.rebuild import build_index
from index.records import Article, Skipped
from index.settings import IndexSettings
from index.tables import read_jsonl
from index.words import mean_states
from places import CACHE_DIR, ROOT

needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="needs the extra [ray]")
pytestmark = [
    pytest.mark.long,
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ray.data.context"),  # of its own defaults, as it sets them
    pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning"),  # Ray ends them by their ids
    pytest.mark.filterwarnings(
        "ignore:unclosed:ResourceWarning"
    ),  # log files and pipes that Ray leaves to the collector
]

READER_DIED = "reader-died"  # no suffix of a reader
ROW = "Заметка {0}. В порт номер {1} пришли {2} судна с зерном. Их разгрузили за {3} часов, и мост открыли снова."


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A cluster of two nodes with a core each, on loopback, whose workers find this module and what it imports."""
    modules = os.pathsep.join([str(ROOT / "tests"), str(Path(__file__).parent)])
    environment = QUIET | LOOPBACK | {"RAY_AUTH_TOKEN": secrets.token_hex(32), "PYTHONPATH": modules}
    with pytest.MonkeyPatch.context() as patch, TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        for name, value in (environment | {"RAY_TMPDIR": folder}).items():
            patch.setenv(name, value)
        from ray.cluster_utils import Cluster

        own = {"num_cpus": 1, "object_store_memory": 2**28}
        cluster = Cluster(initialize_head=True, head_node_args={**own, "include_dashboard": False})
        try:
            cluster.add_node(**own)
            yield cluster.address
        finally:
            cluster.shutdown()


@pytest.fixture(scope="class")
def joined(address: str) -> Iterator[str]:
    """The cluster's address, which this process has joined by an engine, as workers are started for each join anew."""
    [file] = corpus_files([ROOT / "corpus" / "letter-to-iran.txt"])
    assert isinstance(file, CorpusFile)
    with open_engine(f"ray://{address}", HashedWordsModel(), HashedWordsModel) as engine:
        assert [len(list(items)) for items in engine.read([file])] == [1]
        yield address


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A folder with 200 articles: most in a table, which holds two rows that cannot be used, some in files."""
    folder = tmp_path / "made"
    folder.mkdir()
    rows = [json.dumps({"title": f"Заметка {n}", "text": ROW.format(n, n % 7, n % 5, n % 11)}) for n in range(180)]
    (folder / "rows.jsonl").write_text("\n".join([*rows[:90], "{}", "no row", *rows[90:]]))
    for n in range(20):
        (folder / f"file{n:02}.txt").write_text(f"date 2024-03-{n + 1:02} {ROW.format(n + 500, n, n, n)}")
    (folder / "empty.txt").write_text("")
    return folder


def read_all(engine: RayEngine | LocalEngine, files: list[CorpusFile]) -> list[list[Article | Skipped]]:
    return [list(items) for items in engine.read(files)]


def embed_all(
    engine: RayEngine | LocalEngine, articles: list[Article], model: EmbeddingModel
) -> list[tuple[Article, list[EmbeddedChunk]]]:
    return list(engine.embed(articles, means=mean_states(model), max_tokens=64))


def assert_same(
    found: list[tuple[Article, list[EmbeddedChunk]]], expected: list[tuple[Article, list[EmbeddedChunk]]]
) -> None:
    assert [article for article, _ in found] == [article for article, _ in expected]
    for (_, chunks), (_, others) in zip(found, expected, strict=True):
        for chunk, other in zip(chunks, others, strict=True):
            assert (chunk.start, chunk.end) == (other.start, other.end)
            assert chunk.sentences == other.sentences
            assert chunk.word_starts == other.word_starts
            np.testing.assert_allclose(chunk.vector, other.vector, atol=1e-6)
            np.testing.assert_allclose(chunk.sentence_vectors, other.sentence_vectors, atol=1e-6)
            np.testing.assert_allclose(chunk.word_states, other.word_states, atol=1e-5)


def plain_files(settings: IndexSettings) -> dict[str, bytes]:
    """All of a generation that is made of the corpus alone, without times and Chroma's random names."""
    generation = index_root(settings.data_dir) / str(current_generation(settings.data_dir))
    kept = [generation / "texts.utf8"]
    kept += [path for name in ("vectors", "late", "lexical", "words") for path in (generation / name).rglob("*.*")]
    return {str(path.relative_to(generation)): path.read_bytes() for path in kept}


class DyingModel(HashedWordsModel):
    """Kills its process at the second batch of passages, once in all processes."""

    def __init__(self, died: Path) -> None:
        super().__init__()
        self.died, self.n_calls = died, 0

    def encode_passages(self, texts: list[str]) -> list[Encoding]:  # type: ignore[override]
        self.n_calls += 1
        if self.n_calls == 2:
            die_once(self.died)
        return super().encode_passages(texts)


def die_once(died: Path) -> None:
    if not died.exists():
        died.touch()
        os.kill(os.getpid(), signal.SIGKILL)


def read_and_die(path: Path, source: str) -> Iterator[Article | Skipped]:
    for n, item in enumerate(read_jsonl(path, source)):
        if n == 100:
            die_once(path.with_name(READER_DIED))
        yield item


def no_model() -> EmbeddingModel:
    raise ModelError("the weights are gone; fetch them again")


def no_reader(path: Path, source: str) -> Iterator[Article | Skipped]:
    raise CorpusError("the reader 'xyz' cannot be loaded; install it again")


def faulty_reader(path: Path, source: str) -> Iterator[Article | Skipped]:
    raise KeyError("no such column")


@needs_ray
class TestJoinedCluster:
    def test_publishes_what_a_local_build_does_whatever_is_killed(
        self, joined: str, made: Path, tmp_path: Path, hashed_words: HashedWordsModel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Of a path that is relative to where this process is, and not to where the nodes are."""
        monkeypatch.chdir(tmp_path)
        local, distributed = (IndexSettings(data_dir=tmp_path / name) for name in ("local", "distributed"))
        expected = build_index([made], settings=local, model=hashed_words)
        dying = EntryPoint("jsonl", f"{__name__}:read_and_die", readers.ENTRY_POINT_GROUP)
        monkeypatch.setattr(readers, "entry_points", lambda group: EntryPoints([dying]))
        model_died = tmp_path / "model-died"
        with open_engine(f"ray://{joined}", hashed_words, partial(DyingModel, model_died)) as engine:
            report = build_index([Path(made.name)], settings=distributed, model=hashed_words, engine=engine)
        assert model_died.exists()
        assert (made / READER_DIED).exists()
        assert (report.n_articles, report.failed) == (expected.n_articles, expected.failed)
        assert report.n_articles == 200
        found = plain_files(distributed)
        assert found == plain_files(local)
        assert {"vectors/chunk_vectors.f32", "late/states.u4"} <= found.keys()

    def test_tells_errors_of_workers_in_a_cluster_that_was_joined(self, joined: str, made: Path) -> None:
        """Which is used and left as it is, and so is the environment."""
        import ray

        file = CorpusFile(made / "file00.txt", "file00.txt", no_reader, 1000)
        article = Article("0" * 16, "", ROW, None, None, None, (), "ru", "made")
        environment = dict(os.environ)
        with RayEngine(no_model, address=joined) as engine:
            with pytest.raises(ModelError, match="^the weights are gone; fetch them again$"):
                embed_all(engine, [article], HashedWordsModel())
            with pytest.raises(CorpusError, match="^the reader 'xyz' cannot be loaded; install it again$"):
                read_all(engine, [file])
            with pytest.raises(
                IndexStateError, match=r"failed \(KeyError: no such column\); what was embedded is kept"
            ):
                read_all(engine, [replace(file, reader=faulty_reader)])
            with pytest.raises(CorpusError, match=f"^'gone.txt' is not on the node '{socket.gethostname()}'; put the"):
                read_all(engine, [replace(file, path=made / "gone.txt", source="gone.txt")])
            assert dict(os.environ) == environment
        assert ray.is_initialized()


@needs_ray
def test_a_cluster_that_is_not_there_is_told_at_once(unused_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in QUIET:
        monkeypatch.delenv(name, raising=False)
    environment = dict(os.environ)
    with (
        pytest.raises(IndexStateError, match="cannot be joined"),
        RayEngine(HashedWordsModel, address=f"127.0.0.1:{unused_port}") as engine,
    ):
        read_all(engine, [CorpusFile(Path("a.txt"), "a.txt", no_reader, 1000)])
    assert dict(os.environ) == environment


@pytest.fixture
def unused_port() -> int:
    with closing(socket.socket()) as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
    return port


OWN_CLUSTER = """
import os, pathlib, pickle, sys
from functools import partial
from index.build_engine import open_engine
from index.bundled import BUNDLED_MODEL
from index.embedding import load_embedding_model
from index.readers import corpus_files
from index.words import mean_states

def parents():
    for folder in pathlib.Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                yield int(folder.name), int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                pass

def family():
    ours, found = {os.getpid()}, dict(parents())
    while more := {pid for pid, parent in found.items() if parent in ours} - ours:
        ours |= more
    return ours

def sockets(pid):
    for link in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        try:
            yield os.readlink(link)
        except OSError:
            pass

def listening():
    inodes = {name[8:-1] for pid in family() for name in sockets(pid) if name.startswith("socket:")}
    for table in ("tcp", "tcp6"):
        for line in pathlib.Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                yield fields[1].split(":")[0]

environment = dict(os.environ)
load = partial(load_embedding_model, BUNDLED_MODEL, cache_dir=pathlib.Path(sys.argv[1]))
model, corpus = load(), pathlib.Path("corpus")
with open_engine("ray", model, load) as engine:
    articles = [item for items in engine.read(corpus_files([corpus])) for item in items]
    made = list(engine.embed(articles, means=mean_states(model), max_tokens=64))
    print(len(family()) > 4, *sorted(set(listening())))
pathlib.Path(sys.argv[2]).write_bytes(pickle.dumps(made))
with open_engine("ray", model, load) as engine:  # as `otvet index --watch` does
    again = [item for items in engine.read(corpus_files([corpus / "letter-to-iran.txt"])) for item in items]
assert [article.text for article in again] == [one.text for one in articles if one.source == again[0].source]
left = {name for name in os.environ.keys() - environment if name.startswith("RAY_")} - {"RAY_CLIENT_MODE"}  # Ray's own
print(len(articles), len(made), len(family()), *left)
"""
LOOPBACKS = {"0100007F", "00000000000000000000000001000000", "0000000000000000FFFF00000100007F"}


@needs_ray
@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux what is listened on")
def test_a_cluster_of_its_own_is_on_loopback_gives_the_same_vectors_and_ends(
    tmp_path: Path, model: EmbeddingModel, corpus: Path
) -> None:
    """With the real model, and twice in one process."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    env["PYTHONPATH"] = str(ROOT / "tests")
    run = subprocess.run(
        [sys.executable, "-c", OWN_CLUSTER, CACHE_DIR, tmp_path / "made"],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    first, last = run.stdout.splitlines()[-2:]
    has_children, *places = first.split()
    assert has_children == "True"
    assert places
    assert set(places) <= LOOPBACKS
    articles = [item for item in read_corpus([corpus]) if isinstance(item, Article)]
    assert last == f"{len(articles)} {len(articles)} 1"
    made = pickle.loads((tmp_path / "made").read_bytes())
    assert_same(made, embed_all(LocalEngine(model), articles, model))


@pytest.mark.parametrize("name", ["", "rai", "ray:", "ray://", "local://", "dask://host:1"])
def test_refuses_an_engine_that_is_none(name: str, hashed_words: HashedWordsModel) -> None:
    with pytest.raises(SettingsError, match=f"there is no engine {name!r}; take 'local', 'ray'"):
        open_engine(name, hashed_words, HashedWordsModel)


def test_the_local_engine_needs_no_ray(hashed_words: HashedWordsModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with open_engine("local", hashed_words, HashedWordsModel) as engine:
        assert list(engine.read([])) == []


def test_says_how_ray_is_installed(hashed_words: HashedWordsModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with (
        pytest.raises(SettingsError, match=r"pip install 'otvet\[ray\]'"),
        open_engine("ray", hashed_words, HashedWordsModel) as engine,
    ):
        list(engine.read([CorpusFile(Path("a.txt"), "a.txt", no_reader, 1000)]))


def test_importing_the_engine_does_not_load_ray() -> None:
    code = "import sys, index.ray_engine, index.build_engine; print('ray' in sys.modules, 'pyarrow' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    assert run.stdout.split() == ["False", "False"]


@needs_ray
def test_nothing_to_do_starts_nothing() -> None:
    with RayEngine(HashedWordsModel, address="127.0.0.1:1") as engine:  # where it could not be joined
        assert list(engine.read([])) == []
        assert list(engine.embed([], means=np.zeros((1, 256), np.float32), max_tokens=64)) == []
