"""The gate before an answer: what passes, what is refused, and what it goes by."""

import json
from dataclasses import fields, replace

import pytest

from index.records import Legs
from qa.gate import FEATURES, THRESHOLD, Alphabets, Gate, GateName, Weight, alphabets, read_gates, refusal_reason
from qa.records import Passage, RefusalReason, Source

SOURCE = Source("0" * 16, "Порт", None, None, None, "ru")
STRONG = Legs(0.9, 0.9, 0.8, 0.85, plain=-0.06, ahead=0.3)
WEAK = Legs(0.78, 0.78, 0.05, 0.3, plain=-0.06, ahead=0.02)
QUESTIONS = {"same": "Когда закрыли порт?", "cross": "When was the port closed?"}


def passage(score: float, legs: Legs | None = None, text: str = "Порт закрыли в среду.") -> Passage:
    return Passage(SOURCE, 0, len(text), text, score, legs=legs)


@pytest.mark.parametrize("question", QUESTIONS.values())
def test_nothing_found_means_that_no_article_passes_the_filters(question: str) -> None:
    assert refusal_reason(question, []) is RefusalReason.NO_ARTICLES


@pytest.mark.parametrize("question", QUESTIONS.values())
@pytest.mark.parametrize(
    ("score", "reason"), [(THRESHOLD, None), (0.99, None), (THRESHOLD - 0.01, RefusalReason.NOT_RELEVANT)]
)
def test_passages_of_another_search_are_judged_by_their_score(
    question: str, score: float, reason: RefusalReason | None
) -> None:
    assert refusal_reason(question, [passage(score), passage(0.01)]) is reason


@pytest.mark.parametrize("question", QUESTIONS.values())
@pytest.mark.parametrize("score", [0.01, 0.99])
def test_the_legs_of_the_best_passage_decide_where_there_are_any(question: str, score: float) -> None:
    strong, weak = passage(score, STRONG), passage(score, WEAK)
    assert refusal_reason(question, [strong, weak]) is None
    assert refusal_reason(question, [weak, strong]) is RefusalReason.NOT_RELEVANT


def test_the_alphabets_differ_in_their_weights() -> None:
    """Words that no Russian passage holds, and cosines that are lower throughout, tell less against it."""
    between = Legs(0.8, 0.82, 0.15, 0.5, plain=-0.06, ahead=0.12)
    reasons = {name: refusal_reason(question, [passage(0.5, between)]) for name, question in QUESTIONS.items()}
    assert reasons == {"same": RefusalReason.NOT_RELEVANT, "cross": None}


@pytest.mark.parametrize(
    ("question", "text", "expected"),
    [
        ("Когда закрыли порт?", "Порт закрыли.", "same"),
        ("When was it closed?", "The port was closed.", "same"),
        ("When was it closed?", "Порт закрыли.", "cross"),
        ("Когда закрыли порт?", "The port was closed.", "cross"),
        ("Что такое GPS?", "Это система навигации.", "same"),
        ("What is «Ростех»?", "«Ростех» открыл завод.", "cross"),
    ],
)
def test_alphabets(question: str, text: str, expected: Alphabets) -> None:
    assert alphabets(question, passage(0.5, text=text)) == expected


GATE = Gate(-1.0, {"share": Weight(2.0, 0.1, 0.9), "lead": Weight(10.0, 0.0, 0.05)})


@pytest.mark.parametrize(
    ("share", "lead", "expected"), [(0.5, 0.03, 0.3), (0.0, 0.0, -0.8), (1.0, 0.2, 1.3), (-9.0, 9.0, -0.3)]
)
def test_odds_are_the_sum_of_weighted_features_within_their_ranges(share: float, lead: float, expected: float) -> None:
    assert GATE.odds({"share": share, "lead": lead}) == pytest.approx(expected)


def test_a_gate_is_read_as_it_was_written() -> None:
    assert Gate.from_json(json.loads(json.dumps(GATE.as_json()))) == GATE


@pytest.mark.parametrize("name", ["same", "cross", "same_alone", "cross_alone"])
def test_the_gates_that_come_along_are_of_the_features(name: GateName) -> None:
    """And what speaks for a passage never speaks against it."""
    weights = read_gates()[name].weights
    assert tuple(weights) == (FEATURES[:-1] if name.endswith("_alone") else FEATURES)
    assert set(FEATURES) <= {field.name for field in fields(Legs)}
    assert all(one.low < one.high and one.weight > 0 for one in weights.values())


@pytest.mark.parametrize("question", QUESTIONS.values())
def test_a_corpus_with_few_rivals_has_gates_of_its_own(question: str) -> None:
    strong, weak = (passage(0.5, replace(legs, ahead=None)) for legs in (STRONG, WEAK))
    assert refusal_reason(question, [strong]) is None
    assert refusal_reason(question, [weak]) is RefusalReason.NOT_RELEVANT


@pytest.mark.parametrize("question", QUESTIONS.values())
@pytest.mark.parametrize("plain", [-2.0, -0.9])
def test_another_embedding_model_is_not_refused_for_its_cosines(question: str, plain: float) -> None:
    assert refusal_reason(question, [passage(0.5, replace(STRONG, plain=plain))]) is None
