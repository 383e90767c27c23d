"""The invariants of a generation, each looked at in full: what readers rely on and cannot look at each time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol, runtime_checkable

import numpy as np

from index.catalog import Catalog
from index.embedding import EmbeddingModel
from index.errors import IndexStateError
from index.generation import Generation, check_manifest
from index.making import article_id_of
from index.records import Progress
from index.settings import IndexSettings

N_SHOWN = 3  # examples of what is wrong
AT_ONCE = 2048  # rows
UNIT = 1e-3  # how far from 1 the length of a vector may be
ALIKE = 1e-5  # Chroma divides vectors by their lengths


@runtime_checkable
class CheckedInFull(Protocol):
    """A keyword leg that may lose postings unnoticed; one in files would lack bytes, which it sees when it opens."""

    def check(self) -> Iterator[str]:
        """What is wrong with it."""
        ...


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, and what is wrong; empty where nothing is."""

    what: str
    problems: tuple[str, ...]


def check_generation(
    catalog: Catalog, name: str, *, settings: IndexSettings, model: EmbeddingModel, progress: Progress | None = None
) -> Iterator[Finding]:
    """Check all invariants of a generation; stops where it cannot even be opened.

    Args:
        catalog: that has the generation.
        name: of the generation.
        settings: what it should have been built with.
        model: likewise; its checksum is compared.
        progress: told ("check", chunks done, chunks).
    """
    tell = progress or (lambda stage, done, total: None)
    try:
        check_manifest(catalog.manifest(name), settings=settings, model=model)
        generation = catalog.open(name)
    except IndexStateError as exc:
        yield Finding("files and counts of all stores, model", (str(exc),))
        return
    try:
        yield Finding("files and counts of all stores, model", ())
        checks: tuple[tuple[str, Callable[[], Iterator[str]]], ...] = (
            ("articles are what their ids say, each with chunks", lambda: _articles(generation)),
            ("chunks and sentences slice their articles", lambda: _slices(generation, tell)),
            ("vectors are of unit length, the same in Chroma, no orphans", lambda: _vectors(generation)),
            ("words fit their articles", lambda: _words(generation)),
        )
        if isinstance(generation.lexical, CheckedInFull):
            checks += (("chunks have the postings of their terms", generation.lexical.check),)
        for what, check in checks:
            try:
                problems = _some(check())
            except (IndexStateError, ValueError, IndexError) as exc:
                problems = (str(exc),)
            yield Finding(what, problems)
    finally:
        generation.close()


def _some(problems: Iterator[str]) -> tuple[str, ...]:
    """The first ones, and how many more."""
    found = list(problems)
    more = (f"and {len(found) - N_SHOWN} more",) if len(found) > N_SHOWN else ()
    return (*found[:N_SHOWN], *more)


def _articles(generation: Generation) -> Iterator[str]:
    with_chunks = set(generation.vectors.articles[generation.alive].tolist())
    for position, article in generation.articles.from_position(0):
        if article_id_of(article) != article.article_id:
            yield f"article {article.article_id!r} of {article.source!r} has another content than its id says"
        if position not in with_chunks:
            yield f"article {article.article_id!r} of {article.source!r} has no chunk"


def _slices(generation: Generation, tell: Progress) -> Iterator[str]:
    rows = np.flatnonzero(generation.alive)
    for position, article in generation.articles.from_position(0):
        first, last = np.searchsorted(generation.vectors.articles, [position, position + 1]).tolist()
        spans = [generation.vectors.place(row) for row in range(first, last)]
        for span in spans:
            if not 0 <= span.start < span.end <= len(article.text):
                yield f"chunk {span.start}-{span.end} is not in article {article.article_id!r}"
        if any(one.end > other.start for one, other in pairwise(spans)):
            yield f"chunks of article {article.article_id!r} overlap or are twice"
        left = len("".join(article.text.split())) - sum(
            len("".join(article.text[span.start : span.end].split())) for span in spans
        )
        if left:
            yield f"{left} characters of article {article.article_id!r} are in no chunk"
        for row, span in zip(range(first, last), spans, strict=True):
            sentences, _ = generation.vectors.sentences(row)
            if any(not span.start <= start < end <= span.end for start, end in sentences):
                yield f"a sentence of article {article.article_id!r} is not in its chunk {span.start}-{span.end}"
        tell("check", int(np.searchsorted(rows, last)), len(rows))


def _vectors(generation: Generation) -> Iterator[str]:
    rows = np.flatnonzero(generation.alive)
    if not np.array_equal(generation.chunks.rows(), rows):
        yield "Chroma holds other chunks than the articles have"
        return
    for at in range(0, len(rows), AT_ONCE):
        some = rows[at : at + AT_ONCE]
        vectors = generation.vectors.vectors(some)
        if not (np.abs(np.linalg.norm(vectors, axis=1) - 1) < UNIT).all():  # also where one is no number
            yield f"a vector of chunks {some[0]} to {some[-1]} has not the length 1"
        if not np.allclose(generation.chunks.vectors(some), vectors, atol=ALIKE):
            yield f"Chroma holds another vector of a chunk from {some[0]} to {some[-1]}"


def _words(generation: Generation) -> Iterator[str]:
    for position, article in generation.articles.from_position(0):
        first, last = np.searchsorted(generation.vectors.articles, [position, position + 1]).tolist()
        for row in range(first, last):
            starts, _ = generation.late.words(row)
            place = generation.vectors.place(row)
            if any(not place.start <= start < place.end for start in starts):
                yield f"a word of article {article.article_id!r} is not in its chunk {place.start}-{place.end}"
