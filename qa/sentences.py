"""Which sentence of the passages speaks most of a text: used to quote, and to find what a claim rests on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from index.embedding import EmbeddingModel, Vectors
from index.sentences import Span, split_sentences
from qa.records import Passage

PASSAGES_CACHED = 2_048


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of a passage: characters `start` to `end` of the article.

    Attributes:
        score: its cosine with the query plus its passage's score; in [-1, 2], higher is better.
    """

    passage: Passage
    start: int
    end: int
    score: float

    @property
    def text(self) -> str:
        """The exact characters of the sentence."""
        return self.passage.text[self.start - self.passage.start : self.end - self.passage.start]


FindSentences = Callable[[str, int, int], tuple[list[Span], Vectors]]
"""Spans and vectors of the sentences of an article (its id) between two of its characters; none where not known."""


class SentenceRanker:
    """Ranks the sentences of passages. Safe between threads.

    Args:
        model: embeds queries and claims.
        find_sentences: the vectors that the index keeps; None to embed the sentences when they are needed.
    """

    def __init__(self, model: EmbeddingModel, find_sentences: FindSentences | None = None) -> None:
        self._model = model
        self._find = find_sentences
        self._encode = lru_cache(maxsize=PASSAGES_CACHED)(self._encode_now)

    def for_query(self, query: str, passages: Sequence[Passage]) -> tuple[Sentence, ...]:
        """Every sentence of the passages, best first, for a query."""
        return self._rank(self._model.encode_query(query).vector, passages)

    def for_claim(self, claim: str, passage: Passage) -> Sentence:
        """The sentence of a passage that is nearest to a claim, which may be in another language."""
        return self._rank(self._model.encode_documents([claim])[0], [passage])[0]

    def _rank(self, query: npt.NDArray[np.float32], passages: Sequence[Passage]) -> tuple[Sentence, ...]:
        sentences = []
        for passage in passages:
            spans, vectors = self.vectors(passage)
            for (start, end), cosine in zip(spans, (vectors @ query).tolist(), strict=True):
                sentences.append(Sentence(passage, start, end, cosine + passage.score))
        return tuple(sorted(sentences, key=lambda sentence: -sentence.score))

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
        if self._find is not None:
            spans, vectors = self._find(passage.source.article_id, passage.start, passage.end)
            if spans:
                return spans, vectors
        spans, vectors = self._encode(passage.text)
        return [Span(passage.start + start, passage.start + end) for start, end in spans], vectors

    def _encode_now(self, text: str) -> tuple[list[Span], Vectors]:
        spans = split_sentences(text)
        return spans, self._model.encode_documents([text[start:end] for start, end in spans])
