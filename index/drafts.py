"""A generation in the making: begun empty or from one that serves, filled article by article, resumed after a kill.

Decision: the articles' file is written last and says how much of the other files counts (`ArticleWriter.commit`), so at
any moment the draft is what it was at its last commit. Whatever was written behind that is cut off by who goes on.
"""

import json
from collections.abc import Collection, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType

import numpy as np

from index.articles import ARTICLES, ArticleRef, ArticleStore, ArticleWriter, take_over_articles
from index.embedding import Vectors
from index.errors import IndexDamagedError
from index.generations import LATE_DIR, VECTORS_DIR, write_durably
from index.late_interaction import FILES as LATE_FILES
from index.late_interaction import LateWriter, keep_words
from index.plain import Plain
from index.records import Article
from index.rows import Mask, Sizes, share
from index.sentences import Span
from index.vectors import FILES as VECTOR_FILES
from index.vectors import ChunkPlace, VectorWriter, keep_vectors

STAMP = "draft.json"
MOST_DEAD = 0.2  # chunks of deleted articles to each of the others, before they are left out


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a draft is made from and for; one of another stamp is of no use.

    Attributes:
        base: the generation that it was begun from, None where it was begun empty.
        dim: of vectors.
        width: of the states of words.
    """

    format_version: int
    base: str | None
    embedding_checksum: str
    chunk_max_tokens: int
    dim: int
    width: int
    is_compacted: bool = False


@dataclass(frozen=True, slots=True)
class EmbeddedChunk:
    """All that is stored of a chunk: where it is in its article, its vector, its sentences and its words.

    Attributes:
        start: in characters of the article, as `end`.
        vector: (dim,).
        sentences: in characters of the article.
        sentence_vectors: (len(sentences), dim).
        word_starts: in characters of the article.
        word_states: (len(word_starts), width), see index/late_interaction.py.
    """

    start: int
    end: int
    vector: Vectors
    sentences: Sequence[Span]
    sentence_vectors: Vectors
    word_starts: Sequence[int]
    word_states: Vectors


def stamp_of(draft: Path) -> Stamp | None:
    """What a draft in that folder is made from and for; None where there is none that can be gone on with."""
    try:
        return Stamp(**json.loads((draft / STAMP).read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def begin_draft(draft: Path, stamp: Stamp, *, base: Path | None, gone: Collection[str]) -> None:
    """Begin a draft in a new folder: with the articles of `base`, but for those that are `gone`, or empty.

    Raises:
        IndexDamagedError: the files of `base` cannot be gone on from.
    """
    draft.mkdir()
    if base is not None:
        kept = _kept(base, stamp, gone)
        n_dead, n_alive = int(np.count_nonzero(~kept)), int(np.count_nonzero(kept))
        if n_dead > MOST_DEAD * n_alive:
            _compact(base, draft, stamp, kept, gone)
            stamp = replace(stamp, is_compacted=True)
        else:
            _take_over(base, draft)
            with closing(ArticleWriter(draft)) as articles:
                articles.delete(gone)
                articles.commit(articles.sizes)
    write_durably(draft / STAMP, json.dumps(asdict(stamp)))


def _kept(base: Path, stamp: Stamp, gone: Collection[str]) -> Mask:
    """Which chunks of a generation are of articles that are there and not gone, (n_chunks,)."""
    with closing(Plain(base, dim=stamp.dim, width=stamp.width)) as plain:
        positions = [plain.columns.position(article_id) for article_id in gone]
        return plain.alive & ~np.isin(plain.vectors.articles, [one for one in positions if one is not None])


def _take_over(base: Path, draft: Path) -> None:
    try:
        take_over_articles(base, draft)
        for folder, names in ((VECTORS_DIR, VECTOR_FILES), (LATE_DIR, LATE_FILES)):
            (draft / folder).mkdir()
            for name in names:
                share(base / folder / name, draft / folder / name)
    except FileNotFoundError as exc:
        raise IndexDamagedError(f"{str(base)!r} is not complete ({exc}); run: otvet index") from exc


def _compact(base: Path, draft: Path, stamp: Stamp, kept: Mask, gone: Collection[str]) -> None:
    """Copy what is kept, so that nothing of the rest stays on the disk."""
    try:
        with closing(ArticleStore(base)) as old, closing(ArticleWriter(draft)) as new:
            positions = np.full(old.sizes.n_positions, -1, np.int64)
            for position, article in old.from_position(0):
                if article.article_id not in gone:
                    positions[position] = new.add(article) or 0  # the first one has 0
            n_sentences = old.sizes.n_sentences
            sizes = keep_vectors(
                base / VECTORS_DIR,
                draft / VECTORS_DIR,
                kept,
                dim=stamp.dim,
                n_sentences=n_sentences,
                positions=positions,
            )
            n_words = keep_words(base / LATE_DIR, draft / LATE_DIR, kept, width=stamp.width)
            new.commit(replace(sizes, n_words=n_words))
    except (FileNotFoundError, ValueError) as exc:
        raise IndexDamagedError(f"{str(base)!r} is not complete ({exc}); run: otvet index") from exc


class Draft:
    """A draft that was begun, open to be changed. A context manager; what was not committed is lost.

    Raises:
        IndexDamagedError: its files hold less than they should.
    """

    def __init__(self, folder: Path) -> None:
        stamp = stamp_of(folder)
        if stamp is None:
            raise IndexDamagedError(f"there is no draft in {str(folder)!r}; run: otvet index")
        if stamp.base is not None and not (folder / ARTICLES).exists():  # else all of the base would be cut off
            raise IndexDamagedError(f"the draft in {str(folder)!r} lacks its articles; run: otvet index")
        with ExitStack() as stack:
            self._articles = stack.enter_context(closing(ArticleWriter(folder)))
            sizes = self._articles.sizes
            self._vectors = stack.enter_context(
                closing(
                    VectorWriter(
                        folder / VECTORS_DIR, dim=stamp.dim, n_chunks=sizes.n_chunks, n_sentences=sizes.n_sentences
                    )
                )
            )
            self._late = stack.enter_context(
                closing(
                    LateWriter(folder / LATE_DIR, width=stamp.width, n_chunks=sizes.n_chunks, n_words=sizes.n_words)
                )
            )
            self._files = stack.pop_all()

    def __enter__(self) -> "Draft":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._files.close()

    def add(self, article: Article, chunks: Sequence[EmbeddedChunk]) -> None:
        """Add an article with its chunks, in order. One that is there already stays as it is."""
        position = self._articles.add(article)
        if position is None:
            return
        for chunk in chunks:
            place = ChunkPlace(position, chunk.start, chunk.end)
            self._vectors.add(place, chunk.vector, chunk.sentences, chunk.sentence_vectors)
            self._late.add(chunk.word_starts, chunk.word_states)

    def delete(self, article_ids: Collection[str]) -> None:
        """Take articles out."""
        self._articles.delete(article_ids)

    def update(self, refs: Sequence[ArticleRef]) -> None:
        """Note what is said of articles now."""
        self._articles.update(refs)

    def commit(self) -> None:
        """Make all that was changed last, whatever happens then."""
        self._vectors.sync()
        self._late.sync()
        sizes = Sizes(
            n_chunks=self._vectors.n_chunks, n_sentences=self._vectors.n_sentences, n_words=self._late.n_words
        )
        self._articles.commit(sizes)
