"""`otvet feedback export`: all of it, as JSON lines or CSV, to a file that is whole or not there."""

import csv
import io
import json
import os
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from index.errors import FeedbackError
from processes import environment
from ui.feedback import Feedback, FeedbackStore
from ui.feedback_commands import BOM, COLUMNS, csv_lines, feedback_app, json_line
from ui.settings import load_settings

SAID_AT = datetime(2026, 11, 26, 12, 30, tzinfo=UTC)
CITATION = {"marker": 1, "title": "Мост", "url": None, "quote": "Он «открыт».", "start": 7, "end": 19, "score": 0.9}
RESPONSE = {"kind": "answer", "text": "=Открыт. [1]", "citations": [CITATION]}
PROGRAM = "import ui.feedback_commands as c; c.feedback_app(prog_name='feedback')"


def feedback(key: str = "a", **values: Any) -> Feedback:
    made = {
        "said_at": SAID_AT,
        "liked": False,
        "question": "Что\nоткрыт?",
        "response": RESPONSE,
        "generation": "g-0001",
    }
    return Feedback(key, **{**made, **values})


@pytest.fixture
def store() -> FeedbackStore:
    return FeedbackStore(load_settings().data_dir / "feedback.sqlite")


def export(*arguments: str) -> Result:
    return CliRunner().invoke(feedback_app, ["export", *arguments])


def run_export(data_dir: Path, *arguments: str, **values: Any) -> subprocess.CompletedProcess[bytes]:
    """As a process of its own, whose terminal knows ASCII alone."""
    env = environment(data_dir, LC_ALL="C", PYTHONUTF8="0", PYTHONIOENCODING="ascii")
    return subprocess.run([sys.executable, "-c", PROGRAM, "export", *arguments], env=env, check=False, **values)


def rows(text: str) -> list[dict[str, str]]:
    assert text.startswith(BOM)
    return list(csv.DictReader(io.StringIO(text.removeprefix(BOM), newline="")))


def test_json_lines_hold_all_of_it(store: FeedbackStore) -> None:
    store.record(feedback(reason="wrong", comment="Нет", user="анна"))
    store.record(feedback("b", liked=True))
    result = export()
    assert result.exit_code == 0
    first, second = map(json.loads, result.stdout_bytes.decode().splitlines())
    assert first == {
        "said_at": "2026-11-26T12:30:00+00:00",
        "liked": False,
        "question": "Что\nоткрыт?",
        "response": RESPONSE,
        "generation": "g-0001",
        "user": "анна",
        "reason": "wrong",
        "comment": "Нет",
    }
    assert second["liked"] is True
    assert second["user"] is None


def test_csv_has_a_row_for_each(store: FeedbackStore) -> None:
    store.record(feedback(reason="wrong", comment="\tНет", user="@анна"))
    store.record(feedback("b", liked=True, response={"kind": "refusal", "text": "Нет ответа.", "nearest": []}))
    first, second = rows(export("--format", "csv").stdout_bytes.decode())
    assert tuple(first) == COLUMNS
    assert first == {
        "question": "Что\nоткрыт?",
        "answer": "'=Открыт. [1]",
        "kind": "answer",
        "liked": "false",
        "reason": "wrong",
        "comment": "'\tНет",
        "citations": first["citations"],
        "generation": "g-0001",
        "user": "'@анна",
        "said_at": "2026-11-26T12:30:00+00:00",
    }
    assert json.loads(first["citations"]) == [
        {"title": "Мост", "url": None, "quote": "Он «открыт».", "start": 7, "end": 19}
    ]
    assert (second["kind"], second["citations"], second["liked"]) == ("refusal", "[]", "true")


@given(st.text("=+-@\t\r\n ,;\"'a", max_size=8), st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
def test_no_cell_is_a_formula_and_no_other_is_changed(question: str, comment: str) -> None:
    (row,) = rows("".join(csv_lines(iter([feedback(question=question, comment=comment)]))))
    for said, cell in ((question, row["question"]), (comment, row["comment"])):
        assert cell in (said, f"'{said}")
        assert cell.lstrip()[:1] not in set("=+-@＝＋－＠") or not cell.strip()
        assert cell[:1] not in set("\t\r\n=+-@")
        if said[:1].isalpha():
            assert cell == said


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_json_line_is_one_line_that_gives_the_words_back(words: str) -> None:
    line = json_line(feedback(question=words, response={"text": words}))
    assert line.count("\n") == 1
    assert json.loads(line)["question"] == json.loads(line)["response"]["text"] == words


@pytest.mark.parametrize(("since", "n"), [("2026-11-26", 2), ("2026-11-27", 1), ("2026-11-28", 0)])
def test_since_a_day(store: FeedbackStore, since: str, n: int) -> None:
    store.record(feedback("a"))
    store.record(feedback("b", said_at=SAID_AT + timedelta(days=1)))
    assert len(export("--since", since).stdout_bytes.splitlines()) == n


def test_a_day_or_format_that_is_none_is_bad_input() -> None:
    assert export("--since", "yesterday").exit_code == 2
    assert export("--format", "xml").exit_code == 2


def test_without_feedback_there_is_nothing_to_export(store: FeedbackStore, tmp_path: Path) -> None:
    assert export().stdout_bytes == b""
    assert rows(export("--format", "csv").stdout_bytes.decode()) == []
    assert not store.path.exists()
    assert export("--out", str(tmp_path / "none.jsonl")).exit_code == 0
    assert (tmp_path / "none.jsonl").read_bytes() == b""


def test_a_file_holds_what_standard_output_would(store: FeedbackStore, tmp_path: Path) -> None:
    store.record(feedback())
    target = tmp_path / "said [b].csv"
    target.write_text("old")
    link = tmp_path / "link.csv"
    link.symlink_to(target)
    result = export("--format", "csv", "--out", str(link))
    assert result.exit_code == 0
    assert result.stdout.strip() == f"Saved as {link}"
    assert link.is_symlink()
    assert target.read_bytes() == export("--format", "csv").stdout_bytes
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["link.csv", "said [b].csv"]


def test_a_file_is_never_half_written(store: FeedbackStore, tmp_path: Path) -> None:
    """The second row is damaged, which shows when the first is already written."""
    store.record(feedback("a"))
    store.record(feedback("b"))
    with sqlite3.connect(store.path) as connection:
        connection.execute("update feedback set response = '{' where key = 'b'")
    connection.close()
    target = tmp_path / "said.jsonl"
    target.write_text("old")
    assert isinstance(export("--out", str(target)).exception, FeedbackError)
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["said.jsonl"]


@pytest.mark.parametrize(
    ("place", "told"),
    [("", "is no file; give another --out"), ("missing/said.csv", "No such file"), ("x" * 300, "File name too long")],
)
def test_a_file_that_cannot_be_written_is_named(store: FeedbackStore, tmp_path: Path, place: str, told: str) -> None:
    store.record(feedback())
    exc = export("--out", str(tmp_path / place)).exception
    assert isinstance(exc, FeedbackError)
    assert told in str(exc)
    assert str(tmp_path) in str(exc)


def test_a_device_stays_what_it_is() -> None:
    assert isinstance(export("--out", os.devnull).exception, FeedbackError)
    assert not Path(os.devnull).is_file()


def test_standard_output_is_utf8_whatever_the_terminal(store: FeedbackStore) -> None:
    store.record(feedback())
    done = run_export(store.path.parent, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout.decode())["question"] == "Что\nоткрыт?"


def test_a_reader_that_goes_away_ends_it_in_silence(store: FeedbackStore) -> None:
    store.record(feedback(response={"text": "я" * 200_000}))
    reading, writing = os.pipe()
    os.close(reading)
    done = run_export(store.path.parent, stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")


def test_it_exports_while_another_process_writes(store: FeedbackStore) -> None:
    store.record(feedback("first"))
    writes = (
        "import sys; from datetime import UTC, datetime; from pathlib import Path; from ui.feedback import *\n"
        "store = FeedbackStore(Path(sys.argv[1])); print('on', flush=True)\n"
        "for n in range(100): store.record(Feedback(str(n), datetime.now(UTC), True, 'q', {}, 'g'))"
    )
    with subprocess.Popen([sys.executable, "-c", writes, str(store.path)], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        numbers = []
        while writer.poll() is None:
            result = export()
            assert result.exit_code == 0
            numbers.append(len(result.stdout_bytes.splitlines()))
    assert writer.returncode == 0
    assert numbers == sorted(numbers)
    assert len(export().stdout_bytes.splitlines()) == 101
