"""The bundled model at work: queries by its exact network, passages by the fast one on every core.

Decision: past sentence-transformers' own loop. Texts are tokenised once, for ids and places, by a tokenizer whose
settings are never changed: padding and truncation are set on the tokenizer itself, which threads share. Texts of
one length are run together, so that nothing is padded; a run of few tokens takes one core, and as many runs go on at
once as there are cores. Texts of 12 tokens in runs of 16 take 0.65 of the time of one by one, of 40 tokens 0.85, of
200 tokens the same (2026-11-25).
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import torch

from index.bundled import FOLDER
from index.embedding import SentenceTransformerModel, Vectors
from index.encoding import Encoding, Offsets, encoding_of
from index.onnx_network import OnnxNetwork, use_onnx
from index.passage_network import PassageNetwork, bytes_are_exact

if TYPE_CHECKING:
    from index.embedding import SentenceTransformer

TOKENS_AT_ONCE = 512  # of a run; more are no faster
Floats = npt.NDArray[np.float32]
T = TypeVar("T")


class _Tokens(NamedTuple):
    ids: list[int]
    places: list[tuple[int, int]]


class BundledModel(SentenceTransformerModel):
    """An `EmbeddingModel` over the two networks in `folder`.

    The vector of a passage has a cosine of 0.9993 to the exact one. It does not depend on the other texts of a call but
    for the order in which floats are summed, which may be another in runs of another size: 1e-3 at most.
    """

    def __init__(self, model: "SentenceTransformer", *, name: str, folder: Path) -> None:
        super().__init__(model, name=name)
        self.checksum = hashlib.sha256(f"{self.checksum} {FOLDER}".encode()).hexdigest()
        self._folder = folder
        self._exact = use_onnx(model, folder)
        self._tokenizer = model.tokenizer.backend_tokenizer
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._loading = Lock()
        self._fast: PassageNetwork | OnnxNetwork | None = None
        self._cores = ThreadPoolExecutor(torch.get_num_threads(), thread_name_prefix="passages")

    def encode_documents(self, texts: Sequence[str]) -> Vectors:
        """See `EmbeddingModel`."""
        vectors = np.empty((len(texts), self.dim), np.float32)
        tokens = self._tokenise(self._document_prompt, texts)
        for row, vector in enumerate(self._run(tokens, lambda _, states: states.mean(axis=0))):
            vectors[row] = vector
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        return vectors

    def encode_passages(self, texts: Sequence[str]) -> list[Encoding]:
        """See `EmbeddingModel`."""
        tokens = self._tokenise(self._document_prompt, texts)
        return self._run(
            tokens, lambda row, states: _encoding(texts[row], states, tokens[row], prompt=self._document_prompt)
        )

    def encode_query(self, text: str) -> Encoding:
        """See `EmbeddingModel`."""
        (tokens,) = self._tokenise(self._query_prompt, [text])
        (states,) = self._exact.states(np.array([tokens.ids], np.int64))
        return _encoding(text, states, tokens, prompt=self._query_prompt)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """See `EmbeddingModel`."""
        found = self._tokenizer.encode_batch([self._document_prompt + text for text in texts])
        return [len(one) for one in found]

    def _tokenise(self, prompt: str, texts: Sequence[str]) -> list[_Tokens]:
        """What the model reads of texts: when one is too long, its first tokens and the mark that ends it."""
        kept = self.max_tokens - 1
        found = self._tokenizer.encode_batch([prompt + text for text in texts])
        return [
            _Tokens(one.ids[:kept] + one.ids[kept:][-1:], one.offsets[:kept] + one.offsets[kept:][-1:]) for one in found
        ]

    def _run(self, tokens: Sequence[_Tokens], make: Callable[[int, Floats], T]) -> list[T]:
        """What is made of each text's number and last states (n_tokens, width), in the order of the texts."""
        network = self._passage_network() if tokens else None

        def made(rows: list[int]) -> list[T]:
            assert network is not None
            states = network.states(np.array([tokens[row].ids for row in rows], np.int64))
            return [make(row, own) for row, own in zip(rows, states, strict=True)]

        runs = _runs([len(one.ids) for one in tokens])
        done = self._cores.map(made, runs) if len(runs) > 1 else map(made, runs)
        found = {row: one for rows, own in zip(runs, done, strict=True) for row, one in zip(rows, own, strict=True)}
        return [found[row] for row in range(len(tokens))]

    def _passage_network(self) -> PassageNetwork | OnnxNetwork:
        """Loaded by the first that has passages: who only asks never needs it."""
        with self._loading:
            if self._fast is None:
                self._fast = PassageNetwork(self._folder) if bytes_are_exact() else self._exact
            return self._fast


def _encoding(text: str, states: Floats, tokens: _Tokens, *, prompt: str) -> Encoding:
    places: Offsets = np.array(tokens.places, np.int64)
    return encoding_of(text, states.mean(axis=0), states, places, shift=len(prompt))


def _runs(lengths: Sequence[int]) -> list[list[int]]:
    """The numbers of texts that are run together: of one length, about `TOKENS_AT_ONCE` tokens; the longest first."""
    alike: defaultdict[int, list[int]] = defaultdict(list)
    for row, length in enumerate(lengths):
        alike[length].append(row)
    runs: list[list[int]] = []
    for length, rows in sorted(alike.items(), reverse=True):
        size = max(1, TOKENS_AT_ONCE // length)
        runs.extend(rows[at : at + size] for at in range(0, len(rows), size))
    return runs
