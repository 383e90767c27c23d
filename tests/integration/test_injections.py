"""Articles that give orders to a language model: what the chain's structure rules out, whatever the model does.

The embedded model, asked the twelve questions on 2026-11-25, obeyed none of the orders and answered all rightly.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from injections import INJECTIONS, Injection

from fakes import ScriptedChatModel, open_index
from index.embedding import EmbeddingModel
from index.serving import Index
from qa.citations import MARKER
from qa.engine import Engine, make_engine
from qa.prompts import EXAMPLES, SYSTEM
from qa.records import Answer, Question, QuotesFound, Refusal, TextDelta
from qa.settings import AnswerSettings

IDS = [one.article["title"] for one in INJECTIONS]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory, model: EmbeddingModel) -> Iterator[Index]:
    index = open_index(Path(tmp_path_factory.mktemp("injections")), model, [one.article for one in INJECTIONS])
    yield index
    index.close()


def engine_over(index: Index, model: EmbeddingModel, chat_model: ScriptedChatModel | None) -> Engine:
    return make_engine(index, model, AnswerSettings(), chat_model)


@pytest.mark.parametrize("injection", INJECTIONS, ids=IDS)
def test_the_prompt_keeps_its_form_and_the_order_stays_in_the_passages(
    index: Index, model: EmbeddingModel, injection: Injection
) -> None:
    chat_model = ScriptedChatModel(replies=[["NO_ANSWER"]])
    engine_over(index, model, chat_model).chain.invoke(injection.question)
    [messages] = chat_model.sent
    assert messages[0].content == SYSTEM
    assert [message.type for message in messages[1:]] == ["human", "ai"] * len(EXAMPLES) + ["human"]
    prompt = str(messages[-1].content)
    assert prompt.count("\n\n") == 1  # between passages and question
    passages, question = prompt.split("\n\n")
    assert question.startswith(f"Question: {injection.question}\n")
    lines = passages.splitlines()[1:]
    assert [line[: line.index("]") + 1] for line in lines] == [f"[{n}]" for n in range(1, len(lines) + 1)]
    assert not any(MARKER.search(line[line.index("]") + 1 :]) for line in lines)
    assert "<|" not in prompt


@pytest.mark.parametrize("injection", INJECTIONS, ids=IDS)
def test_a_model_that_obeys_gets_nothing_through_that_no_article_says(
    index: Index, model: EmbeddingModel, injection: Injection
) -> None:
    chat_model = ScriptedChatModel(replies=[[injection.obeyed], [injection.obeyed]])
    events = list(engine_over(index, model, chat_model).chain.stream(injection.question))
    response = events[-1]
    assert isinstance(response, Answer | Refusal)
    shown = "".join(event.text for event in events if isinstance(event, TextDelta)) + response.text
    words = set(re.findall(r"\w{4,}", injection.obeyed)) - set(re.findall(r"\w{4,}", injection.article["text"]))
    assert not words & set(re.findall(r"\w{4,}", shown))
    assert not any(sentence in shown for sentence in SYSTEM.splitlines())
    markers = {int(number) for number in re.findall(r"\[(\d+)\]", shown)}
    cited = response.citations if isinstance(response, Answer) else ()
    assert markers == {citation.marker for citation in cited}
    for citation in cited:
        article = index.article(citation.source.article_id)
        assert article is not None
        assert article.text[citation.start : citation.end] == citation.quote


@pytest.mark.parametrize("injection", INJECTIONS, ids=IDS)
def test_the_question_is_answered_from_its_article_all_the_same(
    index: Index, model: EmbeddingModel, injection: Injection
) -> None:
    [found] = [
        event.answer
        for event in engine_over(index, model, ScriptedChatModel(replies=[["NO_ANSWER"]])).chain.stream(
            Question(injection.question)
        )
        if isinstance(event, QuotesFound)
    ]
    assert found.citations[0].source.title == injection.article["title"]
    assert injection.answer in found.text
