"""The contract of `index.parts.Articles`, kept by the articles in files and by those in PostgreSQL alike."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import date
from pathlib import Path
from random import Random
from uuid import uuid4

import numpy as np
import pytest

from index.articles import ArticleRef, ArticleStore, ArticleWriter
from index.errors import IndexDamagedError, IndexWriteError
from index.listing import Listing, MonthCount, Order, ValueCount
from index.parts import Articles
from index.postgres import Database
from index.records import Article, Filters
from index.rows import Sizes
from index.shared_articles import (
    AT_ONCE,
    SharedArticles,
    add_articles,
    end_articles,
    forget_articles,
    undo_articles,
    update_refs,
    visible_refs,
)

FULL = Article(
    article_id="00000000000000a1",
    title="Мост «Северный» открыт",
    text='Мост открыли вчера.\n\nОн сказал:\u00a0"да; нет" — 100\u2009% 😀\t\\N \\x41 всё.\u2028\u200b',
    published_at=date(2024, 5, 6),
    url="https://vestnik.test/most?a=1&b='2'",
    publisher="Речной вестник",
    authors=("Пётр Лодкин", 'Весло, "Вера"', "{NULL}", "null", "𝒜 \\ 𝄞"),
    language="ru",
    source="север/мост.jsonl:12",
)
BARE = Article("00000000000000b2", "Заголовок", "Текст.", None, None, None, (), "und", "b.txt")

Opened = Callable[..., Articles]


def article(number: int, **values: object) -> Article:
    return replace(BARE, article_id=f"{number:016x}", **values)  # type: ignore[arg-type]


def numbers(articles: Sequence[Article] | Listing) -> list[int]:
    listed = articles.articles if isinstance(articles, Listing) else articles
    return [int(each.article_id, 16) for each in listed]


def local_articles(folder: Path, *articles: Article) -> ArticleStore:
    with closing(ArticleWriter(folder)) as writer:
        for each in articles:
            writer.add(each)
        writer.commit(Sizes())
    return ArticleStore(folder)


def shared_articles(database: Database, *articles: Article) -> SharedArticles:
    """At positions with gaps, beside articles that came too late or went too early to be seen."""
    with database.connection() as connection, connection.transaction():
        add_articles(connection, 3, [(1 + 3 * place, each) for place, each in enumerate(articles)])
        add_articles(connection, 2, [(10_000, article(0xE0, title="Ушла"))])
        end_articles(connection, 3, [f"{0xE0:016x}"])
        add_articles(connection, 4, [(0, article(0xE1, title="Ещё не пришла"))])
    return SharedArticles(database, 3)


@pytest.fixture
def database(postgres_url: str) -> Iterator[Database]:
    """A schema of one test's own."""
    with closing(Database(postgres_url, schema=f"t{uuid4().hex}")) as made:
        made.create("articles")
        yield made


class ArticlesContract:
    """To test articles of your own, subclass and override one fixture."""

    @pytest.fixture
    def opened(self) -> Opened:
        """Makes a generation of articles that are given in order, and opens it; once a test."""
        raise NotImplementedError

    @pytest.fixture
    def five(self, opened: Opened) -> Articles:
        return opened(
            article(1, title="Ёлка в порту", published_at=date(2024, 12, 31), publisher="Вестник", text="а" * 50),
            article(2, title="«Ростех» открыл завод", publisher="ТАСС", authors=("Пётр Лодкин", 'Анна "Весло" Бо')),
            article(3, title="Strikes near Caracas", published_at=date(2025, 2, 3), language="en", text="a" * 60),
            article(4, title="Ежи у причала", published_at=date(2024, 12, 1), publisher="Вестник", text="б" * 90),
            article(5, title="жёлтый катер", published_at=date(2025, 2, 3), publisher="", text="в" * 10),
        )

    def test_all_fields_come_back(self, opened: Opened) -> None:
        articles = opened(FULL, BARE)
        assert list(articles.all()) == [FULL, BARE]
        assert [articles.get(each.article_id) for each in (FULL, BARE)] == [FULL, BARE]
        assert articles.page() == [FULL, BARE]
        assert [articles.at_position(position) for position in (-1, 0, 1, 2)] == [None, FULL, BARE, None]
        assert articles.n_articles == 2

    def test_any_character_that_articles_have_comes_back(self, opened: Opened) -> None:
        """All but those that index/making.py takes out."""
        kept = [*range(1, 0xD800, 7), *range(0xE000, 0x110000, 997), 0x1F600, 0x10FFFF]
        text = "".join(map(chr, [*range(9, 14), *range(0x20, 0x250), 0x85, 0xA0, *kept]))
        strange = replace(FULL, text=f"  {text} \n", title=text, authors=(text, ""), publisher=text, source=text)
        assert list(opened(strange).all()) == [strange]

    def test_order_of_indexing_is_kept(self, opened: Opened) -> None:
        articles = opened(*(article(number, published_at=date(2024, 1, number)) for number in (3, 1, 2)))
        assert numbers(list(articles.all())) == [3, 1, 2]
        assert [int(ref.article_id, 16) for ref in articles.refs()] == [3, 1, 2]
        assert [articles.columns().position(f"{number:016x}") for number in (3, 1, 2, 9)] == [0, 1, 2, None]

    def test_stream_begins_anywhere(self, opened: Opened) -> None:
        articles = opened(*map(article, range(2 * AT_ONCE + 3)))
        for first in (0, 1, AT_ONCE - 1, AT_ONCE, 2 * AT_ONCE + 2, 2 * AT_ONCE + 3, 9999):
            found = [(position, int(each.article_id, 16)) for position, each in articles.from_position(first)]
            assert found == [(number, number) for number in range(first, 2 * AT_ONCE + 3)]

    def test_newest_first_undated_last_ties_as_indexed(self, opened: Opened) -> None:
        days = [None, "2024-05-06", "2024-05-08", "2024-05-07", None, "2024-05-07", "0001-01-01", "9999-12-31"]
        rows = [article(n, published_at=date.fromisoformat(day) if day else None) for n, day in enumerate(days, 1)]
        articles = opened(*rows)
        assert numbers(articles.page()) == [8, 3, 4, 6, 2, 7, 1, 5]
        assert [numbers(articles.page(offset=offset, limit=5)) for offset in (0, 5, 8)] == [
            [8, 3, 4, 6, 2],
            [7, 1, 5],
            [],
        ]

    @pytest.mark.parametrize(
        ("filters", "found"),
        [
            (Filters(), [3, 5, 1, 4, 2]),
            (Filters(published_from=date(2024, 12, 31)), [3, 5, 1]),
            (Filters(published_to=date(2024, 12, 31)), [1, 4]),
            (Filters(published_from=date(1, 1, 1), published_to=date(9999, 12, 31)), [3, 5, 1, 4]),
            (Filters(publisher="Вестник"), [1, 4]),
            (Filters(publisher="вестник"), []),
            (Filters(publisher=""), [5]),
            (Filters(publisher="Вестник\0"), []),
            (Filters(publisher="' or 1=1 --"), []),
            (Filters(language="en"), [3]),
            (Filters(language="\0"), []),
            (Filters(article_ids=()), []),
            (Filters(article_ids=(f"{4:016x}", "absent", f"{3:016x}\0", f"{2:016x}", f"{4:016x}")), [4, 2]),
            (Filters(article_ids=(f"{1:016x}", f"{3:016x}"), publisher="Вестник", language="und"), [1]),
        ],
    )
    def test_filters(self, five: Articles, filters: Filters, found: list[int]) -> None:
        assert numbers(five.page(filters=filters)) == found
        assert numbers(five.listing(filters)) == found
        assert five.count(filters) == len(found)
        assert np.flatnonzero(five.columns().mask(filters)).tolist() == sorted(number - 1 for number in found)

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
            ("лодкинанна", []),
            ("завод причал", []),
            ('","', []),
            ("[", []),
            ("*", []),
            ("?", []),
            ("«", [2]),
            ("\0", [1, 2, 3, 4, 5]),
            ("Рос\0тех", [2]),
            ("\ud800", []),
            ("у" * 100_000, []),
            ("а " * 100_000, [1, 2, 4, 5]),
        ],
    )
    def test_all_words_are_in_title_publisher_or_authors(self, five: Articles, words: str, found: list[int]) -> None:
        listing = five.listing(words=words)
        assert sorted(numbers(listing)) == found
        assert listing.n_articles == len(found)

    @pytest.mark.parametrize(
        "marks",
        [
            "[x]",
            "]",
            "^",
            "a-z",
            "[^a]",
            "**",
            "?",
            "%",
            "_",
            "%_%",
            "100 %_",
            "\\",
            "\\%",
            "{a}",
            "'; drop table a --",
        ],
    )
    def test_marks_are_looked_for_as_they_are(self, opened: Opened, marks: str) -> None:
        articles = opened(article(1, title=f"до {marks} после"), article(2, title="b до после m"))
        assert numbers(articles.listing(words=marks)) == [1]

    def test_letters_that_have_other_forms(self, opened: Opened) -> None:
        articles = opened(article(1, title="Straße"), article(2, title="ΣΟΦΟΣ"), article(3, title="ISPARTA"))
        found = [numbers(articles.listing(words=words)) for words in ("STRAßE", "σοφοσ", "ısparta", "ıs")]
        assert found == [[1], [2], [3], [3]]

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
    def test_orders(self, five: Articles, order: Order, expected: list[int]) -> None:
        assert numbers(five.listing(order=order)) == expected
        paged = [five.listing(order=order, offset=offset, limit=2) for offset in (0, 2, 4, 6)]
        assert [numbers(page) for page in paged] == [expected[:2], expected[2:4], expected[4:], []]
        assert {(page.n_articles, page.months, page.n_undated) for page in paged} == {
            (5, (MonthCount(date(2024, 12, 1), 2), MonthCount(date(2025, 2, 1), 2)), 1)
        }

    def test_filters_and_words_go_together(self, five: Articles) -> None:
        vestnik = five.listing(Filters(publisher="Вестник"), words="ежи")
        assert (numbers(vestnik), vestnik.months, vestnik.n_undated) == ([4], (MonthCount(date(2024, 12, 1), 1),), 0)
        assert numbers(five.listing(Filters(published_from=date(2024, 12, 31)), words="у")) == [1]
        assert five.listing(Filters(publisher="Вестник", language="en")) == Listing((), 0, (), 0)

    def test_everything_is_listed_of_an_article_but_its_text(self, opened: Opened) -> None:
        (listed,) = opened(replace(FULL, text="слово " * 300)).listing().articles
        assert (listed.article_id, listed.title, listed.published_at) == (
            FULL.article_id,
            FULL.title,
            FULL.published_at,
        )
        assert (listed.publisher, listed.authors, listed.language) == (FULL.publisher, FULL.authors, "ru")
        assert listed.n_chars == pytest.approx(1800, rel=0.1)

    def test_publishers_and_languages_are_counted(self, five: Articles) -> None:
        assert five.publishers() == [ValueCount("Вестник", 2), ValueCount("ТАСС", 1)]
        assert five.languages() == [ValueCount("und", 4), ValueCount("en", 1)]

    def test_no_articles(self, opened: Opened) -> None:
        articles = opened()
        assert (articles.n_articles, articles.count(Filters()), articles.get("absent")) == (0, 0, None)
        assert articles.listing(words="а") == Listing((), 0, (), 0)
        assert articles.publishers() == articles.languages() == articles.refs() == articles.page() == []
        assert list(articles.all()) == []
        assert articles.at_position(0) is None
        assert len(articles.columns().is_there) == 0

    def test_many_threads_read_at_once(self, opened: Opened) -> None:
        rows = [article(number, published_at=date(2024, 1, number)) for number in range(1, 29)]
        articles = opened(*rows)
        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(articles.get, [each.article_id for each in rows] * 5)) == rows * 5


class TestLocal(ArticlesContract):
    @pytest.fixture
    def opened(self, tmp_path: Path) -> Iterator[Opened]:
        with ExitStack() as stack:
            yield lambda *articles: stack.enter_context(closing(local_articles(tmp_path, *articles)))


class TestShared(ArticlesContract):
    @pytest.fixture
    def opened(self, database: Database) -> Opened:
        return lambda *articles: shared_articles(database, *articles)

    def test_positions_are_dense_and_the_stored_ones_are_told(self, database: Database) -> None:
        articles = shared_articles(database, *map(article, range(4)))
        assert articles.positions.tolist() == [1, 4, 7, 10]
        assert articles.positions.dtype == np.int64
        assert [position for position, _ in articles.from_position(0)] == [0, 1, 2, 3]

    @pytest.mark.parametrize("value", ["\0", "\ud800", "Вестник\udfff"])
    def test_nothing_is_what_no_text_can_be(self, database: Database, value: str) -> None:
        articles = shared_articles(database, FULL)
        assert articles.get(value) is None
        for filters in (Filters(publisher=value), Filters(language=value), Filters(article_ids=(value,))):
            assert (articles.page(filters=filters), articles.count(filters)) == ([], 0)
            assert articles.listing(filters) == Listing((), 0, (), 0)

    def test_letters_are_told_apart_less(self, database: Database) -> None:
        articles = shared_articles(database, article(1, title="Straße"), article(2, title="Strasse"))
        assert [numbers(articles.listing(words=words)) for words in ("strasse", "STRAßE")] == [[1, 2], [1, 2]]

    def test_lost_text_is_damage(self, database: Database) -> None:
        articles = shared_articles(database, FULL)
        with database.connection() as connection:
            connection.execute("delete from texts")
        with pytest.raises(IndexDamagedError, match=rf"{FULL.article_id}.*run: otvet doctor"):
            articles.get(FULL.article_id)

    def test_lost_row_is_damage(self, database: Database) -> None:
        articles = shared_articles(database, FULL)
        with database.connection() as connection:
            connection.execute("delete from articles")
        with pytest.raises(IndexDamagedError, match="0 of 1 articles of generation 3"):
            list(articles.all())

    def test_no_tables(self, postgres_url: str) -> None:
        with (
            closing(Database(postgres_url, schema="absent")) as bare,
            pytest.raises(IndexDamagedError, match="otvet index"),
        ):
            SharedArticles(bare, 1)


WORDS = ["Порт", "порт", "ёлка", "Елка", "«Мост»", "100%", "a_b", "\\", "Ω", "😀", "ПЁТР", "-мол", "straße", "a"]


def made_article(random: Random, number: int) -> Article:
    def some(most: int) -> str:
        return " ".join(random.choices(WORDS, k=random.randint(0, most)))

    return Article(
        article_id=f"{number:016x}",
        title=some(3),
        text="а😀z"[random.randrange(3)] * random.randint(1, 12),
        published_at=random.choice([None, date(2024, random.randint(1, 3), random.randint(1, 2))]),
        url=None,
        publisher=random.choice([None, "", some(1)]),
        authors=tuple(some(2) for _ in range(random.randint(0, 2))),
        language=random.choice(["ru", "en", "und"]),
        source=f"{number}.txt",
    )


@pytest.mark.parametrize("seed", range(4))
def test_both_tell_the_same(tmp_path: Path, database: Database, seed: int) -> None:
    random = Random(seed)
    rows = [made_article(random, number) for number in range(150)]
    with closing(local_articles(tmp_path, *rows)) as local, closing(shared_articles(database, *rows)) as shared:
        assert (local.publishers(), local.languages()) == (shared.publishers(), shared.languages())
        for _ in range(60):
            days = sorted(date(2024, random.randint(1, 3), random.randint(1, 2)) for _ in range(2))
            filters = Filters(
                published_from=random.choice([None, days[0]]),
                published_to=random.choice([None, days[1]]),
                publisher=random.choice([None, None, "", "порт"]),
                language=random.choice([None, None, "ru", "en"]),
                article_ids=random.choice([None, None, tuple(f"{n:016x}" for n in random.sample(range(200), 60))]),
            )
            order, offset, limit = random.choice(list(Order)), random.choice([0, 0, 3]), random.choice([0, 4, 200])
            words = " ".join(random.choice(WORDS)[:4] for _ in range(random.randint(0, 2)))
            asked = {"words": words, "order": order, "offset": offset, "limit": limit}
            assert shared.listing(filters, **asked) == local.listing(filters, **asked)
            page = {"filters": filters, "offset": offset, "limit": limit}
            assert shared.page(**page) == local.page(**page)


class TestGenerations:
    """What each generation sees, whatever comes after it."""

    @pytest.fixture
    def changed(self, database: Database) -> Database:
        """Generation 1 has 1, 2 and 3; generation 2 ends 1, moves 2 and adds 4 and 5, and 5 ends again."""
        with database.connection() as connection, connection.transaction():
            add_articles(connection, 1, [(n, article(n, source="old.txt")) for n in (1, 2, 3)])
            connection.execute(
                "insert into chunks select n, n, 0, 1, '', '', '', '', '' from generate_series(1, 5) as n"
            )
            end_articles(connection, 2, [f"{n:016x}" for n in (1, 9)])
            update_refs(connection, 2, [ArticleRef(f"{n:016x}", "new.txt", "uk") for n in (1, 2, 9)])
            add_articles(connection, 2, [(n, article(n, source="old.txt")) for n in (4, 5)])
            end_articles(connection, 2, [f"{5:016x}"])
        return database

    def stored(self, database: Database, table: str) -> list[int]:
        with database.connection() as connection:
            rows = connection.execute(f"select position from {table} order by position").fetchall()
        return [position for (position,) in rows]

    def told(self, database: Database, generation: int) -> list[tuple[int, str, str]]:
        refs = SharedArticles(database, generation).refs()
        return [(int(ref.article_id, 16), ref.source, ref.language) for ref in refs]

    FIRST = [(1, "old.txt", "und"), (2, "old.txt", "und"), (3, "old.txt", "und")]
    SECOND = [(2, "new.txt", "uk"), (3, "old.txt", "und"), (4, "old.txt", "und")]

    def test_each_sees_its_own(self, changed: Database) -> None:
        assert self.told(changed, 1) == self.FIRST
        assert self.told(changed, 2) == self.told(changed, 3) == self.SECOND
        first, second = SharedArticles(changed, 1), SharedArticles(changed, 2)
        assert first.get(f"{2:016x}") == article(2, source="old.txt")
        assert second.get(f"{2:016x}") == article(2, source="new.txt", language="uk")
        assert (first.get(f"{1:016x}"), second.get(f"{1:016x}")) == (article(1, source="old.txt"), None)
        assert numbers(first.get_many([f"{n:016x}" for n in (3, 4, 1)])) == [1, 3]
        assert second.listing().n_articles == second.count(Filters()) == 3

    def test_refs_that_a_build_sees(self, changed: Database) -> None:
        with changed.connection() as connection:
            refs = visible_refs(connection, 2)
        assert list(refs) == [f"{n:016x}" for n in (2, 3, 4)]
        assert list(refs.values()) == SharedArticles(changed, 2).refs()

    def test_what_came_and_went_in_one_build_is_gone(self, changed: Database) -> None:
        assert self.stored(changed, "texts") == self.stored(changed, "chunks") == [1, 2, 3, 4]

    def test_a_second_move_changes_the_version_of_the_first(self, changed: Database) -> None:
        with changed.connection() as connection:
            update_refs(connection, 2, [ArticleRef(f"{n:016x}", "last.txt", "be") for n in (2, 4)])
        assert self.told(changed, 1) == self.FIRST
        assert self.told(changed, 2) == [(2, "last.txt", "be"), (3, "old.txt", "und"), (4, "last.txt", "be")]
        assert self.stored(changed, "articles") == [1, 2, 2, 3, 4]

    def test_a_moved_article_that_ends_keeps_its_text_for_those_before(self, changed: Database) -> None:
        with changed.connection() as connection:
            end_articles(connection, 2, [f"{2:016x}"])
        assert self.told(changed, 1) == self.FIRST
        assert self.told(changed, 2) == self.SECOND[1:]
        assert SharedArticles(changed, 1).get(f"{2:016x}") == article(2, source="old.txt")

    def test_an_article_that_comes_back_has_another_position(self, changed: Database) -> None:
        with changed.connection() as connection:
            add_articles(connection, 3, [(6, article(1, source="again.txt"))])
        assert self.told(changed, 3) == [*self.SECOND, (1, "again.txt", "und")]
        assert self.told(changed, 1) == self.FIRST

    def test_undo(self, changed: Database) -> None:
        with changed.connection() as connection:
            undo_articles(connection, 2)
        assert self.told(changed, 1) == self.told(changed, 2) == self.FIRST
        assert self.stored(changed, "texts") == self.stored(changed, "chunks") == [1, 2, 3]

    def test_forget(self, changed: Database) -> None:
        with changed.connection() as connection:
            forget_articles(connection, 1)
            assert self.told(changed, 1) == self.FIRST
            forget_articles(connection, 2)
        assert self.told(changed, 2) == self.SECOND
        assert self.stored(changed, "articles") == [2, 3, 4]
        assert self.stored(changed, "texts") == self.stored(changed, "chunks") == [2, 3, 4]

    def test_a_transaction_that_fails_changes_nothing(self, changed: Database) -> None:
        def end_and_add() -> None:
            with changed.errors(writing=True), changed.connect() as connection, connection.transaction():
                end_articles(connection, 2, [f"{3:016x}"])
                add_articles(connection, 2, [(6, article(6)), (4, article(7))])  # 4 is taken

        with pytest.raises(IndexWriteError, match="run: otvet doctor"):
            end_and_add()
        assert self.told(changed, 2) == self.SECOND
