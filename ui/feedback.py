"""What readers said of answers, for those who run the server: one SQLite file in the data directory.

Where the index is shared, it is a table beside that (ui/shared_feedback.py).

Decision: a connection for each call and SQLite's own locks, no WAL. Threads and processes need nothing more, a word is
on the disk when `record` returns, and reading holds no lock while its rows are being written elsewhere.
"""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from index.errors import FeedbackError

FILE_NAME = "feedback.sqlite"
MAX_COMMENT_CHARS = 2_000
VERSION = 1
LOCK_TIMEOUT_S = 30
ROWS_AT_ONCE = 100

COLUMNS = "key, reader, said_at, liked, reason, comment, question, response, generation"
SCHEMA = """
create table feedback (
    id integer primary key,
    key text not null,
    reader text not null,
    said_at text not null,
    liked integer not null,
    reason text not null,
    comment text not null,
    question text not null,
    response text not null,
    generation text not null,
    unique (key, reader)
)
"""
KEEP = f"""
insert into feedback ({COLUMNS}) values (?, ?, ?, ?, ?, ?, ?, ?, ?)
on conflict (key, reader) do update set
    said_at = excluded.said_at, liked = excluded.liked, reason = excluded.reason, comment = excluded.comment,
    question = excluded.question, response = excluded.response, generation = excluded.generation
"""


class Reason(StrEnum):
    """Why a reader dislikes a response."""

    NONE = ""  # not said, or liked
    WRONG = "wrong"
    INCOMPLETE = "incomplete"
    NOT_SUPPORTED = "not_supported"  # the quotes do not say it
    REFUSED = "refused"  # the articles do hold an answer
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Feedback:
    """What one reader said of one response.

    Attributes:
        key: names the response; a later word of the same user with the same key replaces the earlier one.
        said_at: with its time zone; kept in UTC.
        response: the JSON object that `/answer` returns, with its citations.
        generation: of the index that answered.
        user: who logged in, None where nobody has to.
        reason: one of `Reason`.
        comment: in the reader's own words, at most 2,000 characters.

    Raises:
        FeedbackError: the reason is not known, or the comment too long.
    """

    key: str
    said_at: datetime
    liked: bool
    question: str
    response: dict[str, Any]
    generation: str
    user: str | None = None
    reason: str = Reason.NONE
    comment: str = ""

    def __post_init__(self) -> None:
        if self.said_at.tzinfo is None:
            raise ValueError(f"said_at is {self.said_at!r}; give it a time zone")
        if self.reason not in list(Reason):
            raise FeedbackError(
                f"the reason is {self.reason!r}; give one of {', '.join(filter(None, Reason))}, or none"
            )
        if len(self.comment) > MAX_COMMENT_CHARS:
            raise FeedbackError(
                f"the comment has {len(self.comment)} characters, more than {MAX_COMMENT_CHARS}; shorten it"
            )


class FeedbackPlace(Protocol):
    """Where feedback is kept. Safe between threads and between processes."""

    def record(self, feedback: Feedback) -> int:
        """Keep it for good; returns its id, which stays when a later word of the same reader replaces it.

        Raises:
            FeedbackError: it cannot be kept.
        """
        ...

    def forget(self, key: str, user: str | None) -> None:
        """Delete what a reader said of a response, if there is such a word.

        Raises:
            FeedbackError: it cannot be deleted.
        """
        ...

    def all(self, *, since: date | None = None) -> Iterator[Feedback]:
        """All feedback by id, or that said on a day (UTC) or later; nothing where none was recorded yet.

        What is recorded meanwhile may or may not be among it.

        Raises:
            FeedbackError: it cannot be read; at the first or a later step.
        """
        ...

    def close(self) -> None:
        """Release what it holds."""
        ...


class FeedbackStore:
    """The file of feedback, made at the first record. See `FeedbackPlace`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def record(self, feedback: Feedback) -> int:
        """Keep it, on the disk when this returns; returns its id, which stays when a later word replaces it.

        Raises:
            FeedbackError: it cannot be kept, for example as the disk is full.
        """
        with self._errors("keep"):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with closing(self._connect("rwc")) as connection, connection:
                connection.execute("begin immediate")  # an upgrade of a reading lock could not wait for others
                if self._is_new(connection):
                    connection.execute(SCHEMA)
                    connection.execute(f"pragma user_version = {VERSION}")
                row = row_of(feedback)
                connection.execute(KEEP, row)
                found = connection.execute("select id from feedback where key = ? and reader = ?", row[:2]).fetchone()
        return int(found[0])

    def forget(self, key: str, user: str | None) -> None:
        """Delete what a reader said of a response, if there is such a word.

        Raises:
            FeedbackError: it cannot be deleted.
        """
        with self._errors("delete"):
            if self.path.exists():
                with closing(self._connect("rw")) as connection, connection:
                    if not self._is_new(connection):
                        connection.execute("delete from feedback where key = ? and reader = ?", (key, user or ""))

    def all(self, *, since: date | None = None) -> Iterator[Feedback]:
        """All feedback by id, or that said on a day (UTC) or later; nothing where there is no file yet.

        What is recorded meanwhile may or may not be among it.

        Raises:
            FeedbackError: the file cannot be read; at the first or a later step.
        """
        last = 0
        while rows := self._read(last, since):
            for last, *row in rows:  # noqa: B007 - where the next rows begin
                yield self._feedback(last, row)

    def close(self) -> None:
        """Nothing is held between calls."""

    def _read(self, last: int, since: date | None) -> list[Any]:
        with self._errors("read"):
            if not self.path.exists():
                return []
            with closing(self._connect("rw")) as connection:
                if self._is_new(connection):
                    return []
                return connection.execute(
                    f"select id, {COLUMNS} from feedback where id > ? and said_at >= ? order by id limit ?",
                    (last, since.isoformat() if since else "", ROWS_AT_ONCE),
                ).fetchall()

    def _connect(self, mode: str) -> sqlite3.Connection:
        address = f"{self.path.absolute().as_uri()}?mode={mode}"
        return sqlite3.connect(address, uri=True, timeout=LOCK_TIMEOUT_S, isolation_level=None)

    def _is_new(self, connection: sqlite3.Connection) -> bool:
        version = connection.execute("pragma user_version").fetchone()[0]
        if version > VERSION:
            raise FeedbackError(
                f"the feedback in {str(self.path)!r} is of version {version}, this Otvet knows {VERSION}; install a "
                "newer Otvet, or move the file away"
            )
        if version == 0 and connection.execute("select 1 from sqlite_master").fetchone():
            raise FeedbackError(f"{str(self.path)!r} holds something else than feedback; move it away")
        return bool(version == 0)

    def _feedback(self, feedback_id: int, row: list[Any]) -> Feedback:
        try:
            key, reader, said_at, liked, *told, response, generation = row
            said, answered = datetime.fromisoformat(said_at), json.loads(response)
            return feedback_of([key, reader, said, bool(liked), *told, answered, generation])
        except (ValueError, TypeError, FeedbackError) as exc:
            raise FeedbackError(
                f"feedback {feedback_id} in {str(self.path)!r} is damaged ({exc}); delete it, or move the file away"
            ) from exc

    @contextmanager
    def _errors(self, verb: str) -> Iterator[None]:
        try:
            yield
        except UnicodeEncodeError as exc:
            raise FeedbackError("the feedback holds broken characters; send it as UTF-8") from exc
        except (OSError, sqlite3.OperationalError) as exc:
            raise FeedbackError(
                f"cannot {verb} feedback in {str(self.path)!r} ({exc}); mend that, for example by freeing disk space "
                "or setting its permissions, and try again"
            ) from exc
        except sqlite3.DatabaseError as exc:
            raise FeedbackError(
                f"cannot {verb} feedback in {str(self.path)!r} ({exc}); move the file away, the next feedback makes a "
                "new one"
            ) from exc


def row_of(feedback: Feedback) -> tuple[Any, ...]:
    """What is kept of it, in the order of COLUMNS."""
    return (
        feedback.key,
        feedback.user or "",
        feedback.said_at.astimezone(UTC).isoformat(),
        feedback.liked,
        str(feedback.reason),
        feedback.comment,
        feedback.question,
        json.dumps(feedback.response, ensure_ascii=False),
        feedback.generation,
    )


def feedback_of(row: Sequence[Any]) -> Feedback:
    """What `row_of` kept, whose time and response are what they were again.

    Raises:
        FeedbackError: it is nothing that a reader can have said.
        TypeError: a value is of another kind.
    """
    key, reader, said_at, liked, reason, comment, question, response, generation = row
    return Feedback(key, said_at, liked, question, response, generation, reader or None, reason, comment)
