"""The contract of `index.parts.KeywordIndex`. To test an index of your own, subclass and override one fixture:

class TestMine(KeywordIndexContract):
    @pytest.fixture
    def open_index(self):
        return lambda texts: MyKeywordIndex(texts)
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest

from index.lexical import NAME, Alternatives, LexicalIndex, LexicalWriter
from index.parts import KeywordIndex
from index.postgres import Database
from index.shared_lexical import SharedKeywordIndex, write_postings
from index.text import terms

OpenIndex = Callable[[Sequence[str]], KeywordIndex]
TEXTS = [
    "В порт пришли два судна с зерном. Суда разгрузили за ночь.",
    "Мост закрыли на ремонт, движение пустили в объезд.",
    "…",
    "На ремонт моста и порта выделили 1 000 рублей. Мост, сказал Чавес, — не порт.",
    "Grain prices fell in the port. Chavez said so.",
]
LONG = "бвг" * 1000


def plain(query: str) -> list[Alternatives]:
    """Each term of a query, once, standing for itself only."""
    return [{term: 1.0} for term in dict.fromkeys(terms(query))]


class KeywordIndexContract:
    @pytest.fixture
    def open_index(self) -> OpenIndex:
        raise NotImplementedError("override this fixture")

    @pytest.fixture
    def index(self, open_index: OpenIndex) -> KeywordIndex:
        return open_index(TEXTS)

    def test_it_knows_its_terms(self, index: KeywordIndex) -> None:
        there = {"мост", NAME + "svs", "chavez", "1000"}
        assert index.known([*there, "мост", "svs", "моста", ""]) == there
        assert index.known([]) == set()

    def test_shares_are_in_the_order_of_the_chunks(self, index: KeywordIndex) -> None:
        for row, term in [(0, "судн"), (1, "объезд"), (3, "рубл"), (4, "grain")]:
            assert np.flatnonzero(index.shares([{term: 1.0}])).tolist() == [row]

    @pytest.mark.parametrize("query", ["мост", "ремонт моста", "зерно и самолёт", "grain port зерно", *TEXTS])
    def test_shares_are_float32_within_0_and_1(self, index: KeywordIndex, query: str) -> None:
        shares = index.shares(plain(query))
        assert (shares.dtype, shares.shape) == (np.float32, (len(TEXTS),))
        assert shares.min() >= 0
        assert shares.max() < 1

    def test_what_has_more_of_the_query_holds_more_of_it(self, index: KeywordIndex) -> None:
        shares = index.shares(plain("ремонт моста и порта"))
        assert np.argsort(-shares)[:2].tolist() == [3, 1]
        assert shares[2] == 0

    def test_unknown_words_lower_the_share(self, index: KeywordIndex) -> None:
        known, more = index.shares(plain("ремонт")), index.shares(plain("ремонт неведомой штуковины"))
        assert known.max() > more.max() > 0

    def test_of_alternatives_the_best_counts(self, index: KeywordIndex) -> None:
        alone, with_less = index.shares([{"мост": 1.0}]), index.shares([{"мост": 1.0, "ремонт": 0.01}])
        np.testing.assert_array_equal(alone, with_less)
        assert index.shares([{"мост": 1.0, "судн": 0.5}])[0] > 0

    @pytest.mark.parametrize("query", [[], [{"неведом": 1.0}], [{"неведом": 1.0, "штуковин": 0.5}]])
    def test_a_query_without_known_words_shares_0(self, index: KeywordIndex, query: list[Alternatives]) -> None:
        assert index.shares(query).tolist() == [0.0] * len(TEXTS)

    @pytest.mark.parametrize("term", ["", "\0", "мост\0", "\ud800", "'; drop table postings; --", "%s", "a" * 10_000])
    def test_any_string_may_be_asked_for(self, index: KeywordIndex, term: str) -> None:
        assert index.known([term, "мост"]) == {"мост"}
        assert not index.shares([{term: 1.0}]).any()

    def test_long_words_are_found_whole(self, open_index: OpenIndex) -> None:
        index = open_index(["мост", LONG, LONG + "б"])
        assert index.known([LONG, LONG + "бб"]) == {LONG}
        assert np.flatnonzero(index.shares([{LONG: 1.0}])).tolist() == [1]

    @pytest.mark.parametrize("texts", [[], ["…"], ["", "…", "!"]])
    def test_chunks_without_words(self, open_index: OpenIndex, texts: list[str]) -> None:
        index = open_index(texts)
        assert index.known(["мост"]) == set()
        assert index.shares([{"мост": 1.0}]).tolist() == [0.0] * len(texts)

    def test_threads_do_not_disturb_each_other(self, index: KeywordIndex) -> None:
        queries = [plain(text) for text in TEXTS]
        alone = [index.shares(query).tolist() for query in queries]
        with ThreadPoolExecutor(4) as pool:
            together = list(pool.map(lambda query: index.shares(query).tolist(), queries * 8))
        assert together == alone * 8


class TestLexicalIndex(KeywordIndexContract):
    @pytest.fixture
    def open_index(self, tmp_path: Path) -> OpenIndex:
        def made(texts: Sequence[str]) -> KeywordIndex:
            folder = tmp_path / str(len(list(tmp_path.iterdir())))
            writer = LexicalWriter(folder)
            for text in texts:
                writer.add(text)
            writer.save()
            return LexicalIndex(folder, alive=np.ones(len(texts), np.bool_))

        return made


class TestSharedKeywordIndex(KeywordIndexContract):
    @pytest.fixture
    def database(self, postgres_url: str) -> Iterator[Database]:
        """A schema of one test's own."""
        with closing(Database(postgres_url, schema=f"test_{uuid4().hex}")) as database:
            database.create("keywords")
            yield database

    @pytest.fixture
    def open_index(self, database: Database) -> OpenIndex:
        """Once a test. Row numbers have gaps, and beside the segment are two that came too late or went too early."""

        def made(texts: Sequence[str]) -> KeywordIndex:
            rows = 3 + 2 * np.arange(len(texts), dtype=np.int64)
            with database.connection() as connection:
                for number, first, others in [(2, 1000, TEXTS), (3, 3, texts), (4, 2000, TEXTS)]:
                    numbered = ((first + 2 * at, text) for at, text in enumerate(others))
                    write_postings(connection, number, numbered, tell=lambda done: None)
                connection.execute("update segments set until = 3 where since = 2")
            return SharedKeywordIndex(database, 3, rows)

        return made

    @pytest.mark.parametrize("damage", ["delete from postings", "update postings set rows = '', counts = ''"])
    def test_lost_postings_are_told(self, open_index: OpenIndex, database: Database, damage: str) -> None:
        index = open_index(TEXTS)
        assert isinstance(index, SharedKeywordIndex)
        assert list(index.check()) == []
        with database.connection() as connection:
            connection.execute(f"{damage} where term = 'мост'")
        assert list(index.check()) == ["postings of 2 chunks from 3 to 11 are lost or too many"]
