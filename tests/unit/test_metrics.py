"""The measures, against numbers worked by hand and against trec_eval."""

import math

import pytest
import pytrec_eval
from hypothesis import given
from hypothesis import strategies as st

from qa.metrics import (
    Share,
    answer_words,
    bootstrap,
    bootstrap_share,
    first_rank,
    holds_answer,
    ndcg_at,
    percentiles,
    recall_at,
    reciprocal_rank,
    token_f1,
)


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


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("  Ёлки,\tИВАН\u00a0и «за́мок»! ", ["елки", "иван", "и", "замок"]),
        ("The end of an era, a day", ["end", "of", "era", "day"]),
        ("1 234 567 и 1,234,567, 1\u202f234", ["1234567", "и", "1234567", "1234"]),
        ("3,5 % и 0,125; 12.10.2025", ["3.5", "и", "0.125", "12.10.2025"]),
        ("в 2015 308 человек, 20, 300", ["в", "2015", "308", "человек", "20", "300"]),
        ("Ил-76ТД, don't", ["ил", "76", "тд", "don", "t"]),
        ("…", []),
    ],
)
def test_words_that_answers_are_compared_by(text: str, words: list[str]) -> None:
    assert answer_words(text) == words


@pytest.mark.parametrize(
    ("text", "answers", "holds"),
    [
        ("Мост открыли в 1 500 метрах от «Берёзовой» рощи.", ["1500 метрах"], True),
        ("Мост открыли в 1 500 метрах от «Берёзовой» рощи.", ["нет", "берёзовой рощи"], True),
        ("Мост открыли в миллионе метров.", ["он"], False),
        ("Мост открыли вчера.", ["открыли мост"], False),
        ("Мост открыли вчера.", [], False),
        ("Мост открыли вчера.", ["?!"], False),
        ("", ["мост"], False),
    ],
)
def test_holds_answer(text: str, answers: list[str], holds: bool) -> None:
    assert holds_answer(text, answers) is holds


@pytest.mark.parametrize(
    ("text", "answers", "f1"),
    [
        ("The bridge", ["a bridge"], 1),
        ("мост через реку", ["мост"], 0.5),  # precision 1/3, recall 1
        ("мост мост через реку", ["мост и мост"], 4 / 7),  # 2 common; precision 2/4, recall 2/3
        ("мост через реку", ["порт", "через реку"], 0.8),  # the better of 0 and (2/3, 1)
        ("мост", ["порт"], 0),
        ("мост", [], 0),
        ("!", ["?"], 1),
        ("мост", ["?"], 0),
    ],
)
def test_token_f1(text: str, answers: list[str], f1: float) -> None:
    assert token_f1(text, answers) == pytest.approx(f1)


@given(
    st.lists(st.sampled_from(["мост", "порт", "зал", "суд"]), min_size=1), st.lists(st.sampled_from(["мост", "суд"]))
)
def test_f1_is_the_harmonic_mean_of_precision_and_recall(words: list[str], others: list[str]) -> None:
    n_common = sum(min(words.count(word), others.count(word)) for word in set(words))
    precision, recall = n_common / len(words), n_common / max(len(others), 1)
    expected = 2 * precision * recall / (precision + recall) if n_common else 0
    assert token_f1(" ".join(words), [" ".join(others)]) == pytest.approx(expected)
    assert token_f1(" ".join(others), [" ".join(words)]) == pytest.approx(expected)


def test_share_is_of_all_wholes() -> None:
    estimate = bootstrap_share([Share(1, 1), Share(1, 3), Share(0, 0)])
    assert estimate is not None
    assert estimate.mean == 0.5
    assert (estimate.low, estimate.high) == pytest.approx((1 / 3, 1))


def test_share_of_ones_is_the_mean() -> None:
    values = [0.0, 1.0, 1.0, 0.25, 0.5] * 4
    assert bootstrap_share([Share(value) for value in values]) == bootstrap(values)


def test_share_of_nothing_is_none() -> None:
    assert bootstrap_share([]) is None
    assert bootstrap_share([Share(0, 0), Share(0, 0)]) is None


def test_percentiles_worked_by_hand() -> None:
    assert percentiles([4.04]) == (4.0, 4.0)
    assert percentiles([float(value) for value in range(21)]) == (10, 19)
