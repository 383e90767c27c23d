"""The generations of an index, wherever they are: in a directory here, or in servers that many machines read.

One reads through a `Catalog`; the process that builds writes through the `GenerationWriter` that it hands out. Both
kinds keep the same promises: a generation is seen whole or not at all, one serves, one process writes, and what
somebody reads is not removed.
"""

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from index.articles import ArticleRef
from index.drafts import EmbeddedChunk, Stamp
from index.embedding import Vectors
from index.errors import IndexMissingError
from index.generation import Generation
from index.generations import Manifest, Writer
from index.records import Article, Progress
from index.report import Refs
from index.settings import IndexSettings


class DraftChanges(Protocol):
    """A draft that is open to be changed; what was not committed is lost."""

    def add(self, article: Article, chunks: Sequence[EmbeddedChunk]) -> None:
        """Add an article with its chunks, in order. One that is there already stays as it is."""
        ...

    def delete(self, article_ids: Collection[str]) -> None:
        """Take articles out."""
        ...

    def update(self, refs: Sequence[ArticleRef]) -> None:
        """Note where articles come from now, and which language they are said to be in."""
        ...

    def commit(self) -> None:
        """Make all that was changed last, whatever happens then."""
        ...


class GenerationWriter(Protocol):
    """Makes the next generation, from the one that serves or from nothing. There is one at a time.

    Every name of a generation that is given to it is that of the serving one.

    Attributes:
        scratch: a directory here for files that need not outlive the build.
    """

    scratch: Path

    def note(self, stage: str, done: int, total: int) -> None:
        """Be told how far the build is, for those who ask `Catalog.current_writer`."""
        ...

    def means(self, base: str) -> Vectors | None:
        """Those of `mean_states` that a generation was built with; None where they cannot be read."""
        ...

    def refs(self, base: str) -> Refs:
        """The articles of a generation, by their ids."""
        ...

    def draft_left(self, stamp: Stamp) -> Refs | None:
        """The articles of the draft that an earlier build left, if this one can go on with it.

        That is one with the same stamp, whatever its `width` and `is_compacted` are. Any other is discarded.
        """
        ...

    def discard(self) -> None:
        """Remove the draft, if there is one."""
        ...

    def begin(self, stamp: Stamp, *, gone: Collection[str]) -> None:
        """Begin a draft: with the articles of `stamp.base` but for those that are `gone`, or empty.

        Raises:
            IndexDamagedError: the base cannot be gone on from.
        """
        ...

    def draft(self) -> AbstractContextManager[DraftChanges]:
        """Open the draft.

        Raises:
            IndexDamagedError: it cannot be read.
        """
        ...

    def derive(self, *, means: Vectors, tell: Progress, anew: bool = False) -> int:
        """Make what is made from articles and vectors (keyword leg, words, Chroma) and tell how many chunks there are.

        Args:
            means: of `mean_states`.
            tell: told the stages "words" and "store", in chunks.
            anew: take over nothing of what the base has of it.
        """
        ...

    def publish(self, manifest: Manifest) -> str:
        """Have the draft serve, in one step, and tell its name. What nobody reads any more is removed."""
        ...


class Catalog(Protocol):
    """The generations of one index. Safe between threads.

    Attributes:
        place: where they are, for people.
    """

    place: str

    def current(self) -> str | None:
        """Name of the serving generation, None before the first build; cheap enough to be asked for every request.

        Raises:
            IndexStateError: it cannot be told.
        """
        ...

    def manifest(self, name: str) -> Manifest:
        """What a generation was built from.

        Raises:
            IndexStateError: it cannot be read, or was written by another version of Otvet.
        """
        ...

    def open(self, name: str) -> Generation:
        """Open a generation for reading; it is not removed until it is closed.

        Raises:
            IndexStateError: it cannot be read, or does not hold what its manifest says.
        """
        ...

    def remove_unused(self) -> None:
        """Remove the generations before the serving one that nobody reads, as far as a reader can."""
        ...

    def check_unlocked(self) -> None:
        """Find out at once, before a model is loaded, that another process is building.

        Raises:
            IndexLockedError: it is. Says which one and since when.
        """
        ...

    def current_writer(self) -> Writer | None:
        """Who builds now and how far it is; None where nobody does."""
        ...

    def writing(self) -> AbstractContextManager[GenerationWriter]:
        """Be the one who writes while the `with` lasts. A draft stays if that fails.

        Raises:
            IndexLockedError: another process is. Says which one and since when.
            IndexWriteError: something cannot be written.
        """
        ...

    def close(self) -> None:
        """Release what it holds; generations that are open stay so."""
        ...


def open_catalog(settings: IndexSettings) -> Catalog:
    """The catalog that the settings name. A server is contacted when it is asked for something."""
    if settings.is_shared:
        from index.shared_catalog import SharedCatalog

        return SharedCatalog(settings)
    from index.local_catalog import LocalCatalog

    return LocalCatalog(settings.data_dir)


def require_current(catalog: Catalog) -> str:
    """The name of the serving generation.

    Raises:
        IndexMissingError: nothing was indexed yet.
    """
    name = catalog.current()
    if name is None:
        raise IndexMissingError(f"nothing is indexed yet in {catalog.place}; run: otvet index PATH")
    return name
