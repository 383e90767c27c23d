"""What other articles say of a quote's matter: the same, or another number or date.

Two sentences are taken to tell the same from a cosine of `SAME` on, and to differ where they are near enough (`ABOUT`)
and state figures that cannot both be true (qa/disagreement.py). Measured on 2026-11-22 with the bundled model: of
different sentences of one XQuAD paragraph 0.1 % have a cosine above 0.944 and 1 % above 0.919; of 227 pairs of
sentences on one event, written for tests/unit/test_figures.py, half have more than 0.944.

Decision: cosines hardly see a name, a number or a "not", in which the news of two days often differ alone («экспорт
достиг 60 млн тонн», «импорт достиг 2 млн тонн»: 0.95), so near sentences are compared in these too (`_may_be_same`).
Of 84 such pairs that tests/unit/test_figures.py has without a disagreement that can be told, 40 are then no longer
taken for the same: 25 that tell of two things, and 15 that round a number or tell another part of one event.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from index.names import name_keys
from index.text import WORD, fold
from qa.disagreement import disagreement
from qa.drafts import Difference, Quote
from qa.figure_words import REPORT
from qa.figures import figures
from qa.records import Passage
from qa.sentences import Sentence, SentenceRanker

SAME = 0.94
ABOUT = 0.91
DENIAL = re.compile(
    r"(?<!\w)(?:не(?!\s+(?:менее|более|меньше|больше|только)\b)|нет|ни|not|no|never|\w+n['’]t)(?!\w)", re.IGNORECASE
)
DATE_PART = re.compile(r"\d{4}|\d\d(?:-\d\d)?")  # the year, and the day or month, of ISO 8601


@dataclass(frozen=True, slots=True)
class Corroboration:
    """Quotes of other articles that tell the same, best first, and one that tells otherwise."""

    same: tuple[Quote, ...] = ()
    difference: Difference | None = None


class Corroborator:
    """Compares quotes with the passages of other articles. Safe between threads."""

    def __init__(self, ranker: SentenceRanker) -> None:
        self._ranker = ranker

    def corroborate(self, quote: Quote, passages: Sequence[Passage]) -> Corroboration:
        """What the passages, and those that repeat them, say of the matter of a quote."""
        same: dict[str, Quote] = {}
        differing: set[str] = set()
        difference: Difference | None = None
        for own, other, cosine in self._pairs(quote, passages):
            found, article_id = Quote(other.passage, other.start, other.end), other.passage.source.article_id
            told = disagreement(own.text, other.text)
            if told is not None:
                words = own.text[told[0].start : told[0].end], other.text[told[1].start : told[1].end]
                difference = difference or Difference((quote, found), words)
                differing.add(article_id)
            elif cosine >= SAME and _may_be_same(own.text, other.text):
                same.setdefault(article_id, found)
        agreeing = [found for article_id, found in same.items() if article_id not in differing]
        return Corroboration(tuple(agreeing), difference)

    def _pairs(self, quote: Quote, passages: Sequence[Passage]) -> list[tuple[Sentence, Sentence, float]]:
        """Sentences of the quote with near ones of other articles, nearest first."""
        whole = [passage for one in passages for passage in (one, *one.repeats)]
        others = [one for one in whole if one.source.article_id != quote.passage.source.article_id]
        near = [
            pair
            for pair in self._ranker.alike(quote.passage, others)
            if pair[2] >= ABOUT and quote.start <= pair[0].start and pair[0].end <= quote.end
        ]
        return sorted(near, key=lambda pair: -pair[2])


def _may_be_same(one: str, other: str) -> bool:
    """Whether two near sentences can tell of one thing.

    They cannot where only one of them denies, or where each has a name, or each a number, that the other lacks.
    """
    if bool(DENIAL.search(one)) != bool(DENIAL.search(other)):
        return False
    names = _names(one) - {*name_keys(other)}, _names(other) - {*name_keys(one)}
    numbers = _numbers(one) - _numbers(other), _numbers(other) - _numbers(one)
    return not all(names) and not all(numbers)


def _names(sentence: str) -> frozenset[str]:
    """Keys of the names in a sentence, but for its first word and for who is said to have told it."""
    clauses = sentence.partition(" ")[2].split(",")
    told = [clause for clause in clauses if not any(map(REPORT.match, WORD.findall(fold(clause))))]
    return frozenset(name_keys(" ".join(told)))


def _numbers(sentence: str) -> set[tuple[str, str]]:
    """What the figures of a sentence state, by kind, and the numbers in its names, scores and times of day."""
    stated, rest = set(), sentence
    for figure in figures(sentence):
        parts = DATE_PART.findall(figure.value) if figure.kind == "date" else [figure.value]
        stated |= {(figure.kind, part) for part in parts}
        rest = rest[: figure.start] + " " * (figure.end - figure.start) + rest[figure.end :]
    return stated | {("", number) for number in re.findall(r"\d+", rest)}
