"""The measures, against numbers worked by hand and against trec_eval."""

import math

import pytest
import pytrec_eval
from hypothesis import given
from hypothesis import strategies as st

from qa.metrics import bootstrap, first_rank, ndcg_at, recall_at, reciprocal_rank


@pytest.mark.parametrize(("relevant", "rank"), [("a", 1), ("c", 3), ("x", None)])
def test_first_rank(relevant: str, rank: int | None) -> None:
    assert first_rank(["a", "b", "c"], relevant) == rank
    assert first_rank([], relevant) is None


def test_numbers_worked_by_hand() -> None:
    assert [recall_at(rank, 5) for rank in (1, 5, 6, None)] == [1, 1, 0, 0]
    assert [reciprocal_rank(rank) for rank in (1, 4, None)] == [1, 0.25, 0]
    assert [ndcg_at(rank, 10) for rank in (1, 3, 11, None)] == [1, 0.5, 0, 0]
    assert ndcg_at(2, 10) == pytest.approx(1 / math.log2(3))


@given(st.integers(1, 15) | st.none(), st.integers(15, 20))
def test_same_as_trec_eval(rank: int | None, n_ranked: int) -> None:
    ranked = [f"d{number}" for number in range(1, n_ranked + 1)]
    relevant = f"d{rank}" if rank else "other"
    run = {"q": {name: float(-place) for place, name in enumerate(ranked)}}
    measures = {"recall_1,5,10", "recip_rank", "ndcg_cut_10"}
    theirs = pytrec_eval.RelevanceEvaluator({"q": {relevant: 1}}, measures).evaluate(run)["q"]
    ours = first_rank(ranked, relevant)
    assert ours == rank
    assert [recall_at(ours, k) for k in (1, 5, 10)] == [theirs[f"recall_{k}"] for k in (1, 5, 10)]
    assert reciprocal_rank(ours) == pytest.approx(theirs["recip_rank"])
    assert ndcg_at(ours, 10) == pytest.approx(theirs["ndcg_cut_10"])


def test_bootstrap_holds_the_mean_and_is_repeatable() -> None:
    values = [0.0] * 30 + [1.0] * 70
    estimate = bootstrap(values)
    assert estimate.mean == pytest.approx(0.7)
    # The normal approximation: 0.7 +- 1.96 * sqrt(0.7 * 0.3 / 100) = 0.610 to 0.790.
    assert (estimate.low, estimate.high) == pytest.approx((0.610, 0.790), abs=0.015)
    assert bootstrap(values) == estimate


def test_bootstrap_of_equal_values_is_a_point() -> None:
    estimate = bootstrap([0.5] * 9)
    assert (estimate.mean, estimate.low, estimate.high) == (0.5, 0.5, 0.5)
