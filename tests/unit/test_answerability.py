"""What a search says of its chunks beside the legs that the score is made from."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from fakes import HashedWordsModel, open_index
from index.answerability import FEW_UNLIKE, MOST_AHEAD, PlainQuestions, ahead_of
from index.records import Filters, Legs
from index.search import HybridSearch
from index.words import QUESTIONS

BRIDGE = "Мост закрыли в мае. Ремонт моста длится год. Рядом открыли паром."
SAME = "Мост закрыли в мае. Ремонт моста длится год. Рядом открыли паром и кафе."
OTHERS = [
    f"{matter} открылся после долгого ремонта. Гости довольны."
    for matter in ("Парк", "Музей", "Театр", "Рынок", "Вокзал", "Стадион", "Завод", "Клуб", "Банк", "Суд", "Архив")
]

LegsOver = Callable[..., list[Legs]]


@pytest.fixture
def legs_over(tmp_path: Path, hashed_words: HashedWordsModel) -> LegsOver:
    """Of the hits in an index of exactly these texts, best first."""

    def search(query: str, *texts: str) -> list[Legs]:
        articles = [{"title": f"Статья {number}", "text": text} for number, text in enumerate(texts)]
        with closing(open_index(tmp_path, hashed_words, articles)) as index:
            hits = HybridSearch(index, hashed_words).search(query, k=3, filters=Filters())
        return [hit.legs for hit in hits if hit.legs is not None]

    return search


@pytest.mark.parametrize("questions", QUESTIONS.values())
def test_plain_questions_are_on_average_as_near_as_to_each_other(
    hashed_words: HashedWordsModel, questions: tuple[str, ...]
) -> None:
    plain = PlainQuestions(hashed_words)
    found = [plain.nearness(question, hashed_words.encode_query(question)) for question in questions]
    assert np.mean(found) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("plain", "special"),
    [("Сколько человек в городе?", "Буксир чинит лебёдку"), ("Who is the minister?", "Tugboat winch repairs")],
)
def test_a_plain_question_is_nearer(hashed_words: HashedWordsModel, plain: str, special: str) -> None:
    nearness = PlainQuestions(hashed_words).nearness
    assert nearness(plain, hashed_words.encode_query(plain)) > nearness(special, hashed_words.encode_query(special))


def test_plainness_is_of_the_question_alone(legs_over: LegsOver) -> None:
    assert len({legs.plain for legs in legs_over("Кто чинит мост?", BRIDGE, *OTHERS)}) == 1


def test_another_article_that_tells_the_same_is_no_rival(legs_over: LegsOver) -> None:
    [told_once, *_] = legs_over("мост закрыли в мае", BRIDGE, *OTHERS)
    [told_twice, second, *_] = legs_over("мост закрыли в мае", BRIDGE, SAME, *OTHERS)
    assert told_once.ahead == told_twice.ahead == second.ahead == MOST_AHEAD


def test_few_rivals_tell_nothing(legs_over: LegsOver) -> None:
    assert {legs.ahead for legs in legs_over("мост", BRIDGE, *OTHERS[: FEW_UNLIKE - 1])} == {None}


@pytest.mark.parametrize(("at", "expected"), [(0, 0.2), (1, 0.0), (2, 0.0)])
def test_ahead_of_the_best_unlike_one(at: int, expected: float) -> None:
    evidence = np.array([3.5, 3.3, 2.0, *[1.0] * FEW_UNLIKE])
    assert ahead_of(evidence, at, lambda one: np.arange(len(evidence)) != one) == pytest.approx(expected)


def test_like_ones_do_not_count() -> None:
    evidence = np.array([3.5, 3.4, *[1.0] * FEW_UNLIKE])
    assert ahead_of(evidence, 0, lambda _: np.arange(len(evidence)) > 1) == MOST_AHEAD
    assert ahead_of(evidence, 0, lambda _: np.arange(len(evidence)) > 2) is None
