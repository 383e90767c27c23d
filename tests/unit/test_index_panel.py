"""What the page tells of the index, in two languages, and that nothing of it is more than text."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest

from index.generations import Writer, new_manifest
from index.text import Language
from ui.index_panel import Health, index_details, index_state, message, no_index
from ui.index_schemas import N_FAILED_OUT, IndexOut, index_out
from ui.rebuilding import Ended, Running, seconds_left

EVIL = "<img src=x onerror=alert(1)>"
AT = datetime(2025, 11, 25, 20, 0, tzinfo=UTC)
COUNTS = {
    **{f"n_{name}": 0 for name in ("added", "changed", "unchanged", "moved", "deleted", "duplicates", "embedded")},
    **{"n_articles": 2, "n_chunks": 3, "seconds": 4.5, "articles_per_second": 0.4},
}
WELL = Health("g-0001")


def report(*failed: dict[str, Any], **counts: float) -> dict[str, Any]:
    return {"generation": "", "published": True, **COUNTS, **counts, "failed": list(failed)}


def told(found: dict[str, Any], running: Running | None = None, last: Ended | None = None) -> IndexOut:
    manifest = new_manifest(
        embedding_model=EVIL,
        embedding_checksum="c",
        dim=2,
        chunk_max_tokens=384,
        n_articles=1_234,
        n_chunks=5_678,
        report=found,
    )
    return index_out("g-0001", manifest, running, last).model_copy(update={"created_at": AT})


def words(html: str) -> str:
    """What a reader sees of it."""
    return " ".join(re.sub(r"<[^>]*>", " ", html).split())


@pytest.mark.parametrize(
    ("language", "shown"),
    [
        (
            "ru",
            "Статьи 1 234 Отрывки 5 678 Сборка g-0001 Построена 2025-11-25 20:00 UTC Модель &lt;img",
        ),
        ("en", "Articles 1,234 Chunks 5,678 Generation g-0001 Built 2025-11-25 20:00 UTC Embedding model &lt;img"),
    ],
)
def test_what_serves_is_told(language: Language, shown: str) -> None:
    html = index_details(told(report()), language)
    assert shown in words(html)
    assert EVIL not in html


def test_the_report_is_a_picture_and_figures() -> None:
    index = told(report(n_added=1, n_changed=2, n_moved=7, n_unchanged=1_000, n_duplicates=4, articles_per_second=12.5))
    html = index_details(index, "en")
    assert 'role="img" aria-label="Added 1, Changed 2, Moved 7, Unchanged 1,000, Deleted 0"' in html
    assert re.findall(r'otvet-ix-(\w+)" style="flex-grow:(\d+)"', html) == [
        ("added", "1"),
        ("changed", "2"),
        ("moved", "7"),
        ("unchanged", "1000"),
    ]
    assert "Added 1 Changed 2 Moved 7 Unchanged 1,000 Deleted 0 Duplicates 4 Not read 0" in words(html)
    assert "Took 4.5 s Articles per second 12.5" in words(html)
    assert "Заняло 4,5 с Статей в секунду 12,5" in words(index_details(index, "ru"))


def test_a_report_of_nothing_has_no_picture() -> None:
    assert "role=" not in index_details(told(report()), "en")
    assert "Last update" not in index_details(told({}), "en")


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (59.4, "59 s"),
        (61.7, "1 min 2 s"),
        (3_599.6, "1 h 0 min"),
        (7_384, "2 h 3 min"),
    ],
)
def test_durations(seconds: float, shown: str) -> None:
    assert f"Took {shown} Articles" in words(index_details(told(report(seconds=seconds)), "en"))


def test_failures_are_told() -> None:
    failed = [{"source": f"{n}.jsonl", "line": n, "reason": f"it is {EVIL}"} for n in range(1, 24)]
    failed[0] = {"source": EVIL, "line": None, "reason": "it is empty"}
    html = index_details(told(report(*failed)), "en")
    assert "<b>2.jsonl:2</b><span>it is &lt;img" in html
    assert "<b>&lt;img src=x onerror=alert(1)&gt;</b><span>it is empty</span>" in html
    assert EVIL not in html
    assert html.count("<span>it is") == 20
    assert "Not read: 23" in html
    assert "and 3 more" in html
    assert "и ещё 3" in index_details(told(report(*failed)), "ru")


def test_many_failures_are_counted_and_not_all_given() -> None:
    failed = [{"source": "a.jsonl", "line": n, "reason": "r"} for n in range(N_FAILED_OUT + 5)]
    index = told(report(*failed))
    assert index.report is not None
    assert (index.report.n_failed, len(index.report.failed)) == (N_FAILED_OUT + 5, N_FAILED_OUT)


@pytest.mark.parametrize("stage", ["", "model", "read", "embed", "words", "store", EVIL])
def test_a_running_build_is_told(stage: str) -> None:
    writer = Writer(17, "2025-11-25T20:00:00+00:00", stage, 5, 2_000)
    index = told(report(), Running(writer, started_here=False, seconds_left=61.7))
    html = index_details(index, "ru")
    assert '<progress value="5" max="2000"></progress></label>' in html
    assert "5 из 2 000 · осталось около 1 мин 2 с · запущено не отсюда (процесс 17), 2025-11-25 20:00 UTC" in words(
        html
    )
    state = index_state(index, WELL, "ru")
    assert "Индекс обновляется: " in state
    assert EVIL not in html + state


def test_what_is_read_out_does_not_change_with_every_article() -> None:
    def state(done: int) -> str:
        writer = Writer(17, "2025-11-25T20:00:00+00:00", "embed", done, 20)
        return index_state(told(report(), Running(writer, started_here=True, seconds_left=done)), WELL, "en")

    assert state(5) == state(6)
    assert "being rebuilt: embedding articles." in state(5)


def test_a_build_of_unknown_length_is_told() -> None:
    writer = Writer(17, "2025-11-25T20:00:00+00:00", "model")
    html = index_details(told(report(), Running(writer, started_here=True, seconds_left=None)), "en")
    assert "<progress></progress>" in html
    assert "Loading the model started from here, 2025-11-25 20:00 UTC" in words(html)


@pytest.mark.parametrize(
    ("state", "message", "shown"),
    [
        ("published", "g-0002 serves", "done."),
        ("unchanged", "nothing had changed", "nothing had changed."),
        ("cancelled", "the next one goes on", "cancelled."),
        ("failed", f"no article in {EVIL}", "failed: no article in &lt;img src=x onerror=alert(1)&gt;"),
    ],
)
def test_the_end_of_a_build_is_told(state: Any, message: str, shown: str) -> None:
    html = index_state(told(report(), last=Ended(state, message, AT)), WELL, "en")
    assert f"<span>Rebuild from here, 2025-11-25 20:00 UTC: {shown}</span>" in html


def test_files_that_became_unreadable_are_told_though_nothing_was_published() -> None:
    found = report({"source": "new.txt", "line": None, "reason": "it is empty"})
    last = Ended("unchanged", "nothing had changed", datetime.now(UTC), found)
    assert "new.txt it is empty" in words(index_details(told(report(), last=last), "en"))
    assert "new.txt" not in index_details(told(report()), "en")


@pytest.mark.parametrize(
    ("health", "shown"),
    [
        (WELL, "The index is well; questions are answered."),
        (Health(None, f"cannot read {EVIL}"), "The files of the index are damaged: cannot read &lt;img"),
        (Health("g-0001", "broken"), "The files of the index are damaged: broken"),
        (Health("g-0002"), "g-0001 answers, though there is a newer build, g-0002."),
        (Health("g-0002", f"no {EVIL}"), "g-0001 answers, as the newer build g-0002 cannot be opened: no &lt;img"),
    ],
)
def test_health_is_told_in_words(health: Health, shown: str) -> None:
    html = index_state(told(report()), health, "en")
    assert shown in words(html)
    assert EVIL not in html
    assert "Индекс" in index_state(told(report()), WELL, "ru")


def test_an_index_that_cannot_be_told_of_and_messages_are_text() -> None:
    assert words(no_index(EVIL, "ru")) == "Индекс не готов: &lt;img src=x onerror=alert(1)&gt;"
    assert words(message(EVIL, is_good=True)) == "&lt;img src=x onerror=alert(1)&gt;"
    assert message("a", is_good=True) != message("a", is_good=False)


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
