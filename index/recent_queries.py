"""A question is embedded once, though its search, its sentences and the next who asks the same all need its vectors.

Decision: around a model, where an engine is composed (qa/engine.py), so that what measures a model or a search by
itself measures all of it. 128 questions: one is asked for again within a second, and a long one is 400 kB.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np

from index.embedding import EmbeddingModel, Vectors
from index.encoding import Encoding

QUERIES_KEPT = 128


class RecentQueries:
    """An `EmbeddingModel` over another one, which keeps what that one made of the last queries.

    The arrays of a query are read-only, as several who ask are given the same.
    """

    def __init__(self, model: EmbeddingModel) -> None:
        self.name, self.checksum, self.dim, self.max_tokens = model.name, model.checksum, model.dim, model.max_tokens
        self._model = model
        self._encode = lru_cache(maxsize=QUERIES_KEPT)(self._encode_now)

    def encode_documents(self, texts: Sequence[str]) -> Vectors:
        """See `EmbeddingModel`."""
        return self._model.encode_documents(texts)

    def encode_passages(self, texts: Sequence[str]) -> list[Encoding]:
        """See `EmbeddingModel`."""
        return self._model.encode_passages(texts)

    def encode_query(self, text: str) -> Encoding:
        """See `EmbeddingModel`. One that fails is tried again."""
        return self._encode(text)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """See `EmbeddingModel`."""
        return self._model.count_tokens(texts)

    def _encode_now(self, text: str) -> Encoding:
        made = self._model.encode_query(text)
        return replace(made, vector=_read_only(made.vector), word_vectors=_read_only(made.word_vectors))


def _read_only(vectors: Vectors) -> Vectors:
    view = np.array(vectors)
    view.flags.writeable = False
    return view
