"""Chunks of a shared index in PostgreSQL: where they are, their vectors, sentences and words.

Bytes are those of index/vectors.py and index/late_interaction.py, and so are the formulas, so a shared index finds to
the last bit what one in files finds. Where the chunks are is held in memory, 24 bytes a chunk; the rest is read when it
is asked for, all of a call with one statement.

Decision: FEW. Milliseconds (p50) and recall of the 50 nearest of those that a mask lets through, 100,000 made chunks of
384 dimensions. Read and compared: of 1,000 17 and 1.0, of 3,000 37 and 1.0, of 5,000 71 and 1.0. Found by Chroma: of
1,000 58, of 3,000 26, of 10,000 14 and 0.935, of 30,000 10 and 0.942, of 50,000 8 and 0.947; unmasked 6 and 0.974.
The more chunks there are in all, the more Chroma must be asked for, so the bound is the number of those that pass, not
their share (2026-11-26).

Decision: no cache. A search reads the vectors of 50 rows twice, which is 1.1 ms.
"""

import struct
from collections.abc import Iterable, Sequence
from math import ceil
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from index.drafts import EmbeddedChunk
from index.embedding import Vectors
from index.errors import IndexDamagedError
from index.late_interaction import max_sims_of, n_bytes, pack
from index.parts import NearestChunks
from index.postgres import Database
from index.rows import Mask
from index.sentences import Span
from index.vectors import SCANNED_AT_ONCE, ChunkPlace, Rows, best_of_each, products, rows_in

if TYPE_CHECKING:
    from psycopg import Connection

FEW = 5000  # rows that are compared exactly, rather than sought among those near to a query
MORE = 1.25  # times as many are asked of Chroma as the share of those that pass lets expect
MOST_ASKED = 20_000  # of Chroma

PLACE = np.dtype([("article", np.int32), ("start", np.int32), ("end", np.int32)])
# As COPY writes a row of four columns: how many there are, and the length of each before it.
_COPIED = np.dtype(
    [("n", ">i2"), ("n_row", ">i4"), ("row", ">i8"), ("n_position", ">i4"), ("position", ">i8")]
    + [("n_start", ">i4"), ("start", ">i4"), ("n_end", ">i4"), ("end", ">i4")]
)
_HEAD = struct.Struct(">11sII")
_COPY = (
    "copy chunks (row, position, start_char, end_char, vector, sentences, sentence_vectors, word_starts, word_states) "
    "from stdin (format binary)"
)
_TYPES = ("int8", "int8", "int4", "int4", *["bytea"] * 5)


class NewChunks(NamedTuple):
    """The chunks of one article that is added.

    Attributes:
        position: of the article.
        first_row: the number of the first chunk; the others follow.
    """

    position: int
    first_row: int
    chunks: Sequence[EmbeddedChunk]


class Places(NamedTuple):
    """Where the living chunks of a generation are, in order.

    Attributes:
        row_ids: their numbers in the table, (n_chunks,).
        chunks: (n_chunks,) of `PLACE`; the article is counted among the living ones.
    """

    row_ids: Rows
    chunks: npt.NDArray[Any]


def add_chunks(connection: "Connection[Any]", articles: Iterable[NewChunks]) -> None:
    """Add the chunks of articles.

    Args:
        connection: errors of psycopg are those of the caller, see `Database.errors`.
        articles: are taken as they are needed.
    """
    with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
        copy.set_types(_TYPES)
        for article in articles:
            for row, chunk in enumerate(article.chunks, start=article.first_row):
                copy.write_row((row, article.position, chunk.start, chunk.end, *_stored(chunk)))


def _stored(chunk: EmbeddedChunk) -> tuple[bytes, ...]:
    """As the files of index/vectors.py and index/late_interaction.py have it."""
    return (
        np.asarray(chunk.vector, np.float32).tobytes(),
        np.array(chunk.sentences, np.int32).tobytes(),
        np.asarray(chunk.sentence_vectors, np.float16).tobytes(),
        np.array(chunk.word_starts, np.int32).tobytes(),
        pack(chunk.word_states).tobytes(),
    )


def load_places(connection: "Connection[Any]", positions: Rows, *, n_rows: int) -> Places:
    """Where the chunks of some articles are.

    Args:
        connection: as for `add_chunks`.
        positions: of the articles, in order.
        n_rows: chunks of higher numbers are left out.
    """
    query = "copy (select row, position, start_char, end_char from chunks where row < {} order by row) to stdout "
    with connection.cursor() as cursor, cursor.copy((query + "(format binary)").format(int(n_rows)).encode()) as copy:
        copied = b"".join(copy)
    n = (len(copied) - _HEAD.size) // _COPIED.itemsize  # behind them two bytes say that it is the end
    found = np.frombuffer(copied, _COPIED, n, _HEAD.size)
    at = np.searchsorted(positions, found["position"])
    is_own = np.append(positions, -1)[at] == found["position"]
    places = np.empty(int(np.count_nonzero(is_own)), PLACE)
    places["article"], places["start"], places["end"] = at[is_own], found["start"][is_own], found["end"][is_own]
    if np.any(np.diff(places["article"]) < 0):
        raise IndexDamagedError("the table of chunks is out of order; run: otvet index")
    return Places(found["row"][is_own].astype(np.int64), places)


class SharedChunks:
    """The chunks of one generation, for reading: `ChunkVectors` and `ChunkWords` of index/parts.py.

    Safe between threads.

    Every method that reads raises `IndexUnreachableError` where PostgreSQL or Chroma cannot be reached, and
    `IndexDamagedError` where a chunk is not there.

    Attributes:
        articles: position of each chunk's article among the living ones, (n_chunks,), in order.
        width: of the states of words.
    """

    def __init__(self, database: Database, places: Places, *, dim: int, width: int, nearest: NearestChunks) -> None:
        self._database = database
        self._row_ids, self._chunks = places
        self._dim = dim
        self.width = width
        self._nearest = nearest
        self.articles: npt.NDArray[np.int32] = np.ascontiguousarray(self._chunks["article"])

    def __len__(self) -> int:
        return len(self._chunks)

    def place(self, row: int) -> ChunkPlace:
        """Where the chunk of that row is."""
        return ChunkPlace(*self._chunks[row].tolist())

    def rows_in(self, article: int, start: int, end: int) -> list[int]:
        """Rows of the chunks of an article that lie between two of its characters, in order."""
        return rows_in(self.articles, self._chunks, article, start, end)

    def vectors(self, rows: Rows) -> Vectors:
        """Vectors of those chunks, (len(rows), dim)."""
        return np.frombuffer(b"".join(self._read("vector", rows)), np.float32).reshape(-1, self._dim)

    def cosines(self, vector: Vectors, rows: Rows) -> npt.NDArray[np.float32]:
        """Cosines of those chunks with a vector, (dim,); equal ones of equal chunks."""
        return products(self.vectors(rows), vector)

    def nearest(self, vector: Vectors, *, k: int, mask: Mask) -> Rows:
        """The `k` chunks nearest to a vector, (dim,), among those of the mask, (n_chunks,), in any order.

        Few are compared exactly; of many, those are taken that Chroma finds near and that the mask lets through.
        """
        rows = np.flatnonzero(mask)
        k = min(k, len(rows))
        n = ceil(k * len(self) / max(len(rows), 1) * MORE)
        while len(rows) > FEW and n <= MOST_ASKED:
            found = self._nearest.nearest(vector, k=n)
            passing = found[mask[found]]
            if len(passing) >= k:
                return passing[:k]
            n *= 4
        return self._scan(vector, rows, k)

    def _scan(self, vector: Vectors, rows: Rows, k: int) -> Rows:
        best, cosines = np.empty(0, np.int64), np.empty(0, np.float32)
        for at in range(0, len(rows), SCANNED_AT_ONCE):
            some = rows[at : at + SCANNED_AT_ONCE]
            best, cosines = np.append(best, some), np.append(cosines, self.cosines(vector, some))
            kept = np.argsort(-cosines, kind="stable")[:k]
            best, cosines = best[kept], cosines[kept]
        return best

    def sentences(self, row: int) -> tuple[list[Span], Vectors]:
        """The sentences of a chunk and their vectors."""
        ((spans, vectors),) = self._read_some("sentences, sentence_vectors", np.array([row]))
        pairs = np.frombuffer(spans, np.int32).reshape(-1, 2).tolist()
        return [Span(*pair) for pair in pairs], self._halves(vectors).astype(np.float32)

    def best_sentences(self, vector: Vectors, rows: Rows) -> npt.NDArray[np.float32]:
        """The highest cosine that a sentence of each of those chunks has with a vector, (dim,)."""
        stored = self._read("sentence_vectors", rows)
        n_each = np.array([len(one) for one in stored], np.int64) // (2 * self._dim)
        return best_of_each(self._halves(b"".join(stored)), n_each, vector)

    def words(self, row: int) -> tuple[list[int], npt.NDArray[np.uint8]]:
        """Where each word of a chunk begins in the article, and their states as `pack` makes them."""
        ((starts, states),) = self._read_some("word_starts, word_states", np.array([row]))
        return np.frombuffer(starts, np.int32).tolist(), self._packed(states)

    def max_sims(self, query: Vectors, rows: Rows) -> npt.NDArray[np.float32]:
        """MaxSim of those chunks with the states of a query's words, see `LateIndex.max_sims`."""
        stored = self._read("word_states", rows)
        n_each = np.array([len(one) for one in stored], np.int64) // n_bytes(self.width)
        return max_sims_of(self._packed(b"".join(stored)), n_each, query)

    def of_sentences(self, query: Vectors, row: int, sentences: Sequence[Span]) -> npt.NDArray[np.float32]:
        """The same for the sentences of a chunk, in order and in characters of the article: (len(sentences),)."""
        starts, states = self.words(row)
        bounds = np.searchsorted(np.array(starts, np.int32), np.array(sentences).reshape(-1, 2))
        pieces = [states[first:end] for first, end in bounds.tolist()]
        return max_sims_of(np.concatenate([states[:0], *pieces]), bounds[:, 1] - bounds[:, 0], query)

    def _halves(self, stored: bytes) -> npt.NDArray[np.float16]:
        return np.frombuffer(stored, np.float16).reshape(-1, self._dim)

    def _packed(self, stored: bytes) -> npt.NDArray[np.uint8]:
        return np.frombuffer(stored, np.uint8).reshape(-1, n_bytes(self.width))

    def _read(self, column: str, rows: Rows) -> list[bytes]:
        return [one for (one,) in self._read_some(column, rows)]

    def _read_some(self, columns: str, rows: Rows) -> list[tuple[bytes, ...]]:
        """Columns of chunks, in the order of the rows; one that is asked for twice is read once."""
        if not len(rows):
            return []
        row_ids = self._row_ids[rows].tolist()
        statement = f"select row, {columns} from chunks where row = any(%s::bigint[])".encode()
        with self._database.connection() as connection, connection.cursor(binary=True) as cursor:
            stored = {row: tuple(rest) for row, *rest in cursor.execute(statement, [row_ids])}
        try:
            return [stored[row] for row in row_ids]
        except KeyError as exc:
            raise IndexDamagedError(f"{self._database.place} lacks chunk {exc}; run: otvet doctor --repair") from exc
