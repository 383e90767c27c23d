"""Derives the numbers of index/fusion.py, and says how they fare on articles that they were not derived from.

    python -m qa.weights PASSAGES.json [--questions QUESTIONS.json]

Every paragraph is an article of a throw-away index; with `--questions` the same questions are also asked in another
language. `SHARE_WEIGHT` is the one of `WEIGHTS` with the best mean of recall@1 and MRR; slope and middles are those of
a logistic regression (scikit-learn) that tells from the evidence of the best chunk whether it is the right one, for
each question once as it is, once without its article ("far") and once without its paragraph ("near"), the first
counting twice. Articles are parted in six: each sixth is judged with the numbers that the other five give.
"""

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from index.embedding import EmbeddingModel, load_embedding_model
from index.expansion import expand
from index.lexical import NAME
from index.names import name_keys
from index.serving import Generation
from index.settings import IndexSettings
from index.text import question_language
from qa.evaluate import Collection, load_collection, throw_away_index

WEIGHTS = (0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6)
N_PARTS = 6
REFUSED_BELOW = (0.1, 0.15, 0.2, 0.3, 0.5)
KINDS = {"answerable": 2, "far": 1, "near": 1}  # and how much a question of each counts

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Legs:
    """What the legs say of every paragraph, for every question, each (n_questions, n_chunks).

    Attributes:
        dense: cosine of the chunk plus that of its best sentence.
        paragraphs: of each chunk, (n_chunks,).
        right: the paragraph that answers each question, (n_questions,).
        is_cross: whether each question is in another language than the passages, (n_questions,).
    """

    dense: Floats
    shares: Floats
    names: Floats
    paragraphs: Ints
    right: Ints
    is_cross: npt.NDArray[np.bool_]

    def by_paragraph(self, chunks: Floats) -> Floats:
        """The best chunk of each paragraph, (n_questions, n_paragraphs)."""
        best = np.full((len(chunks), int(self.paragraphs.max()) + 1), -np.inf)
        np.maximum.at(best.T, self.paragraphs, chunks.T)
        return best

    def ranks(self, chunks: Floats) -> Ints:
        """Rank of the right paragraph from 1, ties against it, (n_questions,)."""
        found = self.by_paragraph(chunks)
        own = found[np.arange(len(found)), self.right][:, None]
        return np.asarray((found >= own).sum(axis=1))


def measure(ranks: Ints) -> str:
    """Recall@1, recall@5 and MRR, for people."""
    return f"R@1 {np.mean(ranks == 1):.3f}  R@5 {np.mean(ranks <= 5):.3f}  MRR {np.mean(1 / ranks):.3f}"


def legs_of(collection: Collection, generation: Generation, places: dict[str, int], model: EmbeddingModel) -> Legs:
    """Ask every question and note what each leg says of every chunk."""
    rows = np.arange(len(generation.vectors))
    sources = {ref.article_id: ref.source for ref in generation.articles.refs()}
    paragraphs = [places[sources[generation.columns.article_ids[at]]] for at in generation.vectors.articles]
    dense, shares, names = [], [], []
    for question in collection.questions:
        encoding = model.encode_query(question.text)
        vectors, lexical = generation.vectors, generation.lexical
        dense.append(vectors.cosines(encoding.vector, rows) + vectors.best_sentences(encoding.vector, rows))
        shares.append(lexical.shares(expand(question.text, encoding, words=generation.words, lexical=lexical)))
        names.append(lexical.shares([{NAME + key: 1.0} for key in dict.fromkeys(name_keys(question.text))]))
    right = np.array([question.paragraph for question in collection.questions])
    language = question_language(collection.paragraphs[0])
    cross = np.array([question_language(question.text) != language for question in collection.questions])
    return Legs(np.array(dense), np.array(shares), np.array(names), np.array(paragraphs), right, cross)


def best_weight(asked: Sequence[tuple[Legs, npt.NDArray[np.bool_]]]) -> float:
    """The weight with the best mean of recall@1 and MRR, over the questions of each that are marked."""

    def merit(weight: float) -> float:
        found = [legs.ranks(legs.dense + weight * legs.shares)[marked] for legs, marked in asked]
        return float(np.mean([np.mean(ranks == 1) + np.mean(1 / ranks) for ranks in found]))

    return max(WEIGHTS, key=merit)


@dataclass(frozen=True, slots=True)
class Tops:
    """The best paragraph of each question of one kind: its evidence, whether it is right, how much it counts."""

    evidence: Floats
    is_right: npt.NDArray[np.bool_]
    is_cross: npt.NDArray[np.bool_]
    counts: Ints
    parts: Ints


def tops_of(legs: Legs, weight: float, kind: str, articles: Ints) -> Tops:
    """The best paragraph of each question, with what answers it in the index or taken out."""
    found = legs.by_paragraph(legs.dense + weight * legs.shares)
    if kind == "far":
        found[articles[None, :] == articles[legs.right][:, None]] = -np.inf
    elif kind == "near":
        found[np.arange(len(found)), legs.right] = -np.inf
    best = found.argmax(axis=1)
    counts = np.full(len(found), KINDS[kind])
    parts = articles[legs.right] % N_PARTS
    return Tops(found.max(axis=1), best == legs.right, legs.is_cross, counts, parts)


def logistic(tops: Sequence[Tops], marked: npt.NDArray[np.bool_]) -> tuple[float, float, float]:
    """Slope, middle in the passages' language and middle across languages."""
    from sklearn.linear_model import LogisticRegression

    evidence = np.concatenate([one.evidence for one in tops])
    features = np.stack([evidence, np.concatenate([one.is_cross for one in tops])], axis=1)[marked]
    counts = np.concatenate([one.counts for one in tops])[marked]
    model = LogisticRegression(C=1e6, max_iter=10_000)
    model.fit(features, np.concatenate([one.is_right for one in tops])[marked], sample_weight=counts)
    (slope, cross), middle = model.coef_[0], model.intercept_[0]
    return float(slope), float(-middle / slope), float(-(middle + cross) / slope)


def report(collections: dict[str, Collection], asked: dict[str, Legs]) -> list[str]:
    """All that the command prints, line by line."""
    articles = np.array(next(iter(collections.values())).articles)
    parts = {name: articles[legs.right] % N_PARTS for name, legs in asked.items()}
    lines = []
    for name, legs in asked.items():
        for leg, chunks in (("dense", legs.dense), ("keywords", legs.shares), ("names", legs.names)):
            lines.append(f"{name}, {leg} alone: {measure(legs.ranks(chunks))}")
    chosen = [best_weight([(asked[name], parts[name] != part) for name in asked]) for part in range(N_PARTS)]
    weight = best_weight([(legs, np.ones(len(legs.right), np.bool_)) for legs in asked.values()])
    lines.append(f"SHARE_WEIGHT {weight}; by the parts {chosen}")
    for name, legs in asked.items():
        held_out = np.empty(len(legs.right), np.int64)
        for part, one in enumerate(chosen):
            held_out[parts[name] == part] = legs.ranks(legs.dense + one * legs.shares)[parts[name] == part]
        lines.append(f"{name}, fused: held out {measure(held_out)}")
        lines.append(f"{name}, fused: fitted   {measure(legs.ranks(legs.dense + weight * legs.shares))}")
    return lines + _report_scores(asked, weight, articles)


def _report_scores(asked: dict[str, Legs], weight: float, articles: Ints) -> list[str]:
    kinds = [(name, kind, tops_of(legs, weight, kind, articles)) for name, legs in asked.items() for kind in KINDS]
    tops = [one for _, _, one in kinds]
    parts = np.concatenate([one.parts for one in tops])
    slope, same, cross = logistic(tops, np.ones(len(parts), np.bool_))
    lines = [f"SLOPE {slope:.1f}, MIDDLE_SAME {same:.3f}, MIDDLE_CROSS {cross:.3f}"]
    derived = [logistic(tops, parts != part) for part in range(N_PARTS)]
    for name, kind, one in kinds:
        numbers = np.array(derived)[one.parts]
        middles = np.where(one.is_cross, numbers[:, 2], numbers[:, 1])
        scores = 1 / (1 + np.exp(-numbers[:, 0] * (one.evidence - middles)))
        refused = "  ".join(f"{limit}: {np.mean(scores < limit):.3f}" for limit in REFUSED_BELOW)
        lines.append(f"{name}, {kind}: share of questions with a best score below {refused}")
    return lines


def main() -> None:
    """Entry point of `python -m qa.weights`."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("passages", type=Path)
    parser.add_argument("--questions", type=Path)
    options = parser.parse_args()
    settings = IndexSettings()
    model = load_embedding_model(settings.embedding_model, cache_dir=settings.cache_dir)
    files = [None] if options.questions is None else [None, options.questions]
    collections = {(file or options.passages).stem: load_collection(options.passages, file) for file in files}
    first = next(iter(collections.values()))
    with throw_away_index(first, model=model, settings=settings) as (index, places), index.lease() as generation:
        asked = {name: legs_of(one, generation, places, model) for name, one in collections.items()}
    print("\n".join(report(collections, asked)))  # noqa: T201 - this is a command


if __name__ == "__main__":
    main()
