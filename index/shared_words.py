"""The words of a shared index that are near in meaning (index/words.py), in PostgreSQL.

The table `words` holds what all words of the newest generation add up to; a build adds what differs. The frequent ones
of every generation are in its row of `generations`, which is all that a reader needs.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from index.embedding import Vectors
from index.errors import IndexDamagedError
from index.postgres import Database
from index.words import MAX_WORDS, FrequentWords, Sums, WordSums, frequent_words

if TYPE_CHECKING:
    from psycopg import Connection

TERMS_AT_ONCE = 20_000  # their sums take 1.5 kB each


def update_words(connection: "Connection[Any]", lineage: int, difference: WordSums) -> None:
    """Add a difference to the words of a lineage, all of it or, where that fails, nothing.

    Raises:
        IndexDamagedError: fewer words are there than are to be taken away.
    """
    words = difference.read()
    changed = np.flatnonzero((words.counts != 0) | words.sums.any(axis=1))
    with connection.transaction():
        for at in range(0, len(changed), TERMS_AT_ONCE):
            rows = changed[at : at + TERMS_AT_ONCE]
            lot = Sums([words.terms[row] for row in rows], words.counts[rows], words.sums[rows])
            _write(connection, lineage, _added(connection, lineage, lot))


def choose_frequent_words(connection: "Connection[Any]", lineage: int, means: Vectors) -> FrequentWords:
    """The frequent words of a generation to come, out of those of its lineage; `means` are of `mean_states`."""
    with connection.cursor(binary=True) as cursor:
        found = cursor.execute(
            "select term, n, sum from words where lineage = %s order by n desc, term limit %s", [lineage, MAX_WORDS]
        ).fetchall()
    return frequent_words(_sums(found, width=means.shape[1]), means)


def read_frequent_words(database: Database, generation: int) -> FrequentWords:
    """The frequent words of a generation.

    Raises:
        IndexDamagedError: it has none, or they do not belong together.
    """
    with database.connection() as connection, connection.cursor(binary=True) as cursor:
        found = cursor.execute(
            "select terms, vectors, means from generations where number = %s", [generation]
        ).fetchone()
    try:
        if found is None:
            raise ValueError("there are none")
        means = np.frombuffer(found[2], np.float32).reshape(2, -1)
        vectors = np.frombuffer(found[1], np.float32).reshape(len(found[0]), means.shape[1])
    except ValueError as exc:
        raise IndexDamagedError(
            f"cannot read the words of generation {generation} in {database.place} ({exc}); run: otvet index"
        ) from exc
    return FrequentWords(found[0], vectors, means)


def _added(connection: "Connection[Any]", lineage: int, lot: Sums) -> Sums:
    """What is there of some terms and what is given of them, together."""
    with connection.cursor(binary=True) as cursor:
        found = cursor.execute(
            "select term, n, sum from words where lineage = %s and term = any(%s)", [lineage, lot.terms]
        ).fetchall()
    there = _sums(found, width=lot.sums.shape[1])
    places = {term: place for place, term in enumerate(lot.terms)}
    rows = np.array([places[term] for term in there.terms], np.int64)
    counts, sums = lot.counts.copy(), lot.sums.copy()
    counts[rows] += there.counts
    sums[rows] += there.sums
    if (counts < 0).any() or sums[counts == 0].any():
        term = lot.terms[int(np.argmax((counts < 0) | ((counts == 0) & sums.any(axis=1))))]
        raise IndexDamagedError(
            f"the table of words does not hold what is to be taken from {term!r}; run: otvet doctor --repair"
        )
    return Sums(lot.terms, counts, sums)


def _write(connection: "Connection[Any]", lineage: int, lot: Sums) -> None:
    kept = np.flatnonzero(lot.counts).tolist()
    connection.execute(
        "insert into words (lineage, term, n, sum) select %s, * from unnest(%s::text[], %s::bigint[], %b::bytea[]) "
        "on conflict (lineage, term) do update set n = excluded.n, sum = excluded.sum",
        [
            lineage,
            [lot.terms[row] for row in kept],
            lot.counts[kept].tolist(),
            [lot.sums[row].tobytes() for row in kept],
        ],
    )
    gone = [lot.terms[row] for row in np.flatnonzero(lot.counts == 0)]
    connection.execute("delete from words where lineage = %s and term = any(%s)", [lineage, gone])


def _sums(rows: list[tuple[str, int, bytes]], *, width: int) -> Sums:
    """Rows of the table as a value."""
    counts: npt.NDArray[np.int64] = np.array([n for _, n, _ in rows], np.int64)
    sums = np.frombuffer(b"".join(levels for _, _, levels in rows), np.int32)
    return Sums([term for term, _, _ in rows], counts, sums.reshape(len(rows), width))
