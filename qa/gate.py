"""Whether the corpus can answer at all, decided before anything is written.

Four things that the search says of the best passage are weighed (`FEATURES`), each within the range that it had when
the weights were derived, lest one odd value decide: the cosine of its best sentence; the share of the question's
words that it holds; how plain the question is, plain ones being near to everything; and how far it is ahead of the
best passage that tells something else. Passages alike are no rivals, as news is told by many. Where fewer than ten of
the candidates are unlike the best passage, as in a corpus of a few articles or on a single event, nothing can be said
of the last, and gates of their own ("alone") do without it. Weights are the file gate.json, one gate each for
questions in the passages' alphabet and in the other one.

Measured on 2026-11-25 with the bundled model on 24 articles of XQuAD (120 Russian paragraphs, 612 questions in each
language), weights and limits derived from other articles than those they are judged on, six times:

    python -m qa.calibrate xquad-dev.ru.json --questions xquad-dev.en.json

"Far" and "near" are questions whose article or paragraph is not in the index, which is built anew without it; shares
of them that are refused, and of the refused how many are rightly so, there being as many answerable questions:

    questions       limit    answerable  far, precision  near, precision
    Russian         0.030    0.031       0.964 / 0.969   0.680 / 0.956
                    0.050    0.057       0.974 / 0.945   0.765 / 0.930
                    0.060    0.065       0.974 / 0.937   0.789 / 0.924
    Russian, alone  0.030    0.031       0.951 / 0.968   0.632 / 0.953
                    0.050    0.051       0.974 / 0.951   0.708 / 0.933
                    0.060    0.062       0.977 / 0.940   0.732 / 0.922
    English         0.060    0.067       0.837 / 0.926   0.484 / 0.878
                    0.100    0.103       0.918 / 0.899   0.634 / 0.860
                    0.120    0.127       0.935 / 0.880   0.678 / 0.842
    English, alone  0.060    0.064       0.832 / 0.929   0.423 / 0.869
                    0.100    0.108       0.907 / 0.894   0.567 / 0.840
                    0.120    0.121       0.918 / 0.884   0.623 / 0.837

Limits: 0.05 and 0.10 of the answerable questions, and where the gate is alone 0.03 and 0.06, as a quote that misses
is seen to miss and a refusal hides what is there; and because XQuAD's questions share more words with their passage
than a reader's do. On the sample articles and two real ones, which all tell of one event, 38 questions that they
answer and 27 that they do not (looked at while choosing among sets of features):

    corpus          answerable refused (old threshold)    others refused (old threshold)
    sample, 12      5 of 38 (2)                           24 of 27 (23)
    real, 2         4 of 38 (4)                           21 of 27 (24)

Tried, none better: the cosine of the passage, its MaxSim, the lead of its best sentence over its second, the least
MaxSim of a word, the share of the words in the best sentence and beside it (together + 0.003), names and numbers of
the question that the passage lacks, the type of the answer asked for, lengths, squares and products, a support vector
machine, trees. How rare the question's rarest word is, and what of its words no chunk holds, seemed to help (near,
Russian: + 0.06) as long as paragraphs were only hidden from the search; with indexes built without them it does not.

Decision: passages of another retriever have no such features, and those that another embedding model found have other
ones than were calibrated; both are judged by their score, below 0.15 refused.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

from index.bundled import BUNDLED_MODEL
from index.records import Legs
from index.text import question_language
from qa.records import Passage, RefusalReason

THRESHOLD = 0.15  # of the score, where a search says nothing else
FILE = "gate.json"
FEATURES = ("sentence", "share", "plain", "ahead")  # of `index.records.Legs`; the last one may be unknown

Alphabets = Literal["same", "cross"]
GateName = Literal["same", "cross", "same_alone", "cross_alone"]  # "alone" where it is unknown what is ahead of what

RefusalTest = Callable[[str, Sequence[Passage]], RefusalReason | None]
"""Why a question cannot be answered from passages (best first), None when it can be tried."""


class Weight(NamedTuple):
    """What a feature counts for, times its value between `low` and `high`."""

    weight: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Gate:
    """A weighted sum of features, refusing what is below 0."""

    bias: float
    weights: Mapping[str, Weight]

    def odds(self, values: Mapping[str, float]) -> float:
        """The sum for the values of the features by name."""
        pairs = ((self.weights[name], value) for name, value in values.items())
        return self.bias + sum(one.weight * min(max(value, one.low), one.high) for one, value in pairs)

    def as_json(self) -> dict[str, Any]:
        """What `from_json` reads."""
        return {"bias": self.bias, "features": {name: one._asdict() for name, one in self.weights.items()}}

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> "Gate":
        """The gate that `as_json` gave."""
        return cls(found["bias"], {name: Weight(**one) for name, one in found["features"].items()})


def gate_for(embedding_model: str) -> RefusalTest:
    """The test for a search with that model: what was calibrated holds for the default one only."""
    return refusal_reason if embedding_model == BUNDLED_MODEL else refusal_by_score


def refusal_by_score(question: str, passages: Sequence[Passage]) -> RefusalReason | None:
    """Like `refusal_reason`, by the score of the best passage alone."""
    if not passages:
        return RefusalReason.NO_ARTICLES
    return None if passages[0].score >= THRESHOLD else RefusalReason.NOT_RELEVANT


def refusal_reason(question: str, passages: Sequence[Passage]) -> RefusalReason | None:
    """Why the question cannot be answered from these passages (best first), None when it can be tried.

    Passages of a search that says nothing but their score are judged by that.
    """
    best = passages[0] if passages else None
    if best is None or best.legs is None:
        return refusal_by_score(question, passages)
    gate = read_gates()[gate_name(question, best, is_alone=best.legs.ahead is None)]
    return None if gate.odds(features(best.legs)) >= 0 else RefusalReason.NOT_RELEVANT


def alphabets(question: str, passage: Passage) -> Alphabets:
    """Whether a question and a passage are written in the same alphabet, so far as two are told apart."""
    return "same" if question_language(question) == question_language(passage.text) else "cross"


def gate_name(question: str, passage: Passage, *, is_alone: bool) -> GateName:
    """Which gate a question and the best passage for it go through."""
    if alphabets(question, passage) == "same":
        return "same_alone" if is_alone else "same"
    return "cross_alone" if is_alone else "cross"


def features(legs: Legs) -> dict[str, float]:
    """What the gate weighs, by name, as far as it is known."""
    known = {name: getattr(legs, name) for name in FEATURES}
    return {name: float(value) for name, value in known.items() if value is not None}


@lru_cache(maxsize=1)
def read_gates() -> dict[GateName, Gate]:
    """The gates that come with the package."""
    found = json.loads(Path(__file__).with_name(FILE).read_text("utf-8"))
    return {name: Gate.from_json(one) for name, one in found.items()}
