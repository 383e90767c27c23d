"""The language of a question, and that Otvet has words for every refusal in it."""

import pytest

from index.text import question_language
from qa.language import MODEL_FAILED, REFUSALS, WIDENED
from qa.records import RefusalReason


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Куда ушёл паром?", "ru"),
        ("Where did the ferry go?", "en"),
        ("Что такое GPS?", "ru"),
        ("What is «Ростех» building?", "en"),
        ("Boeing 737 и Airbus", "en"),
        ("USB или Bluetooth?", "en"),
        ("GPS работает?", "ru"),  # one word of each: the one who mixes them is rather Russian
        ("Яхта", "ru"),
        ("МиГ-29 или Su-30 лучше", "ru"),
        ("2024?", "en"),
        ("?!", "en"),
        ("", "en"),
        ("Який човен?", "ru"),
    ],
)
def test_words_decide_not_letters(text: str, language: str) -> None:
    assert question_language(text) == language


def test_what_is_said_of_a_period_that_was_given_up_names_it_in_both_languages() -> None:
    assert question_language(WIDENED["ru"].format(words="вчера")) == "ru"
    assert question_language(WIDENED["en"].format(words="yesterday")) == "en"
    assert all("{words}" in text for text in WIDENED.values())


def test_every_refusal_is_worded_in_both_languages() -> None:
    assert set(REFUSALS) == {(reason, language) for reason in RefusalReason for language in ("ru", "en")}
    for (_, language), text in [*REFUSALS.items(), *((("", key), value) for key, value in MODEL_FAILED.items())]:
        assert question_language(text) == language
    assert len(set(REFUSALS.values())) == len(REFUSALS)
