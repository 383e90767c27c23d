"""An open generation: its parts, and what needs several of them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from index.embedding import EmbeddingModel, Vectors
from index.encoding import Encoding
from index.errors import IndexMismatchError
from index.filtering import ArticleColumns
from index.generations import Manifest
from index.parts import Articles, ChunkVectors, ChunkWords, KeywordIndex, NearestChunks
from index.records import Filters
from index.rows import Mask
from index.sentences import Span
from index.settings import IndexSettings
from index.words import WordIndex


class JudgedSentences(NamedTuple):
    """Sentences of an article, in its characters, with their cosines and MaxSims, (n,) each (index/fusion.py)."""

    spans: list[Span]
    cosines: npt.NDArray[np.float32]
    max_sims: npt.NDArray[np.float32]


@dataclass(slots=True, eq=False)
class Generation:
    """An open generation.

    Attributes:
        alive: which chunks are of articles that are there, (n_chunks,); the others are of deleted ones.
        release: lets it be removed; called once.
        is_held: whether it is still kept from being removed.
        n_users: how many requests read it; is kept by `Index`.
    """

    name: str
    manifest: Manifest
    articles: Articles
    columns: ArticleColumns
    alive: Mask
    chunks: NearestChunks
    lexical: KeywordIndex
    vectors: ChunkVectors
    words: WordIndex
    late: ChunkWords
    release: Callable[[], None]
    is_held: Callable[[], bool]
    n_users: int = field(default=0)

    def mask(self, filters: Filters) -> Mask:
        """Whether the article of each chunk is there and passes the filters, (n_chunks,)."""
        passing: Mask = self.columns.mask(filters)[self.vectors.articles]
        return passing

    def sentences(self, article_id: str, start: int, end: int) -> tuple[list[Span], Vectors]:
        """The sentences of an article's chunks that lie between two of its characters, and their vectors."""
        found = [self.vectors.sentences(row) for row in self._rows_in(article_id, start, end)]
        vectors = [vectors for _, vectors in found] or [np.empty((0, self.manifest.dim), np.float32)]
        return [span for spans, _ in found for span in spans], np.concatenate(vectors)

    def judge_sentences(self, query: str, encoding: Encoding, article_id: str, start: int, end: int) -> JudgedSentences:
        """What a query has to do with each of the sentences that `sentences` gives."""
        states, none = self.words.states(query, encoding), np.empty(0, np.float32)
        spans: list[Span] = []
        cosines, max_sims = [none], [none]
        for row in self._rows_in(article_id, start, end):
            own, vectors = self.vectors.sentences(row)
            spans += own
            cosines.append(vectors @ encoding.vector)
            max_sims.append(self.late.of_sentences(states, row, own))
        return JudgedSentences(spans, np.concatenate(cosines), np.concatenate(max_sims))

    def _rows_in(self, article_id: str, start: int, end: int) -> list[int]:
        position = self.columns.position(article_id)
        return self.vectors.rows_in(position, start, end) if position is not None else []

    def check(self) -> None:
        """Do nothing if what opens its files again or is asked over a network can be read: Chroma and the articles.

        Raises:
            IndexStateError: it cannot.
        """
        self.chunks.count()
        self.articles.get("")

    def close(self) -> None:
        """Release the files."""
        self.chunks.close()
        self.articles.close()
        self.release()


def check_manifest(manifest: Manifest, *, settings: IndexSettings, model: EmbeddingModel) -> None:
    """Refuse an index that was built with other values than those in force.

    Raises:
        IndexMismatchError: names the value, both sides and the command that mends it.
    """
    for what, built, now in (
        ("embedding model", manifest.embedding_model, model.name),
        ("checksum of the embedding model", manifest.embedding_checksum, model.checksum),
        ("chunk_max_tokens", manifest.chunk_max_tokens, settings.chunk_max_tokens),
    ):
        if built != now:
            raise IndexMismatchError(f"the index was built with {what} {built!r}, now it is {now!r}; run: otvet index")
