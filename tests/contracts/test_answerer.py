"""The contract of `qa.drafts.Answerer`. To test an answerer of your own, subclass and override one fixture:

class TestMine(AnswererContract):
    @pytest.fixture
    def answerer(self):
        return MyAnswerer()
"""

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice

import pytest

from fakes import HashedWordsModel, ScriptedChatModel
from index.records import Article
from qa.citations import Citations
from qa.corroboration import Corroborator
from qa.drafts import Answerer, Claim, Evidence, NoAnswer, Quote
from qa.extractive import ExtractiveAnswerer
from qa.generative import GenerativeAnswerer
from qa.records import Passage, Question, Source, Turn
from qa.sentences import SentenceRanker
from qa.settings import AnswerSettings
from qa.support import SupportCheck

CREW = "Огонь над плотиной старой мельницы всю долгую ночь тушили {} пожарных из двух соседних посёлков."
ARTICLES = {
    "a" * 16: f"Мельница сгорела в ночь на пятницу[3]. {CREW.format(12)} Зерно успели вывезти.",
    "b" * 16: "Мельницу отстроят к осени. {Деньги} собрал весь посёлок.\n\nПервую муку обещают в октябре.",
    "c" * 16: "В ночь на пятницу сгорела мельница[3].",
    "d" * 16: CREW.format(15),
}
QUESTION = Question("Когда сгорела мельница?", history=(Turn("user", "Что с мельницей?"), Turn("assistant", "Беда.")))


def passages() -> tuple[Passage, ...]:
    """A whole article that another one repeats, the second part of a second one, and one that differs."""
    first, second, repeat, other = (
        Passage(Source(article_id, "Мельница", None, None, None, "ru"), 0, len(text), text, 0.9 - n / 10)
        for n, (article_id, text) in enumerate(ARTICLES.items())
    )
    start = second.text.index("Первую")
    return replace(first, repeats=(repeat,)), replace(second, start=start, text=second.text[start:]), other


def find_article(article_id: str) -> Article | None:
    return Article(article_id, "Мельница", ARTICLES[article_id], None, None, None, (), "ru", "m.txt")


class AnswererContract:
    @pytest.fixture
    def answerer(self) -> Answerer:
        raise NotImplementedError("override this fixture")

    @pytest.fixture
    def evidence(self) -> Evidence:
        found = passages()
        return Evidence(QUESTION.text, found, SentenceRanker(HashedWordsModel()).for_query(QUESTION.text, found))

    def test_says_how_it_answers(self, answerer: Answerer) -> None:
        assert answerer.mode in ("extractive", "generative")

    def test_drafts_claims_or_one_no_answer(self, answerer: Answerer, evidence: Evidence) -> None:
        draft = list(answerer.draft(QUESTION, evidence, {}))
        assert draft
        assert draft == [NoAnswer()] or all(isinstance(item, Claim) for item in draft)

    def test_claims_say_something_and_rest_on_something(self, answerer: Answerer, evidence: Evidence) -> None:
        claims = [item for item in answerer.draft(QUESTION, evidence, {}) if isinstance(item, Claim)]
        assert "".join(claim.text for claim in claims).strip()
        assert any(claim.quotes for claim in claims)

    def test_quotes_are_words_of_the_articles(self, answerer: Answerer, evidence: Evidence) -> None:
        claims = [item for item in answerer.draft(QUESTION, evidence, {}) if isinstance(item, Claim)]
        for quote in [quote for claim in claims for quote in claim.quotes]:
            assert quote.passage in [one for passage in evidence.passages for one in (passage, *passage.repeats)]
            assert quote.text.strip()
            assert ARTICLES[quote.passage.source.article_id][quote.start : quote.end] == quote.text

    def test_differences_are_between_quotes_that_were_given(self, answerer: Answerer, evidence: Evidence) -> None:
        given: list[Quote] = []
        for claim in (item for item in answerer.draft(QUESTION, evidence, {}) if isinstance(item, Claim)):
            given += claim.quotes
            if claim.difference is not None:
                one, other = claim.difference.quotes
                assert {one, other} <= set(given)
                assert one.passage.source.article_id != other.passage.source.article_id
                ours, theirs = claim.difference.words
                assert ours != theirs
                assert ours in one.text
                assert theirs in other.text

    def test_every_marker_and_every_difference_finds_its_citation(self, answerer: Answerer, evidence: Evidence) -> None:
        citations = Citations(find_article)
        for claim in (item for item in answerer.draft(QUESTION, evidence, {}) if isinstance(item, Claim)):
            list(citations.events(claim))
        markers = {citation.marker for citation in citations.found}
        assert {int(number) for number in re.findall(r"\[(\d+)\]", citations.text)} == markers
        for disagreement in citations.disagreements:
            assert set(disagreement.markers) <= markers

    def test_makes_do_with_nothing(self, answerer: Answerer) -> None:
        draft = list(answerer.draft(QUESTION, Evidence(QUESTION.text, (), ()), {}))
        assert not any(item.quotes for item in draft if isinstance(item, Claim))

    def test_can_be_left_early_and_asked_again(self, answerer: Answerer, evidence: Evidence) -> None:
        left = answerer.draft(QUESTION, evidence, {})
        assert len(list(islice(left, 1))) == 1
        left.close()  # type: ignore[attr-defined]
        assert list(left) == []
        assert list(answerer.draft(QUESTION, evidence, {}))

    def test_threads_do_not_disturb_each_other(self, answerer: Answerer, evidence: Evidence) -> None:
        with ThreadPoolExecutor(4) as pool:
            drafts = list(pool.map(lambda _: list(answerer.draft(QUESTION, evidence, {})), range(8)))
        assert all(draft == drafts[0] for draft in drafts)


class OursContract(AnswererContract):
    """What our answerers do beyond the contract."""

    def test_a_repeat_is_a_source_and_another_number_a_difference(self, answerer: Answerer, evidence: Evidence) -> None:
        claims = [item for item in answerer.draft(QUESTION, evidence, {}) if isinstance(item, Claim)]
        first = next(claim for claim in claims if claim.quotes)
        assert [quote.passage.source.article_id for quote in first.quotes] == ["a" * 16, "c" * 16]
        [difference] = [claim.difference for claim in claims if claim.difference is not None]
        assert difference.words == ("12", "15")


class TestExtractiveAnswerer(OursContract):
    @pytest.fixture
    def answerer(self) -> Answerer:
        return ExtractiveAnswerer(Corroborator(SentenceRanker(HashedWordsModel())))


class TestGenerativeAnswerer(OursContract):
    @pytest.fixture
    def answerer(self) -> Answerer:
        reply = ["Мельница сгорела", " в ночь на пятницу [", "1]. Огонь всю ночь тушили 12 пожарных [1]. Муку [2][9]."]
        ranker = SentenceRanker(model := HashedWordsModel())
        chat_model = ScriptedChatModel(replies=[reply] * 10)
        return GenerativeAnswerer(chat_model, SupportCheck(ranker, model), Corroborator(ranker), AnswerSettings())
