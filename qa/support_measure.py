"""Says how often the support check is right on parallel paragraphs, and derives the weights of its names.

    python -m qa.support_measure PASSAGES.json QUESTIONS.json

Two files in SQuAD format with the same paragraphs in two languages. Sentences of both are claims over the paragraphs of
the first: each with its own paragraph cited (kept?), with another one of its article cited (swapped; caught?), and with
a number or a name changed (altered; caught?). Remnants of formulas are left out. A number gets other digits, a name is
replaced by one of as many words from another article. The weights are those of a logistic regression (scikit-learn) on
the names of right and altered claims; articles are parted in six, and each sixth is judged with the weights that the
other five give.
"""

import argparse
import os
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from index.embedding import EmbeddingModel, load_embedding_model
from index.sentences import split_sentences
from index.settings import IndexSettings
from index.text import question_language
from qa.records import Passage, Source
from qa.sentences import SentenceRanker
from qa.squad import Collection, load_collection
from qa.support import SupportCheck
from qa.support_names import WEIGHTS, Features, Looked, Name, NameFinder, Weights, names_of

N_PARTS = 6
N_CLAIMS = 300
SHORTEST_CHARS = 40  # of a claim; what is shorter is a heading or a remnant
REMNANT = re.compile(r"\d\s[a-zа-я]")  # of a formula with its index on a line of its own, such as that of CO2
DIGITS = re.compile(r"(?<![\w.,])\d[\d.,]*(?<![.,])(?![\w.,]*\d)")
TRIES = 200
FIT_SEED = 1
BIAS = 0.6
RIDGE = 10.0
SPREAD = np.array([1.0, 1.0, 10.0])  # makes the features about as wide as one another, for the ridge


@dataclass(frozen=True, slots=True)
class Trial:
    """A claim with its paragraph's number, another paragraph of the article, and the claim with one thing changed.

    Attributes:
        altered: "" where it holds nothing to change.
        changed: characters of `altered` that were put in.
        kind: what was changed, "number", "name" or "".
    """

    claim: str
    own: int
    swap: int
    altered: str = ""
    changed: tuple[int, int] = (0, 0)
    kind: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Words of names that are not found by their sound, each looked for in a passage.

    Attributes:
        features: (n, number of `Features`).
        is_right: whether the passage holds it, (n,).
        owns: number of the passage, (n,).
    """

    features: npt.NDArray[np.float64]
    is_right: npt.NDArray[np.bool_]
    owns: npt.NDArray[np.int64]


@dataclass(slots=True)
class Outcome:
    """What became of the trials: for each measure, whether each trial passed."""

    passed: dict[str, list[bool]] = field(default_factory=dict)

    def note(self, measure: str, passed: bool) -> None:
        """Add one."""
        self.passed.setdefault(measure, []).append(passed)

    def shares(self) -> dict[str, tuple[float, int]]:
        """The share that passed, in [0, 1], and of how many."""
        return {name: (float(np.mean(values)), len(values)) for name, values in self.passed.items()}


def passages_of(collection: Collection) -> list[Passage]:
    """Each paragraph as the passage of an article of its own."""
    language = question_language(collection.paragraphs[0])
    return [
        Passage(Source(str(number), "", None, None, None, language), 0, len(text), text, 0.5)
        for number, text in enumerate(collection.paragraphs)
    ]


def make_trials(collection: Collection, over: Collection, *, n: int = N_CLAIMS, seed: int = 0) -> list[Trial]:
    """At most `n` sentences of a collection as claims over the parallel paragraphs of another one."""
    chance = random.Random(seed)
    sentences = [
        (number, text[start:end])
        for number, text in enumerate(collection.paragraphs)
        for start, end in split_sentences(text)
        if end - start >= SHORTEST_CHARS and not REMNANT.match(text, start)
    ]
    pool = _names_by_article(collection)
    trials = []
    for number, claim in chance.sample(sentences, min(n, len(sentences))):
        siblings = [other for other, article in enumerate(over.articles) if article == over.articles[number]]
        others = [other for other in siblings if other != number]
        if others:
            own_texts = over.paragraphs[number] + " " + collection.paragraphs[number]
            foreign = [name for article, names in pool.items() if article != over.articles[number] for name in names]
            altered = _alter(claim, own_texts, foreign, chance)
            trials.append(Trial(claim, number, chance.choice(others), *altered))
    return trials


def _names_by_article(collection: Collection) -> dict[int, list[str]]:
    pool: dict[int, list[str]] = {}
    for article, text in zip(collection.articles, collection.paragraphs, strict=True):
        for start, end in split_sentences(text):
            sentence = text[start:end]
            names = [sentence[name.start : name.end] for name in names_of(sentence) if not name.opens]
            pool.setdefault(article, []).extend(names)
    return pool


def _alter(claim: str, own: str, foreign: Sequence[str], chance: random.Random) -> tuple[str, tuple[int, int], str]:
    """The claim with a number or a name changed to one that its paragraph does not hold."""
    places = [(match.start(), match.end(), "number") for match in DIGITS.finditer(claim)]
    places += [(name.start, name.end, "name") for name in names_of(claim) if not name.opens]
    if not places:
        return "", (0, 0), ""
    start, end, kind = chance.choice(places)
    old = claim[start:end]
    for _ in range(TRIES):
        new = _other_digits(old, chance) if kind == "number" else chance.choice(foreign)
        as_long = kind == "number" or len(new.split()) == len(old.split())
        if as_long and not any(word in own for word in re.findall(r"\w{2,}|\d", new)):
            return claim[:start] + new + claim[end:], (start, start + len(new)), kind
    return "", (0, 0), ""


def _other_digits(number: str, chance: random.Random) -> str:
    """As many digits at the same places, the first of them not 0; a year stays in its century or the next ones."""
    new = [str(chance.randint(1 if at == 0 else 0, 9)) if char.isdigit() else char for at, char in enumerate(number)]
    if re.fullmatch(r"1\d{3}|20\d{2}", number):
        new[:2] = list(number[:2])
    return "".join(new)


def name_examples(
    ranker: SentenceRanker, finder: NameFinder, passages: Sequence[Passage], trials: Sequence[Trial]
) -> Examples:
    """The features of every word of a name that is not found by its sound, and whether it stands in the passage."""
    features: list[Features] = []
    is_right: list[bool] = []
    owns: list[int] = []
    for trial in trials:
        for claim, right in ((trial.claim, True), (trial.altered, False)):
            if not claim or (not right and trial.kind != "name"):
                continue
            found = [
                word.features
                for name, words in look_for_names(ranker, finder, claim, passages[trial.own]).items()
                for word in words
                if word.features and not name.opens and (right or trial.changed[0] <= name.start < trial.changed[1])
            ]
            features += found
            is_right += [right] * len(found)
            owns += [trial.own] * len(found)
    return Examples(np.array(features).reshape(-1, len(Features._fields)), np.array(is_right), np.array(owns))


def look_for_names(
    ranker: SentenceRanker, finder: NameFinder, claim: str, passage: Passage
) -> dict[Name, list[Looked]]:
    """The names of a claim in one passage."""
    encoding = finder.encode([claim])[0]
    spans, vectors = ranker.vectors(passage)
    nearest = vectors[int((vectors @ encoding.vector).argmax())]
    sentences = tuple(passage.text[start - passage.start : end - passage.start] for start, end in spans)
    return finder.in_claim(claim, encoding).look((*sentences, passage.source.title), nearest)


def fit(examples: Examples, marked: npt.NDArray[np.bool_], *, bias: float) -> Weights:
    """The weights that tell right words from wrong ones; `bias` is added for the sake of right claims."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=RIDGE, class_weight="balanced", max_iter=10_000)
    model.fit(examples.features[marked] * SPREAD, examples.is_right[marked])
    return Weights(float(model.intercept_[0]) + bias, *(model.coef_[0] * SPREAD).tolist())


def judge(
    check: SupportCheck, passages: Sequence[Passage], articles: Sequence[int], trials: Sequence[Trial], outcome: Outcome
) -> None:
    """Run trials through a check."""
    for trial in trials:
        own, swap = passages[trial.own], passages[trial.swap]
        siblings = [one for one, article in zip(passages, articles, strict=True) if article == articles[trial.own]]
        without = [one for one in siblings if one != own]
        outcome.note("right one kept", _cites(check, trial.claim, own, siblings, own))
        outcome.note("swap caught", not _cites(check, trial.claim, swap, siblings, swap))
        outcome.note("swap re-cited to the right one", _cites(check, trial.claim, swap, siblings, own))
        outcome.note("right one absent, no quotes", not check.quotes(trial.claim, [swap], without))
        if trial.altered:
            caught = not check.quotes(trial.altered, [own], siblings)
            outcome.note("altered caught", caught)
            outcome.note(f"altered {trial.kind} caught", caught)


def _cites(check: SupportCheck, claim: str, cited: Passage, passages: Sequence[Passage], passage: Passage) -> bool:
    return any(quote.passage == passage for quote in check.quotes(claim, [cited], passages))


def measure(
    model: EmbeddingModel, claims: Collection, over: Collection, *, fitted: Examples | None, n: int, seed: int
) -> Outcome:
    """Judge the sentences of a collection over the parallel paragraphs of another one.

    Args:
        model: the embedding model.
        claims: whose sentences are the claims.
        over: whose paragraphs are cited.
        fitted: what the weights are derived from, without the articles that are judged; None for those of the product.
        n: how many sentences at most.
        seed: the same seed draws the same sentences.
    """
    ranker, passages, outcome = SentenceRanker(model), passages_of(over), Outcome()
    trials = make_trials(claims, over, n=n, seed=seed)
    parts = np.array(over.articles) % N_PARTS
    for part in range(N_PARTS):
        weights = WEIGHTS if fitted is None else fit(fitted, parts[fitted.owns] != part, bias=BIAS)
        check = SupportCheck(ranker, model, weights=weights)
        judge(check, passages, over.articles, [trial for trial in trials if parts[trial.own] == part], outcome)
    return outcome


def main() -> None:
    """Entry point of `python -m qa.support_measure`."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("passages", type=Path)
    parser.add_argument("questions", type=Path)
    parser.add_argument("-n", type=int, default=N_CLAIMS, help="how many sentences of each language")
    options = parser.parse_args()
    settings = IndexSettings()
    model = load_embedding_model(settings.embedding_model, cache_dir=settings.cache_dir)
    over, other = load_collection(options.passages), load_collection(options.questions)
    ranker, finder, passages = SentenceRanker(model), NameFinder(model), passages_of(over)
    examples = name_examples(ranker, finder, passages, make_trials(other, over, n=options.n, seed=FIT_SEED))
    lines = [f"all articles: {fit(examples, np.ones(len(examples.owns), np.bool_), bias=BIAS)}"]
    for name, claims in ((options.passages.stem, over), (options.questions.stem, other)):
        outcome = measure(model, claims, over, fitted=examples, n=options.n, seed=0)
        lines += [f"{name}: {what} {share:.3f} of {n}" for what, (share, n) in outcome.shares().items()]
    print("\n".join(lines))  # noqa: T201 - this is a command


if __name__ == "__main__":
    main()
