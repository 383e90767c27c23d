"""Which sentence of the passages speaks most of a text: used to quote, and to find what a claim rests on."""

from collections.abc import Sequence
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
        score: mean of its cosine with the query and its passage's score; in [-1, 1], higher is better.
    """

    passage: Passage
    start: int
    end: int
    score: float

    @property
    def text(self) -> str:
        """The exact characters of the sentence."""
        return self.passage.text[self.start - self.passage.start : self.end - self.passage.start]


class SentenceRanker:
    """Ranks the sentences of passages. Safe between threads; vectors of recent passages are kept in memory."""

    def __init__(self, model: EmbeddingModel) -> None:
        self._model = model
        self._vectors = lru_cache(maxsize=PASSAGES_CACHED)(self._encode)

    def for_query(self, query: str, passages: Sequence[Passage]) -> tuple[Sentence, ...]:
        """Every sentence of the passages, best first, for a query."""
        return self._rank(self._model.encode_query(query), passages)

    def for_claim(self, claim: str, passage: Passage) -> Sentence:
        """The sentence of a passage that is nearest to a claim, which may be in another language."""
        return self._rank(self._model.encode_documents([claim])[0], [passage])[0]

    def _rank(self, query: npt.NDArray[np.float32], passages: Sequence[Passage]) -> tuple[Sentence, ...]:
        sentences = []
        for passage in passages:
            spans, vectors = self._vectors(passage.text)
            for span, cosine in zip(spans, (vectors @ query).tolist(), strict=True):
                start, end = passage.start + span.start, passage.start + span.end
                sentences.append(Sentence(passage, start, end, (cosine + passage.score) / 2))
        return tuple(sorted(sentences, key=lambda sentence: -sentence.score))

    def _encode(self, text: str) -> tuple[list[Span], Vectors]:
        spans = split_sentences(text)
        return spans, self._model.encode_documents([text[start:end] for start, end in spans])
