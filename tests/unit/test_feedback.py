"""Feedback is kept in a real file: a later word replaces the earlier, many may write at once, what is wrong is told."""

import multiprocessing
import resource
import signal
import sqlite3
import threading
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from index.errors import FeedbackError
from ui.feedback import MAX_COMMENT_CHARS, ROWS_AT_ONCE, Feedback, FeedbackStore, Reason

SAID_AT = datetime(2026, 11, 26, 12, 30, tzinfo=UTC)
RESPONSE = {"kind": "answer", "text": "Мост открыт. [1]", "citations": [{"marker": 1, "quote": "«Открыт»\0\u2028"}]}


def feedback(key: str = "a", **values: Any) -> Feedback:
    made = {"said_at": SAID_AT, "liked": False, "question": "Что открыт?", "response": RESPONSE, "generation": "g-0001"}
    return Feedback(key, **{**made, **values})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where there is nothing yet, not even a folder; with characters that mean something in a URI."""
    return tmp_path / "да ta?#%20" / "feedback.sqlite"


@pytest.fixture
def store(path: Path) -> FeedbackStore:
    return FeedbackStore(path)


def test_what_was_recorded_is_read_as_it_was(store: FeedbackStore) -> None:
    said = [
        feedback(reason=Reason.NOT_SUPPORTED, comment="Нет\nтакого 'слова';\0", user="анна"),
        feedback("b", liked=True, said_at=datetime(2026, 11, 26, 12, 30, 1, 5, UTC)),
    ]
    assert [store.record(one) for one in said] == [1, 2]
    assert list(store.all()) == said
    assert list(FeedbackStore(store.path).all()) == said


def test_the_file_is_made_at_the_first_record(store: FeedbackStore) -> None:
    assert list(store.all()) == []
    assert not store.path.parent.exists()
    store.record(feedback())
    assert [file.name for file in store.path.parent.iterdir()] == ["feedback.sqlite"]


def test_a_later_word_replaces_the_earlier_of_the_same_reader(store: FeedbackStore) -> None:
    first = store.record(feedback(liked=True))
    store.record(feedback(user="анна"))
    later = feedback(reason="wrong", comment="Всё не так", said_at=SAID_AT + timedelta(hours=1), generation="g-0002")
    assert store.record(later) == first
    assert list(store.all()) == [later, feedback(user="анна")]


def test_a_word_is_taken_back_by_who_said_it(store: FeedbackStore) -> None:
    store.forget("a", None)
    assert not store.path.parent.exists()
    store.record(feedback(user="анна"))
    store.record(feedback(user="борис"))
    store.forget("a", None)
    store.forget("a", "анна")
    assert [one.user for one in store.all()] == ["борис"]


def test_times_are_kept_in_utc_and_days_are_of_utc(store: FeedbackStore) -> None:
    east = timezone(timedelta(hours=5))
    store.record(feedback("a", said_at=datetime(2026, 11, 27, 2, tzinfo=east)))  # still the 26th
    store.record(feedback("b", said_at=datetime(2026, 11, 27, tzinfo=UTC)))
    assert [one.said_at.isoformat() for one in store.all()] == [
        "2026-11-26T21:00:00+00:00",
        "2026-11-27T00:00:00+00:00",
    ]
    keys = {day: [one.key for one in store.all(since=date(2026, 11, day))] for day in (26, 27, 28)}
    assert keys == {26: ["a", "b"], 27: ["b"], 28: []}


def test_more_than_is_read_at_once_comes_once_and_in_order(store: FeedbackStore) -> None:
    n = 2 * ROWS_AT_ONCE + 1
    for key in range(n):
        store.record(feedback(str(key)))
    assert [one.key for one in store.all()] == [str(key) for key in range(n)]


def test_one_may_write_while_another_is_in_the_middle_of_reading(store: FeedbackStore) -> None:
    for key in range(ROWS_AT_ONCE + 1):
        store.record(feedback(str(key)))
    reading = store.all()
    assert next(reading).key == "0"
    store.record(feedback("later"))
    assert [one.key for one in reading][-1] == "later"


def _write(path: Path, name: str, n: int) -> None:
    store = FeedbackStore(path)
    for key in range(n):
        store.record(feedback(f"{name}-{key}"))
        store.record(feedback("shared", comment=name))


def test_threads_and_processes_write_at_once(store: FeedbackStore) -> None:
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=_write, args=(store.path, f"p{n}", 10)) for n in range(2)]
    threads = [threading.Thread(target=_write, args=(store.path, f"t{n}", 10)) for n in range(4)]
    for one in (*processes, *threads):
        one.start()
    while any(thread.is_alive() for thread in threads):
        assert len({said.key for said in store.all()}) <= 61
    for one in (*threads, *processes):
        one.join(60)
    assert [process.exitcode for process in processes] == [0, 0]
    keys = [said.key for said in store.all()]
    assert sorted(keys) == sorted(
        ["shared", *(f"{name}-{n}" for name in ("p0", "p1", "t0", "t1", "t2", "t3") for n in range(10))]
    )


def test_a_comment_has_its_bound() -> None:
    feedback(comment="я" * MAX_COMMENT_CHARS)
    with pytest.raises(FeedbackError, match=r"the comment has 2001 characters, more than 2000; shorten it"):
        feedback(comment="я" * (MAX_COMMENT_CHARS + 1))


def test_a_reason_is_one_of_few() -> None:
    assert feedback(reason="").reason == feedback().reason == Reason.NONE
    with pytest.raises(FeedbackError, match=r"the reason is 'bad'; give one of wrong, incomplete, not_supported"):
        feedback(reason="bad")


def test_a_time_has_a_zone() -> None:
    with pytest.raises(ValueError, match="time zone"):
        feedback(said_at=datetime(2026, 11, 26))


@pytest.mark.parametrize("place", ["comment", "question", "generation", "user"])
def test_broken_characters_are_refused_and_nothing_is_left_half(store: FeedbackStore, place: str) -> None:
    with pytest.raises(FeedbackError, match="broken characters"):
        store.record(feedback(**{place: "\ud800"}))
    assert list(store.all()) == []
    store.record(feedback())
    assert len(list(store.all())) == 1


def _of_another_program(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("create table notes (text)")
    connection.close()


def _of_a_newer_version(path: Path) -> None:
    FeedbackStore(path).record(feedback())
    with sqlite3.connect(path) as connection:
        connection.execute("pragma user_version = 2")
    connection.close()


def _without_its_table(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("pragma user_version = 1")
    connection.close()


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda path: path.write_bytes(b"no database" * 100), r"not a database\); move the file away"),
        (_of_another_program, r"holds something else than feedback; move it away"),
        (_of_a_newer_version, r"is of version 2, this Otvet knows 1; install a newer Otvet"),
        (_without_its_table, r"no such table: feedback\); mend that"),
        (Path.mkdir, r"unable to open database file\); mend that"),
    ],
)
def test_a_file_that_is_no_feedback_is_named_and_left_as_it_is(
    store: FeedbackStore, spoil: Callable[[Path], Any], told: str
) -> None:
    store.path.parent.mkdir()
    spoil(store.path)
    before = store.path.read_bytes() if store.path.is_file() else None
    for use in (lambda: list(store.all()), lambda: store.record(feedback())):
        with pytest.raises(FeedbackError, match=told) as raised:
            use()
        assert repr(str(store.path)) in str(raised.value)
    assert (store.path.read_bytes() if store.path.is_file() else None) == before


def test_a_data_directory_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    store = FeedbackStore(tmp_path / "data" / "feedback.sqlite")
    with pytest.raises(FeedbackError, match="cannot keep feedback in"):
        store.record(feedback())
    assert list(store.all()) == []


def test_an_empty_file_is_no_feedback_yet(store: FeedbackStore) -> None:
    store.path.parent.mkdir()
    store.path.touch()
    assert list(store.all()) == []
    assert store.record(feedback()) == 1


@pytest.mark.parametrize(("column", "value"), [("response", "{"), ("said_at", "yesterday"), ("reason", "bad")])
def test_a_damaged_row_is_named(store: FeedbackStore, column: str, value: str) -> None:
    store.record(feedback("a"))
    store.record(feedback("b"))
    with sqlite3.connect(store.path) as connection:
        connection.execute(f"update feedback set {column} = ? where key = 'b'", (value,))
    connection.close()
    reading = store.all()
    assert next(reading).key == "a"
    with pytest.raises(FeedbackError, match=r"feedback 2 in .* is damaged"):
        next(reading)


def _record_on_a_full_disk(path: Path) -> None:
    """In a process of its own, in which no file can grow over so many bytes, as on a full disk."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))
    try:
        FeedbackStore(path).record(feedback("big", response={"text": "я" * 100_000}))
    except FeedbackError as exc:
        assert repr(str(path)) in str(exc)  # noqa: PT017 - in a process of its own
        assert "freeing disk space" in str(exc)  # noqa: PT017
        raise SystemExit(7) from exc


def test_a_full_disk_is_told_and_what_was_kept_stays(store: FeedbackStore) -> None:
    store.record(feedback())
    process = multiprocessing.get_context("spawn").Process(target=_record_on_a_full_disk, args=(store.path,))
    process.start()
    process.join(60)
    assert process.exitcode == 7
    assert list(store.all()) == [feedback()]
    assert store.record(feedback("b")) == 2
