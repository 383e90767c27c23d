"""The contract of `index.search.Search`. To test a search of your own, subclass and override one fixture:

class TestMine(SearchContract):
    @pytest.fixture
    def search(self, index, hashed_words):
        return MySearch(index, hashed_words)
"""

import unicodedata
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import date
from itertools import permutations
from pathlib import Path
from random import Random
from typing import Literal

import pytest

from fakes import HashedWordsModel, open_index
from index.clock import Clock
from index.records import Filters, Hit
from index.search import MIN_CANDIDATES, HybridSearch, Search
from index.serving import Index
from index.settings import IndexSettings

ANY = Filters()
ALL = 99
SYLLABLES = [a + b for a in "бвгдклмнпрст" for b in "аеиоу"]
STORM = "Буран закрыл дороги в горах, и грузовики третий день стоят у перевала."


def long_text() -> str:
    """Some chunks, in which no words follow each other twice but those of the first sentence."""
    random = Random(5)
    sentences = [" ".join("".join(random.sample(SYLLABLES, 3)) for _ in range(20)) for _ in range(50)]
    return "Судно вышло из порта на рассвете. " + ". ".join(sentence.capitalize() for sentence in sentences) + "."


# The same words in another order: a model that only knows words sees no difference, and yet none repeats another.
TIES = [
    {
        "title": f"Ничья {day}",
        "text": f"Мельник {' и '.join(words)} чинил.",
        "published_at": f"2024-02-{day:02d}",
        "publisher": "Мельница",
    }
    for day, words in zip(
        [5, 1, 9, 3, 7, 2, 8, 6, 4, 12, 10, 11], permutations(["жернов", "лоток", "желоб", "колесо"]), strict=False
    )
]
ARTICLES = [
    {"title": "Порт", "text": long_text(), "published_at": "2024-03-01", "publisher": "Вестник"},
    {"title": "Буран", "text": STORM, "published_at": "2024-03-02", "publisher": "Вестник"},
    {"title": "Буран ещё", "text": STORM, "published_at": "2024-03-03", "publisher": "Заря"},
    {"title": "Буран опять", "text": STORM, "publisher": "Заря"},
    {"title": "Буран в марте", "text": STORM, "published_at": "2023-03-02", "publisher": "Вестник"},
    {"title": "Снег", "text": "Снег закрыл дороги в горах.", "published_at": "2024-03-01", "publisher": "Заря"},
    {"title": "Snow", "text": "Snow closed the roads in the hills.", "published_at": "2024-04-01", "language": "en"},
    *TIES,
]


def everything(hits: Sequence[Hit]) -> list[Hit]:
    """The hits and what repeats them."""
    return [one for hit in hits for one in (hit, *hit.repeats)]


def titles(hits: Sequence[Hit]) -> list[str]:
    return [hit.article.title for hit in hits]


def ids(index: Index, *wanted: str) -> tuple[str, ...]:
    with index.lease() as generation:
        return tuple(article.article_id for article in generation.articles.all() if article.title in wanted)


def order(hit: Hit) -> tuple[float, int, str, int]:
    """Better first; of equals the newer first, undated ones last, then by id and place."""
    day = hit.article.published_at
    return -hit.score, -day.toordinal() if day else 0, hit.article.article_id, hit.chunk.start


class SearchContract:
    @pytest.fixture
    def index(self, tmp_path: Path, hashed_words: HashedWordsModel) -> Iterator[Index]:
        """Holds `ARTICLES`."""
        with closing(open_index(tmp_path, hashed_words, ARTICLES)) as index:
            yield index

    @pytest.fixture
    def search(self, index: Index, hashed_words: HashedWordsModel) -> Search:
        raise NotImplementedError("override this fixture")

    @pytest.mark.parametrize("query", ["буран в горах", "Snow?", "слон", "?", "", "«{0}» \x00 " * 99, STORM, "the"])
    def test_hits_are_ranked_from_one_by_score(self, search: Search, query: str) -> None:
        hits = search.search(query, k=ALL, filters=ANY)
        assert [hit.rank for hit in hits] == list(range(1, len(hits) + 1))
        assert all(0 <= hit.score <= 1 for hit in everything(hits))
        assert hits == sorted(hits, key=order)

    @pytest.mark.parametrize("query", ["буран в горах", "Snow closed the roads", STORM, "слон", "?"])
    def test_legs_are_in_their_ranges(self, search: Search, query: str) -> None:
        rounding = 1e-5
        for hit in everything(search.search(query, k=ALL, filters=ANY)):
            if hit.legs is not None:
                assert abs(hit.legs.cosine) <= 1 + rounding
                assert abs(hit.legs.sentence) <= 1 + rounding
                assert 0 <= hit.legs.share <= 1
                assert abs(hit.legs.max_sim) <= 1

    def test_finds_what_speaks_of_the_query(self, search: Search) -> None:
        assert titles(search.search("Судно вышло из порта", k=1, filters=ANY)) == ["Порт"]
        assert titles(search.search("snow on the roads", k=1, filters=ANY)) == ["Snow"]

    @pytest.mark.parametrize("query", ["порт", "буран в горах", "слон"])
    def test_chunks_are_slices_of_their_articles_and_come_once(self, search: Search, query: str) -> None:
        found = everything(search.search(query, k=ALL, filters=ANY))
        for hit in found:
            assert hit.chunk.article_id == hit.article.article_id
            assert hit.article.text[hit.chunk.start : hit.chunk.end] == hit.chunk.text
        assert len({hit.chunk.chunk_id for hit in found}) == len(found)

    def test_an_article_can_be_found_by_several_chunks(self, search: Search, index: Index) -> None:
        hits = search.search("порт", k=ALL, filters=Filters(article_ids=ids(index, "Порт")))
        assert len({hit.chunk.start for hit in hits}) == len(hits) > 1

    @pytest.mark.parametrize("k", [1, 2, 5])
    def test_gives_k_hits_at_most(self, search: Search, k: int) -> None:
        assert len(search.search("буран", k=k, filters=ANY)) <= k

    def test_the_same_query_gives_the_same_list(self, search: Search) -> None:
        first = search.search("буран в горах", k=4, filters=ANY)
        assert all(search.search("буран в горах", k=4, filters=ANY) == first for _ in range(5))

    def test_fewer_hits_are_the_first_of_more(self, search: Search) -> None:
        many = search.search("дороги в горах", k=5, filters=ANY)
        for k in (1, 2, 4):
            fewer = search.search("дороги в горах", k=k, filters=ANY)
            assert [hit.chunk for hit in fewer] == [hit.chunk for hit in many[:k]]

    def test_a_reprint_comes_once_the_newest_of_equals_first(self, search: Search) -> None:
        hits = search.search("буран закрыл дороги", k=ALL, filters=ANY)
        assert titles(hits)[0] == "Буран ещё"
        assert titles(hits[0].repeats) == ["Буран", "Буран в марте", "Буран опять"]
        assert not any("Буран" in title for title in titles(hits[1:]))

    def test_repeats_have_the_rank_of_what_they_repeat(self, search: Search) -> None:
        for hit in search.search("буран закрыл дороги", k=ALL, filters=ANY):
            assert {repeat.rank for repeat in hit.repeats} <= {hit.rank}
            assert all(repeat.repeats == () for repeat in hit.repeats)
            assert [hit, *hit.repeats] == sorted([hit, *hit.repeats], key=order)

    def test_repeats_take_no_place_of_other_hits(self, search: Search) -> None:
        hits = search.search("буран закрыл дороги", k=2, filters=ANY)
        assert titles(hits) == ["Буран ещё", "Снег"]

    def test_of_equal_scores_the_newer_comes_first(self, search: Search) -> None:
        hits = search.search("Кто чинил жернов, лоток и колесо?", k=len(TIES), filters=ANY)
        assert len({hit.score for hit in hits}) == 1
        assert titles(hits) == [f"Ничья {day}" for day in range(len(TIES), 0, -1)]

    @pytest.mark.parametrize(
        ("filters", "passing"),
        [
            (Filters(publisher="Заря"), {"Буран ещё", "Буран опять", "Снег"}),
            (Filters(published_from=date(2024, 3, 2)), {"Буран", "Буран ещё", "Snow"}),
            (Filters(published_from=date(2024, 3, 1), published_to=date(2024, 3, 2)), {"Порт", "Буран", "Снег"}),
            (Filters(published_to=date(2024, 1, 31)), {"Буран в марте"}),
            (Filters(published_from=date(2024, 3, 2), publisher="Вестник"), {"Буран"}),
            (Filters(language="en"), {"Snow"}),
            (Filters(language="ru", published_from=date(2024, 3, 3)), {"Буран ещё"}),
            (Filters(language="en", publisher="Заря"), set()),
            (Filters(language="fr"), set()),
            (Filters(publisher="заря"), set()),
            (Filters(published_from=date(2025, 1, 1)), set()),
            (Filters(article_ids=()), set()),
            (Filters(article_ids=("f" * 16, "")), set()),
        ],
    )
    def test_only_what_passes_the_filters_is_found(self, search: Search, filters: Filters, passing: set[str]) -> None:
        """Repeats pass them too."""
        found = set(titles(everything(search.search("буран закрыл дороги", k=ALL, filters=filters))))
        assert found <= passing
        if passing:
            assert found

    def test_articles_are_chosen_by_their_ids(self, search: Search, index: Index) -> None:
        """Together with other filters, and with ids that are not there."""
        chosen = (*ids(index, "Порт", "Буран", "Snow"), "f" * 16)
        query = "буран закрыл дороги"
        found = search.search(query, k=ALL, filters=Filters(article_ids=chosen))
        assert "Буран" in titles(found)
        assert set(titles(everything(found))) <= {"Порт", "Буран", "Snow"}
        combined = Filters(article_ids=chosen, language="ru", published_from=date(2024, 3, 2), publisher="Вестник")
        assert titles(everything(search.search(query, k=ALL, filters=combined))) == ["Буран"]

    def test_what_a_filter_leaves_out_is_no_repeat(self, search: Search) -> None:
        hits = search.search("буран закрыл дороги", k=ALL, filters=Filters(publisher="Вестник"))
        assert titles(hits)[0] == "Буран"
        assert titles(hits[0].repeats) == ["Буран в марте"]

    def test_filters_cut_before_k_does(self, search: Search) -> None:
        hits = search.search("Судно вышло из порта", k=1, filters=Filters(published_from=date(2024, 4, 1)))
        assert titles(hits) == ["Snow"]

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
        found = everything(search.search("слон", k=ALL, filters=ANY))
        assert set(titles(found)) == {article["title"] for article in ARTICLES}

    @pytest.mark.parametrize("query", ["буран закрыл дороги", "snow", "слон"])
    def test_filters_change_no_score(self, search: Search, query: str) -> None:
        scores = {hit.chunk: hit.score for hit in everything(search.search(query, k=ALL, filters=ANY))}
        for filters in (Filters(language="ru"), Filters(publisher="Заря"), Filters(published_from=date(2024, 3, 1))):
            found = everything(search.search(query, k=ALL, filters=filters))
            assert found
            assert {hit.chunk: hit.score for hit in found} == pytest.approx(
                {hit.chunk: scores[hit.chunk] for hit in found}
            )

    @pytest.mark.parametrize("form", ["NFC", "NFD"])
    def test_letters_are_found_however_they_are_composed(
        self, tmp_path: Path, hashed_words: HashedWordsModel, form: Literal["NFC", "NFD"]
    ) -> None:
        articles = [{"text": unicodedata.normalize("NFD", "Российский самолёт сел."), "title": "-"}, *ARTICLES[5:7]]
        query = unicodedata.normalize(form, "российский самолёт")
        with closing(open_index(tmp_path, hashed_words, articles)) as index:
            [hit, *_] = HybridSearch(index, hashed_words).search(query, k=1, filters=ANY)
        assert hit.chunk.text == "Российский самолёт сел."
        assert hit.legs is not None
        assert hit.legs.share > 0.5

    @pytest.mark.parametrize("query", ["Буран закрыл дороги?", "Snow closed?", "42"])
    def test_an_unknown_language_is_judged_as_russian(
        self, tmp_path: Path, hashed_words: HashedWordsModel, query: str
    ) -> None:
        found = {}
        for language in ("ru", "und", "uk"):
            with closing(
                open_index(tmp_path / language, hashed_words, [{"text": STORM, "language": language}])
            ) as index:
                [hit] = HybridSearch(index, hashed_words).search(query, k=1, filters=ANY)
                found[language] = hit.score
        assert found["ru"] == found["und"] == found["uk"]

    def test_a_filter_that_leaves_little_ends_the_search_for_more(
        self, tmp_path: Path, hashed_words: HashedWordsModel
    ) -> None:
        """Fewer than k pass: one look at them is enough, however many chunks there are."""

        class Rounds(Clock):
            told: list[str] = []

            def lap(self, stage: str) -> None:
                self.told.append(stage)

        articles = [
            {"text": f"Выпуск {n}.", "publisher": "Вестник" if n else "Заря"} for n in range(4 * MIN_CANDIDATES)
        ]
        with closing(open_index(tmp_path, hashed_words, articles)) as index:
            search, clock = HybridSearch(index, hashed_words), Rounds()
            hits = search.timed_search("выпуск", k=5, filters=Filters(publisher="Заря"), clock=clock)
        assert len(hits) == 1
        assert clock.told.count("candidates") == 1

    def test_repeats_do_not_crowd_out_the_rest(self, tmp_path: Path, hashed_words: HashedWordsModel) -> None:
        """More reprints than either leg names candidates at first."""
        n_reprints = MIN_CANDIDATES + 20
        reprints = [{"title": f"Буран {n}", "text": STORM} for n in range(n_reprints)]
        with closing(open_index(tmp_path, hashed_words, [*reprints, *ARTICLES[-len(TIES) - 2 :]])) as index:
            hits = HybridSearch(index, hashed_words).search("буран закрыл дороги", k=3, filters=ANY)
        assert len(hits[0].repeats) == n_reprints - 1
        assert titles(hits)[1] == "Снег"
        assert len(hits) == 3


class TestSharedIndex(TestHybridSearch):
    """The same of an index in PostgreSQL and a Chroma server."""

    @pytest.fixture
    def index(self, tmp_path: Path, hashed_words: HashedWordsModel, shared_settings: IndexSettings) -> Iterator[Index]:
        """Holds `ARTICLES`."""
        with closing(open_index(tmp_path, hashed_words, ARTICLES, shared_settings)) as index:
            yield index
