"""The contract of `index.search.Search`. To test a search of your own, subclass and override one fixture:

class TestMine(SearchContract):
    @pytest.fixture
    def search(self, index, hashed_words):
        return MySearch(index, hashed_words)
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest

from fakes import HashedWordsModel, open_index
from index.records import Filters, Hit
from index.search import HybridSearch, Search
from index.serving import Index

ANY = Filters()
LONG = " ".join(
    f"Судно номер {n} вышло из порта на рассвете и взяло курс на север мимо старых доков." for n in range(9)
)
ARTICLES = [
    {"title": "Порт", "text": LONG, "published_at": "2024-03-01", "publisher": "Вестник"},
    {"title": "Буран", "text": "Буран закрыл дороги в горах.", "published_at": "2024-03-02", "publisher": "Вестник"},
    {"title": "Буран ещё", "text": "Буран закрыл дороги в горах.", "published_at": "2024-03-03", "publisher": "Заря"},
    {"title": "Буран опять", "text": "Буран закрыл дороги в горах.", "publisher": "Заря"},
    {"title": "Snow", "text": "Snow closed the roads in the hills.", "published_at": "2024-04-01", "language": "en"},
]


def titles(hits: list[Hit]) -> set[str]:
    return {hit.article.title for hit in hits}


class SearchContract:
    @pytest.fixture
    def index(self, tmp_path: Path, hashed_words: HashedWordsModel) -> Iterator[Index]:
        """Holds `ARTICLES`."""
        with closing(open_index(tmp_path, hashed_words, ARTICLES)) as index:
            yield index

    @pytest.fixture
    def search(self, index: Index, hashed_words: HashedWordsModel) -> Search:
        raise NotImplementedError("override this fixture")

    @pytest.mark.parametrize("query", ["буран в горах", "Snow?", "слон", "?", "«{0}» \x00 " * 99])
    def test_hits_are_ranked_from_one_by_score(self, search: Search, query: str) -> None:
        hits = search.search(query, k=50, filters=ANY)
        assert [hit.rank for hit in hits] == list(range(1, len(hits) + 1))
        assert all(0 <= hit.score <= 1 for hit in hits)
        ordered = sorted(hits, key=lambda hit: (-hit.score, hit.article.article_id, hit.chunk.start))
        assert hits == ordered

    def test_finds_what_speaks_of_the_query(self, search: Search) -> None:
        assert search.search("Судно вышло из порта", k=1, filters=ANY)[0].article.title == "Порт"
        assert search.search("snow on the roads", k=1, filters=ANY)[0].article.title == "Snow"

    def test_chunks_are_slices_of_their_articles_and_come_once(self, search: Search) -> None:
        hits = search.search("порт", k=50, filters=ANY)
        for hit in hits:
            assert hit.chunk.article_id == hit.article.article_id
            assert hit.article.text[hit.chunk.start : hit.chunk.end] == hit.chunk.text
        assert len({hit.chunk.chunk_id for hit in hits}) == len(hits)

    @pytest.mark.parametrize("k", [1, 2, 5])
    def test_gives_k_hits_at_most(self, search: Search, k: int) -> None:
        assert len(search.search("буран", k=k, filters=ANY)) <= k

    def test_the_same_query_gives_the_same_list(self, search: Search) -> None:
        first = search.search("буран в горах", k=4, filters=ANY)
        assert all(search.search("буран в горах", k=4, filters=ANY) == first for _ in range(5))

    @pytest.mark.parametrize(
        ("filters", "passing"),
        [
            (Filters(publisher="Заря"), {"Буран ещё", "Буран опять"}),
            (Filters(published_from=date(2024, 3, 2)), {"Буран", "Буран ещё", "Snow"}),
            (Filters(published_to=date(2024, 3, 2)), {"Порт", "Буран"}),
            (Filters(published_from=date(2024, 3, 2), published_to=date(2024, 3, 3)), {"Буран", "Буран ещё"}),
            (Filters(published_from=date(2024, 3, 2), publisher="Вестник"), {"Буран"}),
            (Filters(publisher="заря"), set()),
            (Filters(published_from=date(2025, 1, 1)), set()),
        ],
    )
    def test_only_what_passes_the_filters_is_found(self, search: Search, filters: Filters, passing: set[str]) -> None:
        assert titles(search.search("буран закрыл дороги", k=50, filters=filters)) <= passing
        if passing:
            assert search.search("буран закрыл дороги", k=50, filters=filters)

    def test_filters_cut_before_k_does(self, search: Search) -> None:
        hits = search.search("Судно вышло из порта", k=1, filters=Filters(published_from=date(2024, 4, 1)))
        assert titles(hits) == {"Snow"}

    def test_threads_do_not_disturb_each_other(self, search: Search) -> None:
        queries = ["буран в горах", "snow on the roads"]
        alone = [search.search(query, k=3, filters=ANY) for query in queries]
        with ThreadPoolExecutor(4) as pool:
            together = list(pool.map(lambda query: search.search(query, k=3, filters=ANY), queries * 8))
        assert together == alone * 8


class TestHybridSearch(SearchContract):
    @pytest.fixture
    def search(self, index: Index, hashed_words: HashedWordsModel) -> Search:
        return HybridSearch(index, hashed_words)

    def test_everything_that_passes_is_ranked(self, search: Search) -> None:
        assert titles(search.search("слон", k=50, filters=ANY)) == {article["title"] for article in ARTICLES}
