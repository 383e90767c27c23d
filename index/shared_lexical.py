"""The keyword leg of a shared index: posting lists in PostgreSQL, ranked by the formula of index/lexical.py.

A segment holds the postings of up to `SPAN` row numbers. It is never changed; a generation reads those that it sees
(index/postgres.py). So an article more costs its own postings, and small segments are merged with their neighbours.

Decision: our own postings rather than PostgreSQL's full text, whose ranks know neither how rare a word is nor which
names sound alike. A shared index gives what the same chunks give in files, to the last bit, and the fusion was fitted
to these scores. Measured on 2026-11-26 with PostgreSQL 15 on two busy cores; full text is a stored `tsvector` with a
GIN index, asked for any of a question's words; stems only, without names and words near in meaning:

                                                  here              ts_rank_cd        ts_rank
    XQuAD, keyword leg alone, recall@1 / @5
      Russian questions, 120 Russian paragraphs   0.904 / 0.977     0.717 / 0.938     0.842 / 0.964
      English questions, 120 Russian paragraphs   0.137 / 0.224     0.131 / 0.216     0.139 / 0.216
      English questions, 120 English paragraphs   0.925 / 0.984     0.786 / 0.974     0.917 / 0.980
    100,000 made chunks of 80 words, 50 questions
      the best 50, p50 / p95                      10 / 35 ms        406 / 3478 ms     271 / 2416 ms
      on disk                                     45 MiB            144 MiB           144 MiB
      written in                                  43 s              24 s              24 s

Full text was given the better of its ranks with and without regard to lengths. It ranks every chunk that has one of
the words, and fetches the `tsvector` of each for that.

Decision: postings that were read are kept for a while, as the search asks for the same terms twice, first which of them
are known. Both together take 8 / 26 ms of the above questions, 13 / 37 ms with room for 1 MiB, 20 / 44 ms without any.
"""

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from index.deriving import TELL_EVERY
from index.errors import IndexDamagedError
from index.lexical import Alternatives, Block, Bm25, Postings, Row, Scores, Term, block_of, row_of, rows_of, terms_of
from index.postgres import VISIBLE, Database

if TYPE_CHECKING:
    from psycopg import Connection

SPAN = 2**16  # row numbers of a segment at most, so that a row takes 2 bytes
SMALL = SPAN // 2  # a segment of fewer living rows is merged with its neighbours
WORTH_IT = 16  # segments fewer that a merge has to bring, so that not every build writes the newest rows anew
MAX_TERM_CHARS = 500  # PostgreSQL's index takes 2.7 kB; a longer term is known by its hash
CACHE_BYTES = 64 * 2**20  # of each open generation

RowIds = npt.NDArray[np.int64]
"""Numbers of rows that are there, each once and in order."""


def write_postings(
    connection: "Connection[Any]", number: int, chunks: Iterator[tuple[int, str]], *, tell: Callable[[int], None]
) -> None:
    """Write segments of a generation to come, each in a transaction of its own, so that a killed build goes on.

    Args:
        connection: to write with.
        number: of the generation.
        chunks: row numbers, in order, from `rows_covered` on, and texts.
        tell: told how many chunks were read, now and then and at the end.
    """
    segment, done = _NewSegment(), 0
    for done, (row, text) in enumerate(chunks, start=1):
        if segment.rows and row - segment.rows[0] >= SPAN:
            segment.write(connection, number)
            segment = _NewSegment()
        segment.add(row, text)
        if done % TELL_EVERY == 0:
            tell(done)
    if segment.rows:
        segment.write(connection, number)
        tell(done)


def rows_covered(connection: "Connection[Any]", number: int) -> int:
    """The row number from which on a generation to come lacks postings; 0 where none were written for it."""
    found = connection.execute("select max(first_row + n_rows) from segments where since = %s", [number]).fetchone()
    return int(found[0] or 0) if found is not None else 0


def merge_segments(connection: "Connection[Any]", number: int, row_ids: RowIds) -> int:
    """Merge small segments of a generation to come where it is worth it, and tell how many it has less.

    Their rows that are not in `row_ids`, those of the generation, are left out. Segments without any of them are left
    to the generations before. A merge is a transaction of its own.
    """
    segments = _visible(connection, number)
    living = [_living(one, row_ids) for one in segments]
    groups = [(group, np.concatenate([living[at] for at in group])) for group in _groups(segments, living)]
    groups = [(group, rows) for group, rows in groups if len(group) > 1 or not len(rows)]
    n_less = sum(len(group) - (len(rows) > 0) for group, rows in groups)
    if n_less < WORTH_IT:
        return 0
    for group, rows in groups:
        with connection.transaction():
            _merge(connection, number, [segments[at] for at in group], rows)
    return n_less


def undo_segments(connection: "Connection[Any]", number: int) -> None:
    """Take back what was written for a generation that is not to come."""
    with connection.transaction():
        _delete(connection, "since = %s", number)
        connection.execute("update segments set until = null where until = %s", [number])


def forget_segments(connection: "Connection[Any]", before: int) -> None:
    """Delete what only generations of a number below `before` see."""
    with connection.transaction():
        _delete(connection, "until <= %s", before)


class SharedKeywordIndex:
    """The keyword leg of one generation, for reading. Safe between threads.

    Args:
        database: with the segments.
        generation: whose number it is.
        row_ids: of its chunks; what this class calls rows are places in here.
        cache_bytes: how much of the postings is kept for queries to come.

    Raises:
        IndexDamagedError: no segment holds some of the rows.
    """

    def __init__(self, database: Database, generation: int, row_ids: RowIds, *, cache_bytes: int = CACHE_BYTES) -> None:
        self._database = database
        with database.connection() as connection:
            segments = _visible(connection, generation)
            lengths = [_lengths(connection, one)[_living(one, row_ids) - one.first_row] for one in segments]
        n_found = sum(map(len, lengths))
        if n_found != len(row_ids):
            raise IndexDamagedError(
                f"{database.place} has postings of {n_found} chunks of generation {generation}, not of {len(row_ids)}; "
                "run: otvet doctor --repair"
            )
        self._segments = segments
        self._places = {one.number: _Places(one, row_ids) for one in segments}
        self._formula = Bm25(np.concatenate([np.empty(0, np.int32), *lengths]), alive=np.ones(n_found, np.bool_))
        self._cache = _Cache(cache_bytes)

    def __len__(self) -> int:
        return len(self._formula)

    def known(self, terms: Sequence[str]) -> set[str]:
        """Those of the terms that a chunk holds."""
        return set(self._found(terms))

    def shares(self, query: Sequence[Alternatives]) -> Scores:
        """How much of the query's weight each chunk holds, (n_chunks,), in [0, 1); see `Bm25.shares`."""
        return self._formula.shares(query, self._found(terms_of(query)))

    def check(self) -> Iterator[str]:
        """What is wrong with the postings, all of which are read: each chunk has as many as it has terms."""
        for one in self._segments:
            counted = np.zeros(one.n_rows, np.int32)
            with self._database.connection() as connection, connection.cursor(binary=True) as cursor:
                query = "select rows, counts from postings where segment = %s"
                for rows, counts in cursor.stream(query, [one.number]):
                    counted[np.frombuffer(rows, np.uint16)] += np.frombuffer(counts, np.uint16)
                n_wrong = np.count_nonzero(counted != _lengths(connection, one))
            if n_wrong:
                yield f"postings of {n_wrong} chunks from {one.first_row} to {one.end - 1} are lost or too many"

    def _found(self, terms: Sequence[str]) -> dict[str, Term]:
        """Those of the terms that a chunk holds."""
        asked = [term for term in dict.fromkeys(terms) if term.isprintable()]  # all that `chunk_terms` gives are
        found = {term: self._cache.get(term) for term in asked}
        missing = [term for term, one in found.items() if one is None]
        if missing:
            found |= self._fetch(missing)
        return {term: one for term, one in found.items() if one is not None and one.n_chunks}

    def _fetch(self, terms: Sequence[str]) -> dict[str, Term]:
        stored = [_stored(term) for term in terms]
        postings: dict[str, list[Postings]] = defaultdict(list)
        with self._database.connection() as connection, connection.cursor(binary=True) as cursor:
            cursor.execute(
                "select term, segment, rows, counts from postings where term = any(%s) and segment = any(%s)",
                [stored, list(self._places)],
            )
            for term, segment, rows, counts in cursor:
                postings[term].append(self._places[segment].postings(rows, counts))
        found = {
            term: Term(sum(len(one.rows) for one in postings[own]), postings[own])
            for term, own in zip(terms, stored, strict=True)
        }
        for term, one in found.items():
            self._cache.put(term, one)
        return found


class _Segment(NamedTuple):
    number: int
    first_row: int
    n_rows: int

    @property
    def end(self) -> int:
        """The row number behind it."""
        return self.first_row + self.n_rows


class _Places:
    """Where the rows of a segment are in a generation."""

    def __init__(self, segment: _Segment, row_ids: RowIds) -> None:
        living = _living(segment, row_ids)
        self._first = int(np.searchsorted(row_ids, segment.first_row))
        self._ranks: npt.NDArray[np.int32] | None = None
        if len(living) < segment.n_rows:
            self._ranks = np.full(segment.n_rows, -1, np.int32)
            self._ranks[living - segment.first_row] = np.arange(len(living))

    def postings(self, rows: bytes, counts: bytes) -> Postings:
        """Stored postings, less those of chunks that are not there."""
        places: npt.NDArray[np.integer] = np.frombuffer(rows, np.uint16)
        n_times = np.frombuffer(counts, np.uint16)
        if self._ranks is not None:
            places = self._ranks[places]
            is_living = places >= 0
            places, n_times = places[is_living], n_times[is_living]
        return Postings(self._first, places, n_times)


class _Cache:
    """The terms that were asked for last, as far as there is room. Safe between threads."""

    def __init__(self, n_bytes: int) -> None:
        self._room = n_bytes
        self._lock = Lock()
        self._terms: OrderedDict[str, Term] = OrderedDict()

    def get(self, term: str) -> Term | None:
        with self._lock:
            if term in self._terms:
                self._terms.move_to_end(term)
            return self._terms.get(term)

    def put(self, term: str, found: Term) -> None:
        with self._lock:
            if term not in self._terms:
                self._terms[term] = found
                self._room -= _n_bytes(term, found)
            while self._room < 0:
                self._room += _n_bytes(*self._terms.popitem(last=False))


def _n_bytes(term: str, found: Term) -> int:
    return 500 + len(term) + sum(300 + one.rows.nbytes + one.counts.nbytes for one in found.postings)


class _NewSegment:
    """Chunks whose postings are to be written together."""

    def __init__(self) -> None:
        self.rows: list[int] = []
        self._vocabulary: dict[str, int] = {}
        self._chunks: list[Row] = []

    def add(self, row: int, text: str) -> None:
        self.rows.append(row)
        self._chunks.append(row_of(text, self._vocabulary))

    def write(self, connection: "Connection[Any]", number: int) -> None:
        rows = np.array(self.rows, np.int64)
        lengths = np.array([chunk.counts.sum() for chunk in self._chunks], np.int32)
        block = block_of(self._chunks, (rows - rows[0]).astype(np.uint16), n_terms=len(self._vocabulary))
        with connection.transaction():
            _write(connection, number, rows, lengths, [_stored(term) for term in self._vocabulary], block)


def _stored(term: str) -> str:
    """What a term is called in the table; the hash of a long one is no other term, as none begins like that."""
    return term if len(term) <= MAX_TERM_CHARS else f"#{sha256(term.encode()).hexdigest()}"


def _write(
    connection: "Connection[Any]",
    number: int,
    rows: RowIds,
    lengths: npt.NDArray[np.int32],
    vocabulary: Sequence[str],
    block: Block,
) -> None:
    """Write a segment: its chunks' rows and lengths, its terms and their postings, counted from the first row."""
    first, n_rows = int(rows[0]), int(rows[-1] - rows[0]) + 1
    of_rows = np.zeros(n_rows, np.int32)
    of_rows[rows - first] = lengths
    made = connection.execute(
        "insert into segments (since, first_row, n_rows, lengths) values (%s, %s, %s, %b) returning segment",
        [number, first, n_rows, of_rows.tobytes()],
    ).fetchone()
    assert made is not None
    starts = block.starts.tolist()
    with (
        connection.cursor() as cursor,
        cursor.copy("copy postings (term, segment, rows, counts) from stdin (format binary)") as copy,
    ):
        copy.set_types(["text", "int4", "bytea", "bytea"])
        for term, start, end in zip(vocabulary, starts[:-1], starts[1:], strict=True):
            if start < end:
                copy.write_row((term, made[0], block.rows[start:end].tobytes(), block.counts[start:end].tobytes()))


def _groups(segments: Sequence[_Segment], living: Sequence[RowIds]) -> Iterator[list[int]]:
    """Places of segments that can be merged into one: neighbours that are small and fit, be it one alone."""
    group: list[int] = []
    for at, rows in enumerate(living):
        is_small = len(rows) < SMALL
        fits = not group or segments[at].end - segments[group[0]].first_row <= SPAN
        if group and not (is_small and fits):
            yield group
            group = []
        if is_small:
            group.append(at)
    if group:
        yield group


def _merge(connection: "Connection[Any]", number: int, segments: Sequence[_Segment], living: RowIds) -> None:
    """Write those rows of some segments, which are in order, as one; the generation sees the others no more."""
    vocabulary: dict[str, int] = {}
    chunks: list[Row] = []
    lengths: list[npt.NDArray[np.int32]] = []
    for segment in segments:
        places = _living(segment, living) - segment.first_row
        rows = _rows(connection, segment, vocabulary)
        chunks += [rows[place] for place in places.tolist()]
        lengths.append(_lengths(connection, segment)[places])
    if chunks:
        block = block_of(chunks, (living - living[0]).astype(np.uint16), n_terms=len(vocabulary))
        _write(connection, number, living, np.concatenate(lengths), list(vocabulary), block)
    connection.execute(
        "update segments set until = %s where segment = any(%s)", [number, [one.number for one in segments]]
    )


def _rows(connection: "Connection[Any]", segment: _Segment, vocabulary: dict[str, int]) -> list[Row]:
    """The rows of a segment, by numbers of a vocabulary, which is added to."""
    with connection.cursor(binary=True) as cursor:
        stored = cursor.execute(
            "select term, rows, counts from postings where segment = %s", [segment.number]
        ).fetchall()
    numbers = np.array([vocabulary.setdefault(term, len(vocabulary)) for term, _, _ in stored], np.int32)
    block = Block(
        np.cumsum([0, *(len(rows) // 2 for _, rows, _ in stored)]).astype(np.int32),
        np.frombuffer(b"".join(rows for _, rows, _ in stored), np.uint16),
        np.frombuffer(b"".join(counts for _, _, counts in stored), np.uint16),
    )
    return [Row(numbers[row.terms], row.counts) for row in rows_of(block, segment.n_rows)]


def _visible(connection: "Connection[Any]", generation: int) -> list[_Segment]:
    """The segments that a generation sees, in the order of their rows."""
    found = connection.execute(
        f"select segment, first_row, n_rows from segments where {VISIBLE} order by first_row",
        {"generation": generation},
    )
    return [_Segment(*one) for one in found]


def _living(segment: _Segment, row_ids: RowIds) -> RowIds:
    return row_ids[slice(*np.searchsorted(row_ids, [segment.first_row, segment.end]))]


def _lengths(connection: "Connection[Any]", segment: _Segment) -> npt.NDArray[np.int32]:
    with connection.cursor(binary=True) as cursor:
        found = cursor.execute("select lengths from segments where segment = %s", [segment.number]).fetchone()
    assert found is not None
    return np.frombuffer(found[0], np.int32)


def _delete(connection: "Connection[Any]", condition: str, number: int) -> None:
    found = [one for (one,) in connection.execute(f"select segment from segments where {condition}", [number])]
    connection.execute("delete from postings where segment = any(%s)", [found])
    connection.execute("delete from segments where segment = any(%s)", [found])
