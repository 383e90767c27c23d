"""What may be asked: the bounds of a question."""

from dataclasses import FrozenInstanceError
from datetime import date
from typing import Any

import pytest

from index.errors import QuestionError
from index.records import Filters
from qa.records import MAX_K, MAX_QUESTION_CHARS, MAX_TURNS, Answer, Question, Refusal, RefusalReason, Turn

TURN = Turn("user", "А раньше?")


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("?", {}),
        ("я" * MAX_QUESTION_CHARS, {}),
        ("{пусто}\n\x00", {}),
        ("Где?", {"k": 1}),
        ("Где?", {"k": MAX_K}),
        ("Где?", {"history": (TURN,) * MAX_TURNS}),
        ("Где?", {"mode": "generative"}),
        ("Где?", {"use_dates": False}),
    ],
)
def test_what_is_within_bounds_is_kept_as_it_is(text: str, values: dict[str, Any]) -> None:
    question = Question(text, **values)
    assert question.text == text
    assert all(getattr(question, name) == value for name, value in values.items())


@pytest.mark.parametrize(
    ("text", "values", "reason"),
    [
        ("", {}, "the question '' is empty"),
        (" \n\t\xa0", {}, "is empty; ask something"),
        ("я" * (MAX_QUESTION_CHARS + 1), {}, "has 2001 characters, more than 2000"),
        ("Где\ud83d?", {}, "broken characters"),
        ("Где?", {"k": 0}, "k is 0; give a number from 1 to 50"),
        ("Где?", {"k": -3}, "k is -3"),
        ("Где?", {"k": MAX_K + 1}, "k is 51"),
        ("Где?", {"history": (TURN,) * (MAX_TURNS + 1)}, "history has 51 turns"),
        ("Где?", {"mode": "Extractive"}, "mode is 'Extractive'; give one of auto, extractive, generative"),
    ],
)
def test_what_is_out_of_bounds_is_refused_with_the_value(text: str, values: dict[str, Any], reason: str) -> None:
    with pytest.raises(QuestionError, match=reason):
        Question(text, **values)


def test_a_value_says_nothing_that_was_not_asked_for() -> None:
    question = Question("Где?")
    assert (question.history, question.k, question.mode, question.filters) == ((), None, "auto", Filters())
    assert question.use_dates
    answer = Answer("Там.", "ru", "extractive", ())
    assert (answer.notice, answer.period, answer.disagreements, answer.timings_ms) == (None, None, (), {})
    refusal = Refusal(RefusalReason.NOT_RELEVANT, "Нет.", "ru", ())
    assert (refusal.period, refusal.timings_ms) == (None, {})


def test_dates_the_wrong_way_round_are_refused() -> None:
    with pytest.raises(QuestionError, match="published_from 2024-05-02 is after published_to 2024-05-01; swap"):
        Filters(published_from=date(2024, 5, 2), published_to=date(2024, 5, 1))
    assert Filters(published_from=date(2024, 5, 1), published_to=date(2024, 5, 1)).publisher is None


def test_records_do_not_change() -> None:
    question = Question("Где?")
    with pytest.raises(FrozenInstanceError):
        question.text = "Когда?"  # type: ignore[misc]
