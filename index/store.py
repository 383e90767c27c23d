"""The vectors of chunks in an embedded Chroma; beside index/chroma_server.py the only file that knows chromadb.

    chroma/0000/ 0001/ …    a Chroma directory for every SHARD rows

Decision: Chroma is given vectors and row numbers, nothing else. Texts are slices of the stored articles, so a quote
cannot differ from its article; filters are an exact scan (index/vectors.py), because Chroma's own cost 70 to 260 ms at
100,000 chunks. All that Chroma holds can be built again from the vectors' file, without embedding.

Decision: shards. A graph is held in memory as a whole while it is built, 1.7 kB a chunk, so one for all would let a
build's memory grow with the corpus.

Decision: Chroma's own threshold of 1,000 changes between two writings of the graph stays. Below it a reader that opens
a directory writes to chroma.sqlite3 alone; so a directory that is being read can be copied, the graph as files and
chroma.sqlite3 by SQLite's own backup. A graph that was never written out is written by every reader, so shards of
fewer than SMALL rows are built anew instead, in less than half a second.
"""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from index.embedding import Vectors
from index.errors import IndexDamagedError, IndexStateError, IndexWriteError
from index.vectors import Rows

if TYPE_CHECKING:
    from chromadb import Collection
    from chromadb.api.client import Client

COLLECTION = "chunks"
DATABASE = "chroma.sqlite3"
BATCH = 5000  # Chroma takes 5461 at most
SHARD = 131_072  # rows
SMALL = 2000  # rows
NO_DISTANCE = 1e-3  # cosine distances of a vector from itself are below it
# Recall@10 of 100,000 made passages against an exact scan, and milliseconds: 100 (Chroma's own) 0.953 in 1.4, 200 0.983
# in 1.7, 400 0.995 in 2.4, 800 0.997 in 3.4 (2026-11-25).
EF_SEARCH = 400

# Clients of one path share a system in a table of Chroma's that two threads, one opening and one closing, break.
_opening = Lock()


class ChunkStore:
    """The chunks of one generation in Chroma, for reading. Many threads may query.

    Raises:
        IndexDamagedError: the directory holds no readable store.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._shards: dict[int, _Shard] = {}
        try:
            for folder in sorted(path.iterdir()):
                self._shards[int(folder.name)] = _Shard(folder)
        except (OSError, ValueError) as exc:
            self.close()
            raise IndexDamagedError(f"there is no chunk store in {str(path)!r} ({exc}); run: otvet index") from exc
        except IndexDamagedError:
            self.close()
            raise

    def close(self) -> None:
        """Release the files; the store cannot be used afterwards."""
        for shard in self._shards.values():
            shard.close()

    def count(self) -> int:
        """How many chunks are stored."""
        return sum(shard.count() for shard in self._shards.values())

    def rows(self) -> Rows:
        """The rows of all chunks, in order."""
        return np.sort(np.concatenate([np.empty(0, np.int64), *(shard.rows() for shard in self._shards.values())]))

    def vectors(self, rows: Rows) -> Vectors:
        """What Chroma holds as the vectors of some rows, (len(rows), dim), as they were given."""
        order = np.argsort(rows // SHARD, kind="stable")
        bounds = np.flatnonzero(np.diff(rows[order] // SHARD)) + 1
        found = [self._shards[int(own[0]) // SHARD].vectors(own) for own in np.split(rows[order], bounds)]
        return np.concatenate(found)[np.argsort(order)]

    def nearest(self, vector: Vectors, *, k: int) -> Rows:
        """Rows of the `k` chunks nearest to a vector, (dim,), by an approximate search; fewer where there are fewer."""
        found = [shard.nearest(vector, k=k) for shard in self._shards.values()]
        if len(found) == 1:
            return found[0][0]
        distances = np.concatenate([np.empty(0), *(distances for _, distances in found)])
        return np.concatenate([np.empty(0, np.int64), *(rows for rows, _ in found)])[np.argsort(distances)[:k]]


def write_store(
    target: Path, rows: Rows, vectors_of: Callable[[Rows], Vectors], *, base: Path | None, tell: Callable[[int], None]
) -> None:
    """Write a store that holds exactly some rows.

    Args:
        target: a new directory.
        rows: in order.
        vectors_of: gives the vectors of rows, (n, dim).
        base: a store of rows with the same vectors; what it lacks is added, what it has too much is deleted. A shard of
            it that cannot be read is built anew.
        tell: told how many rows are done.
    """
    target.mkdir()
    for number in range(int(rows[-1]) // SHARD + 1 if len(rows) else 0):
        own = rows[np.searchsorted(rows, number * SHARD) : np.searchsorted(rows, (number + 1) * SHARD)]
        shard = f"{number:04d}"
        if not len(own):
            continue
        if base is None or len(own) < SMALL or not _changed(base / shard, target / shard, own, vectors_of):
            with closing(_Shard(target / shard, create=True)) as new:
                for batch in _batches(own):
                    new.add(batch, vectors_of(batch))
                    tell(int(np.searchsorted(rows, batch[-1], side="right")))
        tell(int(np.searchsorted(rows, own[-1], side="right")))


def _changed(base: Path, target: Path, rows: Rows, vectors_of: Callable[[Rows], Vectors]) -> bool:
    """Make a copy of a shard that holds exactly these rows; False where it cannot be gone on from.

    It is made at a path of its own, as Chroma opens none again that it failed to open before.
    """
    with TemporaryDirectory(dir=target.parent) as scratch:
        copy = Path(scratch, target.name)
        try:
            _copy(base, copy)
            with closing(_Shard(copy)) as shard:
                there = shard.rows()
                shard.delete(np.setdiff1d(there, rows, assume_unique=True))
                for batch in _batches(np.setdiff1d(rows, there, assume_unique=True)):
                    shard.add(batch, vectors_of(batch))
                _, distances = shard.nearest(vectors_of(rows[:1])[0], k=1)  # of the first row, from itself
                is_whole = shard.count() == len(rows) and len(distances) == 1 and distances[0] < NO_DISTANCE
        except (OSError, sqlite3.Error, IndexDamagedError, IndexWriteError):
            return False
        if is_whole:
            copy.rename(target)
        return bool(is_whole)


def _copy(base: Path, target: Path) -> None:
    """Copy a Chroma directory that others may read meanwhile."""
    shutil.copytree(base, target, ignore=shutil.ignore_patterns(f"{DATABASE}*"))
    address = f"{(base / DATABASE).resolve().as_uri()}?mode=ro"
    with closing(sqlite3.connect(address, uri=True)) as source, closing(sqlite3.connect(target / DATABASE)) as copy:
        source.backup(copy)


def _batches(rows: Rows) -> Iterator[Rows]:
    return (rows[at : at + BATCH] for at in range(0, len(rows), BATCH))


class _Shard:
    """One Chroma directory. One process at a time may change it."""

    def __init__(self, path: Path, *, create: bool = False) -> None:
        from chromadb import PersistentClient
        from chromadb.config import Settings
        from chromadb.errors import ChromaError

        if not create and not (path / DATABASE).is_file():
            raise IndexDamagedError(f"there is no chunk store in {str(path)!r}; run: otvet index")
        self._path = path
        with ExitStack() as opened:
            try:
                with _opening:
                    self._client = cast(
                        "Client", PersistentClient(str(path), settings=Settings(anonymized_telemetry=False))
                    )
                opened.callback(self.close)  # else Chroma takes what is made at this path later for the same
                self._chunks = (
                    self._create() if create else self._client.get_collection(COLLECTION, embedding_function=None)
                )
            except (ChromaError, ValueError, AttributeError) as exc:  # the last: a path that failed to open before
                raise IndexDamagedError(
                    f"cannot open the chunk store in {str(path)!r} ({exc}); run: otvet index"
                ) from exc
            opened.pop_all()

    def _create(self) -> "Collection":
        graph: Any = {"hnsw": {"space": "cosine", "ef_search": EF_SEARCH}}
        return self._client.create_collection(COLLECTION, embedding_function=None, configuration=graph)

    def close(self) -> None:
        with _opening:
            self._client.close()

    def add(self, rows: Rows, vectors: Vectors) -> None:
        with self._errors(IndexWriteError, "write"):
            self._chunks.add(ids=_ids(rows), embeddings=vectors)

    def delete(self, rows: Rows) -> None:
        with self._errors(IndexWriteError, "write"):
            for batch in _batches(rows):
                self._chunks.delete(ids=_ids(batch))

    def count(self) -> int:
        with self._errors(IndexDamagedError, "query"):
            return self._chunks.count()

    def rows(self) -> Rows:
        with self._errors(IndexDamagedError, "query"):
            return np.sort(np.array(self._chunks.get(include=[])["ids"], dtype=np.int64))

    def vectors(self, rows: Rows) -> Vectors:
        with self._errors(IndexDamagedError, "query"):
            found = self._chunks.get(ids=_ids(rows), include=["embeddings"])
        by_id = dict(zip(found["ids"], cast("Any", found["embeddings"]), strict=True))
        return np.array([by_id[one] for one in _ids(rows)], np.float32)

    def nearest(self, vector: Vectors, *, k: int) -> "tuple[Rows, Any]":
        with self._errors(IndexDamagedError, "query"):
            found = self._chunks.query(query_embeddings=vector[None, :], n_results=k, include=["distances"])
        distances = cast("Any", found["distances"])
        return np.array(found["ids"][0], dtype=np.int64), np.array(distances[0])

    @contextmanager
    def _errors(self, kind: type[IndexStateError], what: str) -> Iterator[None]:
        from chromadb.errors import ChromaError

        try:
            yield
        except ChromaError as exc:
            raise kind(f"cannot {what} the chunk store in {str(self._path)!r} ({exc}); run: otvet index") from exc


def _ids(rows: Rows) -> list[str]:
    return [str(row) for row in rows.tolist()]
