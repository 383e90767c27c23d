"""What tells, beside the legs, whether the chunks that were found answer a query at all; weighed in qa/gate.py."""

from collections.abc import Callable

import numpy as np

from index.embedding import EmbeddingModel, Vectors
from index.encoding import Encoding
from index.fusion import Floats
from index.rows import Mask
from index.text import Language, question_language
from index.words import QUESTIONS

ALIKE = 0.89  # cosine from which two chunks may tell one event: articles of one in the sample corpus have 0.86 to 0.96
MOST_AHEAD = 0.3
FEW_UNLIKE = 10  # fewer say little: whatever a small corpus on one event is asked, its few other chunks are far behind


class PlainQuestions:
    """How plain a query is. A plain one is near to everything, so that its cosines say less. Safe between threads."""

    def __init__(self, model: EmbeddingModel) -> None:
        self._model = model
        self._means: dict[Language, Vectors] = {}

    def nearness(self, query: str, encoding: Encoding) -> float:
        """The query's mean cosine with plain questions of its alphabet, less theirs with each other, in [-2, 1]."""
        mean = self._mean(question_language(query))
        return float((encoding.vector - mean) @ mean)

    def _mean(self, language: Language) -> Vectors:
        """Of the vectors of plain questions, (dim,); made when it is first asked for, in about 0.1 s."""
        if language not in self._means:
            questions = QUESTIONS["cyrillic" if language == "ru" else "other"]
            vectors = [self._model.encode_query(question).vector for question in questions]
            self._means[language] = np.asarray(np.mean(vectors, axis=0), np.float32)
        return self._means[language]


def ahead_of(evidence: Floats, at: int, unlike: Callable[[int], Mask]) -> float | None:
    """By how much evidence a chunk is ahead of the best of those that are unlike it, in [0, `MOST_AHEAD`].

    None where fewer than `FEW_UNLIKE` are unlike it.

    Args:
        evidence: of all candidates, (n,).
        at: the chunk among them.
        unlike: which candidates are unlike that one, (n,).
    """
    others = evidence[unlike(at)]
    if len(others) < FEW_UNLIKE:
        return None
    return min(MOST_AHEAD, max(0.0, float(evidence[at] - others.max())))
