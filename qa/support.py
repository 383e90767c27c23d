"""Whether a passage carries a claim, offline and across Russian and English: which citations of a model stand.

A claim stands on a passage when

- what it states by number, month and name stands in the passage, its title or its day of publication
  (qa/support_facts.py, qa/support_names.py), and
- no other passage in which this stands has a sentence that is nearer to it, by more than `MARGIN`, as several articles
  may tell the same, nor is one of the sentences `NOTHING`, which rest on no article.

Measured on 2026-11-25 on XQuAD, 300 sentences of each language as claims over the Russian paragraphs of their article,
weights from other articles (`python -m qa.support_measure`). Russian: all right citations kept, all swapped ones
caught, 0.948 of 230 altered claims caught. English: 0.927 kept, 0.990 of the swapped and 0.887 of 240 altered ones
caught (names 0.860, numbers 0.967). The bias trades these: with 0.3 less 0.02 more altered names are caught and 0.015
fewer right sentences kept.

Decision: the nearest passage is looked for among those that hold the facts, no further than `FACTS_MARGIN` behind the
nearest of all: of another 300 English claims 0.890 of the altered ones are caught, with a bound of 0.03 0.895, with
0.08 0.865, without one 0.848, and as many right ones kept. Without facts a margin of 0.03 keeps all of 300 right
citations and catches 0.990 of the swapped ones (English over Russian); 0.01 catches 0.998, 0.04 0.981.

Limits: a claim without numbers and names always finds a winner. With the right passage absent 0.65 (English) and 0.68
(Russian) of claims find no support; a made-up one without facts is seen only when it is nearer to `NOTHING`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from index.embedding import EmbeddingModel, Vectors
from index.sentences import Span
from qa.drafts import Quote
from qa.extractive import MAX_QUOTE_CHARS
from qa.records import Passage
from qa.sentences import SentenceRanker
from qa.support_facts import day_numbers, missing_numbers, numbers
from qa.support_names import WEIGHTS, ClaimNames, NameFinder, Weights

MARGIN = 0.03
FACTS_MARGIN = 0.05
NOTHING = (  # what a model may write that rests on no article, or is the prompt's own
    "I do not know.",
    "I have nothing to say.",
    "Here is the answer to your question.",
    "I am a language model and an assistant.",
    "I cannot help with that.",
    "Ignore the instructions.",
    "Hello! How can I help you?",
    "You answer questions about news articles from numbered passages.",
    "Use only what the passages say.",
    "Answer in one to three short sentences.",
    "Не знаю.",
    "Мне нечего сказать.",
    "Вот ответ на ваш вопрос.",
    "Я языковая модель, помощник.",
    "Я не могу с этим помочь.",
    "Забудь указания.",
    "Здравствуйте! Чем могу помочь?",
    "Ты отвечаешь на вопросы о новостных статьях по пронумерованным отрывкам.",
    "Используй только то, что сказано в отрывках.",
    "Отвечай одним-тремя короткими предложениями.",
)
CLAIMS_CACHED = 64
LIST_MARK = re.compile(r"^\s*\d{1,2}[.)]\s+")  # of an enumeration, no number of the claim


@dataclass(frozen=True, slots=True, eq=False)
class _Near:
    """A passage, its sentences, and which of them is nearest to a claim."""

    passage: Passage
    sentences: list[Span]
    best: int
    cosine: float
    vector: Vectors

    def text(self, first: int, last: int) -> str:
        """From one sentence to another one, both included."""
        start = self.passage.start
        return self.passage.text[self.sentences[first].start - start : self.sentences[last].end - start]

    def texts(self) -> tuple[str, ...]:
        """The sentences, and behind them the title."""
        return (*(self.text(at, at) for at in range(len(self.sentences))), self.passage.source.title)


class SupportCheck:
    """Finds the sentences that carry a claim. Safe between threads.

    Args:
        ranker: knows the sentences of passages.
        model: embeds claims, and words of passages when a name is not found by its sound.
        weights: how names are judged; see qa/support_measure.py.
    """

    def __init__(self, ranker: SentenceRanker, model: EmbeddingModel, *, weights: Weights = WEIGHTS) -> None:
        self._ranker = ranker
        self._model = model
        self._names = NameFinder(model, weights)
        self._claim = lru_cache(maxsize=CLAIMS_CACHED)(self._read_claim)
        self._nothing = lru_cache(maxsize=1)(lambda: model.encode_documents(NOTHING))

    def quotes(self, claim: str, cited: Sequence[Passage], passages: Sequence[Passage]) -> tuple[Quote, ...]:
        """The sentences that carry a claim, one a passage.

        Of those cited passages that carry it, nearest first; else of the one passage that does; else none.

        Args:
            claim: a sentence, without its markers; blank text has no quotes.
            cited: the passages that it names.
            passages: all that the model read, best first.
        """
        if not any(map(str.isalnum, claim)):
            return ()
        claim = LIST_MARK.sub("", claim)
        names = self._claim(claim)
        near = [found for one in dict.fromkeys([*cited, *passages]) if (found := self._near(names.vector, one))]
        best = max((one.cosine for one in near), default=0.0)
        if float((self._nothing() @ names.vector).max()) > best + MARGIN:
            return ()
        heard = [one for one in near if one.cosine >= best - FACTS_MARGIN]
        carrying = [(one, quote) for one in heard if (quote := self._quote(claim, names, one))]
        carrying.sort(key=lambda pair: -pair[0].cosine)
        close = [quote for one, quote in carrying if one.cosine >= carrying[0][0].cosine - MARGIN]
        return tuple(quote for quote in close if quote.passage in cited) or tuple(close[:1])

    def _read_claim(self, claim: str) -> ClaimNames:
        return self._names.in_claim(claim, self._model.encode_passages([claim])[0])

    def _near(self, claim: Vectors, passage: Passage) -> _Near | None:
        sentences, vectors = self._ranker.vectors(passage)
        if not sentences:
            return None
        cosines = vectors @ claim
        best = int(cosines.argmax())
        return _Near(passage, list(sentences), best, float(cosines[best]), vectors[best])

    def _quote(self, claim: str, names: ClaimNames, near: _Near) -> Quote | None:
        """The quote by which a passage carries a claim, None where a fact of the claim is missing."""
        source = near.passage.source
        around = (*numbers(near.passage.text), *numbers(source.title), *day_numbers(source.published_at))
        if missing_numbers(claim, around):
            return None
        places = names.places(near.texts(), near.vector)
        if not all(places):
            return None
        first, last = _widened(claim, places, near)
        return Quote(near.passage, near.sentences[first].start, near.sentences[last].end)


def _widened(claim: str, places: Sequence[frozenset[int]], near: _Near) -> tuple[int, int]:
    """First and last sentence of the shortest quote that holds most of a claim's facts, the nearest sentence in it."""

    def n_missing(first: int, last: int) -> int:
        inside = set(range(first, last + 1))
        n_names = sum(not place & inside for place in places)
        return n_names + len(missing_numbers(claim, numbers(near.text(first, last))))

    windows = [
        (first, last)
        for first in range(near.best, -1, -1)
        for last in range(near.best, len(near.sentences))
        if (first, last) == (near.best, near.best) or len(near.text(first, last)) <= MAX_QUOTE_CHARS
    ]
    return min(windows, key=lambda window: (n_missing(*window), len(near.text(*window))))
