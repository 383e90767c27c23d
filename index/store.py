"""The vectors of chunks in Chroma: the only file that knows chromadb.

Decision: Chroma is given vectors and row numbers, nothing else. Texts are slices of the stored articles, so a quote
cannot differ from its article; filters are an exact scan (index/vectors.py), because Chroma's own cost 70 to 260 ms at
100,000 chunks.
"""

from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from index.embedding import Vectors
from index.errors import IndexDamagedError
from index.vectors import Rows

if TYPE_CHECKING:
    from chromadb import Collection
    from chromadb.api.client import Client

COLLECTION = "chunks"
BATCH = 5000  # Chroma takes 5461 at most
# Recall@10 of 100,000 made passages against an exact scan, and milliseconds: 100 (Chroma's own) 0.953 in 1.4, 200 0.983
# in 1.7, 400 0.995 in 2.4, 800 0.997 in 3.4 (2026-11-25).
EF_SEARCH = 400

# Clients of one path share a system in a table of Chroma's that two threads, one opening and one closing, break.
_opening = Lock()


class ChunkStore:
    """One Chroma directory. One process at a time may add; many threads may query.

    Args:
        path: the directory of the Chroma files; made when `create` is true.
        create: start an empty store, else open one that is there.

    Raises:
        IndexDamagedError: the directory holds no readable store.
    """

    def __init__(self, path: Path, *, create: bool = False) -> None:
        from chromadb import PersistentClient
        from chromadb.config import Settings
        from chromadb.errors import ChromaError

        if not create and not (path / "chroma.sqlite3").is_file():
            raise IndexDamagedError(f"there is no chunk store in {str(path)!r}; run: otvet index")
        self._path = path
        try:
            with _opening:
                self._client = cast(
                    "Client", PersistentClient(str(path), settings=Settings(anonymized_telemetry=False))
                )
            self._chunks = (
                self._create() if create else self._client.get_collection(COLLECTION, embedding_function=None)
            )
        except (ChromaError, ValueError, AttributeError) as exc:  # the last: a path that failed to open before
            raise IndexDamagedError(f"cannot open the chunk store in {str(path)!r} ({exc}); run: otvet index") from exc

    def _create(self) -> "Collection":
        graph: Any = {"hnsw": {"space": "cosine", "ef_search": EF_SEARCH}}
        return self._client.create_collection(COLLECTION, embedding_function=None, configuration=graph)

    def close(self) -> None:
        """Release the files; the store cannot be used afterwards."""
        with _opening:
            self._client.close()

    def add(self, vectors: Vectors, *, first_row: int) -> None:
        """Store the vectors of the chunks from `first_row` on, (n, dim)."""
        for at in range(0, len(vectors), BATCH):
            batch = vectors[at : at + BATCH]
            self._chunks.add(ids=[str(first_row + at + n) for n in range(len(batch))], embeddings=batch)

    def count(self) -> int:
        """How many chunks are stored."""
        from chromadb.errors import ChromaError

        try:
            return self._chunks.count()
        except ChromaError as exc:
            raise self._unreadable(exc) from exc

    def nearest(self, vector: Vectors, *, k: int) -> Rows:
        """Rows of the `k` chunks nearest to a vector, (dim,), by an approximate search; fewer where there are fewer."""
        from chromadb.errors import ChromaError

        try:
            found = self._chunks.query(query_embeddings=vector[None, :], n_results=k, include=[])
        except ChromaError as exc:
            raise self._unreadable(exc) from exc
        return np.array(found["ids"][0], dtype=np.int64)

    def _unreadable(self, exc: Exception) -> IndexDamagedError:
        return IndexDamagedError(f"cannot query the chunk store in {str(self._path)!r} ({exc}); run: otvet index")
