"""The plain files of a generation or draft, all that its other files can be made from without embedding."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from index.articles import ArticleStore
from index.errors import IndexDamagedError
from index.generations import LATE_DIR, VECTORS_DIR
from index.late_interaction import LateIndex
from index.records import Article
from index.text import WORD, fold
from index.vectors import Rows, VectorIndex


class Plain:
    """The plain files of a generation or draft, for reading. To be closed.

    Attributes:
        alive: which chunks are of articles that are there, (n_chunks,).

    Raises:
        IndexDamagedError: they cannot be read, or contradict each other.
    """

    def __init__(self, folder: Path, *, dim: int, width: int) -> None:
        self.articles = ArticleStore(folder)
        try:
            sizes = self.articles.sizes
            self.vectors = VectorIndex(
                folder / VECTORS_DIR, dim=dim, n_chunks=sizes.n_chunks, n_sentences=sizes.n_sentences
            )
            self.late = LateIndex(folder / LATE_DIR, width=width, n_chunks=sizes.n_chunks)
            self.columns = self.articles.columns()
            if len(self.vectors) and int(self.vectors.articles[-1]) >= sizes.n_positions:
                raise IndexDamagedError(f"{str(folder)!r} has chunks of no article; run: otvet index")
            self.alive = self.columns.is_there[self.vectors.articles]
        except IndexDamagedError:
            self.articles.close()
            raise

    def close(self) -> None:
        """Release the files."""
        self.articles.close()

    def chunks(self, rows: Rows) -> Iterator[tuple[int, Article | None]]:
        """Each of some rows, which are in order, with its article; None for one that is not there any more."""
        position, article = -1, None
        for row in rows.tolist():
            place = self.vectors.place(row)
            if place.article != position:
                position, article = place.article, self.articles.at_position(place.article)
            yield row, article

    def words(self, row: int, article: Article) -> tuple[list[str], npt.NDArray[np.uint8]]:
        """The words of a chunk as `fold` gives them, and their states."""
        starts, packed = self.late.words(row)
        return words_at(article.article_id, article.text, starts), packed


def words_at(article_id: str, text: str, starts: Sequence[int]) -> list[str]:
    """The words that begin at some characters of an article, as `fold` gives them.

    Raises:
        IndexDamagedError: no word begins there.
    """
    found = [WORD.match(text, start) for start in starts]
    if None in found:
        raise IndexDamagedError(f"the words of article {article_id!r} do not fit its text; run: otvet index")
    return [fold(match[0]) for match in found if match is not None]
