"""Generations in a directory of this machine: index/generations.py tells how they lie there."""

import logging
import shutil
from collections.abc import Collection, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from index.articles import ArticleStore
from index.deriving import derive
from index.drafts import STAMP, Draft, Stamp, begin_draft, stamp_of
from index.embedding import Vectors
from index.errors import IndexDamagedError
from index.generation import Generation
from index.generations import (
    CHUNKS_DIR,
    LEXICAL_DIR,
    WORDS_DIR,
    Manifest,
    Writer,
    check_unlocked,
    current_generation,
    current_writer,
    hold,
    index_root,
    let_go,
    publish,
    read_manifest,
    remove_unused,
    write_manifest,
    writing,
)
from index.lexical import LexicalIndex
from index.plain import Plain
from index.records import Progress
from index.report import Refs
from index.store import ChunkStore
from index.words import WordIndex, kept_means

log = logging.getLogger(__name__)


class LocalCatalog:
    """See `Catalog`."""

    def __init__(self, data_dir: Path) -> None:
        self.place = repr(str(data_dir))
        self._data_dir = data_dir
        self._root = index_root(data_dir)

    def current(self) -> str | None:
        """See `Catalog`. Reads one small file."""
        return current_generation(self._data_dir)

    def manifest(self, name: str) -> Manifest:
        """See `Catalog`."""
        return read_manifest(self._root / name)

    def open(self, name: str) -> Generation:
        """See `Catalog`."""
        return open_generation(self._root / name)

    def remove_unused(self) -> None:
        """See `Catalog`."""
        remove_unused(self._data_dir)

    def check_unlocked(self) -> None:
        """See `Catalog`."""
        check_unlocked(self._data_dir)

    def current_writer(self) -> Writer | None:
        """See `Catalog`."""
        return current_writer(self._data_dir)

    @contextmanager
    def writing(self) -> Iterator["LocalWriter"]:
        """See `Catalog`."""
        with writing(self._data_dir) as (draft, note):
            yield LocalWriter(self._data_dir, draft, note)

    def close(self) -> None:
        """See `Catalog`."""


class LocalWriter:
    """See `GenerationWriter`."""

    def __init__(self, data_dir: Path, draft: Path, note: Progress) -> None:
        self.scratch = index_root(data_dir)
        self._data_dir, self._draft, self._note = data_dir, draft, note

    def note(self, stage: str, done: int, total: int) -> None:
        """See `GenerationWriter`."""
        self._note(stage, done, total)

    def means(self, base: str) -> Vectors | None:
        """See `GenerationWriter`."""
        return kept_means(self.scratch / base / WORDS_DIR)

    def refs(self, base: str) -> Refs:
        """See `GenerationWriter`."""
        return _refs(self.scratch / base)

    def draft_left(self, stamp: Stamp) -> Refs | None:
        """See `GenerationWriter`."""
        left = stamp_of(self._draft)
        if left is not None and replace(left, is_compacted=False) == replace(stamp, width=left.width):
            try:
                with Draft(self._draft):
                    return _refs(self._draft)
            except IndexDamagedError as exc:
                log.warning("beginning again, as %s", exc)
        self.discard()
        return None

    def discard(self) -> None:
        """See `GenerationWriter`."""
        shutil.rmtree(self._draft, ignore_errors=True)

    def begin(self, stamp: Stamp, *, gone: Collection[str]) -> None:
        """See `GenerationWriter`."""
        base = self.scratch / stamp.base if stamp.base is not None else None
        begin_draft(self._draft, stamp, base=base, gone=gone)

    def draft(self) -> Draft:
        """See `GenerationWriter`."""
        return Draft(self._draft)

    def derive(self, *, means: Vectors, tell: Progress, anew: bool = False) -> int:
        """See `GenerationWriter`."""
        stamp = stamp_of(self._draft)
        if stamp is None:
            raise IndexDamagedError(f"the draft in {str(self._draft)!r} has lost its {STAMP}; run: otvet index")
        goes_on = stamp.base is not None and not stamp.is_compacted and not anew
        base = self.scratch / stamp.base if stamp.base is not None and goes_on else None
        return derive(self._draft, base=base, means=means, dim=stamp.dim, tell=tell)

    def publish(self, manifest: Manifest) -> str:
        """See `GenerationWriter`."""
        write_manifest(self._draft, manifest)
        name = publish(self._data_dir, self._draft)
        (self.scratch / name / STAMP).unlink(missing_ok=True)  # not before: a build killed here is to be gone on with
        return name


def open_generation(path: Path) -> Generation:
    """Open a generation's directory for reading; it is not removed while it is open.

    Raises:
        IndexDamagedError: its files are missing, unreadable, or do not hold what the manifest says.
    """
    with ExitStack() as stack:
        held = hold(path)
        stack.callback(let_go, held)
        manifest = read_manifest(path)
        words = WordIndex.read(path / WORDS_DIR)
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
    return Generation(
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
        release=lambda: let_go(held),
        is_held=lambda: True,
    )


def _refs(folder: Path) -> Refs:
    with closing(ArticleStore(folder)) as articles:
        return {ref.article_id: ref for ref in articles.refs()}
