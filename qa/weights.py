"""Derives the numbers of index/fusion.py, and says how they fare on articles that they were not derived from.

    python -m qa.weights PASSAGES.json [--questions QUESTIONS.json]

Every paragraph is an article of a throw-away index; with `--questions` the same questions are also asked in another
language. The weights of the legs are those under which the right chunk is likeliest, all chunks competing (a softmax
over them: ListNet of Cao et al., 2007, with one right chunk), the first leg's being 1. Slope and middles are those of
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
from index.generation import Generation
from index.lexical import NAME
from index.names import name_keys
from index.settings import IndexSettings
from index.text import question_language
from qa.squad import Collection, load_collection
from qa.throw_away import throw_away_index

LEGS = ("chunk", "sentence", "share", "max_sim")
RIDGE = 1e-3  # on weights of legs of unit spread
N_PARTS = 6
REFUSED_BELOW = (0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5)
KINDS = {"answerable": 2, "far": 1, "near": 1}  # and how much a question of each counts

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Asked:
    """What the legs say of every paragraph, for every question.

    Attributes:
        legs: (n_questions, n_chunks, len(LEGS)).
        names: what the names alone say, (n_questions, n_chunks).
        paragraphs: of each chunk, (n_chunks,).
        right: the paragraph that answers each question, (n_questions,).
        is_cross: whether each question is in another language than the passages, (n_questions,).
    """

    legs: Floats
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


def ask_all(collection: Collection, generation: Generation, places: dict[str, int], model: EmbeddingModel) -> Asked:
    """Ask every question and note what each leg says of every chunk."""
    rows = np.arange(len(generation.vectors))
    sources = {ref.article_id: ref.source for ref in generation.articles.refs()}
    paragraphs = [places[sources[generation.columns.article_ids[at]]] for at in generation.vectors.articles]
    legs, names = [], []
    for question in collection.questions:
        encoding = model.encode_query(question.text)
        vectors, lexical, words = generation.vectors, generation.lexical, generation.words
        of_question = (
            vectors.cosines(encoding.vector, rows),
            vectors.best_sentences(encoding.vector, rows),
            lexical.shares(expand(question.text, encoding, words=words, lexical=lexical)),
            generation.late.max_sims(words.states(question.text, encoding), rows),
        )
        legs.append(np.stack(of_question, axis=1))
        names.append(lexical.shares([{NAME + key: 1.0} for key in dict.fromkeys(name_keys(question.text))]))
    right = np.array([question.paragraph for question in collection.questions])
    language = question_language(collection.paragraphs[0])
    cross = np.array([question_language(question.text) != language for question in collection.questions])
    return Asked(np.array(legs, np.float64), np.array(names), np.array(paragraphs), right, cross)


def best_weights(asked: Sequence[tuple[Asked, npt.NDArray[np.bool_]]]) -> Floats:
    """The weight of each leg, over the questions of each that are marked; the first leg's is 1."""
    from scipy.optimize import minimize

    spread = np.concatenate([one.legs[marked].reshape(-1, len(LEGS)) for one, marked in asked]).std(axis=0) + 1e-9
    legs = [one.legs[marked] / spread for one, marked in asked]
    right = [one.paragraphs[None, :] == one.right[marked][:, None] for one, marked in asked]

    def loss(weights: Floats) -> tuple[float, Floats]:
        """How unlikely the right chunks are, and its gradient."""
        total, gradient, n = RIDGE / 2 * float(weights @ weights), RIDGE * weights, sum(map(len, legs))
        for values, is_right in zip(legs, right, strict=True):
            likely = np.exp(values @ weights - (values @ weights).max(axis=1, keepdims=True))
            of_all, of_right = likely.sum(axis=1, keepdims=True), (likely * is_right).sum(axis=1, keepdims=True)
            total -= float(np.log(of_right / of_all).sum()) / n
            gradient = gradient + np.einsum("qc,qcl->l", likely / of_all - likely * is_right / of_right, values) / n
        return total, gradient

    weights = minimize(loss, np.ones(len(LEGS)), jac=True, method="L-BFGS-B").x / spread
    return np.asarray(weights / weights[0])


@dataclass(frozen=True, slots=True)
class Tops:
    """The best paragraph of each question of one kind: its evidence, whether it is right, how much it counts."""

    evidence: Floats
    is_right: npt.NDArray[np.bool_]
    is_cross: npt.NDArray[np.bool_]
    counts: Ints
    parts: Ints


def tops_of(asked: Asked, weights: Floats, kind: str, articles: Ints) -> Tops:
    """The best paragraph of each question, with what answers it in the index or taken out."""
    found = asked.by_paragraph(asked.legs @ weights)
    if kind == "far":
        found[articles[None, :] == articles[asked.right][:, None]] = -np.inf
    elif kind == "near":
        found[np.arange(len(found)), asked.right] = -np.inf
    best = found.argmax(axis=1)
    counts = np.full(len(found), KINDS[kind])
    parts = articles[asked.right] % N_PARTS
    return Tops(found.max(axis=1), best == asked.right, asked.is_cross, counts, parts)


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


def report(collections: dict[str, Collection], asked: dict[str, Asked]) -> list[str]:
    """All that the command prints, line by line."""
    articles = np.array(next(iter(collections.values())).articles)
    parts = {name: articles[one.right] % N_PARTS for name, one in asked.items()}
    lines = []
    for name, one in asked.items():
        alone = {leg: one.legs[..., at] for at, leg in enumerate(LEGS)} | {"names": one.names}
        lines += [f"{name}, {leg} alone: {measure(one.ranks(chunks))}" for leg, chunks in alone.items()]
    derived = [best_weights([(one, parts[name] != part) for name, one in asked.items()]) for part in range(N_PARTS)]
    weights = best_weights([(one, np.ones(len(one.right), np.bool_)) for one in asked.values()])
    lines.append("weights " + ", ".join(f"{leg} {weight:.3f}" for leg, weight in zip(LEGS, weights, strict=True)))
    for name, one in asked.items():
        held_out = np.empty(len(one.right), np.int64)
        for part, others in enumerate(derived):
            held_out[parts[name] == part] = one.ranks(one.legs @ others)[parts[name] == part]
        lines.append(f"{name}, fused: held out {measure(held_out)}")
        lines.append(f"{name}, fused: fitted   {measure(one.ranks(one.legs @ weights))}")
    return lines + _report_scores(asked, weights, derived, articles)


def _report_scores(asked: dict[str, Asked], weights: Floats, derived: Sequence[Floats], articles: Ints) -> list[str]:
    """Slope and middles of all, and scores of each part by weights, slope and middles of the others."""

    def tops(weights: Floats) -> dict[tuple[str, str], Tops]:
        return {(name, kind): tops_of(one, weights, kind, articles) for name, one in asked.items() for kind in KINDS}

    of_all = tops(weights)
    everything = np.ones(sum(len(one.parts) for one in of_all.values()), np.bool_)
    slope, same, cross = logistic([*of_all.values()], everything)
    lines = [f"SLOPE {slope:.1f}, MIDDLE_SAME {same:.3f}, MIDDLE_CROSS {cross:.3f}"]
    scores = {key: np.empty(len(one.parts)) for key, one in of_all.items()}
    for part, others in enumerate(derived):
        found = tops(others)
        marked = np.concatenate([one.parts != part for one in found.values()])
        slope, same, cross = logistic([*found.values()], marked)
        for key, one in found.items():
            judged = 1 / (1 + np.exp(-slope * (one.evidence - np.where(one.is_cross, cross, same))))
            scores[key][one.parts == part] = judged[one.parts == part]
    for (name, kind), values in scores.items():
        refused = "  ".join(f"{limit}: {np.mean(values < limit):.3f}" for limit in REFUSED_BELOW)
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
        asked = {name: ask_all(one, generation, places, model) for name, one in collections.items()}
    print("\n".join(report(collections, asked)))  # noqa: T201 - this is a command


if __name__ == "__main__":
    main()
