"""The articles of a generation: what goes in comes out, in order, filtered, and never changed."""

import sqlite3
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.articles import ARTICLES, TEXTS, ArticleRef, ArticleStore, ArticleWriter, take_over_articles
from index.errors import IndexDamagedError
from index.records import Article, Filters
from index.rows import Sizes

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
def writing(folder: Path) -> Iterator[ArticleWriter]:
    """All that is changed within is committed."""
    with closing(ArticleWriter(folder)) as writer:
        yield writer
        writer.commit(Sizes())


@contextmanager
def reading(folder: Path) -> Iterator[ArticleStore]:
    with closing(ArticleStore(folder)) as store:
        yield store


@contextmanager
def store_of(folder: Path, *articles: Article) -> Iterator[ArticleStore]:
    with writing(folder) as writer:
        assert [writer.add(each) for each in articles] == list(range(len(articles)))
    with reading(folder) as store:
        yield store


def numbers(articles: list[Article]) -> list[int]:
    return [int(each.article_id, 16) for each in articles]


def test_all_fields_come_back(tmp_path: Path) -> None:
    with store_of(tmp_path, FULL, BARE) as store:
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
    with store_of(tmp_path_factory.mktemp("any"), given_article) as store:
        assert list(store.all()) == [given_article]


def test_duplicate_is_refused_and_the_first_one_stays(tmp_path: Path) -> None:
    moved = replace(FULL, source="elsewhere.txt")
    with writing(tmp_path) as writer:
        assert [writer.add(each) for each in (FULL, moved, BARE, FULL)] == [0, None, 1, None]
    with reading(tmp_path) as store:
        assert store.refs() == [
            ArticleRef(FULL.article_id, FULL.source, "ru"),
            ArticleRef(BARE.article_id, BARE.source, "und"),
        ]


def test_order_of_indexing_is_kept(tmp_path: Path) -> None:
    with store_of(tmp_path, article(3, "2024-01-01"), article(1, "2025-01-01"), article(2)) as store:
        assert numbers(list(store.all())) == [3, 1, 2]
        assert [int(ref.article_id, 16) for ref in store.refs()] == [3, 1, 2]
        assert numbers(store.get_many([f"{n:016x}" for n in (2, 9, 3, 2)])) == [3, 2]
        assert store.get_many([]) == []
        assert store.get("absent") is None


class TestChanges:
    """Of a generation that goes on from another one."""

    @pytest.fixture
    def five(self, tmp_path: Path) -> Path:
        with store_of(tmp_path, *(article(number, f"2024-01-0{number}") for number in range(1, 6))):
            return tmp_path

    def test_deleted_articles_are_gone_and_the_others_stay_where_they_are(self, five: Path) -> None:
        with writing(five) as writer:
            writer.delete([f"{number:016x}" for number in (2, 5, 9)])
        with reading(five) as store:
            assert store.n_articles == 3
            assert [position for position, _ in store.from_position(0)] == [0, 2, 3]
            assert [position for position, _ in store.from_position(1)] == [2, 3]
            assert numbers(list(store.all())) == [1, 3, 4]
            assert numbers(store.page()) == [4, 3, 1]
            assert store.get(f"{2:016x}") is None
            assert store.count(Filters()) == 3
            assert [store.columns().position(f"{number:016x}") for number in range(1, 6)] == [0, None, 2, 3, None]
            at_positions = [store.at_position(position) for position in range(6)]
            assert [found and int(found.article_id, 16) for found in at_positions] == [1, None, 3, 4, None, None]
            assert store.columns().is_there.tolist() == [True, False, True, True, False]
            assert store.sizes.n_positions == 5

    def test_no_article_gets_the_position_of_another_one(self, five: Path) -> None:
        """Not that of the newest, and not even its own again: the chunks that lie there are dead."""
        with writing(five) as writer:
            writer.delete([f"{5:016x}"])
        with writing(five) as writer:
            assert [writer.add(article(number)) for number in (6, 5)] == [5, 6]
        with reading(five) as store:
            assert [position for position, _ in store.from_position(0)] == [0, 1, 2, 3, 5, 6]
            assert list(store.from_position(5)) == [(5, article(6)), (6, article(5))]

    def test_moved_articles_are_told_from_where_they_are_now_and_in_their_new_language(self, five: Path) -> None:
        with writing(five) as writer:
            writer.update([ArticleRef(f"{3:016x}", "new/c.txt", "uk"), ArticleRef(f"{9:016x}", "absent.txt", "ru")])
        with reading(five) as store:
            assert [ref.source for ref in store.refs()] == ["b.txt", "b.txt", "new/c.txt", "b.txt", "b.txt"]
            assert store.get(f"{3:016x}") == replace(article(3, "2024-01-03"), source="new/c.txt", language="uk")

    def test_what_was_not_committed_is_lost(self, five: Path) -> None:
        before = (five / TEXTS).read_bytes()
        with closing(ArticleWriter(five)) as writer:
            writer.delete([f"{1:016x}"])
            writer.update([ArticleRef(f"{2:016x}", "new.txt", "ru")])
            writer.add(replace(article(6), text="Ещё одна."))
        with reading(five) as store:
            assert numbers(list(store.all())) == [1, 2, 3, 4, 5]
            assert {ref.source for ref in store.refs()} == {"b.txt"}
        with writing(five) as writer:
            assert writer.sizes.n_text_bytes == len(before)
        assert (five / TEXTS).read_bytes() == before

    def test_sizes_of_the_other_files_come_back(self, five: Path) -> None:
        with closing(ArticleWriter(five)) as writer:
            writer.add(FULL)
            writer.commit(Sizes(n_chunks=7, n_sentences=8, n_words=9))
            assert writer.sizes == Sizes(6, (five / TEXTS).stat().st_size, 7, 8, 9)
        with reading(five) as store:
            assert store.sizes == writer.sizes

    def test_the_base_sees_nothing_of_what_its_successor_does(self, five: Path) -> None:
        """Though both read the same file of texts."""
        (five / "next").mkdir()
        with reading(five) as store:
            before = list(store.all())
            take_over_articles(five, five / "next")
            assert (five / TEXTS).samefile(five / "next" / TEXTS)
            with writing(five / "next") as writer:
                writer.delete([f"{1:016x}"])
                assert writer.add(FULL) == 5
            assert list(store.all()) == before
        with reading(five) as store, reading(five / "next") as successor:
            assert list(store.all()) == before
            assert list(successor.all()) == [*before[1:], FULL]

    @settings(deadline=None, max_examples=15)
    @given(st.lists(st.lists(st.tuples(st.booleans(), st.integers(0, 7)), max_size=8), max_size=4))
    def test_positions_are_given_once_whatever_comes_and_goes(
        self, tmp_path_factory: pytest.TempPathFactory, goes: Sequence[Sequence[tuple[bool, int]]]
    ) -> None:
        folder, there, n_given = tmp_path_factory.mktemp("any"), dict[int, int](), 0
        for go in goes:
            with writing(folder) as writer:
                for is_added, number in go:
                    if not is_added:
                        writer.delete([f"{number:016x}"])
                        there.pop(number, None)
                    elif (position := writer.add(article(number))) is not None:
                        assert position == n_given
                        there[number], n_given = position, n_given + 1
                    else:
                        assert number in there
            with reading(folder) as store:
                found = {int(each.article_id, 16): position for position, each in store.from_position(0)}
                assert found == there
                assert store.sizes.n_positions == n_given


class TestPage:
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[ArticleStore]:
        with store_of(
            tmp_path,
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
    @pytest.mark.parametrize("name", [ARTICLES, TEXTS])
    def test_missing_file(self, tmp_path: Path, name: str) -> None:
        with store_of(tmp_path, FULL):
            (tmp_path / name).unlink()
        with pytest.raises(IndexDamagedError, match=r"articles.*run: otvet index"):
            ArticleStore(tmp_path)
        assert not (tmp_path / name).exists()

    def test_missing_folder(self, tmp_path: Path) -> None:
        with pytest.raises(IndexDamagedError, match=r"articles.*run: otvet index"):
            ArticleStore(tmp_path / "absent")
        assert not (tmp_path / "absent").exists()

    @pytest.mark.parametrize("content", [b"", b"no database at all" * 100])
    @pytest.mark.parametrize("opened", [ArticleStore, ArticleWriter])
    def test_file_of_something_else(
        self, tmp_path: Path, content: bytes, opened: type[ArticleStore] | type[ArticleWriter]
    ) -> None:
        (tmp_path / TEXTS).touch()
        (tmp_path / ARTICLES).write_bytes(content)
        with pytest.raises(IndexDamagedError, match="run: otvet index"):
            opened(tmp_path)

    @pytest.mark.parametrize("n_left", [0, 1, -1])
    @pytest.mark.parametrize("opened", [ArticleStore, ArticleWriter])
    def test_truncated_texts(
        self, tmp_path: Path, n_left: int, opened: type[ArticleStore] | type[ArticleWriter]
    ) -> None:
        with store_of(tmp_path, FULL, BARE):
            content = (tmp_path / TEXTS).read_bytes()
        (tmp_path / TEXTS).write_bytes(content[:n_left])
        with pytest.raises(IndexDamagedError, match="run: otvet index"):
            opened(tmp_path)

    @pytest.mark.parametrize("byte", [b"\xff", b" "])
    def test_texts_that_are_none(self, tmp_path: Path, byte: bytes) -> None:
        """They are told when the article is asked for: all of them are not read at the beginning."""
        with store_of(tmp_path, FULL):
            n_bytes = (tmp_path / TEXTS).stat().st_size
        (tmp_path / TEXTS).write_bytes(byte * n_bytes)
        with reading(tmp_path) as store, pytest.raises(IndexDamagedError, match=rf"{FULL.article_id}.*run: otvet"):
            store.get(FULL.article_id)


def test_reading_changes_nothing_and_writing_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "папка с ? и %20"
    folder.mkdir()
    with store_of(folder, FULL) as store:
        before = {path.name: path.read_bytes() for path in folder.iterdir()}
        assert store.page() == [FULL]
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            store._connection.execute("delete from articles")
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
        assert set(before) == {ARTICLES, TEXTS}


def test_many_threads_read_one_store(tmp_path: Path) -> None:
    articles = [article(number, f"2024-01-{number:02d}") for number in range(1, 29)]
    with store_of(tmp_path, *articles) as store, ThreadPoolExecutor(8) as pool:
        found = pool.map(store.get, [each.article_id for each in articles] * 20)
        assert list(found) == articles * 20
