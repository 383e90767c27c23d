"""The index as readers see it: always the serving generation, one and the same from beginning to end of a request."""

import logging
import math
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from threading import Lock
from typing import TypeVar

from index.catalog import open_catalog, require_current
from index.embedding import EmbeddingModel, Vectors
from index.encoding import Encoding
from index.errors import IndexDamagedError, IndexStateError, IndexUnreachableError
from index.generation import Generation, JudgedSentences, check_manifest
from index.records import Article
from index.sentences import Span
from index.settings import IndexSettings

log = logging.getLogger(__name__)

TRY_AGAIN_S = 2.0  # after a server was away; to open a generation is work

T = TypeVar("T")
_pinned: "ContextVar[tuple[Index, Generation] | None]" = ContextVar("pinned", default=None)


class Index:
    """Reads the serving generation and follows when another process publishes a new one. Safe between threads.

    Args:
        settings: where the index is and what it should have been built with.
        model: the embedding model that queries will use.

    Attributes:
        catalog: of all its generations.

    Raises:
        IndexMissingError: nothing was indexed yet.
        IndexMismatchError: the index was built with another embedding model or chunk size.
        IndexDamagedError: what is there contradicts itself.
        IndexUnreachableError: a server of a shared index cannot be reached.
    """

    def __init__(self, settings: IndexSettings, model: EmbeddingModel) -> None:
        self._settings = settings
        self._model = model
        self.catalog = open_catalog(settings)
        self._lock = Lock()  # of the fields; held for moments
        self._following = Lock()  # of the opening of a generation
        self._refused: str | None = None
        self._refused_until = 0.0
        self._asked_again_at = 0.0  # what serves, after the server was away
        try:
            self._current = self._open_current()
        except BaseException:
            self.catalog.close()
            raise

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
            if time.monotonic() < self._asked_again_at:
                return
            name = None
            try:
                name = self.catalog.current()
                if name is None or (name == self._refused and time.monotonic() < self._refused_until):
                    return
                if name == self._current.name and self._current.is_held():
                    return
                generation = self._open_current()
            except IndexStateError as exc:
                if self._refused != (name or str(exc)):
                    log.error("generation %s cannot serve, %s goes on: %s", name, self._current.name, exc)
                self._refused = name or str(exc)
                comes_back = isinstance(exc, IndexUnreachableError)
                again_at = time.monotonic() + TRY_AGAIN_S
                self._refused_until = again_at if comes_back else math.inf
                if comes_back and name is None:
                    self._asked_again_at = again_at
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
        """Release what it holds. No lease may be open."""
        self._current.close()
        self.catalog.close()

    def _retire(self, generation: Generation) -> None:
        generation.close()
        self.catalog.remove_unused()

    def _open_current(self) -> Generation:
        """The serving generation; a newer one where it is replaced and removed while it is being opened."""
        while True:
            name = require_current(self.catalog)
            try:
                check_manifest(self.catalog.manifest(name), settings=self._settings, model=self._model)
                return self.catalog.open(name)
            except IndexDamagedError:
                if require_current(self.catalog) == name:
                    raise
