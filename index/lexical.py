"""The keyword leg: BM25 over stems and keys of names.

    vocabulary.txt   the terms, one a line; a term's number is its line
    lengths.i32      (n_chunks,) int32: how many terms each chunk has
    0000/ 0001/ …    blocks of BLOCK chunks: starts.npy (n_terms + 1,), rows.npy and counts.npy (n_postings,): in which
                     chunks of the block a term is, and how often

Decision: our own blocks, after bm25s had done it. An article more or less costs its block alone, full blocks are shared
between generations by hard links, and memory does not grow with the corpus. bm25s weighs every posting when it builds,
so it builds all anew: 1.3 s for 10,000 articles and 1 GB of memory for 100,000 chunks. It is what the formula is tested
against. PyStemmer's stems find nearly what pymorphy3's lemmas find (fused, recall@1 of Russian questions 0.956 against
0.958) in a fortieth of the time.

Decision: k1 = 0.6 and b = 0.5 rather than the usual 1.2 and 0.75. That a word is there says more than how often, and
fused with the dense leg it finds more: recall@1 0.956 / 0.905 (Russian / English questions) against 0.953 / 0.902.
Both were measured on 2026-11-22, before late interaction was there.
"""

from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from math import log1p
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from index.errors import IndexDamagedError
from index.names import name_keys
from index.rows import Mask, share
from index.text import terms

K1, B = 0.6, 0.5
NAME = "~"  # before the key of a name, so that it is no stem's equal
BLOCK = 32_768  # chunks
MOST_COUNTED = 2**16 - 1  # times that a term is in a chunk
VOCABULARY, LENGTHS = "vocabulary.txt", "lengths.i32"
STARTS, ROWS, COUNTS = "starts.npy", "rows.npy", "counts.npy"

Scores = npt.NDArray[np.float32]
Alternatives = Mapping[str, float]
"""Terms that stand for one word of a query, with weights in (0, 1]; the first is the word's own."""


def chunk_terms(text: str) -> list[str]:
    """What a chunk is found by: its terms, and the keys of its names with `NAME` before them."""
    return [*terms(text), *(NAME + key for key in name_keys(text))]


class Row(NamedTuple):
    """The terms of a chunk, each once and by its number, and how often each is there."""

    terms: npt.NDArray[np.int32]
    counts: npt.NDArray[np.uint16]


def row_of(text: str, vocabulary: dict[str, int]) -> Row:
    """The row of a chunk; terms that the vocabulary lacks are added to it."""
    found = Counter(vocabulary.setdefault(term, len(vocabulary)) for term in chunk_terms(text))
    n_times = np.fromiter(found.values(), np.int64, len(found))
    return Row(np.fromiter(found, np.int32, len(found)), n_times.clip(max=MOST_COUNTED).astype(np.uint16))


class Block(NamedTuple):
    """Postings of a block by term: those of term t are at `starts[t]` to `starts[t + 1]`, in the order of rows."""

    starts: npt.NDArray[np.int32]
    rows: npt.NDArray[np.uint16]
    counts: npt.NDArray[np.uint16]


def block_of(rows: Sequence[Row], places: npt.NDArray[np.uint16], *, n_terms: int) -> Block:
    """The postings of some rows, at these places of the block, (len(rows),), which are in order."""
    terms_of = np.concatenate([row.terms for row in rows])
    order = np.argsort(terms_of, kind="stable")
    n_with_term = np.bincount(terms_of, minlength=n_terms)
    return Block(
        np.concatenate([[0], np.cumsum(n_with_term)]).astype(np.int32),
        np.repeat(places, [len(row.terms) for row in rows])[order],
        np.concatenate([row.counts for row in rows])[order],
    )


class LexicalWriter:
    """Writes the keyword leg of a generation into a new folder, chunk after chunk. Holds one block in memory.

    Args:
        folder: is made.
        base: a folder to go on from, whose first `n_chunks` chunks stay.
        n_chunks: of those in `base`; 0 without one.

    Raises:
        IndexDamagedError: `base` cannot be read, or holds another number of chunks.
    """

    def __init__(self, folder: Path, *, base: Path | None = None, n_chunks: int = 0) -> None:
        folder.mkdir()
        self._folder = folder
        self._vocabulary: dict[str, int] = {}
        self._lengths = array("i")
        self._n_blocks = 0
        self._rows: list[Row] = []
        if base is not None:
            self._take_over(base, n_chunks)

    def _take_over(self, base: Path, n_chunks: int) -> None:
        self._vocabulary = {term: number for number, term in enumerate(_read_vocabulary(base))}
        lengths = _read_lengths(base)
        if len(lengths) != n_chunks:
            raise IndexDamagedError(f"{str(base)!r} holds {len(lengths)} chunks, not {n_chunks}; run: otvet index")
        blocks = _read_blocks(base, n_chunks=n_chunks, n_terms=len(self._vocabulary))
        self._lengths.frombytes(lengths.tobytes())
        for number in range(n_chunks // BLOCK):
            (self._folder / _name(number)).mkdir()
            for name in (STARTS, ROWS, COUNTS):
                share(base / _name(number) / name, self._folder / _name(number) / name)
        self._n_blocks = n_chunks // BLOCK
        if n_chunks % BLOCK:
            self._rows = rows_of(blocks[-1], n_chunks % BLOCK)

    def add(self, text: str) -> None:
        """Add a chunk behind those that are there."""
        row = row_of(text, self._vocabulary)
        self._rows.append(row)
        self._lengths.append(int(row.counts.sum()))
        if len(self._rows) == BLOCK:
            self._write_block()

    def save(self) -> None:
        """Complete the files."""
        if self._rows:
            self._write_block()
        (self._folder / VOCABULARY).write_text("\n".join(self._vocabulary), "utf-8")
        np.array(self._lengths, np.int32).tofile(self._folder / LENGTHS)

    def _write_block(self) -> None:
        places = np.arange(len(self._rows), dtype=np.uint16)
        block = block_of(self._rows, places, n_terms=len(self._vocabulary))
        folder = self._folder / _name(self._n_blocks)
        folder.mkdir()
        np.save(folder / STARTS, block.starts)
        np.save(folder / ROWS, block.rows)
        np.save(folder / COUNTS, block.counts)
        self._n_blocks, self._rows = self._n_blocks + 1, []


class Postings(NamedTuple):
    """Some of the postings of a term: in which chunks it is, counted from the row `first` and in order, how often."""

    first: int
    rows: npt.NDArray[np.integer]
    counts: npt.NDArray[np.uint16]


class Term(NamedTuple):
    """What BM25 needs of a term: in how many living chunks it is, and its postings, in order."""

    n_chunks: int
    postings: Sequence[Postings]


class Bm25:
    """The formula over the chunks of one generation, wherever their postings come from.

    Args:
        lengths: how many terms each chunk has, (n_chunks,).
        alive: which chunks count, (n_chunks,); the others weigh nothing.
    """

    def __init__(self, lengths: npt.NDArray[np.int32], *, alive: Mask) -> None:
        self._alive = alive
        self._n_chunks = int(np.count_nonzero(alive))
        mean_length = float(lengths[alive].mean()) if self._n_chunks else 1.0
        self._saturations = (K1 * (1 - B + B * lengths / max(mean_length, 1.0))).astype(np.float32)

    def __len__(self) -> int:
        return len(self._alive)

    def shares(self, query: Sequence[Alternatives], found: Mapping[str, Term]) -> Scores:
        """How much of the query's weight each chunk holds, (n_chunks,), in [0, 1); 0 for those that do not count.

        BM25 as Lucene computes it (Robertson, Zaragoza, 2009; without the constant k1 + 1), divided by the sum of the
        inverse document frequencies of the query's words. Of a word's alternatives the one that gives a chunk most
        counts, for no more than the word itself weighs. A word that has none in the articles weighs as the rarest one,
        so a query whose words are mostly not in the corpus scores near 0 whatever the few common words do.

        Args:
            query: alternatives for each word.
            found: those of the query's terms that a living chunk holds.
        """
        total = 0.0
        shares = np.zeros(len(self), np.float32)
        for alternatives in query:
            known = [(found[term], weight) for term, weight in alternatives.items() if term in found]
            own = found.get(next(iter(alternatives)))
            whole = self._weight(own) if own is not None or not known else max(self._weight(term) for term, _ in known)
            total += whole
            if known:
                shares += self._best([(term, weight * min(self._weight(term), whole)) for term, weight in known])
        shares[~self._alive] = 0
        return shares / np.float32(total) if total else shares

    def _weight(self, term: Term | None) -> float:
        """The inverse document frequency of a term; None is one that no chunk holds."""
        n_with = term.n_chunks if term is not None else 0
        return log1p((self._n_chunks - n_with + 0.5) / (n_with + 0.5))

    def _best(self, known: Sequence[tuple[Term, float]]) -> Scores:
        """The most that one of some terms, each with what it weighs, gives to each chunk, (n_chunks,)."""
        best = np.zeros(len(self), np.float32)
        for term, weight in known:
            for first, rows, n_times in term.postings:
                counts, here = n_times.astype(np.float32), best[first:]
                given = np.float32(weight) * counts / (counts + self._saturations[first:][rows])
                here[rows] = np.maximum(here[rows], given)
        return best


def terms_of(query: Sequence[Alternatives]) -> list[str]:
    """All terms that a query looks for, each once."""
    return list(dict.fromkeys(term for alternatives in query for term in alternatives))


class LexicalIndex:
    """The keyword leg of one generation, for reading. Safe between threads.

    Args:
        folder: as a `LexicalWriter` leaves it.
        alive: which chunks count, (n_chunks,); the others are found by nothing and weigh nothing.

    Raises:
        IndexDamagedError: the folder holds no readable index of so many chunks.
    """

    def __init__(self, folder: Path, *, alive: Mask) -> None:
        vocabulary, lengths = _read_vocabulary(folder), _read_lengths(folder)
        if len(lengths) != len(alive):
            raise IndexDamagedError(
                f"{str(folder)!r} holds {len(lengths)} chunks, the generation {len(alive)}; run: otvet index"
            )
        self._numbers = {term: number for number, term in enumerate(vocabulary)}
        self._blocks = _read_blocks(folder, n_chunks=len(lengths), n_terms=len(vocabulary))
        self._n_with_term = self._count(alive)
        self._formula = Bm25(lengths, alive=alive)

    def _count(self, alive: Mask) -> npt.NDArray[np.int64]:
        """In how many living chunks each term is, (n_terms,)."""
        counts = np.zeros(len(self._numbers), np.int64)
        for number, block in enumerate(self._blocks):
            n_each = np.diff(block.starts)
            is_alive = alive[number * BLOCK : (number + 1) * BLOCK]
            if not is_alive.all():
                is_dead = ~is_alive[block.rows]
                n_each = n_each - np.bincount(np.repeat(np.arange(len(n_each)), n_each)[is_dead], minlength=len(n_each))
            counts[: len(n_each)] += n_each
        return counts

    def __len__(self) -> int:
        return len(self._formula)

    def known(self, terms: Sequence[str]) -> set[str]:
        """Those of the terms that a living chunk holds."""
        return {term for term in terms if term in self._numbers and self._n_with_term[self._numbers[term]]}

    def shares(self, query: Sequence[Alternatives]) -> Scores:
        """How much of the query's weight each chunk holds, (n_chunks,), in [0, 1); see `Bm25.shares`."""
        return self._formula.shares(query, {term: self._term(term) for term in self.known(terms_of(query))})

    def _term(self, term: str) -> Term:
        number = self._numbers[term]
        spans = [
            (at * BLOCK, block, slice(block.starts[number], block.starts[number + 1]))
            for at, block in enumerate(self._blocks)
            if number + 1 < len(block.starts)  # else the term came later
        ]
        postings = [Postings(first, block.rows[span], block.counts[span]) for first, block, span in spans]
        return Term(int(self._n_with_term[number]), postings)


def _name(number: int) -> str:
    return f"{number:04d}"


def rows_of(block: Block, n_rows: int) -> list[Row]:
    """The postings of a block, row by row."""
    order = np.argsort(block.rows, kind="stable")
    terms_of = np.repeat(np.arange(len(block.starts) - 1, dtype=np.int32), np.diff(block.starts))[order]
    counts = block.counts[order]
    ends = np.cumsum(np.bincount(block.rows, minlength=n_rows)).tolist()
    return [Row(terms_of[first:last], counts[first:last]) for first, last in zip([0, *ends[:-1]], ends, strict=True)]


def _read_vocabulary(folder: Path) -> list[str]:
    try:
        text = (folder / VOCABULARY).read_text("utf-8")
    except (OSError, ValueError) as exc:
        raise _unreadable(folder, exc) from exc
    return text.split("\n") if text else []


def _read_lengths(folder: Path) -> npt.NDArray[np.int32]:
    try:
        lengths = np.fromfile(folder / LENGTHS, np.int32)
        if lengths.nbytes != (folder / LENGTHS).stat().st_size:
            raise ValueError(f"{LENGTHS} does not hold lengths")
        return lengths
    except (OSError, ValueError) as exc:
        raise _unreadable(folder, exc) from exc


def _read_blocks(folder: Path, *, n_chunks: int, n_terms: int) -> list[Block]:
    """All blocks. The last one was written when all terms were known, the others when no more were than that."""
    blocks = [_read_block(folder / _name(number)) for number in range(-(-n_chunks // BLOCK))]
    n_known = [len(block.starts) - 1 for block in blocks]
    if n_terms != (n_known[-1] if blocks else 0) or sorted(n_known) != n_known:
        raise IndexDamagedError(f"{str(folder)!r} lacks terms or has too many; run: otvet index")
    return blocks


def _read_block(folder: Path) -> Block:
    try:
        block = Block(*(np.load(folder / name, mmap_mode="r") for name in (STARTS, ROWS, COUNTS)))
        if len(block.starts) == 0 or len({int(block.starts[-1]), len(block.rows), len(block.counts)}) > 1:
            raise ValueError("postings are missing")
    except (OSError, ValueError, EOFError) as exc:
        raise _unreadable(folder, exc) from exc
    return block


def _unreadable(folder: Path, exc: Exception) -> IndexDamagedError:
    return IndexDamagedError(f"cannot read the keyword index {str(folder)!r} ({exc}); run: otvet index")
