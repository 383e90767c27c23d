"""Parquet to articles: columns, kinds of values, bad rows, broken files, memory."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from index import parquet
from index.readers import read_corpus
from index.records import Article, Skipped

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")


def read(path: Path, columns: dict[str, Any], **options: Any) -> list[Article | Skipped]:
    pq.write_table(pa.table(columns), path, **options)
    return list(read_corpus([path]))


def test_columns_are_fields_in_any_case(tmp_path: Path) -> None:
    [article] = read(
        tmp_path / "a.parquet",
        {
            "Title": ["Мост"],
            "TEXT": ["Мост открыли вчера."],
            "published_at": [date(2025, 3, 1)],
            "authors": [["Пётр Лодкин", "Вера Весло"]],
            "lang": ["ru"],
            "views": [5],
        },
    )
    assert isinstance(article, Article)
    assert (article.title, article.text, article.published_at) == ("Мост", "Мост открыли вчера.", date(2025, 3, 1))
    assert (article.authors, article.language) == (("Пётр Лодкин", "Вера Весло"), "ru")
    assert article.source == "a.parquet:1"


@pytest.mark.parametrize(
    "day",
    [
        pa.array([datetime(2025, 3, 1, 23, 5)], pa.timestamp("ns")),
        pa.array([1740870300_000000001], pa.timestamp("ns")),
        pa.array([datetime(2025, 3, 1, 23, 5, tzinfo=UTC)], pa.timestamp("ms", "UTC")),
        pa.array(["2025-03-01T23:05:00"]),
    ],
)
def test_times_and_strings_are_dates(tmp_path: Path, day: Any) -> None:
    [article] = read(tmp_path / "a.parquet", {"text": ["Мост открыли."], "date": day})
    assert isinstance(article, Article), article
    assert article.published_at == date(2025, 3, 1)


def test_bad_rows_are_skipped_by_their_number_and_the_others_read(tmp_path: Path) -> None:
    texts = ["Первая.", None, "", "Четвёртая."] * 20
    items = read(tmp_path / "a.parquet", {"text": texts}, row_group_size=7)
    assert [one.source for one in items if isinstance(one, Article)][:3] == [f"a.parquet:{n}" for n in (1, 4, 5)]
    assert [one.line for one in items if isinstance(one, Skipped)][:3] == [2, 3, 6]
    assert len(items) == 80


def test_text_of_a_wrong_type_is_skipped(tmp_path: Path) -> None:
    [skipped] = read(tmp_path / "a.parquet", {"text": [5]})
    assert isinstance(skipped, Skipped)
    assert skipped.reason.startswith("text is 5, not a string")


def test_bytes_that_are_no_utf8_cost_their_row_only(tmp_path: Path) -> None:
    raw = pa.array([b"\xff\xfe", "Хорошая.".encode()])
    broken = pa.StringArray.from_buffers(2, raw.buffers()[1], raw.buffers()[2])
    first, second = read(tmp_path / "a.parquet", {"text": broken})
    assert (first.line if isinstance(first, Skipped) else None) == 1
    assert isinstance(second, Article)


def test_a_long_text_is_skipped(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["а" * 50_000, "Короткая."]}), tmp_path / "a.parquet")
    first, second = read_corpus([tmp_path / "a.parquet"], max_article_chars=1000)
    assert isinstance(first, Skipped)
    assert "over the limit of" in first.reason
    assert isinstance(second, Article)


@pytest.mark.parametrize("columns", [{"title": ["a"]}, {"text": ["a"], "Text": ["b"]}])
def test_a_file_without_one_text_column_is_skipped(tmp_path: Path, columns: dict[str, Any]) -> None:
    [skipped] = read(tmp_path / "a.parquet", columns)
    assert isinstance(skipped, Skipped)
    assert "name one, and only one, 'text'" in skipped.reason


def test_a_file_without_rows_is_skipped(tmp_path: Path) -> None:
    [skipped] = read(tmp_path / "a.parquet", {"text": pa.array([], pa.string())})
    assert isinstance(skipped, Skipped)
    assert "no rows" in skipped.reason


@pytest.mark.parametrize("content", [b"", b"PAR1", b"nothing of the kind", b"PAR1" + b"\xff" * 100 + b"PAR1"])
def test_what_is_no_parquet_is_skipped(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.parquet").write_bytes(content)
    [skipped] = read_corpus([tmp_path / "a.parquet"])
    assert isinstance(skipped, Skipped)
    assert "no Parquet, or is damaged" in skipped.reason


def test_a_large_row_group_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "GROUP_BYTES", 1000)
    texts = [f"Выпуск {n} " + "а" * n for n in range(200)]
    [skipped] = read(tmp_path / "a.parquet", {"text": texts})
    assert isinstance(skipped, Skipped)
    assert "smaller row groups" in skipped.reason
