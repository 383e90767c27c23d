"""What the page tells of the index, in two languages, and that nothing of it is more than text."""

from datetime import UTC, datetime
from typing import Any

import pytest

from index.generations import Writer, new_manifest
from ui.index_panel import index_details, index_line, no_index
from ui.index_schemas import N_FAILED_OUT, IndexOut, index_out
from ui.rebuilding import Ended, Running, seconds_left

EVIL = "<img src=x onerror=alert(1)>"
AT = datetime(2025, 11, 25, 20, 0, tzinfo=UTC)
COUNTS = {
    **{f"n_{name}": 0 for name in ("added", "changed", "unchanged", "moved", "deleted", "duplicates", "embedded")},
    **{"n_articles": 2, "n_chunks": 3, "seconds": 4.5, "articles_per_second": 0.4},
}


def report(*failed: dict[str, Any], **counts: int) -> dict[str, Any]:
    return {"generation": "", "published": True, **COUNTS, **counts, "failed": list(failed)}


def told(found: dict[str, Any], running: Running | None = None, last: Ended | None = None) -> IndexOut:
    manifest = new_manifest(
        embedding_model="m",
        embedding_checksum="c",
        dim=2,
        chunk_max_tokens=384,
        n_articles=2,
        n_chunks=3,
        report=found,
    )
    return index_out("g-0001", manifest, running, last)


def test_line_counts_and_dates() -> None:
    index = told(report()).model_copy(update={"created_at": AT})
    assert index_line(index, "ru") == "Индекс: статей – 2, обновлён 2025-11-25 20:00 UTC"
    assert index_line(index, "en") == "Index: 2 articles, updated 2025-11-25 20:00 UTC"


def test_report_and_failures_are_told() -> None:
    failed = [{"source": f"{n}.jsonl", "line": n, "reason": f"it is {EVIL}"} for n in range(1, 24)]
    failed[0] = {"source": EVIL, "line": None, "reason": "it is empty"}
    html = index_details(told(report(*failed, n_added=1, n_moved=7)), "en")
    assert "Last update: 1 added, 0 changed, 7 moved" in html
    assert "<li>2.jsonl:2: it is &lt;img" in html
    assert "<li>&lt;img src=x onerror=alert(1)&gt;: it is empty</li>" in html
    assert EVIL not in html
    assert html.count("<li>") == 21
    assert "and 3 more" in html
    assert "добавлено 1" in index_details(told(report(n_added=1)), "ru")


def test_many_failures_are_counted_and_not_all_given() -> None:
    failed = [{"source": "a.jsonl", "line": n, "reason": "r"} for n in range(N_FAILED_OUT + 5)]
    index = told(report(*failed))
    assert index.report is not None
    assert (index.report.n_failed, len(index.report.failed)) == (N_FAILED_OUT + 5, N_FAILED_OUT)


@pytest.mark.parametrize("stage", ["", "model", "read", "embed", "words", "store", EVIL])
def test_a_running_build_is_told(stage: str) -> None:
    writer = Writer(17, "2025-11-25T20:00:00+00:00", stage, 5, 20)
    index = told(report(), Running(writer, started_here=False, seconds_left=61.7))
    html = index_details(index, "ru")
    assert "Обновляется с 2025-11-25 20:00 UTC" in html
    assert "5 из 20, осталось около 62 с" in html
    assert '<progress value="5" max="20">' in html
    assert EVIL not in html
    assert index_line(index, "ru").endswith("идёт обновление")


@pytest.mark.parametrize(
    ("state", "message", "shown"),
    [
        ("published", "g-0002 serves", "done."),
        ("unchanged", "nothing had changed", "nothing changed."),
        ("cancelled", "the next one goes on", "cancelled."),
        ("failed", f"no article in {EVIL}", "failed. no article in &lt;img src=x onerror=alert(1)&gt;"),
    ],
)
def test_the_end_of_a_build_is_told(state: Any, message: str, shown: str) -> None:
    html = index_details(told(report(), last=Ended(state, message, AT)), "en")
    assert f"<p>Rebuild from here, 2025-11-25 20:00 UTC: {shown}</p>" in html


def test_files_that_became_unreadable_are_told_though_nothing_was_published() -> None:
    found = report({"source": "new.txt", "line": None, "reason": "it is empty"})
    last = Ended("unchanged", "nothing had changed", datetime.now(UTC), found)
    assert "<li>new.txt: it is empty</li>" in index_details(told(report(), last=last), "en")
    assert "new.txt" not in index_details(told(report()), "en")


def test_an_index_that_cannot_be_told_of() -> None:
    assert no_index(EVIL, "ru") == (
        "Индекс",
        '<div class="otvet-index"><p>&lt;img src=x onerror=alert(1)&gt;</p></div>',
    )


@pytest.mark.parametrize(
    ("stage", "done", "total", "left_s"),
    [
        ("embed", 10, 40, 180.0),  # 10 in 60 s, 30 to go
        ("embed", 40, 40, 0.0),
        ("embed", 0, 40, None),
        ("embed", 41, 40, None),
        ("read", 10, 0, None),
        ("store", 10, 40, None),
        ("", 0, 0, None),
    ],
)
def test_seconds_left(stage: str, done: int, total: int, left_s: float | None) -> None:
    writer = Writer(1, "2025-11-25T19:59:00+00:00", stage, done, total)
    assert seconds_left(writer, AT) == left_s
