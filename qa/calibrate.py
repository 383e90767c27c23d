"""Derives the weights of the gate, and says how it fares on articles that they were not derived from.

    python -m qa.calibrate PASSAGES.json [--questions QUESTIONS.json] [--out FILE]

Every paragraph is an article of a throw-away index, and every question is asked three times, by the search that readers
have: of all paragraphs; without its article, in an index that lacks a sixth of the articles ("far"); and without its
paragraph, in one that lacks one paragraph of each article ("near"). A logistic regression (scikit-learn) tells the
first from the others by what the search says of the best passage. With `--questions` the same questions are also asked
in another language. Articles are parted in six: each sixth is judged with weights and a limit that the other five give.
"""

import argparse
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, compress
from pathlib import Path

import numpy as np
import numpy.typing as npt

from index.embedding import EmbeddingModel, Vectors, load_embedding_model
from index.encoding import Encoding
from index.search import HybridSearch
from index.settings import IndexSettings
from qa.gate import FILE, Gate, GateName, Weight, features, gate_name, read_gates
from qa.passages import passages_of
from qa.records import Passage
from qa.retriever import OtvetRetriever
from qa.squad import Collection, load_collection
from qa.throw_away import throw_away_index

N_PARTS = 6
KINDS: dict[str, float] = {"answerable": 2, "far": 1, "near": 1}  # and how much a question of each counts
# Of the answerable questions, see qa/gate.py.
MOST_REFUSED: dict[GateName, float] = {"same": 0.05, "cross": 0.1, "same_alone": 0.03, "cross_alone": 0.06}
SHOWN = (0.03, 0.05, 0.06, 0.08, 0.1, 0.12)
DIGITS = 4  # of a weight
FEWEST = 10  # questions of each kind; a gate with fewer stays as it was
RANGE = (1, 99)  # percentiles of a feature between which it counts
SOFTNESS = 10.0  # of the regression, on features of unit spread: scikit-learn's C

HEAD = "  aimed at  answerable         far   precision        near   precision"

Floats = npt.NDArray[np.floating]
Mask = npt.NDArray[np.bool_]


class RememberingModel:
    """An embedding model that embeds every text once, for indexes that share most of theirs."""

    def __init__(self, model: EmbeddingModel) -> None:
        self.name, self.checksum, self.dim, self.max_tokens = model.name, model.checksum, model.dim, model.max_tokens
        self._model = model
        self._passages: dict[str, Encoding] = {}
        self._queries: dict[str, Encoding] = {}

    def encode_documents(self, texts: Sequence[str]) -> Vectors:
        """See `EmbeddingModel`."""
        return self._model.encode_documents(texts)

    def encode_passages(self, texts: Sequence[str]) -> list[Encoding]:
        """See `EmbeddingModel`."""
        new = [text for text in dict.fromkeys(texts) if text not in self._passages]
        self._passages.update(zip(new, self._model.encode_passages(new), strict=True))
        return [self._passages[text] for text in texts]

    def encode_query(self, text: str) -> Encoding:
        """See `EmbeddingModel`."""
        if text not in self._queries:
            self._queries[text] = self._model.encode_query(text)
        return self._queries[text]

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """See `EmbeddingModel`."""
        return self._model.count_tokens(texts)


@dataclass(frozen=True, slots=True)
class Asking:
    """Questions of one kind, and the index that they are asked of: `paragraphs` are those that it holds."""

    kind: str
    paragraphs: Mask
    questions: Mask


@dataclass(frozen=True, slots=True)
class Told:
    """What the search says of the best passage for each question that was asked.

    Attributes:
        names: of the features, the first ones of `qa.gate.FEATURES`.
        features: (n, len(names)).
        kinds: of `KINDS`, (n,).
        parts: which sixth the question's article is in, (n,).
    """

    names: tuple[str, ...]
    features: Floats
    kinds: npt.NDArray[np.str_]
    parts: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Refused:
    """Shares of questions that were refused, by kind."""

    answerable: float
    far: float
    near: float

    def precision(self, kind: str) -> float:
        """Of the questions that were refused, how many were of that kind, there being as many answerable ones."""
        rightly = float(getattr(self, kind))
        return rightly / (rightly + self.answerable) if rightly else 0.0


def askings(collection: Collection) -> Iterator[Asking]:
    """Every question once of each kind, with few indexes."""
    articles = np.array(collection.articles)
    places = np.array([np.count_nonzero(articles[:at] == articles[at]) for at in range(len(articles))])
    of_questions = np.array([question.paragraph for question in collection.questions])
    yield Asking("answerable", np.ones(len(articles), np.bool_), np.ones(len(of_questions), np.bool_))
    for kind, groups in (("far", articles % N_PARTS), ("near", places)):
        for group in np.unique(groups[of_questions]):
            absent = groups == group
            yield Asking(kind, ~absent, absent[of_questions])


def tell(collections: Sequence[Collection], model: EmbeddingModel, settings: IndexSettings) -> dict[GateName, Told]:
    """Ask all questions of collections that have the same paragraphs; by the gate that they would go through."""
    model, first = RememberingModel(model), collections[0]
    rows: dict[GateName, list[tuple[dict[str, float], str, int]]] = {}
    for asking in askings(first):
        held = replace(first, paragraphs=tuple(compress(first.paragraphs, asking.paragraphs)))
        with throw_away_index(held, model=model, settings=settings) as (index, _):
            retriever = OtvetRetriever(search=HybridSearch(index, model))
            for question in chain(*(compress(one.questions, asking.questions) for one in collections)):
                best = passages_of(retriever.invoke(question.text), index.article)[0]
                part = first.articles[question.paragraph] % N_PARTS
                for is_alone, told in _seen(best):
                    name = gate_name(question.text, best, is_alone=is_alone)
                    rows.setdefault(name, []).append((told, asking.kind, part))
    return {name: _told(some) for name, some in sorted(rows.items())}


def _seen(best: Passage) -> Iterator[tuple[bool, dict[str, float]]]:
    """Whether it is seen alone, and its features: with what is ahead of what, where that is known, and without."""
    if best.legs is not None:
        yield True, features(replace(best.legs, ahead=None))
        if best.legs.ahead is not None:
            yield False, features(best.legs)


def _told(rows: Sequence[tuple[dict[str, float], str, int]]) -> Told:
    values, kinds, parts = zip(*rows, strict=True)
    names = tuple(values[0])
    return Told(names, np.array([[one[name] for name in names] for one in values]), np.array(kinds), np.array(parts))


def fit(told: Told, mask: Mask) -> Gate:
    """The gate that tells the answerable questions from the others, over those of a mask, (n,)."""
    from sklearn.linear_model import LogisticRegression

    lows, highs = np.percentile(told.features[mask], RANGE, axis=0)
    values = told.features[mask].clip(lows, highs)
    means, spread = values.mean(axis=0), values.std(axis=0) + 1e-9
    counts = np.vectorize(KINDS.get, otypes=[float])(told.kinds[mask])
    model = LogisticRegression(C=SOFTNESS, max_iter=10_000)
    model.fit((values - means) / spread, told.kinds[mask] == "answerable", sample_weight=counts)
    weights = np.round([model.coef_[0] / spread, lows, highs], DIGITS).T
    bias = float(model.intercept_[0] - model.coef_[0] @ (means / spread))
    pairs = zip(told.names, weights.tolist(), strict=True)
    return Gate(round(bias, DIGITS), {name: Weight(*one) for name, one in pairs})


def held_out_odds(told: Told) -> Floats:
    """Odds of each question by the gate that the other parts give, (n,)."""
    found = np.empty(len(told.parts))
    for part in np.unique(told.parts):
        own = told.parts == part
        gate = fit(told, ~own)
        found[own] = [gate.odds(dict(zip(told.names, one, strict=True))) for one in told.features[own].tolist()]
    return found


def refused(told: Told, held_out: Floats, share: float) -> Refused:
    """Shares that are refused when the other parts set the limit so that `share` of their answerable ones is."""
    is_refused = np.empty(len(held_out), np.bool_)
    for part in np.unique(told.parts):
        own = told.parts == part
        is_refused[own] = held_out[own] < limit(told, held_out, share, ~own)
    return Refused(**{kind: float(is_refused[told.kinds == kind].mean()) for kind in KINDS})


def limit(told: Told, held_out: Floats, share: float, mask: Mask) -> float:
    """The odds below which so large a share of the answerable questions of a mask lies."""
    return float(np.quantile(held_out[mask & (told.kinds == "answerable")], share))


def calibrate(told: Mapping[GateName, Told]) -> tuple[dict[GateName, Gate], list[str]]:
    """The gates of all questions, each refusing what `MOST_REFUSED` says, and the report."""
    gates: dict[GateName, Gate] = {}
    lines = []
    for name, one in told.items():
        if min(np.count_nonzero(one.kinds == kind) for kind in KINDS) < FEWEST:
            continue
        held_out, everything = held_out_odds(one), np.ones(len(one.parts), np.bool_)
        gate = fit(one, everything)
        bias = gate.bias - limit(one, held_out, MOST_REFUSED[name], everything)
        gates[name] = replace(gate, bias=round(bias, DIGITS))
        lines += [f"{name}, {np.count_nonzero(one.kinds == 'answerable')} questions of each kind", HEAD]
        lines += [_line(share, refused(one, held_out, share)) for share in SHOWN]
    return gates, lines


def _line(share: float, found: Refused) -> str:
    values = found.answerable, found.far, found.precision("far"), found.near, found.precision("near")
    return f"  {share:.3f}" + "".join(f"{value:12.3f}" for value in values)


def main() -> None:
    """Entry point of `python -m qa.calibrate`."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("passages", type=Path)
    parser.add_argument("--questions", type=Path)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name(FILE), help="where the weights go")
    options = parser.parse_args()
    settings = IndexSettings()
    model = load_embedding_model(settings.embedding_model, cache_dir=settings.cache_dir)
    files = [None] if options.questions is None else [None, options.questions]
    collections = [load_collection(options.passages, file) for file in files]
    gates, lines = calibrate(tell(collections, model, settings))
    found = {name: gate.as_json() for name, gate in {**read_gates(), **gates}.items()}
    options.out.write_text(json.dumps(found, indent=2) + "\n", "utf-8")
    print("\n".join(lines))  # noqa: T201 - this is a command


if __name__ == "__main__":
    main()
