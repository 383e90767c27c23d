"""The contract of `qa.drafts.Answerer`. To test an answerer of your own, subclass and override one fixture:

class TestMine(AnswererContract):
    @pytest.fixture
    def answerer(self):
        return MyAnswerer()
"""

from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import pytest

from fakes import HashedWordsModel, ScriptedChatModel
from qa.drafts import Answerer, Claim, Evidence, NoAnswer
from qa.extractive import ExtractiveAnswerer
from qa.generative import GenerativeAnswerer
from qa.records import Passage, Question, Source, Turn
from qa.sentences import SentenceRanker

ARTICLES = {
    "a" * 16: "Мельница сгорела в ночь на пятницу[3]. Пожар заметил сторож. Зерно успели вывезти.",
    "b" * 16: "Мельницу отстроят к осени. {Деньги} собрал весь посёлок.\n\nПервую муку обещают в октябре.",
}
QUESTION = Question("Когда сгорела мельница?", history=(Turn("user", "Что с мельницей?"), Turn("assistant", "Беда.")))


def passages() -> tuple[Passage, ...]:
    """A whole article, and the second part of another."""
    first, second = ARTICLES
    start = ARTICLES[second].index("Первую")
    sources = [Source(article_id, "Мельница", None, None, None, "ru") for article_id in ARTICLES]
    return (
        Passage(sources[0], 0, len(ARTICLES[first]), ARTICLES[first], 0.9),
        Passage(sources[1], start, len(ARTICLES[second]), ARTICLES[second][start:], 0.8),
    )


class AnswererContract:
    @pytest.fixture
    def answerer(self) -> Answerer:
        raise NotImplementedError("override this fixture")

    @pytest.fixture
    def evidence(self) -> Evidence:
        found = passages()
        return Evidence(found, SentenceRanker(HashedWordsModel()).for_query(QUESTION.text, found))

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
            assert quote.passage in evidence.passages
            assert quote.text.strip()
            assert ARTICLES[quote.passage.source.article_id][quote.start : quote.end] == quote.text

    def test_makes_do_with_nothing(self, answerer: Answerer) -> None:
        draft = list(answerer.draft(QUESTION, Evidence((), ()), {}))
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


class TestExtractiveAnswerer(AnswererContract):
    @pytest.fixture
    def answerer(self) -> Answerer:
        return ExtractiveAnswerer()


class TestGenerativeAnswerer(AnswererContract):
    @pytest.fixture
    def answerer(self) -> Answerer:
        reply = ["Мельница сгорела", " в ночь на пятницу [", "1]. Муку обещают в октябре [2][9]."]
        return GenerativeAnswerer(ScriptedChatModel(replies=[reply] * 10), SentenceRanker(HashedWordsModel()))
