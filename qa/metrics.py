"""Measures of retrieval: pure functions over ranks. Checked against an independent library in tests."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over questions and its 95 % confidence interval."""

    mean: float
    low: float
    high: float


def first_rank(ranked: Sequence[str], relevant: str) -> int | None:
    """Place of the relevant id, from 1; None where it is not among them."""
    return next((rank for rank, found in enumerate(ranked, start=1) if found == relevant), None)


def recall_at(rank: int | None, k: int) -> float:
    """1 when the one relevant item is among the first k, else 0."""
    return float(rank is not None and rank <= k)


def reciprocal_rank(rank: int | None) -> float:
    """1 / rank, 0 where nothing relevant was found. Its mean is the MRR (Voorhees, TREC-8, 1999)."""
    return 1.0 / rank if rank is not None else 0.0


def ndcg_at(rank: int | None, k: int) -> float:
    """nDCG@k for one relevant item of gain 1: 1 / log2(rank + 1), as the ideal is 1 (Järvelin, Kekäläinen, 2002)."""
    return 1.0 / math.log2(rank + 1) if rank is not None and rank <= k else 0.0


def bootstrap(values: Sequence[float], *, n_samples: int = 2_000, seed: int = 7) -> Estimate:
    """Mean of the values with its 95 % interval by the percentile bootstrap (Efron, 1979).

    Args:
        values: one a question, at least one.
        n_samples: resamplings with replacement.
        seed: the same values give the same interval.
    """
    array = np.asarray(values, dtype=np.float64)
    picks = np.random.default_rng(seed).integers(0, len(array), size=(n_samples, len(array)))
    low, high = np.percentile(array[picks].mean(axis=1), [2.5, 97.5])
    return Estimate(float(array.mean()), float(low), float(high))
