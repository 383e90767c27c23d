"""Measures of retrieval and of answers: pure functions, checked by hand and against an independent library in tests.

Answers are compared as words (`answer_words`), so that what differs in writing only does not differ.
"""

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from index.text import fold

STRESS = "\u0301"  # over a Russian vowel; Latin letters have taken theirs in by then
GROUPED = re.compile(r"(?<![\d.,])[1-9]\d{0,2}(?:[ ,.'’]\d{3})+(?!\d)")  # 1 234 567, 1,234,567
NO_DIGIT = re.compile(r"\D")
DECIMAL_COMMA = re.compile(r"(?<=\d),(?=\d)")
ANSWER_WORD = re.compile(r"\d+(?:\.\d+)*|[^\W\d_]+")
ARTICLES = frozenset({"a", "an", "the"})


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over questions and its 95 % confidence interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Share:
    """`part` of `whole`, of one question: hits and tries. A whole of 0 says that the question does not count."""

    part: float
    whole: float = 1.0


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


def answer_words(text: str) -> list[str]:
    """The words and numbers of a text as answers are compared: SQuAD's normalisation, and what Russian needs.

    Lower case; ё as е; one form of every sign (NFKC), so that no white space is special; no stress marks, punctuation
    and English articles. Digits in groups of three are one number («1 234», "1,234" are 1234), a decimal comma is a
    point; letters and digits that touch are two words ("1500x" is "1500", "x").
    """
    plain = fold(unicodedata.normalize("NFKC", text)).replace(STRESS, "")
    joined = GROUPED.sub(lambda match: NO_DIGIT.sub("", match[0]), plain)
    return [word for word in ANSWER_WORD.findall(DECIMAL_COMMA.sub(".", joined)) if word not in ARTICLES]


def holds_answer(text: str, answers: Sequence[str]) -> bool:
    """Whether the words of an answer stand in the text side by side. An answer without any word stands nowhere."""
    words = " ".join(["", *answer_words(text), ""])
    wanted = [" ".join(["", *answer_words(answer), ""]) for answer in answers]
    return any(answer.strip() and answer in words for answer in wanted)


def token_f1(text: str, answers: Sequence[str]) -> float:
    """SQuAD's F1 of the text and the answer that is nearest to it, in [0, 1]; 0 where there are no answers.

    The harmonic mean of the shares of the text's and of the answer's words that the other one has, each as often as it
    is there (Rajpurkar et al., 2016); 1 or 0 where one of the two has no words (SQuAD 2's script).
    """
    return max((_f1(answer_words(text), answer_words(answer)) for answer in answers), default=0.0)


def _f1(words: Sequence[str], others: Sequence[str]) -> float:
    if not words or not others:
        return float(not words and not others)
    n_common = (Counter(words) & Counter(others)).total()
    return 2 * n_common / (len(words) + len(others))


def bootstrap(values: Sequence[float], *, n_samples: int = 2_000, seed: int = 7) -> Estimate:
    """Mean of the values with its 95 % interval by the percentile bootstrap (Efron, 1979).

    Args:
        values: one a question, at least one.
        n_samples: resamplings with replacement.
        seed: the same values give the same interval.
    """
    array = np.asarray(values, dtype=np.float64)
    picks = _picks(len(array), n_samples, seed)
    low, high = np.percentile(array[picks].mean(axis=1), [2.5, 97.5])
    return Estimate(float(array.mean()), float(low), float(high))


def bootstrap_share(shares: Sequence[Share], *, n_samples: int = 2_000, seed: int = 7) -> Estimate | None:
    """All parts over all wholes, with its 95 % interval by the percentile bootstrap over questions.

    Samples whose wholes sum up to 0 are left out.

    Args:
        shares: one a question.
        n_samples: resamplings with replacement.
        seed: the same shares give the same interval.

    Returns:
        None where all wholes are 0 or there are no shares.
    """
    parts = np.array([share.part for share in shares], dtype=np.float64)
    wholes = np.array([share.whole for share in shares], dtype=np.float64)
    if not wholes.any():
        return None
    picks = _picks(len(shares), n_samples, seed)
    sums, of_all = parts[picks].sum(axis=1), wholes[picks].sum(axis=1)
    low, high = np.percentile(sums[of_all > 0] / of_all[of_all > 0], [2.5, 97.5])
    return Estimate(float(parts.sum() / wholes.sum()), float(low), float(high))


def _picks(n_values: int, n_samples: int, seed: int) -> npt.NDArray[np.int64]:
    return np.random.default_rng(seed).integers(0, n_values, size=(n_samples, n_values))


def percentiles(times_ms: Sequence[float]) -> tuple[float, float]:
    """Median and 95th percentile of at least one time, to a tenth."""
    p50_ms, p95_ms = np.percentile(times_ms, [50, 95])
    return round(float(p50_ms), 1), round(float(p95_ms), 1)
