import pytest

from qa.gate import THRESHOLD, refusal_reason
from qa.records import Passage, RefusalReason, Source

SOURCE = Source("0" * 16, "Порт", None, None, None, "ru")


def passage(score: float) -> Passage:
    return Passage(SOURCE, 0, 5, "Буран", score)


def test_nothing_found_means_that_no_article_passes_the_filters() -> None:
    assert refusal_reason([]) is RefusalReason.NO_ARTICLES


@pytest.mark.parametrize(
    ("score", "reason"), [(THRESHOLD, None), (0.99, None), (THRESHOLD - 0.01, RefusalReason.NOT_RELEVANT)]
)
def test_the_best_passage_must_be_likely_enough_to_answer(score: float, reason: RefusalReason | None) -> None:
    assert refusal_reason([passage(score), passage(0.01)]) is reason
