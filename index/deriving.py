"""What is made from the plain files of a draft: the keyword leg, the words near in meaning, and Chroma.

Each goes on from what the generation has that the draft was begun from; where that cannot be read, it is made anew.
Nothing is embedded.
"""

import logging
import shutil
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

import numpy as np

from index.embedding import Vectors
from index.errors import IndexDamagedError
from index.generations import CHUNKS_DIR, LEXICAL_DIR, WORDS_DIR
from index.lexical import LexicalWriter
from index.plain import Plain
from index.records import Progress
from index.store import write_store
from index.words import WordWriter

log = logging.getLogger(__name__)
TELL_EVERY = 256  # chunks


def derive(draft: Path, *, base: Path | None, means: Vectors, dim: int, tell: Progress) -> int:
    """Write the keyword leg, the words and Chroma of a draft, and tell how many chunks it has.

    Args:
        draft: with its plain files.
        base: the generation that the draft was begun from, whose rows it still has; None where there is none.
        means: of `mean_states`.
        dim: of vectors.
        tell: told the stages "words" and "store", in chunks.
    """
    for name in (LEXICAL_DIR, WORDS_DIR, CHUNKS_DIR):
        shutil.rmtree(draft / name, ignore_errors=True)
    width = means.shape[1]
    with ExitStack() as stack:
        plain = stack.enter_context(closing(Plain(draft, dim=dim, width=width)))
        before = None
        if base is not None:
            before = stack.enter_context(closing(Plain(base, dim=dim, width=width)))
        _from_base_or_anew(draft / LEXICAL_DIR, base, lambda old: _write_lexical(draft, old, plain, before, tell))
        _from_base_or_anew(draft / WORDS_DIR, base, lambda old: _write_words(draft, old, plain, before, means, tell))
        rows = np.flatnonzero(plain.alive)
        write_store(
            draft / CHUNKS_DIR,
            rows,
            plain.vectors.vectors,
            base=base / CHUNKS_DIR if base is not None else None,
            tell=lambda done: tell("store", done, len(rows)),
        )
        return len(rows)


def _from_base_or_anew(folder: Path, base: Path | None, write: Callable[[Path | None], None]) -> None:
    if base is not None:
        try:
            write(base / folder.name)
            return
        except IndexDamagedError as exc:
            log.warning("made anew: %s", exc)
            shutil.rmtree(folder, ignore_errors=True)
    write(None)


def _write_lexical(draft: Path, old: Path | None, plain: Plain, before: Plain | None, tell: Progress) -> None:
    n_before = len(before.vectors) if before is not None and old is not None else 0
    writer = LexicalWriter(draft / LEXICAL_DIR, base=old, n_chunks=n_before)
    rows = np.arange(n_before, len(plain.vectors))
    for done, (row, article) in enumerate(plain.chunks(rows), start=1):
        place = plain.vectors.place(row)
        writer.add(article.text[place.start : place.end] if article is not None else "")
        if done % TELL_EVERY == 0 or done == len(rows):
            tell("words", done, 2 * len(rows))
    writer.save()


def _write_words(
    draft: Path, old: Path | None, plain: Plain, before: Plain | None, means: Vectors, tell: Progress
) -> None:
    writer = WordWriter(draft / WORDS_DIR, means, base=old)
    n_before = len(before.vectors) if before is not None and old is not None else 0
    if before is not None and n_before:
        for row, article in before.chunks(np.flatnonzero(before.alive & ~plain.alive[:n_before])):
            if article is not None:
                writer.remove(*before.words(row, article))
    rows = n_before + np.flatnonzero(plain.alive[n_before:])
    for done, (row, article) in enumerate(plain.chunks(rows), start=1):
        if article is not None:
            writer.add(*plain.words(row, article))
        if done % TELL_EVERY == 0 or done == len(rows):
            tell("words", len(rows) + done, 2 * len(rows))
    writer.save()
