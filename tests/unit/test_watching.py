"""When changes have settled, and which of them matter."""

from pathlib import Path

import pytest

from index.readers import READERS
from ui.watching import AT_MOST_S, QUIET_S, Settling, matters


def test_nothing_changed_is_never_due() -> None:
    assert not Settling().is_due(10**6)


def test_changes_are_due_once_when_all_is_quiet() -> None:
    settling = Settling()
    settling.note_change(10.0)
    settling.note_change(11.0)
    assert not settling.is_due(11.0 + QUIET_S - 0.1)
    assert settling.is_due(11.0 + QUIET_S)
    assert not settling.is_due(11.0 + QUIET_S)


def test_unceasing_changes_are_due_at_last() -> None:
    settling = Settling()
    times = [100 + step / 2 for step in range(int(2 * AT_MOST_S) + 1)]
    due = []
    for now in times:
        settling.note_change(now)
        due.append(settling.is_due(now))
    assert due == [False] * (len(times) - 1) + [True]


def test_what_was_put_off_is_due_without_a_change() -> None:
    settling = Settling()
    settling.put_off(until=5.0)
    assert [settling.is_due(now) for now in (4.9, 5.0, 5.1)] == [False, True, False]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.txt", True),
        ("a.TXT", True),
        ("below/rows.jsonl", True),
        ("gone", True),
        ("gone.2025", True),
        ("folder", True),
        (".", True),
        (".a.txt", False),
        (".git/a.txt", False),
        ("a.txt~", False),
        ("a.txt.swp", False),
        ("4913.tmp", False),
        ("picture.png", False),
    ],
)
def test_what_matters(tmp_path: Path, name: str, expected: bool) -> None:
    root = tmp_path / ".corpus"
    (root / "folder").mkdir(parents=True)
    (root / "picture.png").write_text("")
    assert matters(root / name, [root], READERS) is expected
    assert matters(root / name, [Path("/elsewhere"), root], READERS) is expected


def test_a_file_that_was_named_matters(tmp_path: Path) -> None:
    path = tmp_path / ".hidden.txt"
    assert matters(path, [path], READERS)
    assert not matters(path, [tmp_path], READERS)
