"""What the page shows, step by step, for every kind of event."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from typing import Any, cast

from index.errors import IndexMissingError
from qa.chain import AnswerChain
from qa.dates import Period
from qa.records import (
    Answer,
    Citation,
    CitationFound,
    Disagreement,
    Event,
    Passage,
    PassagesFound,
    Question,
    QuotesFound,
    Refusal,
    RefusalReason,
    Restarted,
    Source,
    TextDelta,
)
from ui.chat import show
from ui.render import answer_markdown, plain_text

SOURCE = Source("a" * 16, "Мост", date(2024, 3, 5), "Вестник", None, "ru")
PASSAGE = Passage(SOURCE, 0, 13, "Мост закрыли.", 0.9)
CITATION = Citation(1, SOURCE, "Мост закрыли.", 0, 13, 0.9)
QUOTED = Answer("Мост закрыли. [1]", "ru", "extractive", (CITATION,), notice="Модель молчит.")


class Told:
    """A chain that tells prepared events and records what it was asked."""

    def __init__(self, *events: Event | Exception) -> None:
        self.events = events
        self.asked: list[Question] = []

    def stream(self, question: Question) -> Iterator[Event]:
        self.asked.append(question)
        for event in self.events:
            if isinstance(event, Exception):
                raise event
            yield event


def shown(told: Told, history: list[dict[str, Any]] | None = None) -> list[tuple[str, str]]:
    return list(show(cast("AnswerChain", told), "Что закрыли?", history or []))


def test_answer_grows_and_ends_with_its_cards() -> None:
    plain = Answer("Мост закрыли. [1]", "ru", "generative", (CITATION,))
    steps = shown(
        Told(PassagesFound((PASSAGE,)), TextDelta("Мост закрыли."), CitationFound(CITATION), TextDelta(" [1]"), plain)
    )
    assert "1" in steps[0][0]
    assert [plain_text(text) for text, _ in steps[1:]] == ["Мост закрыли.", "Мост закрыли. [1]", "Мост закрыли. [1]"]
    assert steps[-1][1].count("otvet-card") == 1


def test_text_of_a_model_that_failed_is_void() -> None:
    steps = shown(
        Told(PassagesFound((PASSAGE,)), TextDelta("Выдумка"), Restarted(), TextDelta("Мост закрыли."), QUOTED)
    )
    assert "Выдумка" in steps[1][0]
    assert all("Выдумка" not in text for text, _ in steps[2:])
    assert plain_text(steps[-1][0]) == "*Модель молчит.*\n\nМост закрыли. [1]"


def test_quotes_are_shown_until_the_model_has_written() -> None:
    quotes = Answer("Мост закрыли. [1]", "ru", "extractive", (CITATION,))
    written = Answer("Мост не работает. [1]", "ru", "generative", (CITATION,))
    steps = shown(
        Told(
            PassagesFound((PASSAGE,)),
            QuotesFound(quotes),
            CitationFound(CITATION),
            TextDelta("Мост не работает. [1]"),
            written,
        )
    )
    assert plain_text(steps[1][0]) == "*Вот цитаты. Пишу ответ…*\n\nМост закрыли. [1]"
    assert steps[1][1].count("otvet-card") == 1
    assert [plain_text(text) for text, _ in steps[2:]] == ["Мост не работает. [1]"] * 2


def test_small_talk_has_no_sources() -> None:
    text, cards = shown(Told(TextDelta("Здравствуйте!"), Answer("Здравствуйте!", "ru", "conversation", ())))[-1]
    assert plain_text(text) == "Здравствуйте!"
    assert cards == ""


def test_a_follow_up_is_told_as_it_was_understood() -> None:
    answer = replace(QUOTED, notice=None, query="Что закрыли? А когда?")
    text, _ = shown(Told(PassagesFound((PASSAGE,)), answer))[-1]
    assert plain_text(text) == "*Понято как вопрос: Что закрыли? А когда?*\n\nМост закрыли. [1]"


def test_refusal_names_the_nearest() -> None:
    refusal = Refusal(RefusalReason.NOT_RELEVANT, "Ответа нет.", "ru", (SOURCE,))
    text, cards = shown(Told(PassagesFound((PASSAGE,)), refusal))[-1]
    assert plain_text(text) == "Ответа нет."
    assert "Мост" in cards


def test_period_and_differences_are_told_above_the_answer_in_the_questions_language() -> None:
    period = Period(date(2024, 3, 1), date(2024, 3, 31), "в марте")
    other = Citation(2, SOURCE, "Мост закроют.", 14, 27, 0.8)
    answer = Answer(
        "Мост закрыли. [1]\n\nМост закроют. [2]",
        "ru",
        "extractive",
        (CITATION, other),
        period=period,
        disagreements=(Disagreement((1, 2), ("5 марта", "7 марта")),),
    )
    text, cards = shown(Told(PassagesFound((PASSAGE,)), answer))[-1]
    assert plain_text(text).split("\n\n") == [
        "*Только статьи за 2024-03-01 – 2024-03-31 («в марте» в вопросе).*",
        "*Статьи расходятся: «5 марта» [1], «7 марта» [2].*",
        "Мост закрыли. [1]",
        "Мост закроют. [2]",
    ]
    assert cards.count("otvet-card") == 2


def test_a_refusal_tells_the_period_that_was_kept_to() -> None:
    refusal = Refusal(
        RefusalReason.NOT_RELEVANT, "Ответа нет.", "ru", (SOURCE,), Period(date(2024, 3, 1), None, "с марта")
    )
    text, _ = shown(Told(PassagesFound((PASSAGE,)), refusal))[-1]
    assert plain_text(text) == "*Только статьи за 2024-03-01 – … («с марта» в вопросе).*\n\nОтвета нет."


def test_the_box_for_dates_reaches_the_chain() -> None:
    told = Told(QUOTED)
    shown(told)
    for use_dates in (True, False):
        list(show(cast("AnswerChain", told), "Что закрыли?", [], use_dates=use_dates))
    assert [question.use_dates for question in told.asked] == [True, True, False]


def test_error_is_shown_in_its_words() -> None:
    text, cards = shown(Told(IndexMissingError("nothing is indexed yet; run: otvet index")))[-1]
    assert plain_text(text) == "nothing is indexed yet; run: otvet index"
    assert cards == ""


def test_history_reaches_the_chain_as_plain_text() -> None:
    told = Told(QUOTED)
    markdown = answer_markdown("Мост *закрыли*. [1]\nНа ремонт.", [CITATION], quoted=True)
    history = [
        {"role": "user", "content": [{"type": "text", "text": "Что нового?"}]},
        {"role": "assistant", "content": markdown},
    ]
    shown(told, history)
    [question] = told.asked
    assert [turn.content for turn in question.history] == ["Что нового?", "Мост *закрыли*. [1]\nНа ремонт."]
