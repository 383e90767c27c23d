"""Follow-up questions by a language model: when it is asked, what it is sent, and what of its words is believed."""

import logging
from typing import Any

import pytest
from langchain_core.messages import HumanMessage, SystemMessage

from fakes import ScriptedChatModel
from qa.follow_ups import HISTORY_MAX_TOKENS, MAX_REWRITTEN_CHARS, ModelRewriter, RuleRewriter
from qa.prompts import REWRITING
from qa.records import Question, Turn

ASKED = "What did Velmor promise Oslo in 2024?"
ANSWERED = "He promised Oslo 20 trams [1][2]."
HISTORY = (Turn("user", ASKED), Turn("assistant", ANSWERED))


def scripted(*replies: list[Any]) -> ScriptedChatModel:
    return ScriptedChatModel(replies=list(replies))


def rewritten(model: ScriptedChatModel, text: str, history: tuple[Turn, ...] = HISTORY) -> str:
    return ModelRewriter(model, RuleRewriter()).standalone(Question(text, history=history), {})


def by_rule(text: str, history: tuple[Turn, ...] = HISTORY) -> str:
    return RuleRewriter().standalone(Question(text, history=history), {})


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("Why did he do that?", "Why did Velmor promise trams to Oslo?"),
        ("Why did he do that?", " Why did Velmor promise Oslo 20 trams in 2024?\n"),
        ("And what about bergen?", "What did Velmor promise Bergen?"),
        ("А почему?", "Почему Велмор обещал трамваи Осло?"),
        ("Надолго?", "Надолго Велмор обещал трамваи Осло?"),  # a first word is no name that must be kept
    ],
)
def test_a_sound_rewriting_is_the_query(text: str, written: str) -> None:
    model = scripted([written[:5], written[5:]])
    assert rewritten(model, text) == written.strip()
    assert by_rule(text) != written.strip()


@pytest.mark.parametrize(
    "written",
    [
        "",
        " \n",
        "?",
        "Why did he do that?",  # only repeats
        "What did Velmor promise Oslo? Why did he do that?",  # as the rule would, or worse
        "Why did Velmor promise trams to Oslo",
        "Velmor promised trams to Oslo.",
        "Rewritten: Why did Velmor promise trams to Oslo?",
        "Why did Velmor promise trams to Oslo?\nHe wanted votes?",
        "Why did Velmor promise trams to Oslo?\u2028He wanted votes?",
        "Why did Velmor promise trams to Oslo and Bergen?",  # a name that nobody said
        "Why did Velmor promise Oslo 30 trams?",  # a number that nobody said
        "Почему Велмор обещал трамваи Осло?",
        "Why did Velmor promise trams to Oslo, " + "and trams " * 30 + "?",
    ],
)
def test_what_cannot_be_used_gives_way_to_the_rule(written: str) -> None:
    assert rewritten(scripted([written]), "Why did he do that?") == f"{ASKED} Why did he do that?"


def test_what_the_question_says_must_not_be_lost() -> None:
    assert rewritten(scripted(["Зачем Велмор обещал трамваи?"]), "Надолго?") == f"{ASKED} Надолго?"
    text = "Did she resign?"
    assert rewritten(scripted(["Why did Velmor promise trams to Oslo?"]), text) == by_rule(text)
    assert rewritten(scripted(["Why has Velmor resigned?"]), text) == "Why has Velmor resigned?"


def test_a_name_of_the_question_must_not_be_lost() -> None:
    assert rewritten(scripted(["What did Velmor promise Oslo?"]), "And Bergen?") == by_rule("And Bergen?")
    assert rewritten(scripted(["What did Velmor promise Bergen?"]), "And Bergen?") == "What did Velmor promise Bergen?"


@pytest.mark.parametrize("text", ["When did the bridge in Tver open?", "Who is Velmor?"])
def test_a_question_that_stands_alone_costs_nothing(text: str) -> None:
    model = scripted()
    assert rewritten(model, text) == text
    assert model.sent == []


@pytest.mark.parametrize(
    "history", [(), (Turn("assistant", "Hello!"),), (Turn("user", " "), Turn("assistant", "Yes?"))]
)
def test_without_anything_asked_before_the_model_is_not_asked(history: tuple[Turn, ...]) -> None:
    model = scripted()
    assert rewritten(model, "And why?", history) == "And why?"
    assert model.sent == []


def test_a_model_that_fails_gives_way_to_the_rule_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    model = scripted(["Why did ", RuntimeError("no memory")])
    with caplog.at_level(logging.WARNING):
        assert rewritten(model, "And why?") == f"{ASKED} And why?"
    assert "by rule" in caplog.text
    assert "no memory" in caplog.text
    assert "Velmor" not in caplog.text


def test_a_model_that_writes_on_is_stopped() -> None:
    model = scripted(["Why? " * 10] * 1000)
    assert rewritten(model, "And why?") == f"{ASKED} And why?"
    assert model.n_closed_early == 1


def test_the_longest_rewriting_is_still_believed() -> None:
    longest = "Why did Velmor promise trams" + " to Oslo".ljust(MAX_REWRITTEN_CHARS - 29, "o") + "?"
    assert len(longest) == MAX_REWRITTEN_CHARS
    history = (Turn("user", f"What did Velmor promise {longest[32:-1]}?"),)
    assert rewritten(scripted([longest]), "And why?", history) == longest


def test_what_the_model_is_sent() -> None:
    model = scripted(["Why did Velmor promise trams to Oslo?"])
    rewritten(model, "And why,\nin {braces}<|im_end|>?")
    first, *_, last = model.sent[0]
    assert first == SystemMessage(REWRITING)
    assert isinstance(last, HumanMessage)
    head, user, assistant, question, language = str(last.content).split("\n")
    assert (head, user, assistant) == (
        "Conversation:",
        f"User: {ASKED}",
        "Assistant: He promised Oslo 20 trams.",
    )
    assert question.startswith("Last question: And why, in {braces}")
    assert "<|" not in question
    assert language == "Rewrite it in English."


def test_the_language_that_is_named_is_the_question_s() -> None:
    model = scripted(["Почему Велмор обещал трамваи Осло?"])
    rewritten(model, "А почему?")
    assert str(model.sent[0][-1].content).endswith("Rewrite it in Russian.")


def test_the_history_that_is_sent_is_bounded_and_long_answers_are_cut_short() -> None:
    model = scripted(["?"])
    old = (Turn("user", "What did Kim say?"), Turn("assistant", "No. " * 200)) * 5
    rewritten(model, "And why?", (*old, Turn("user", ASKED), Turn("assistant", "He promised. " * 400)))
    sent = str(model.sent[0][-1].content)
    assert ASKED in sent
    assert "What did Kim say?" in sent
    assert len(sent) < 3 * HISTORY_MAX_TOKENS + 200
