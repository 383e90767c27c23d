"""What is made from articles and vectors of a shared draft: postings, words, and the chunks in Chroma.

What is written lasts at once and can be gone on with after a kill, but for the words: they are added up here and
written with the generation, so that they are never added twice.
"""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from index.deriving import TELL_EVERY
from index.embedding import Vectors
from index.plain import words_at
from index.postgres import Database
from index.records import Article, Progress
from index.server_chunks import ServerWriter
from index.shared_articles import SharedArticles
from index.shared_chunks import Places, load_places
from index.shared_lexical import SharedKeywordIndex, merge_segments, rows_covered, write_postings
from index.vectors import Rows
from index.words import WordSums

if TYPE_CHECKING:
    from psycopg import Connection

AT_ONCE = 2000  # chunks whose vectors are held
WORDS_AT_ONCE = 64  # chunks whose words are held; about 50 kB each

# Of the chunks of articles that the generation before has, and the one to come has not, under no version.
GONE_WORDS = """
select gone.article_id, text, word_starts, word_states
from articles as gone join texts using (position) join chunks using (position)
where gone.until = %(number)s and gone.since < %(number)s
and not exists (select from articles where articles.position = gone.position and since = %(number)s)
"""


@dataclass(frozen=True, slots=True)
class Derived:
    """What was made, and what is to be written with the generation. To be closed.

    Attributes:
        n_rows: numbers of the generation's chunks are below.
        words: what the generation has more than the one before.
    """

    n_chunks: int
    n_rows: int
    words: WordSums
    means: Vectors
    path: Path

    def close(self) -> None:
        """Remove the scratch file."""
        self.path.unlink(missing_ok=True)


def derive_shared(
    database: Database,
    connection: "Connection[Any]",
    chunks: ServerWriter,
    number: int,
    *,
    base: int | None,
    are_stored: Callable[[Rows], bool],
    means: Vectors,
    scratch: Path,
    tell: Progress,
) -> Derived:
    """Make what is missing.

    Args:
        database: to read by.
        connection: to write by.
        chunks: of the draft's lineage.
        number: of the draft.
        base: the generation that it goes on from; None where it takes over nothing.
        are_stored: tells by their number whether Chroma has rows.
        means: of `mean_states`.
        scratch: a directory for a file of sums.
        tell: told the stages "words" and "store", in chunks.

    Raises:
        IndexDamagedError: what the base has cannot be gone on from.
    """
    with closing(SharedArticles(database, number)) as articles:
        n_before = _value(connection, "select n_rows from generations where number = %s", base) if base else 0
        n_rows = _value(connection, "select next_row from state")
        places = load_places(connection, articles.positions, n_rows=n_rows)
        new = _Rows(database, articles, places)
        _add_postings(connection, number, new, n_before, tell)
        merge_segments(connection, number, places.row_ids)
        SharedKeywordIndex(database, number, places.row_ids)  # the base may have lost segments
        path = scratch / "words.sums"
        words = _new_words(path, means.shape[1], new, n_before, tell)
        if base:
            _remove_gone(database, number, words)
        _store(chunks, new, n_before, tell)
        if base and not are_stored(places.row_ids):  # it has lost some of the base's
            _store(chunks, new, 0, tell)
    return Derived(len(places.row_ids), n_rows, words, means, path)


class _Rows:
    """The living chunks of a generation, read in order; those from a row number on are told by that."""

    def __init__(self, database: Database, articles: SharedArticles, places: Places) -> None:
        self._database, self._articles = database, articles
        self._ids, self._places = places

    def n_from(self, first: int) -> int:
        return len(self._ids) - int(np.searchsorted(self._ids, first))

    def texts(self, first: int) -> Iterator[tuple[int, str]]:
        """Row numbers and texts."""
        for at, article in self._with_articles(first):
            place = self._places[at]
            yield int(self._ids[at]), article.text[int(place["start"]) : int(place["end"])]

    def words(self, first: int) -> Iterator[tuple[Article, list[int], Any]]:
        """Article, where its words begin, and their states."""
        of_rows = self._columns("word_starts, word_states", first, at_once=WORDS_AT_ONCE)
        for (_, article), (_, starts, states) in zip(self._with_articles(first), of_rows, strict=True):
            yield article, *_words(starts, states)

    def vectors(self, rows: Rows) -> Vectors:
        """Of rows by their numbers, (len(rows), dim)."""
        query = "select row, vector from chunks where row = any(%s) order by row"
        with self._database.connection() as connection, connection.cursor(binary=True) as cursor:
            found = cursor.execute(query, [rows.tolist()]).fetchall()
        return np.frombuffer(b"".join(vector for _, vector in found), np.float32).reshape(len(rows), -1)

    def ids_from(self, first: int) -> Rows:
        return self._ids[np.searchsorted(self._ids, first) :]

    def _with_articles(self, first: int) -> Iterator[tuple[int, Article]]:
        at = len(self._ids) - self.n_from(first)
        if at == len(self._ids):
            return
        for position, article in self._articles.from_position(int(self._places["article"][at])):
            while at < len(self._ids) and self._places["article"][at] == position:
                yield at, article
                at += 1

    def _columns(self, columns: str, first: int, *, at_once: int) -> Iterator[tuple[Any, ...]]:
        ids = self.ids_from(first)
        query = f"select row, {columns} from chunks where row = any(%s) order by row"
        for at in range(0, len(ids), at_once):
            with self._database.connection() as connection, connection.cursor(binary=True) as cursor:
                found = cursor.execute(query, [ids[at : at + at_once].tolist()]).fetchall()
            yield from found


def _add_postings(connection: "Connection[Any]", number: int, new: _Rows, n_before: int, tell: Progress) -> None:
    """Write those that an earlier build has not written; the first of two rounds through the new chunks."""
    covered = max(n_before, rows_covered(connection, number))
    n_new = new.n_from(n_before)
    n_done = n_new - new.n_from(covered)
    write_postings(connection, number, new.texts(covered), tell=lambda done: tell("words", n_done + done, 2 * n_new))


def _new_words(path: Path, width: int, new: _Rows, n_before: int, tell: Progress) -> WordSums:
    """The words of the new chunks, added up in a new file; the second round."""
    path.unlink(missing_ok=True)
    words, n_new = WordSums(path, width), new.n_from(n_before)
    for done, (article, starts, packed) in enumerate(new.words(n_before), start=1):
        words.add(words_at(article.article_id, article.text, starts), packed)
        if done % TELL_EVERY == 0 or done == n_new:
            tell("words", n_new + done, 2 * n_new)
    return words


def _remove_gone(database: Database, number: int, words: WordSums) -> None:
    """Take away the words of articles that the generation before has and the draft has not."""
    with (
        database.connection() as connection,
        connection.transaction(),
        connection.cursor("gone", binary=True) as cursor,  # on the server's side: a batch of them is held here
    ):
        cursor.itersize = WORDS_AT_ONCE
        for article_id, text, starts, states in cursor.execute(GONE_WORDS, {"number": number}):
            begins, packed = _words(starts, states)
            words.remove(words_at(article_id, text, begins), packed)


def _words(starts: bytes, states: bytes) -> tuple[list[int], Any]:
    begins = np.frombuffer(starts, np.int32).tolist()
    return begins, np.frombuffer(states, np.uint8).reshape(len(begins), -1) if begins else np.empty((0, 0), np.uint8)


def _store(chunks: ServerWriter, new: _Rows, n_before: int, tell: Progress) -> None:
    """Put the chunks into Chroma that it lacks."""
    ids = new.ids_from(n_before)
    for at in range(0, len(ids), AT_ONCE):
        missing = chunks.missing(ids[at : at + AT_ONCE])
        if len(missing):
            chunks.add(missing, new.vectors(missing))
        tell("store", min(at + AT_ONCE, len(ids)), len(ids))


def _value(connection: "Connection[Any]", query: str, *values: object) -> int:
    found = connection.execute(query, values).fetchone()
    return int(found[0]) if found is not None else 0
