"""The index as readers see it: always the serving generation, one and the same from beginning to end of a request."""

import logging
from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing, contextmanager
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from index.articles import ArticleStore
from index.embedding import EmbeddingModel, Vectors
from index.encoding import Encoding
from index.errors import IndexDamagedError, IndexMismatchError, IndexStateError
from index.filtering import ArticleColumns
from index.generations import (
    CHUNKS_DIR,
    LEXICAL_DIR,
    WORDS_DIR,
    Manifest,
    current_generation,
    hold,
    index_root,
    let_go,
    read_manifest,
    remove_unused,
    require_generation,
)
from index.late_interaction import LateIndex
from index.lexical import LexicalIndex
from index.plain import Plain
from index.records import Article, Filters
from index.rows import Mask
from index.sentences import Span
from index.settings import IndexSettings
from index.store import ChunkStore
from index.vectors import VectorIndex
from index.words import WordIndex

log = logging.getLogger(__name__)

T = TypeVar("T")
_pinned: "ContextVar[tuple[Index, Generation] | None]" = ContextVar("pinned", default=None)


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
        held: what `hold` gave.
        n_users: how many requests read it; is kept by `Index`.
    """

    name: str
    manifest: Manifest
    articles: ArticleStore
    columns: ArticleColumns
    alive: Mask
    chunks: ChunkStore
    lexical: LexicalIndex
    vectors: VectorIndex
    words: WordIndex
    late: LateIndex
    held: int
    n_users: int = field(default=0)

    @classmethod
    def open(cls, path: Path) -> "Generation":
        """Open a generation's directory for reading; it is not removed while it is open.

        Raises:
            IndexDamagedError: its files are missing, unreadable, or do not hold what the manifest says.
        """
        with ExitStack() as stack:
            held = hold(path)
            stack.callback(let_go, held)
            manifest = read_manifest(path)
            words = WordIndex(path / WORDS_DIR)
            plain = stack.enter_context(closing(Plain(path, dim=manifest.dim, width=words.width)))
            lexical = LexicalIndex(path / LEXICAL_DIR, alive=plain.alive)
            chunks = stack.enter_context(closing(ChunkStore(path / CHUNKS_DIR)))
            found = (plain.articles.n_articles, int(np.count_nonzero(plain.alive)), chunks.count())
            promised = (manifest.n_articles, manifest.n_chunks, manifest.n_chunks)
            if found != promised:
                raise IndexDamagedError(
                    f"{str(path)!r} holds {found} articles, chunks and chunks in Chroma, its manifest says {promised}; "
                    "run: otvet index"
                )
            stack.pop_all()
        return cls(
            name=path.name,
            manifest=manifest,
            articles=plain.articles,
            columns=plain.columns,
            alive=plain.alive,
            chunks=chunks,
            lexical=lexical,
            vectors=plain.vectors,
            words=words,
            late=plain.late,
            held=held,
        )

    def mask(self, filters: Filters) -> Mask:
        """Whether the article of each chunk is there and passes the filters, (n_chunks,)."""
        return self.columns.mask(filters)[self.vectors.articles]

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
        """Do nothing if Chroma, the one part that opens its files again, can be read.

        Raises:
            IndexDamagedError: it cannot.
        """
        self.chunks.count()

    def close(self) -> None:
        """Release the files."""
        self.chunks.close()
        self.articles.close()
        let_go(self.held)


class Index:
    """Reads the serving generation and follows when another process publishes a new one. Safe between threads.

    Args:
        settings: where the index is and what it should have been built with.
        model: the embedding model that queries will use.

    Raises:
        IndexMissingError: nothing was indexed yet.
        IndexMismatchError: the index was built with another embedding model or chunk size.
        IndexDamagedError: the files contradict each other.
    """

    def __init__(self, settings: IndexSettings, model: EmbeddingModel) -> None:
        self._settings = settings
        self._model = model
        self._lock = Lock()  # of the fields; held for moments
        self._following = Lock()  # of the opening of a generation
        self._refused: str | None = None
        self._current = self._open_current()

    @contextmanager
    def lease(self) -> Iterator[Generation]:
        """The serving generation; it stays open and the same until the `with` ends, whatever is published meanwhile.

        Within `pinned` it is the one that is pinned.
        """
        pinned = _pinned.get()
        if pinned is not None and pinned[0] is self:
            yield pinned[1]
            return
        self.follow()
        with self._lock:
            generation = self._current
            generation.n_users += 1
        try:
            yield generation
        finally:
            with self._lock:
                generation.n_users -= 1
                is_last = generation is not self._current and generation.n_users == 0
            if is_last:
                self._retire(generation)

    def pinned(self, steps: Iterator[T]) -> Iterator[T]:
        """The same steps, all of whose leases are of one generation, in whichever threads they are asked for.

        So a request sees one generation from beginning to end.
        """
        with self.lease() as generation:
            context = copy_context()
            context.run(_pinned.set, (self, generation))
            try:
                while True:
                    try:
                        step = context.run(next, steps)
                    except StopIteration:
                        return
                    yield step
            finally:
                if isinstance(steps, Generator):
                    context.run(steps.close)

    def follow(self) -> None:
        """Open what was published since; where that cannot be opened, say so once and go on with what there is.

        While one thread opens it, the others go on with the generation that there is.
        """
        if not self._following.acquire(blocking=False):
            return
        try:
            name = None
            try:
                name = current_generation(self._settings.data_dir)
                if name is None or name in (self._current.name, self._refused):
                    return
                generation = self._open_current()
            except IndexStateError as exc:
                if self._refused != (name or str(exc)):
                    log.error("generation %s cannot serve, %s goes on: %s", name, self._current.name, exc)
                self._refused = name or str(exc)
                return
            with self._lock:
                previous, self._current = self._current, generation
                is_unused = previous.n_users == 0
            if is_unused:
                self._retire(previous)
        finally:
            self._following.release()

    def article(self, article_id: str) -> Article | None:
        """The article of that id in the serving generation, or None."""
        with self.lease() as generation:
            return generation.articles.get(article_id)

    def sentences(self, article_id: str, start: int, end: int) -> tuple[list[Span], Vectors]:
        """See `Generation.sentences`; none where the serving generation has no such article."""
        with self.lease() as generation:
            return generation.sentences(article_id, start, end)

    def judge_sentences(self, query: str, encoding: Encoding, article_id: str, start: int, end: int) -> JudgedSentences:
        """See `Generation.judge_sentences`; none where the serving generation has no such article."""
        with self.lease() as generation:
            return generation.judge_sentences(query, encoding, article_id, start, end)

    def close(self) -> None:
        """Release the files. No lease may be open."""
        self._current.close()

    def _retire(self, generation: Generation) -> None:
        generation.close()
        remove_unused(self._settings.data_dir)

    def _open_current(self) -> Generation:
        """The serving generation; a newer one where it is replaced and removed while it is being opened."""
        while True:
            name = require_generation(self._settings.data_dir)
            path = index_root(self._settings.data_dir) / name
            try:
                check_manifest(read_manifest(path), settings=self._settings, model=self._model)
                return Generation.open(path)
            except IndexDamagedError:
                if require_generation(self._settings.data_dir) == name:
                    raise


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
