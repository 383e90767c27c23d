"""Lists of articles: found by words in any letters, filtered, ordered, counted; every page a part of one order."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.articles import ARTICLES, ArticleStore, ArticleWriter
from index.errors import IndexDamagedError
from index.listing import Listing, MonthCount, Order, ValueCount, word_glob
from index.records import Article, Filters
from index.rows import Sizes


@contextmanager
def store_of(folder: Path, *rows: dict[str, object]) -> Iterator[ArticleStore]:
    """A store of articles that are given by what tells them apart; their ids are their places from 1."""
    bare = {"published_at": None, "url": None, "publisher": None, "authors": (), "language": "ru", "source": "a.txt"}
    with closing(ArticleWriter(folder)) as writer:
        for number, row in enumerate(rows, start=1):
            own = {"article_id": f"{number:016x}", "title": f"Заголовок {number}", "text": "Текст."}
            writer.add(Article(**{**bare, **own, **row}))  # type: ignore[arg-type]
        writer.commit(Sizes())
    with closing(ArticleStore(folder)) as store:
        yield store


def numbers(listing: Listing) -> list[int]:
    return [int(article.article_id, 16) for article in listing.articles]


@pytest.fixture
def five(tmp_path: Path) -> Iterator[ArticleStore]:
    rows: list[dict[str, object]] = [
        {"title": "Ёлка в порту", "published_at": date(2024, 12, 31), "publisher": "Вестник", "text": "а" * 50},
        {"title": "«Ростех» открыл завод", "publisher": "ТАСС", "authors": ("Пётр Лодкин", 'Анна "Весло" Бо')},
        {"title": "Strikes near Caracas", "published_at": date(2025, 2, 3), "language": "en", "text": "a" * 60},
        {"title": "Ежи у причала", "published_at": date(2024, 12, 1), "publisher": "Вестник", "text": "б" * 90},
        {"title": "жёлтый катер", "published_at": date(2025, 2, 3), "publisher": "", "text": "в" * 10},
    ]
    with store_of(tmp_path, *rows) as store:
        yield store


def test_everything_is_told_of_an_article_but_its_text(tmp_path: Path) -> None:
    row: dict[str, object] = {
        "title": "Мост",
        "published_at": date(2025, 1, 2),
        "publisher": "ТАСС",
        "authors": ("А", "Б"),
    }
    with store_of(tmp_path, {**row, "text": "слово " * 300}) as store:
        (article,) = store.listing().articles
    assert (article.article_id, article.title, article.published_at) == (f"{1:016x}", "Мост", date(2025, 1, 2))
    assert (article.publisher, article.authors, article.language) == ("ТАСС", ("А", "Б"), "ru")
    assert article.n_chars == pytest.approx(1800, rel=0.1)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("", [1, 2, 3, 4, 5]),
        ("   ", [1, 2, 3, 4, 5]),
        ("РОСТЕХ", [2]),
        ("елка", [1]),
        ("ЁЖИ", [4]),
        ("желтый", [5]),
        ("ост", [2]),
        ("caracas STRIKES", [3]),
        ("вестник причал", [4]),
        ("лодкин завод тасс", [2]),
        ('"весло"', [2]),
        ("завод причал", []),
        ('","', []),
        ("[", []),
        ("*", []),
        ("?", []),
        ("«", [2]),
        ("\0", [1, 2, 3, 4, 5]),
        ("\ud800", []),
        ("у" * 100_000, []),
        ("а " * 100_000, [1, 2, 4, 5]),
    ],
)
def test_all_words_are_in_title_publisher_or_authors(five: ArticleStore, words: str, found: list[int]) -> None:
    listing = five.listing(words=words)
    assert sorted(numbers(listing)) == found
    assert listing.n_articles == len(found)


@pytest.mark.parametrize("marks", ["[x]", "]", "^", "a-z", "[^a]", "**", "?", "100 %_", "'; drop table articles --"])
def test_marks_are_looked_for_as_they_are(tmp_path: Path, marks: str) -> None:
    with store_of(tmp_path, {"title": f"до {marks} после"}, {"title": "b до после m"}) as store:
        assert numbers(store.listing(words=marks)) == [1]


@settings(deadline=None, max_examples=300)
@given(st.text(min_size=1, max_size=8).filter(lambda text: "\0" not in text), st.sampled_from([str.upper, str.lower]))
def test_any_word_is_found_in_its_other_letters(word: str, change: Callable[[str], str]) -> None:
    text = "".join(changed if len(changed := change(char)) == 1 else char for char in word)
    with closing(sqlite3.connect(":memory:")) as connection:
        assert connection.execute("select ? glob ?", (f"до{text}после", word_glob(word))).fetchone() == (1,)


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (Order.NEWEST, [3, 5, 1, 4, 2]),
        (Order.OLDEST, [4, 1, 3, 5, 2]),
        (Order.TITLE, [3, 4, 1, 5, 2]),
        (Order.PUBLISHER, [1, 4, 2, 3, 5]),
        (Order.LONGEST, [4, 3, 1, 5, 2]),
    ],
)
def test_orders(five: ArticleStore, order: Order, expected: list[int]) -> None:
    assert numbers(five.listing(order=order)) == expected
    paged = [five.listing(order=order, offset=offset, limit=2) for offset in (0, 2, 4, 6)]
    assert [numbers(page) for page in paged] == [expected[:2], expected[2:4], expected[4:], []]
    assert {(page.n_articles, page.months, page.n_undated) for page in paged} == {
        (5, (MonthCount(date(2024, 12, 1), 2), MonthCount(date(2025, 2, 1), 2)), 1)
    }


def test_filters_and_words_go_together(five: ArticleStore) -> None:
    vestnik = five.listing(Filters(publisher="Вестник"), words="ежи")
    assert (numbers(vestnik), vestnik.months, vestnik.n_undated) == ([4], (MonthCount(date(2024, 12, 1), 1),), 0)
    assert numbers(five.listing(Filters(language="en"))) == [3]
    assert numbers(five.listing(Filters(published_from=date(2024, 12, 31)), words="у")) == [1]
    nothing = five.listing(Filters(publisher="Вестник", language="en"))
    assert nothing == Listing((), 0, (), 0)


def test_publishers_and_languages_are_counted(five: ArticleStore) -> None:
    assert five.publishers() == [ValueCount("Вестник", 2), ValueCount("ТАСС", 1)]
    assert five.languages() == [ValueCount("ru", 4), ValueCount("en", 1)]


def test_empty_store(tmp_path: Path) -> None:
    with store_of(tmp_path) as store:
        assert store.listing(words="а") == Listing((), 0, (), 0)
        assert store.publishers() == store.languages() == []


@pytest.mark.parametrize("statement", ["published_at = 'вчера'", "published_at = '2025-99-01'", "authors = '[oops'"])
def test_damage_is_told_of(tmp_path: Path, statement: str) -> None:
    with store_of(tmp_path, {}):
        pass
    with closing(sqlite3.connect(tmp_path / ARTICLES)) as connection:
        connection.execute(f"update articles set {statement}")
        connection.commit()
    with closing(ArticleStore(tmp_path)) as store, pytest.raises(IndexDamagedError, match="run: otvet doctor --repair"):
        store.listing()
