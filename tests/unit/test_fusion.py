"""Legs to evidence to score, against the formulas of index/fusion.py."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.fusion import (
    MAX_SIM_WEIGHT,
    MIDDLE_CROSS,
    MIDDLE_SAME,
    SENTENCE_WEIGHT,
    SHARE_WEIGHT,
    SLOPE,
    Floats,
    evidence,
    scores,
)

COSINES, SHARES = st.floats(-1, 1, width=32), st.floats(0, 1, width=32)
LEGS = st.tuples(COSINES, COSINES, SHARES, COSINES)
DTYPES = st.sampled_from([np.float32, np.float64])
STEP = 0.01


def floats(*values: float, dtype: type[np.floating] = np.float32) -> Floats:
    return np.array(values, dtype)


def score(*legs: float, same: bool, dtype: type[np.floating] = np.float32) -> float:
    """Of a chunk with these legs: cosine, sentence, share, MaxSim."""
    return float(scores(evidence(*(floats(leg, dtype=dtype) for leg in legs)), same_script=np.array([same]))[0])


def test_evidence_worked_by_hand() -> None:
    legs = floats(0.9, 0.8, -1), floats(0.92, 0.7, -1), floats(0.5, 0, 0), floats(0.4, 0, -1)
    whole = 0.9 + SENTENCE_WEIGHT * 0.92 + SHARE_WEIGHT * 0.5 + MAX_SIM_WEIGHT * 0.4
    expected = [whole, 0.8 + SENTENCE_WEIGHT * 0.7, -1 - SENTENCE_WEIGHT - MAX_SIM_WEIGHT]
    np.testing.assert_allclose(evidence(*legs), expected, rtol=1e-6)
    np.testing.assert_allclose(evidence(*legs[:3])[0], whole - MAX_SIM_WEIGHT * 0.4, rtol=1e-6)


def test_scores_worked_by_hand() -> None:
    """Of e ** x to 1, x = ln 3 makes 3 to 1, hence 0.75; ln 9 makes 0.9."""
    for middle, same in ((MIDDLE_SAME, True), (MIDDLE_CROSS, False)):
        steps = np.log([1 / 9, 1 / 3, 1, 3, 9]) / SLOPE
        found = scores(middle + steps, same_script=np.full(5, same))
        np.testing.assert_allclose(found, [0.1, 0.25, 0.5, 0.75, 0.9])


def test_half_way_at_the_middle_of_its_language() -> None:
    middles = floats(MIDDLE_SAME, MIDDLE_CROSS)
    np.testing.assert_allclose(scores(middles, same_script=np.array([True, False])), 0.5, atol=1e-5)


def test_another_language_is_judged_more_mildly() -> None:
    """Cosines across languages are lower, so the same evidence says more there."""
    assert MIDDLE_CROSS < MIDDLE_SAME
    assert score(0.85, 0.87, 0, 0.4, same=False) > score(0.85, 0.87, 0, 0.4, same=True)


@given(LEGS, st.booleans(), DTYPES)
def test_scores_are_within_0_and_1(
    legs: tuple[float, float, float, float], same: bool, dtype: type[np.floating]
) -> None:
    assert 0 <= score(*legs, same=same, dtype=dtype) <= 1


@given(LEGS, st.booleans(), st.integers(0, 3))
def test_more_of_a_leg_never_lowers_the_score(legs: tuple[float, float, float, float], same: bool, leg: int) -> None:
    more = [value + STEP * (at == leg) for at, value in enumerate(legs)]
    assert score(*more, same=same, dtype=np.float64) >= score(*legs, same=same, dtype=np.float64)


@pytest.mark.parametrize("leg", [0, 1, 2, 3])
@pytest.mark.parametrize("same", [True, False])
def test_more_of_a_leg_raises_the_score_about_the_middle(leg: int, same: bool) -> None:
    cosine = (MIDDLE_SAME if same else MIDDLE_CROSS) / (1 + SENTENCE_WEIGHT)
    for less in np.linspace(-0.1, 0.1, 9):
        legs = [cosine + less, cosine + less, 0.0, 0.0]
        more = [value + STEP * (at == leg) for at, value in enumerate(legs)]
        assert score(*more, same=same) > score(*legs, same=same)


def test_each_chunk_by_itself() -> None:
    legs = np.random.default_rng(1).uniform(0, 1, (4, 50))
    same = np.arange(50) % 2 == 0
    together = scores(evidence(*legs), same_script=same)
    alone = [score(*own, same=bool(one), dtype=np.float64) for *own, one in zip(*legs, same, strict=True)]
    np.testing.assert_allclose(together, alone)


def test_no_chunks() -> None:
    assert scores(evidence(floats(), floats(), floats()), same_script=np.empty(0, np.bool_)).tolist() == []
