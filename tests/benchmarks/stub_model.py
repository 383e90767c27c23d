"""An embedding model that costs next to nothing, to measure all that is not embedding."""

import hashlib
from collections.abc import Sequence

import numpy as np

from index.embedding import Vectors
from index.encoding import Encoding
from index.sentences import Span
from index.text import WORD

DIM = 384
N_VECTORS = 4096


class StubModel:
    """An `EmbeddingModel` whose vectors are sums of two out of a few thousand, drawn by a text's hash."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.name, self.checksum, self.dim, self.max_tokens = "stub", "stub", DIM, 512
        self._pool = _unit(rng.standard_normal((N_VECTORS, DIM), np.float32))

    def encode_documents(self, texts: Sequence[str]) -> Vectors:
        drawn = np.array([self._drawn(text) for text in texts], np.int64).reshape(-1, 2)
        return _unit(self._pool[drawn[:, 0]] + self._pool[drawn[:, 1]])

    def encode_passages(self, texts: Sequence[str]) -> list[Encoding]:
        return [self._encoding(text, vector) for text, vector in zip(texts, self.encode_documents(texts), strict=True)]

    def encode_query(self, text: str) -> Encoding:
        return self.encode_passages([text])[0]

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [3 + len(text) // 4 for text in texts]

    def _encoding(self, text: str, vector: Vectors) -> Encoding:
        words = tuple(Span(*match.span()) for match in WORD.finditer(text))
        return Encoding(vector, words, self._pool[[hash(text[start:end]) % N_VECTORS for start, end in words]])

    def _drawn(self, text: str) -> tuple[int, int]:
        number = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "little")
        return number % N_VECTORS, number // N_VECTORS % N_VECTORS


def _unit(vectors: Vectors) -> Vectors:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)
