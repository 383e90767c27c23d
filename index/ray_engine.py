"""A build whose reading and embedding is done by Ray Data: in processes of this machine, or on the nodes of a cluster.

    with open_engine("ray", model, make_model) as engine:  # index/build_engine.py
        build_index(paths, settings=settings, model=model, engine=engine)

The draft stays with the process that builds. Tasks are sent files to read, actors that hold the model are sent articles
to embed; both send back what came of it. So a file's path must lead to the same file on every node, as on a shared file
system (where it leads nowhere, the build ends), and Otvet, of one version, be installed there; each node writes out the
bundled model once.

Decision: articles go out as Ray Data's own blocks, in lots of at most `LOT_BYTES`, each a dataset with a pool of actors
of its own, not by a source of our own making that one pool would ask. Then all that has to last is in Ray's hands: it
runs again what was lost with a process or a node, and nothing but public functions is used. A lot costs the start of a
pool, 2 s, and the wait for its last batch, 4 s, where its 80,000 articles of 3 kB keep two cores busy for over an hour
and 64 for two minutes.

Decision: an actor embeds the same batches of `ARTICLES_AT_ONCE` that a local build makes, so its vectors are the same
bit by bit on the same kind of processor, and takes `CPUS_AN_ACTOR` cores. Measured on 2026-11-26 on two cores, the
bundled model, 384 articles of 1,500 characters, articles a second with the start of the pool, and MB of all actors:

    this process                                     19.8
    one actor, two threads (kept)                    15.3    790
    two actors, two threads each                     15.7  1,556
    two actors, one thread each                      16.4  1,475

So a build on one machine gains nothing by Ray; it also starts 3.5 to 10 s later and has 1 GB of Ray's processes beside
it. Of a local build's time 96 % are of both cores, so four threads should be used to 90 %, eight to 80 (by arithmetic).
No GPU was at hand: that actors take one each is written after Ray's documentation and was not run.

Bounds: the building process holds a lot twice while it is handed over, and then an article at a time; the object store
(shared memory, which Ray spills to disk when full) holds a lot and, by Ray Data's back-pressure, results up to
half of the store. 64 articles' results take 3 MB. What is spilled lies on the nodes' disks as it is: articles, and of
files to read the URLs with what they hold of secrets. A cluster that is started here spills into a folder of this user
alone, which goes with it.

Decision: a cluster is joined by the process that builds, on one of its nodes. Ray's client ("ray://" in `ray.init`),
for who is outside of it, cannot run Ray Data: tried with 2.60, AttributeError: 'Worker' object has no attribute
'core_worker'.

Decision: what a cluster that goes away does to the build is left to Ray, which ends this process, a minute after its
head was killed or some seconds after this machine's node was, and says so on stderr. The draft is as it was at its last
commit, and the next build goes on with it. Where Ray raises an error instead, that is an IndexStateError.

Decision: the cluster that is started here listens on loopback alone, asks for a token made for it, as who reaches
Ray's ports may run anything, and reports no usage. Of a cluster that is joined its operator takes care. What is set
for Ray in the environment is taken back at the end; the token stays the same, as Ray reads it once in a process.
"""

import logging
import os
import pickle
import secrets
import socket
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import cache
from importlib import import_module
from itertools import chain, groupby, islice
from operator import itemgetter
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from index.build_engine import ARTICLES_AT_ONCE
from index.drafts import EmbeddedChunk
from index.embedder import ArticleEmbedder
from index.embedding import EmbeddingModel, Vectors
from index.errors import CorpusError, IndexStateError, OtvetError, SettingsError
from index.readers import CorpusFile
from index.records import Article, Skipped

if TYPE_CHECKING:
    from ray.data import Dataset as Dataset

log = logging.getLogger(__name__)

Row = dict[str, Any]
"""Of a dataset: one column of bytes, as Ray Data would take Python's values apart."""

FILES_AT_ONCE = 1024  # of a dataset
FILES_A_TASK = 16  # a task costs 10 ms, and so does a short article
LOT_BYTES = 256 * 2**20
BLOCK_BYTES = 16 * 2**20  # of results; Ray's 128 MB would have a task hold on to 40 batches
CPUS_AN_ACTOR = 4
STORE_BYTES = 2**30  # of a cluster that is started here
CONNECT_S = 10.0

QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DATA_USAGE_DISABLED": "1",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "RAY_DATA_LOG_LEVEL": "CRITICAL",  # what is raised says it
}
LOOPBACK = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # on every system: nothing but loopback is listened on
    "RAY_AUTH_MODE": "token",
}
OFFLINE = {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1"}


class RayEngine:
    """A `BuildEngine` over Ray Data. A context manager, which ends the cluster that it started.

    Ray is started, or joined, when there is something to do. Where this process has joined a cluster already, that is
    used and left as it is.

    Args:
        make_model: is pickled, and called once in each actor.
        address: of a cluster that this machine is a node of, as `ray.init` takes it ("auto", "host:6379"); None for one
            that is started here.
        uses_gpu: an actor takes a GPU in place of cores where the cluster has any.
    """

    def __init__(
        self, make_model: Callable[[], EmbeddingModel], *, address: str | None = None, uses_gpu: bool = False
    ) -> None:
        self._make_model, self._address, self._uses_gpu = make_model, address, uses_gpu
        self._ending = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ending.close()

    def read(self, files: Iterable[CorpusFile]) -> Iterator[Iterable[Article | Skipped]]:
        """See `BuildEngine`. Files are taken up to `FILES_AT_ONCE` ahead."""
        waiting = iter(files)
        while some := list(islice(waiting, FILES_AT_ONCE)):
            self._join()
            tasks = self._dataset((pickle.dumps(one) for one in enumerate(map(_anywhere, some))), a_task=FILES_A_TASK)
            for _, pieces in groupby(_results(tasks.flat_map(_read)), key=itemgetter(0)):
                yield chain.from_iterable(items for _, items in pieces)

    def embed(
        self, articles: Iterable[Article], *, means: Vectors, max_tokens: int
    ) -> Iterator[tuple[Article, list[EmbeddedChunk]]]:
        """See `BuildEngine`. Articles are taken a lot ahead."""
        waiting = iter(articles)
        for first in waiting:
            self._join()
            batches = self._dataset(_lot(chain([first], waiting)), a_task=1)
            yield from _results(
                batches.flat_map(
                    _Embedding, fn_constructor_args=(self._make_model, means, max_tokens), **_actors(self._uses_gpu)
                )
            )

    def _join(self) -> None:
        is_joined = _is_joined()
        if not is_joined:
            own = {} if self._address else LOOPBACK | {"RAY_AUTH_TOKEN": _token()}
            self._ending.enter_context(_environment(QUIET | own))  # Ray reads some when it is imported
        try:
            for name in ("ray", "ray.data"):
                import_module(name)
        except ImportError as exc:
            raise SettingsError(
                f"the engine 'ray' cannot be loaded ({exc}); run: pip install 'otvet[ray]', or take the engine 'local'"
            ) from exc
        if not is_joined:
            self._start()

    def _start(self) -> None:
        import ray

        try:
            _check_answers(self._address)
            ray.init(
                self._address or "local",
                log_to_driver=False,
                logging_level=logging.ERROR,
                **(self._own_cluster() if self._address is None else {}),
            )
        except (OSError, RuntimeError, ValueError) as exc:
            raise IndexStateError(
                f"Ray at {self._address or 'local'!r} cannot be joined ({exc}); run this on a node of a running "
                "cluster and name its address, or take the engine 'local'"
            ) from exc
        self._ending.callback(ray.shutdown)

    def _own_cluster(self) -> dict[str, Any]:
        """What `ray.init` is told of it. Logs, sockets and what is spilled are in a folder that goes with it."""
        folder = self._ending.enter_context(TemporaryDirectory(prefix="otvet-ray-", ignore_cleanup_errors=True))
        return {"include_dashboard": False, "object_store_memory": STORE_BYTES, "_temp_dir": folder}

    def _dataset(self, rows: Iterable[bytes], *, a_task: int) -> "Dataset":
        """Of pickled values, in order, `a_task` of them each."""
        import ray.data
        from ray.data import DataContext

        context = DataContext.get_current().copy()
        context.execution_options.preserve_order = True
        context.enable_progress_bars = False
        context.print_on_execution_start = False
        context.target_max_block_size = BLOCK_BYTES
        items: list[Row] = [{"pickled": row} for row in rows]
        with DataContext.current(context):
            return ray.data.from_items(items, override_num_blocks=-(-len(items) // a_task))


def _is_joined() -> bool:
    """Whether this process is in a cluster; Ray is not imported for that."""
    ray = sys.modules.get("ray")
    return ray is not None and ray.is_initialized()


@cache
def _token() -> str:
    """Of the clusters that this process starts."""
    return secrets.token_hex(32)


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Sets these variables, and puts back what they were."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _anywhere(file: CorpusFile) -> CorpusFile:
    """The same file, for a process with another working directory."""
    return replace(file, path=file.path.absolute()) if isinstance(file.path, Path) else file


def _check_answers(address: str | None) -> None:
    """Raises OSError where nothing listens there; Ray would try for minutes, with pages of warnings."""
    host, colon, port = (address or "").rpartition(":")
    if colon:
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_S).close()


def _actors(uses_gpu: bool) -> dict[str, Any]:
    """How many actors there are at most, and what each takes."""
    import ray
    from ray.data import ActorPoolStrategy

    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    n_gpus = int(sum(node.get("GPU", 0) for node in nodes)) if uses_gpu else 0
    cpus = [int(node["CPU"]) for node in nodes if node.get("CPU", 0) >= 1]
    a_cpu = min([CPUS_AN_ACTOR, *cpus])
    n_actors = n_gpus or max(1, sum(own // a_cpu for own in cpus))
    takes = {"num_gpus": 1} if n_gpus else {"num_cpus": a_cpu}
    return takes | {"compute": ActorPoolStrategy(min_size=1, max_size=n_actors, initial_size=n_actors)}


def _results(dataset: "Dataset") -> Iterator[Any]:
    """What tasks made, in order; what they raised is raised."""
    from ray.exceptions import RayError, RayTaskError

    try:
        for row in dataset.iter_rows():
            made = pickle.loads(row["pickled"])
            if isinstance(made, OtvetError):
                raise made
            yield made
    except RayTaskError as exc:  # a fault of ours, of a reader's or of the model's
        log.debug("a task failed", exc_info=exc)
        raise IndexStateError(
            f"a task of Ray failed ({_told(exc.cause)}); what was embedded is kept. The engine 'local' tells where it "
            "happens"
        ) from exc
    except RayError as exc:
        raise IndexStateError(
            f"Ray's cluster is gone or failed ({exc}); what was embedded is kept, run again: otvet index"
        ) from exc


def _told(cause: BaseException) -> str:
    """What failed, in one line; Ray adds lines of its own."""
    said = next((one for one in cause.args if isinstance(one, str)), "")
    return ": ".join([type(cause).__name__, *said.splitlines()[:1]])


def _lot(articles: Iterator[Article]) -> Iterator[bytes]:
    """Pickled batches, up to `LOT_BYTES` of them."""
    n_bytes = 0
    while n_bytes < LOT_BYTES and (batch := list(islice(articles, ARTICLES_AT_ONCE))):
        pickled = pickle.dumps(batch)
        n_bytes += len(pickled)
        yield pickled


def _read(row: Row) -> Iterator[Row]:
    """In a task: what a file holds, in pieces with the file's number; the last one is empty."""
    number, file = pickle.loads(row["pickled"])
    try:
        _check_here(file)
        items = iter(file.read())
        while piece := list(islice(items, ARTICLES_AT_ONCE)):
            yield {"pickled": pickle.dumps((number, piece))}
        yield {"pickled": pickle.dumps((number, []))}
    except OtvetError as exc:
        yield {"pickled": pickle.dumps(exc)}


def _check_here(file: CorpusFile) -> None:
    if isinstance(file.path, Path) and not os.path.exists(file.path):
        raise CorpusError(
            f"{file.source!r} is not on the node {socket.gethostname()!r}; put the corpus where all nodes see it, or "
            "take the engine 'local'"
        )


class _Embedding:
    """In an actor: articles to their chunks. The model is loaded with the first, so that an error of it is a result."""

    def __init__(self, make_model: Callable[[], EmbeddingModel], means: Vectors, max_tokens: int) -> None:
        os.environ.update(OFFLINE)
        self._make_model, self._means, self._max_tokens = make_model, means, max_tokens
        self._embedder: ArticleEmbedder | None = None

    def __call__(self, row: Row) -> Iterator[Row]:
        """One row for each article of a batch."""
        batch = pickle.loads(row["pickled"])
        try:
            if self._embedder is None:
                self._embedder = ArticleEmbedder(self._make_model(), self._means, max_tokens=self._max_tokens)
            for made in zip(batch, self._embedder.embed(batch), strict=True):
                yield {"pickled": pickle.dumps(made)}
        except OtvetError as exc:
            yield {"pickled": pickle.dumps(exc)}
