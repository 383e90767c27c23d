"""What a generation is read through.

Each part has two implementations: files beside an embedded Chroma, or the tables of a shared index beside a Chroma
server (index/shared_*.py).

Chunks have rows and articles have positions, both counted from 0 in the order in which they were added; those of an
article lie together, and articles of higher positions have higher rows. All parts are safe between threads.
"""

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from index.articles import ArticleRef
from index.embedding import Vectors
from index.filtering import ArticleColumns
from index.lexical import Alternatives, Scores
from index.listing import Listing, Order, ValueCount
from index.records import Article, Filters
from index.rows import Mask
from index.sentences import Span
from index.vectors import ChunkPlace, Rows


class Articles(Protocol):
    """The articles. What each method does is told by `ArticleStore` (index/articles.py)."""

    @property
    def n_articles(self) -> int: ...  # noqa: D102

    def get(self, article_id: str) -> Article | None: ...  # noqa: D102

    def get_many(self, article_ids: Sequence[str]) -> list[Article]: ...  # noqa: D102

    def page(self, *, filters: Filters | None = None, offset: int = 0, limit: int = 100) -> list[Article]: ...  # noqa: D102

    def listing(  # noqa: D102
        self,
        filters: Filters | None = None,
        *,
        words: str = "",
        order: Order = Order.NEWEST,
        offset: int = 0,
        limit: int = 50,
    ) -> Listing: ...

    def publishers(self) -> list[ValueCount]: ...  # noqa: D102

    def languages(self) -> list[ValueCount]: ...  # noqa: D102

    def columns(self) -> ArticleColumns: ...  # noqa: D102

    def count(self, filters: Filters) -> int: ...  # noqa: D102

    def all(self) -> Iterator[Article]: ...  # noqa: D102

    def from_position(self, position: int) -> Iterator[tuple[int, Article]]: ...  # noqa: D102

    def at_position(self, position: int) -> Article | None: ...  # noqa: D102

    def refs(self) -> list[ArticleRef]: ...  # noqa: D102

    def close(self) -> None: ...  # noqa: D102


class NearestChunks(Protocol):
    """The chunks in Chroma (index/store.py)."""

    def count(self) -> int:
        """How many are stored."""
        ...

    def rows(self) -> Rows:
        """The rows of all chunks, in order."""
        ...

    def vectors(self, rows: Rows) -> Vectors:
        """What Chroma holds as the vectors of some rows, (len(rows), dim), as they were given."""
        ...

    def nearest(self, vector: Vectors, *, k: int) -> Rows:
        """Rows of the `k` chunks nearest to a vector, (dim,), by an approximate search; fewer where there are fewer."""
        ...

    def close(self) -> None:
        """Release what it holds."""
        ...


class KeywordIndex(Protocol):
    """The keyword leg (index/lexical.py)."""

    def known(self, terms: Sequence[str]) -> set[str]:
        """Those of the terms that a chunk holds."""
        ...

    def shares(self, query: Sequence[Alternatives]) -> Scores:
        """How much of the query's weight each chunk holds, (n_chunks,), in [0, 1); see `LexicalIndex.shares`."""
        ...


class ChunkVectors(Protocol):
    """Where chunks and their sentences are, and their vectors (index/vectors.py).

    Attributes:
        articles: position of each chunk's article, (n_chunks,), in order.
    """

    @property
    def articles(self) -> npt.NDArray[np.integer]: ...  # noqa: D102

    def __len__(self) -> int: ...  # noqa: D105

    def place(self, row: int) -> ChunkPlace:
        """Where the chunk of that row is."""
        ...

    def rows_in(self, article: int, start: int, end: int) -> list[int]:
        """Rows of the chunks of an article that lie between two of its characters, in order."""
        ...

    def vectors(self, rows: Rows) -> Vectors:
        """Vectors of those chunks, (len(rows), dim)."""
        ...

    def cosines(self, vector: Vectors, rows: Rows) -> npt.NDArray[np.float32]:
        """Cosines of those chunks with a vector, (dim,); equal ones of equal chunks."""
        ...

    def nearest(self, vector: Vectors, *, k: int, mask: Mask) -> Rows:
        """The `k` chunks nearest to a vector, (dim,), among those of the mask, (n_chunks,), in any order."""
        ...

    def sentences(self, row: int) -> tuple[list[Span], Vectors]:
        """The sentences of a chunk, in characters of its article, and their vectors."""
        ...

    def best_sentences(self, vector: Vectors, rows: Rows) -> npt.NDArray[np.float32]:
        """The highest cosine that a sentence of each of those chunks has with a vector, (dim,)."""
        ...


class ChunkWords(Protocol):
    """The words of chunks and their states (index/late_interaction.py).

    Attributes:
        width: of a state.
    """

    @property
    def width(self) -> int: ...  # noqa: D102

    def words(self, row: int) -> tuple[list[int], npt.NDArray[np.uint8]]:
        """Where each word of a chunk begins in the article, and their states as `pack` makes them."""
        ...

    def max_sims(self, query: Vectors, rows: Rows) -> npt.NDArray[np.float32]:
        """MaxSim of those chunks with the states of a query's words, (n_words, width): (len(rows),), in [-1, 1]."""
        ...

    def of_sentences(self, query: Vectors, row: int, sentences: Sequence[Span]) -> npt.NDArray[np.float32]:
        """The same for the sentences of a chunk, in order and in characters of the article: (len(sentences),)."""
        ...
