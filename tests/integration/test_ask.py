"""The whole path on real articles with the real model: the questions that Otvet was founded on."""

from pathlib import Path

import pytest

from index.embedding import EmbeddingModel
from index.rebuild import build_index
from index.serving import Index
from index.settings import IndexSettings
from qa.engine import Engine, make_engine
from qa.records import Answer, Question, Refusal
from qa.settings import AnswerSettings

IRAN = ["what did Maduro ask Iran for?", "Что Мадуро просил у Ирана?"]


def cited_text(answer: Answer) -> str:
    return " ".join(citation.quote for citation in answer.citations)


@pytest.fixture(scope="module")
def real_engine(shared_corpus: Path, model: EmbeddingModel, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    settings = IndexSettings(data_dir=tmp_path_factory.mktemp("real"))
    build_index([shared_corpus], settings=settings, model=model)
    return make_engine(Index(settings, model), model, AnswerSettings())


@pytest.mark.parametrize("text", IRAN)
def test_real_articles_tell_what_iran_was_asked_for(real_engine: Engine, text: str) -> None:
    answer = real_engine.chain.invoke(text)
    assert isinstance(answer, Answer)
    for thing in ("оборудование обнаружения", "GPS", "беспилотник", "1 тысячи километров"):
        assert thing in cited_text(answer)


@pytest.mark.parametrize("text", IRAN)
def test_sample_articles_tell_what_iran_was_asked_for(sample_engine: Engine, text: str) -> None:
    answer = sample_engine.chain.invoke(text)
    assert isinstance(answer, Answer)
    for thing in ("пассивного обнаружения", "GPS", "беспилотник", "1000 километров"):
        assert thing in answer.citations[0].quote


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("Что открыл «Ростех» в Венесуэле?", "боеприпас"),
        ("When was the treaty with Venezuela ratified?", "27 октября"),
        ("How many people were killed by the strikes?", "62"),
        ("Что ослабит Кубу?", "Куба"),
    ],
)
def test_first_quote_holds_the_answer(sample_engine: Engine, text: str, part: str) -> None:
    answer = sample_engine.chain.invoke(text)
    assert isinstance(answer, Answer)
    assert part in answer.citations[0].quote


@pytest.mark.parametrize(
    "text", ["Какая погода в Париже?", "Who won the football world cup?", "Как приготовить борщ?", "фывапролдж"]
)
def test_what_the_articles_do_not_tell_is_refused_with_the_nearest(sample_engine: Engine, text: str) -> None:
    refusal = sample_engine.chain.invoke(text)
    assert isinstance(refusal, Refusal)
    assert len(refusal.nearest) == 3
    assert refusal.reason == "not_relevant"


def test_citations_slice_the_stored_article(sample_engine: Engine) -> None:
    for text in [*IRAN, "Сколько человек погибло при ударах США?", "What cargo did the aircraft carry?"]:
        answer = sample_engine.chain.invoke(Question(text))
        assert isinstance(answer, Answer)
        for citation in answer.citations:
            article = sample_engine.index.article(citation.source.article_id)
            assert article is not None
            assert article.text[citation.start : citation.end] == citation.quote
