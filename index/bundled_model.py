"""The bundled model at work: queries by its exact network, passages by the fast one on every core.

Decision: without sentence-transformers and torch, of which it would use nothing but the settings in a folder that is
Otvet's own. Measured on 2026-11-25 on two cores: a process that imports what it needs, loads the model and asks once
takes 1.1 s and 433 MB, 280 of them and 1.0 s for the tokenizer; with sentence-transformers, whose torch weights were
thrown away for these networks, it took 8.0 s and 861 MB, 1,306 at the most. After 300 passages it is 552 MB, was 1,433.

Decision: texts are tokenised once, for ids and places, by a tokenizer whose settings are never changed: padding and
truncation are set on the tokenizer itself, which threads share. Texts of one length are run together, so that nothing
is padded; a run of few tokens takes one core, and as many runs go on at once as there are cores. Texts of 12 tokens in
runs of 16 take 0.65 of the time of one by one, of 40 tokens 0.85, of 200 tokens the same (2026-11-25).
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import NamedTuple, TypeVar

import numpy as np
from tokenizers import Tokenizer

from index.bundled import BUNDLED_MODEL, DOCUMENT_PROMPT, MAX_TOKENS, QUERY_PROMPT, bundled_checksum
from index.embedding import Vectors
from index.encoding import Encoding, Offsets, encoding_of
from index.machine import bytes_are_exact, n_cores
from index.network import BYTES, EXACT, Network, reading
from index.tensors import Floats

TOKENS_AT_ONCE = 512  # of a run; more are no faster
T = TypeVar("T")


class _Tokens(NamedTuple):
    ids: list[int]
    places: list[tuple[int, int]]


class BundledModel:
    """An `EmbeddingModel` over what was written out to `folder`.

    The vector of a passage has a cosine of 0.9993 to the exact one. It does not depend on the other texts of a call but
    for the order in which floats are summed, which may be another in runs of another size: 1e-3 at most.

    Raises:
        ModelError: a file is missing or damaged.
    """

    name = BUNDLED_MODEL
    max_tokens = MAX_TOKENS

    def __init__(self, folder: Path) -> None:
        self.checksum = bundled_checksum()
        self._folder = folder
        with reading(folder / "tokenizer.json"):
            self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._exact = Network(folder, EXACT)
        self.dim = self._exact.width
        self._loading = Lock()
        self._fast: Network | None = None
        self._cores = ThreadPoolExecutor(n_cores(), thread_name_prefix="passages")

    def encode_documents(self, texts: Sequence[str]) -> Vectors:
        """See `EmbeddingModel`."""
        vectors = np.empty((len(texts), self.dim), np.float32)
        tokens = self._tokenise(DOCUMENT_PROMPT, texts)
        for row, vector in enumerate(self._run(tokens, lambda _, states: states.mean(axis=0))):
            vectors[row] = vector
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        return vectors

    def encode_passages(self, texts: Sequence[str]) -> list[Encoding]:
        """See `EmbeddingModel`."""
        tokens = self._tokenise(DOCUMENT_PROMPT, texts)
        return self._run(tokens, lambda row, states: _encoding(texts[row], states, tokens[row], prompt=DOCUMENT_PROMPT))

    def encode_query(self, text: str) -> Encoding:
        """See `EmbeddingModel`."""
        (tokens,) = self._tokenise(QUERY_PROMPT, [text])
        (states,) = self._exact.states(np.array([tokens.ids], np.int64))
        return _encoding(text, states, tokens, prompt=QUERY_PROMPT)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """See `EmbeddingModel`."""
        found = self._tokenizer.encode_batch([DOCUMENT_PROMPT + text for text in texts])
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

    def _passage_network(self) -> Network:
        """Loaded by the first that has passages: who only asks never needs it."""
        with self._loading:
            if self._fast is None:
                self._fast = Network(self._folder, BYTES) if bytes_are_exact() else self._exact
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
