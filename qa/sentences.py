"""Which sentence of the passages speaks most of a text: used to quote, and to find what a claim rests on."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
import numpy.typing as npt

from index.embedding import EmbeddingModel, Vectors
from index.encoding import Encoding
from index.generation import JudgedSentences
from index.sentences import Span, split_sentences
from qa.records import Passage

PASSAGES_CACHED = 2_048
MAX_SIM_WEIGHT = 0.8  # beside a cosine; 0.4 and 1.2 quote the answer as often or less (qa/extractive.py)


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of a passage: characters `start` to `end` of the article.

    Attributes:
        score: how near it is to the query plus its passage's score; in [-2, 3], higher is better.
    """

    passage: Passage
    start: int
    end: int
    score: float

    @property
    def text(self) -> str:
        """The exact characters of the sentence."""
        return self.passage.text[self.start - self.passage.start : self.end - self.passage.start]


class KnownSentences(Protocol):
    """Sentences that need not be embedded, being those of an index."""

    def sentences(self, article_id: str, start: int, end: int) -> tuple[list[Span], Vectors]:
        """Those of an article between two of its characters, and their vectors; none where not known."""
        ...

    def judge_sentences(self, query: str, encoding: Encoding, article_id: str, start: int, end: int) -> JudgedSentences:
        """The same, and what a query has to do with them."""
        ...


class SentenceRanker:
    """Ranks the sentences of passages. Safe between threads.

    Args:
        model: embeds queries.
        known: the index whose sentences they are; None to embed the sentences when they are needed.
    """

    def __init__(self, model: EmbeddingModel, known: KnownSentences | None = None) -> None:
        self._model = model
        self._known = known
        self._encode = lru_cache(maxsize=PASSAGES_CACHED)(self._encode_now)

    def for_query(self, query: str, passages: Sequence[Passage]) -> tuple[Sentence, ...]:
        """Every sentence of the passages, best first, for a query: by its cosine and the MaxSim of its words."""
        encoding = self._model.encode_query(query)
        return _ranked(found for passage in passages for found in self._judge(query, encoding, passage))

    def _judge(self, query: str, encoding: Encoding, passage: Passage) -> Iterator[Sentence]:
        if self._known is not None:
            place = passage.source.article_id, passage.start, passage.end
            spans, cosines, max_sims = self._known.judge_sentences(query, encoding, *place)
            if spans:
                return _scored(passage, spans, cosines + MAX_SIM_WEIGHT * max_sims)
        spans, vectors = self.vectors(passage)
        return _scored(passage, spans, vectors @ encoding.vector)

    def alike(self, passage: Passage, others: Sequence[Passage]) -> list[tuple[Sentence, Sentence, float]]:
        """Each sentence of a passage with each one of the others, and their cosine; in no order."""
        spans, vectors = self.vectors(passage)
        pairs = []
        for other in others:
            other_spans, other_vectors = self.vectors(other)
            for span, row in zip(spans, (vectors @ other_vectors.T).tolist(), strict=True):
                own = Sentence(passage, *span, passage.score)
                pairs += [
                    (own, Sentence(other, *other_span, other.score), cosine)
                    for other_span, cosine in zip(other_spans, row, strict=True)
                ]
        return pairs

    def vectors(self, passage: Passage) -> tuple[list[Span], Vectors]:
        """The sentences of a passage, in the article's characters, and their vectors, (n, dim)."""
        if self._known is not None:
            spans, vectors = self._known.sentences(passage.source.article_id, passage.start, passage.end)
            if spans:
                return spans, vectors
        spans, vectors = self._encode(passage.text)
        return [Span(passage.start + start, passage.start + end) for start, end in spans], vectors

    def _encode_now(self, text: str) -> tuple[list[Span], Vectors]:
        spans = split_sentences(text)
        return spans, self._model.encode_documents([text[start:end] for start, end in spans])


def _scored(passage: Passage, spans: Sequence[Span], nearness: npt.NDArray[np.float32]) -> Iterator[Sentence]:
    for (start, end), near in zip(spans, nearness.tolist(), strict=True):
        yield Sentence(passage, start, end, near + passage.score)


def _ranked(sentences: Iterable[Sentence]) -> tuple[Sentence, ...]:
    return tuple(sorted(sentences, key=lambda sentence: -sentence.score))
