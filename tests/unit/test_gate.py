"""The threshold that decides between an answer and a refusal."""

import pytest

from qa.gate import CROSS_LANGUAGE, SAME_LANGUAGE, refusal_reason
from qa.records import Passage, RefusalReason, Source
from qa.sentences import Sentence

TEXT = "Паром ушёл."


def sentence(score: float, language: str = "ru") -> Sentence:
    source = Source("a" * 16, "Паром", None, None, None, language)
    return Sentence(Passage(source, 0, len(TEXT), TEXT, score), 0, len(TEXT), score)


def test_nothing_found_means_that_the_filters_left_nothing() -> None:
    assert refusal_reason("Куда ушёл паром?", []) is RefusalReason.NO_ARTICLES


@pytest.mark.parametrize(
    ("question", "language", "threshold"),
    [
        ("Куда ушёл паром?", "ru", SAME_LANGUAGE),
        ("Where did it go?", "en", SAME_LANGUAGE),
        ("Where did it go?", "ru", CROSS_LANGUAGE),
        ("Куда ушёл паром?", "en", CROSS_LANGUAGE),
        ("Куда ушёл паром?", "uk", CROSS_LANGUAGE),
    ],
)
def test_the_threshold_goes_by_the_languages_and_belongs_to_the_answers(
    question: str, language: str, threshold: float
) -> None:
    assert refusal_reason(question, [sentence(threshold, language)]) is None
    assert refusal_reason(question, [sentence(threshold - 1e-6, language)]) is RefusalReason.NOT_RELEVANT


def test_only_the_best_sentence_counts() -> None:
    assert refusal_reason("Куда ушёл паром?", [sentence(0.9), sentence(0.1)]) is None
    assert refusal_reason("Куда?", [sentence(0.79), sentence(0.78, "en")]) is RefusalReason.NOT_RELEVANT
