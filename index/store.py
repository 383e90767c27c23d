"""Chunks and their vectors in Chroma: the only file that knows chromadb.

Decision: texts are not kept in Chroma. A chunk is a slice of its article, and the article is stored once, beside Chroma
(index/articles.py), so a quote cannot differ from the article it quotes.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from index.embedding import Vectors
from index.errors import IndexDamagedError
from index.records import Article, Chunk, Filters

if TYPE_CHECKING:
    from chromadb import Collection
    from chromadb.api.client import Client

COLLECTION = "chunks"
BATCH = 5000  # Chroma takes 5461 at most


class ChunkMatch(NamedTuple):
    """A chunk that Chroma knows: its place among all, from 0, and its cosine with the query, cut to [0, 1]."""

    row: int
    article_id: str
    start: int
    end: int
    score: float


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
            self._client = cast("Client", PersistentClient(str(path), settings=Settings(anonymized_telemetry=False)))
            self._chunks = (
                self._create() if create else self._client.get_collection(COLLECTION, embedding_function=None)
            )
        except (ChromaError, ValueError, AttributeError) as exc:  # the last: a path that failed to open before
            raise IndexDamagedError(f"cannot open the chunk store in {str(path)!r} ({exc}); run: otvet index") from exc

    def _create(self) -> "Collection":
        cosine: Any = {"hnsw": {"space": "cosine"}}
        return self._client.create_collection(COLLECTION, embedding_function=None, configuration=cosine)

    def close(self) -> None:
        """Release the files; the store cannot be used afterwards."""
        self._client.close()

    def add(self, chunks: Sequence[Chunk], vectors: Vectors, *, first_row: int, articles: dict[str, Article]) -> None:
        """Store chunks from `first_row` on, with their vectors, (len(chunks), dim), and what filters must know."""
        for at in range(0, len(chunks), BATCH):
            batch = chunks[at : at + BATCH]
            self._chunks.add(
                ids=[chunk.chunk_id for chunk in batch],
                embeddings=vectors[at : at + BATCH],
                metadatas=[
                    _metadata(row, chunk, articles[chunk.article_id]) for row, chunk in enumerate(batch, first_row + at)
                ],
            )

    def count(self) -> int:
        """How many chunks are stored."""
        return self._chunks.count()

    def query(self, vector: Vectors, *, k: int, filters: Filters) -> list[ChunkMatch]:
        """The `k` chunks nearest to a vector, (dim,), among those that pass the filters; best first, ties by id."""
        from chromadb.errors import ChromaError

        try:
            found = self._chunks.query(
                query_embeddings=vector[None, :], n_results=k, where=_where(filters), include=["metadatas", "distances"]
            )
        except ChromaError as exc:
            raise IndexDamagedError(f"cannot query the chunk store in {str(self._path)!r} ({exc})") from exc
        metadatas, distances = (found["metadatas"] or [[]])[0], (found["distances"] or [[]])[0]
        matches = [_match(metadata, distance) for metadata, distance in zip(metadatas, distances, strict=True)]
        return sorted(matches, key=lambda match: (-match.score, match.article_id, match.start))

    def cosines(self, vector: Vectors, chunk_ids: Sequence[str]) -> list[ChunkMatch]:
        """Those chunks as matches for a vector, (dim,), in the order that Chroma gives them."""
        from chromadb.errors import ChromaError

        if not chunk_ids:
            return []
        try:
            found = self._chunks.get(ids=list(chunk_ids), include=["metadatas", "embeddings"])
        except ChromaError as exc:
            raise IndexDamagedError(f"cannot read the chunk store in {str(self._path)!r} ({exc})") from exc
        cosines = np.asarray(found["embeddings"], np.float32) @ vector
        metadatas = found["metadatas"] or []
        return [_match(metadata, 1 - float(cosine)) for metadata, cosine in zip(metadatas, cosines, strict=True)]


def _metadata(row: int, chunk: Chunk, article: Article) -> dict[str, str | int]:
    metadata: dict[str, str | int] = {"row": row, "article_id": chunk.article_id}
    metadata |= {"start": chunk.start, "end": chunk.end}
    if article.published_at is not None:
        metadata["published_on"] = article.published_at.toordinal()
    if article.publisher is not None:
        metadata["publisher"] = article.publisher
    return metadata


def _match(metadata: Any, distance: float) -> ChunkMatch:  # noqa: ANN401 - Chroma types metadata values as a wide union
    cosine = 1.0 - distance
    score = min(1.0, max(0.0, cosine))
    start, end = int(metadata["start"]), int(metadata["end"])
    return ChunkMatch(int(metadata["row"]), str(metadata["article_id"]), start, end, score)


def _where(filters: Filters) -> dict[str, Any] | None:
    conditions: list[dict[str, Any]] = []
    if filters.published_from is not None:
        conditions.append({"published_on": {"$gte": filters.published_from.toordinal()}})
    if filters.published_to is not None:
        conditions.append({"published_on": {"$lte": filters.published_to.toordinal()}})
    if filters.publisher is not None:
        conditions.append({"publisher": filters.publisher})
    return {"$and": conditions} if len(conditions) > 1 else (conditions[0] if conditions else None)
