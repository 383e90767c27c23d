"""The vectors of chunks in a Chroma server, which many machines read: beside index/store.py all that knows chromadb.

    otvet-{index_id}-{lineage}-{shard}    a collection for every SERVER_SHARD rows of chunks of one embedding model

Its ids are the numbers of rows in PostgreSQL (index/postgres.py), which are never given twice. Generations share the
collections: rows of a generation to come and of deleted articles lie among those of the one that is read, so a reader
knows which rows are its own, asks for some more than it needs and leaves out the others.

Chroma's open-source server asks nobody who he is, and speaks plain HTTP. Where others can reach its port, a proxy must
stand before it that ends TLS and checks the token; OTVET_CHROMA_URL is then the proxy's.

Decision: SERVER_SHARD. The server holds a collection's graph in memory as a whole, 1.7 kB a chunk, so 1.8 GB for one
of these; and each collection is a request of every search, so they are eight times as large as those of an embedded
Chroma, which are small for the sake of the memory of builds.

Measured on 2026-11-26 with 100,000 made vectors of 384 dimensions, on two busy cores: 1,300 rows/s are added, the
server takes 442 MB then, the nearest 50 come in 5.9 ms (p95 8.2) with a recall of 0.974, in 12 (14) where 90 % of the
rows are not the reader's, and in 47 ms where it has not counted them before.

Decision: `chromadb.HttpClient` is not used, but the API under it. It makes four requests to come into being, none of
which has a time limit, so a server that accepts and says nothing would hold a reader for ever.
"""

import json
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast
from urllib.parse import urlsplit

import numpy as np
import numpy.typing as npt

from index.embedding import Vectors
from index.errors import IndexDamagedError, IndexStateError, IndexUnreachableError, IndexWriteError, SettingsError
from index.store import EF_SEARCH
from index.vectors import Rows

if TYPE_CHECKING:
    import httpx
    from chromadb.api.fastapi import FastAPI
    from chromadb.api.models.Collection import Collection as ChromaCollection

SERVER_SHARD = 2**20  # rows
CONNECT_TIMEOUT_S = 5
READ_TIMEOUT_S = 20  # between two pieces of a reply; a server that has just started reads a graph of 1.8 GB first
WRITE_TIMEOUT_S = 300  # likewise, of an upsert of 5,000 rows
AT_ONCE = 2000  # ids of a request
LISTED_AT_ONCE = 500  # collections
SPARE, MORE = 8, 1.25  # how many more than needed are asked for: so many, and times the share that should do
MOST_REQUESTS = 8  # at a time, of one reader

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ChromaServer:
    """Where a Chroma server is, and how it is spoken to.

    Attributes:
        url: begins with http:// or https://; may end with the path that a proxy has it under.
        token: is sent as `Authorization: Bearer`.
        ca_file: certificates that the server's own is checked against, instead of those of the system.

    Raises:
        SettingsError: the URL is none.
    """

    url: str
    token: str | None = field(default=None, repr=False)
    tenant: str = "default_tenant"
    database: str = "default_database"
    ca_file: Path | None = None

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.url)
            is_url = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            is_url = False
        if not is_url or parts.query or parts.fragment or parts.username:
            raise SettingsError(f"OTVET_CHROMA_URL is {self.url!r}, no address such as http://127.0.0.1:8000")

    @property
    def place(self) -> str:
        """How messages name it."""
        return f"Chroma at {self.url}, {self.tenant}/{self.database}"

    def api(self, *, timeout_s: float) -> "FastAPI":
        """Chroma's own API over HTTP, safe between threads; asks the server nothing yet.

        Raises:
            SettingsError: `ca_file` holds no certificates.
        """
        import httpx
        from chromadb.api.fastapi import FastAPI
        from chromadb.config import Settings, System

        settings = Settings(
            anonymized_telemetry=False,
            chroma_api_impl="chromadb.api.fastapi.FastAPI",
            chroma_server_host=self.url.rstrip("/"),
            chroma_server_http_port=urlsplit(self.url).port or 80,  # required; that of the address is what counts
            chroma_server_headers={"Authorization": f"Bearer {self.token}"} if self.token else None,
        )
        api = System(settings).instance(FastAPI)
        unbounded = api._session
        api._session = httpx.Client(
            timeout=httpx.Timeout(timeout_s, connect=CONNECT_TIMEOUT_S),
            limits=api.http_limits,
            headers=unbounded.headers,
            verify=self._certificates(),
            event_hooks={"response": [_refuse_what_is_not_of_chroma]},
        )
        unbounded.close()
        return api

    def _certificates(self) -> Any:  # noqa: ANN401 - an SSLContext or True
        import ssl

        if self.ca_file is None:
            return True
        try:
            return ssl.create_default_context(cafile=str(self.ca_file))
        except OSError as exc:
            raise SettingsError(f"cannot read OTVET_CHROMA_CA_FILE {str(self.ca_file)!r} ({exc})") from exc


def _refuse_what_is_not_of_chroma(response: "httpx.Response") -> None:
    """Chroma's client raises a bare `Exception` of what a proxy says; this one is `httpx.HTTPStatusError`."""
    from chromadb.errors import error_types

    if response.is_error:
        response.read()
        try:
            name = json.loads(response.content)["error"]
        except (ValueError, TypeError, KeyError):
            name = None
        if name not in error_types:
            response.raise_for_status()


class _Collections:
    """The collections of one lineage of an index. Safe between threads."""

    def __init__(self, server: ChromaServer, index_id: str, lineage: int, *, timeout_s: float) -> None:
        self._server = server
        self._index_prefix = f"otvet-{index_id}-"
        self._prefix = f"{self._index_prefix}{lineage}-"
        self._api = server.api(timeout_s=timeout_s)
        self._tenant, self._database = server.tenant, server.database
        self._found: dict[int, ChromaCollection] = {}

    def close(self) -> None:
        self._api._session.close()

    def ask(self, shard: int, request: "Callable[[ChromaCollection], T]", *, create: bool = False) -> T:
        """What a request to a shard gives; one that was deleted and made again meanwhile is found again.

        Raises:
            NotFoundError: of Chroma; there is no such collection.
        """
        from chromadb.errors import NotFoundError

        known = self._found.get(shard)
        if known is not None:
            try:
                return request(known)
            except NotFoundError:
                self._found.pop(shard, None)
        self._found[shard] = found = self._find(shard, create=create)
        return request(found)

    def _find(self, shard: int, *, create: bool) -> "ChromaCollection":
        from chromadb.api.models.Collection import Collection as ChromaCollection

        name = f"{self._prefix}{shard:05d}"
        graph: Any = {"hnsw": {"space": "cosine", "ef_search": EF_SEARCH}}
        if create:
            model = self._api.get_or_create_collection(
                name, configuration=graph, tenant=self._tenant, database=self._database
            )
        else:
            model = self._api.get_collection(name, tenant=self._tenant, database=self._database)
        return ChromaCollection(client=self._api, model=model, embedding_function=None)

    def shards(self) -> list[int]:
        """Those that there are, in order."""
        return sorted(int(name.removeprefix(self._prefix)) for name in self._names(self._prefix))

    def drop(self, shard: int) -> None:
        self._found.pop(shard, None)
        self._api.delete_collection(f"{self._prefix}{shard:05d}", tenant=self._tenant, database=self._database)

    def drop_lineages(self, kept: Collection[int]) -> None:
        """Delete the collections of all lineages of this index but those."""
        stay = tuple(f"{self._index_prefix}{lineage}-" for lineage in kept)
        for name in self._names(self._index_prefix):
            if not name.startswith(stay):
                self._api.delete_collection(name, tenant=self._tenant, database=self._database)

    def _names(self, prefix: str) -> list[str]:
        names: list[str] = []
        while True:
            some = self._api.list_collections(LISTED_AT_ONCE, len(names), tenant=self._tenant, database=self._database)
            names += [one.name for one in some]
            if len(some) < LISTED_AT_ONCE:
                return [name for name in names if name.startswith(prefix)]

    def max_batch(self) -> int:
        """How many rows the server takes at once."""
        return self._api.get_max_batch_size()

    @contextmanager
    def errors(self, kind: type[IndexStateError], what: str) -> Iterator[None]:
        """Errors of Chroma and of its connection as ours."""
        import httpx
        from chromadb.errors import ChromaError, RateLimitError

        place = self._server.place
        try:
            yield
        except (httpx.HTTPError, RateLimitError, json.JSONDecodeError) as exc:  # the last: it is no Chroma
            said = str(exc).partition("\n")[0] or type(exc).__name__
            raise IndexUnreachableError(
                f"cannot reach {place} ({said}); start it, or correct OTVET_CHROMA_URL"
            ) from exc
        except ChromaError as exc:
            raise kind(f"cannot {what} the chunks in {place} ({exc}); run: otvet index") from exc


class _Found(NamedTuple):
    """Living rows, as dense ones, with their distances, nearest first."""

    rows: Rows
    distances: npt.NDArray[np.float64]


class ServerChunks:
    """The chunks of one generation in a Chroma server, for reading; rows are counted from 0. Many threads may query.

    Nothing is asked of the server before it is needed, and one that was away works again as soon as it is back.

    Args:
        server: where they are.
        index_id: of the index (index/postgres.py).
        lineage: of the generation.
        row_ids: numbers of the rows of its living chunks, in order.

    Every method raises `IndexUnreachableError` where the server cannot be reached, `IndexDamagedError` where it does
    not hold what it should.
    """

    def __init__(self, server: ChromaServer, *, index_id: str, lineage: int, row_ids: Rows) -> None:
        self._row_ids = row_ids
        self._shards = np.unique(row_ids // SERVER_SHARD).tolist()
        self._n_there: dict[int, int] = {}
        self._collections = _Collections(server, index_id, lineage, timeout_s=READ_TIMEOUT_S)
        n_threads = max(1, min(len(self._shards), MOST_REQUESTS))
        self._threads = ThreadPoolExecutor(n_threads, thread_name_prefix="chroma")

    def close(self) -> None:
        """Close the connections; the store cannot be used afterwards."""
        self._threads.shutdown(cancel_futures=True)
        self._collections.close()

    def count(self) -> int:
        """How many of the chunks can be there at most, by the sizes of the collections; `rows` looks at each."""
        return sum(self._of_each_shard(self._count))

    def rows(self) -> Rows:
        """The rows of all chunks that are there, in order."""
        with self._collections.errors(IndexDamagedError, "query"):
            return np.searchsorted(self._row_ids, _there(self._collections, self._row_ids)).astype(np.int64)

    def vectors(self, rows: Rows) -> Vectors:
        """What Chroma holds as the vectors of some rows, (len(rows), dim), as they were given."""
        row_ids = self._row_ids[rows]
        by_id: dict[str, Any] = {}
        with self._collections.errors(IndexDamagedError, "query"):
            for shard, some in _lots(row_ids):
                found = self._collections.ask(shard, _getting(some, "embeddings"))
                by_id |= zip(found["ids"], found["embeddings"], strict=True)
        try:
            return np.array([by_id[one] for one in _ids(row_ids)], np.float32)
        except KeyError as exc:
            raise IndexDamagedError(f"Chroma's server lacks chunk {exc}; run: otvet index") from exc

    def nearest(self, vector: Vectors, *, k: int) -> Rows:
        """Rows of the `k` chunks nearest to a vector, (dim,), by an approximate search; fewer where there are fewer."""
        found = self._of_each_shard(lambda shard: self._nearest(shard, vector, k))
        if len(found) == 1:
            return found[0].rows
        distances = np.concatenate([np.empty(0), *(one.distances for one in found)])
        rows = np.concatenate([np.empty(0, np.int64), *(one.rows for one in found)])
        return rows[np.argsort(distances, kind="stable")[:k]]

    def _of_each_shard(self, ask: Callable[[int], T]) -> list[T]:
        """In threads of their own where there are several, as each waits for the server."""
        with self._collections.errors(IndexDamagedError, "query"):
            if len(self._shards) == 1:
                return [ask(self._shards[0])]
            return list(self._threads.map(ask, self._shards))

    def _n_own(self, shard: int) -> int:
        first, end = np.searchsorted(self._row_ids, [shard * SERVER_SHARD, (shard + 1) * SERVER_SHARD])
        return int(end - first)

    def _count(self, shard: int) -> int:
        self._n_there[shard] = self._collections.ask(shard, lambda chunks: chunks.count())
        return min(self._n_there[shard], self._n_own(shard))

    def _nearest(self, shard: int, vector: Vectors, k: int) -> _Found:
        """The nearest living ones of a shard: asks for as many as should do, and for twice as many until they do."""
        n_own = self._n_own(shard)
        k = min(k, n_own)
        n_there = self._n_there.get(shard, n_own)
        n = k if n_there <= n_own else ceil(k * n_there / n_own * MORE) + SPARE
        while True:
            found, n_found = self._ask_nearest(shard, vector, n)
            if len(found.rows) >= k or n_found < n:
                return _Found(found.rows[:k], found.distances[:k])
            n = 2 * n + SPARE

    def _ask_nearest(self, shard: int, vector: Vectors, n: int) -> tuple[_Found, int]:
        """The living ones of the `n` nearest, and how many there were with the others."""
        found = self._collections.ask(
            shard,
            lambda chunks: chunks.query(query_embeddings=vector[None, :], n_results=n, include=["distances"]),
        )
        row_ids = np.array(found["ids"][0], np.int64)
        at = np.searchsorted(self._row_ids, row_ids).clip(max=len(self._row_ids) - 1)
        is_own = self._row_ids[at] == row_ids
        distances = np.array(cast("Any", found["distances"])[0], np.float64)
        return _Found(at[is_own].astype(np.int64), distances[is_own]), len(row_ids)


class ServerWriter:
    """Changes the chunks of one lineage in a Chroma server. One at a time may. To be closed.

    Every method raises `IndexUnreachableError` where the server cannot be reached, `IndexWriteError` where it refuses.
    """

    def __init__(self, server: ChromaServer, *, index_id: str, lineage: int) -> None:
        self._collections = _Collections(server, index_id, lineage, timeout_s=WRITE_TIMEOUT_S)
        self._max_batch: int | None = None

    def close(self) -> None:
        """Close the connections."""
        self._collections.close()

    def add(self, rows: Rows, vectors: Vectors) -> None:
        """Put the vectors of rows, (n, dim), there, in place of what there may be of them."""
        with self._collections.errors(IndexWriteError, "write"):
            if self._max_batch is None:
                self._max_batch = self._collections.max_batch()
            for at, shard, some in _lots_with_places(rows, self._max_batch):
                own = vectors[at]
                self._collections.ask(shard, _upserting(some, own), create=True)

    def missing(self, rows: Rows) -> Rows:
        """Which of these rows are not there, in order."""
        with self._collections.errors(IndexWriteError, "query"):
            return np.setdiff1d(rows, _there(self._collections, rows))

    def delete(self, rows: Rows) -> None:
        """Take rows out; those that are not there are none too many."""
        from chromadb.errors import NotFoundError

        with self._collections.errors(IndexWriteError, "write"):
            for shard, some in _lots(rows):
                try:
                    self._collections.ask(shard, _deleting(some))
                except NotFoundError:
                    continue  # nothing to take out

    def drop_empty(self) -> None:
        """Delete the collections that hold no row any more."""
        with self._collections.errors(IndexWriteError, "write"):
            for shard in self._collections.shards():
                if not self._collections.ask(shard, lambda chunks: chunks.count()):
                    self._collections.drop(shard)

    def drop_lineages(self, *, kept: Collection[int]) -> None:
        """Delete the collections of all lineages of the index but those; other indexes' are left alone."""
        with self._collections.errors(IndexWriteError, "write"):
            self._collections.drop_lineages(kept)


def _there(collections: _Collections, rows: Rows) -> Rows:
    """Which of these rows are there, in order."""
    from chromadb.errors import NotFoundError

    there: list[str] = []
    for shard, some in _lots(rows):
        try:
            there += collections.ask(shard, _getting(some))["ids"]
        except NotFoundError:
            continue  # none of them
    return np.sort(np.array(there, np.int64))


def _getting(rows: Rows, *include: str) -> "Callable[[ChromaCollection], Any]":
    return lambda chunks: chunks.get(ids=_ids(rows), include=cast("Any", list(include)))


def _upserting(rows: Rows, vectors: Vectors) -> "Callable[[ChromaCollection], None]":
    return lambda chunks: chunks.upsert(ids=_ids(rows), embeddings=vectors)


def _deleting(rows: Rows) -> "Callable[[ChromaCollection], Any]":
    return lambda chunks: chunks.delete(ids=_ids(rows))


def _lots(rows: Rows) -> Iterator[tuple[int, Rows]]:
    return ((shard, some) for _, shard, some in _lots_with_places(rows, AT_ONCE))


def _lots_with_places(rows: Rows, most: int) -> Iterator[tuple[Rows, int, Rows]]:
    """Rows in lots of one shard and at most so many, each once: where they stand, the shard, and the rows."""
    unique, first = np.unique(rows, return_index=True)
    bounds = np.flatnonzero(np.diff(unique // SERVER_SHARD)) + 1
    for places in np.split(first, bounds):
        for at in range(0, len(places), most):
            some = rows[places[at : at + most]]
            yield places[at : at + most], int(some[0]) // SERVER_SHARD, some


def _ids(rows: Rows) -> list[str]:
    return [str(row) for row in rows.tolist()]
