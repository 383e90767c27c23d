"""The article file of a generation: what goes in comes out, in order, filtered, and never changed."""

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.articles import ArticleRef, ArticleStore, ArticleWriter
from index.errors import IndexDamagedError
from index.records import Article, Filters

FULL = Article(
    article_id="00000000000000a1",
    title="Мост «Северный» открыт",
    text='Мост открыли вчера.\n\nОн сказал: "да; нет" — 100 % 😀\tвсё.',
    published_at=date(2024, 5, 6),
    url="https://vestnik.test/most?a=1&b='2'",
    publisher="Речной вестник",
    authors=("Пётр Лодкин", "Весло, Вера"),
    language="ru",
    source="север/мост.jsonl:12",
)
BARE = replace(
    FULL,
    article_id="00000000000000b2",
    published_at=None,
    url=None,
    publisher=None,
    authors=(),
    language="und",
    source="b.txt",
)


def article(number: int, day: str | None = None, publisher: str | None = None) -> Article:
    published_at = date.fromisoformat(day) if day else None
    return replace(BARE, article_id=f"{number:016x}", published_at=published_at, publisher=publisher)


@contextmanager
def store_of(path: Path, *articles: Article) -> Iterator[ArticleStore]:
    with ArticleWriter(path) as writer:
        for each in articles:
            assert writer.add(each)
    with closing(ArticleStore(path)) as store:
        yield store


def numbers(articles: list[Article]) -> list[int]:
    return [int(each.article_id, 16) for each in articles]


def test_all_fields_come_back(tmp_path: Path) -> None:
    with store_of(tmp_path / "a.sqlite", FULL, BARE) as store:
        assert list(store.all()) == [FULL, BARE]
        assert store.get(FULL.article_id) == FULL
        assert store.get(BARE.article_id) == BARE
        assert store.page() == [FULL, BARE]
        assert store.n_articles == 2


@settings(deadline=None, max_examples=50)
@given(
    text=st.text(min_size=1).filter(str.strip),
    authors=st.lists(st.text()).map(tuple),
    published_at=st.none() | st.dates(),
)
def test_any_article_comes_back(
    tmp_path_factory: pytest.TempPathFactory, text: str, authors: tuple[str, ...], published_at: date | None
) -> None:
    given_article = replace(FULL, text=text, title=text, authors=authors, published_at=published_at)
    with store_of(tmp_path_factory.mktemp("any") / "a.sqlite", given_article) as store:
        assert list(store.all()) == [given_article]


def test_duplicate_is_refused_and_the_first_one_stays(tmp_path: Path) -> None:
    moved = replace(FULL, source="elsewhere.txt")
    with ArticleWriter(tmp_path / "a.sqlite") as writer:
        assert [writer.add(each) for each in (FULL, moved, BARE, FULL)] == [True, False, True, False]
    with closing(ArticleStore(tmp_path / "a.sqlite")) as store:
        assert store.refs() == [
            ArticleRef(FULL.article_id, FULL.source),
            ArticleRef(BARE.article_id, BARE.source),
        ]


def test_order_of_indexing_is_kept(tmp_path: Path) -> None:
    with store_of(tmp_path / "a.sqlite", article(3, "2024-01-01"), article(1, "2025-01-01"), article(2)) as store:
        assert numbers(list(store.all())) == [3, 1, 2]
        assert [int(ref.article_id, 16) for ref in store.refs()] == [3, 1, 2]
        assert numbers(store.get_many([f"{n:016x}" for n in (2, 9, 3, 2)])) == [3, 2]
        assert store.get_many([]) == []
        assert store.get("absent") is None


class TestPage:
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[ArticleStore]:
        with store_of(
            tmp_path / "a.sqlite",
            article(1),
            article(2, "2024-05-06", "Вестник"),
            article(3, "2024-05-08", "Маяк"),
            article(4, "2024-05-07", "Вестник"),
            article(5, publisher="Вестник"),
            article(6, "2024-05-07"),
        ) as store:
            yield store

    def test_newest_first_undated_last_ties_as_indexed(self, store: ArticleStore) -> None:
        assert numbers(store.page()) == [3, 4, 6, 2, 1, 5]

    @pytest.mark.parametrize(
        ("first", "last", "expected"),
        [
            ("2024-05-06", "2024-05-08", [3, 4, 6, 2]),
            ("2024-05-07", "2024-05-07", [4, 6]),
            ("2024-05-07", None, [3, 4, 6]),
            (None, "2024-05-07", [4, 6, 2]),
            ("2024-05-09", None, []),
            (None, "2024-05-05", []),
            ("0001-01-01", "9999-12-31", [3, 4, 6, 2]),
        ],
    )
    def test_dates_include_both_ends_and_no_undated_article(
        self, store: ArticleStore, first: str | None, last: str | None, expected: list[int]
    ) -> None:
        filters = Filters(
            published_from=date.fromisoformat(first) if first else None,
            published_to=date.fromisoformat(last) if last else None,
        )
        assert numbers(store.page(filters=filters)) == expected

    def test_publisher_alone_and_with_a_date(self, store: ArticleStore) -> None:
        assert numbers(store.page(filters=Filters(publisher="Вестник"))) == [4, 2, 5]
        assert numbers(store.page(filters=Filters(publisher="Вестник", published_to=date(2024, 5, 6)))) == [2]
        assert store.page(filters=Filters(publisher="Вест")) == []
        assert store.page(filters=Filters(publisher="' or 1=1 --")) == []

    def test_offset_and_limit(self, store: ArticleStore) -> None:
        pages = [numbers(store.page(offset=offset, limit=4)) for offset in (0, 4, 8)]
        assert pages == [[3, 4, 6, 2], [1, 5], []]
        assert numbers(store.page(filters=Filters(publisher="Вестник"), offset=1, limit=1)) == [2]


class TestDamaged:
    def test_missing_file(self, tmp_path: Path) -> None:
        path = tmp_path / "absent.sqlite"
        with pytest.raises(IndexDamagedError, match=r"absent\.sqlite.*run: otvet index"):
            ArticleStore(path)
        assert not path.exists()

    @pytest.mark.parametrize("content", [b"", b"no database at all" * 100])
    def test_file_of_something_else(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "a.sqlite"
        path.write_bytes(content)
        with pytest.raises(IndexDamagedError, match="run: otvet index"):
            ArticleStore(path)


def test_reading_changes_nothing_and_writing_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "папка с ? и %20" / "a.sqlite"
    path.parent.mkdir()
    with store_of(path, FULL) as store:
        before = path.read_bytes()
        assert store.page() == [FULL]
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            store._connection.execute("delete from articles")
        assert [each.name for each in path.parent.iterdir()] == ["a.sqlite"]
        assert path.read_bytes() == before


def test_many_threads_read_one_store(tmp_path: Path) -> None:
    articles = [article(number, f"2024-01-{number:02d}") for number in range(1, 29)]
    with store_of(tmp_path / "a.sqlite", *articles) as store, ThreadPoolExecutor(8) as pool:
        found = pool.map(store.get, [each.article_id for each in articles] * 20)
        assert list(found) == articles * 20
