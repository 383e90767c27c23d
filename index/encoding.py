"""What a model makes of a text: one vector of the whole, and one of each of its words."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from index.sentences import Span
from index.text import WORD

Offsets = npt.NDArray[np.int64]
"""Where tokens are in a text, (n_tokens, 2), in order; special tokens are at (0, 0)."""


@dataclass(frozen=True, slots=True, eq=False)
class Encoding:
    """A text as the model sees it: as a whole, and each of its words in this context.

    Attributes:
        vector: of the whole text, (dim,), unit length.
        words: where the words are in the text, in order; a model that cannot tell has none.
        word_vectors: (len(words), width of the model), the mean of the model's last states over a word; of any length.
    """

    vector: npt.NDArray[np.float32]
    words: tuple[Span, ...]
    word_vectors: npt.NDArray[np.float32]


def encoding_of(
    text: str, vector: npt.NDArray[np.float32], states: npt.NDArray[np.float32], tokens: Offsets, *, shift: int
) -> Encoding:
    """Words out of tokens: a word's vector is the mean over the tokens that share a character with it.

    Args:
        text: without its prompt.
        vector: (dim,), of any length.
        states: last states of the tokens, (n_tokens, width).
        tokens: where they are in the prompted text; of another number than `states` where the tokenizer cannot tell.
        shift: characters of the prompt.
    """
    vector = vector / max(float(np.linalg.norm(vector)), 1e-12)
    words = [match.span() for match in WORD.finditer(text)] if len(states) == len(tokens) else []
    spans = np.array(words, np.int64).reshape(-1, 2) + shift
    inner = np.flatnonzero(tokens[:, 1] > tokens[:, 0])  # special tokens cover nothing
    first = np.searchsorted(tokens[inner, 1], spans[:, 0], side="right")
    last = np.searchsorted(tokens[inner, 0], spans[:, 1], side="left")
    is_read = last > first
    found = tuple(Span(*word) for word, read in zip(words, is_read, strict=True) if read)
    if not found:
        return Encoding(vector, (), np.empty((0, states.shape[1]), np.float32))
    return Encoding(vector, found, _means(states[inner], first[is_read], last[is_read]))


def _means(
    states: npt.NDArray[np.float32], first: npt.NDArray[np.int64], last: npt.NDArray[np.int64]
) -> npt.NDArray[np.float32]:
    """The mean of the rows first..last-1 of `states`, (len(first), width); no range is empty."""
    padded = np.concatenate([states, np.zeros_like(states[:1])])  # `last` may be the end, which reduceat refuses
    sums = np.add.reduceat(padded, np.stack([first, last], axis=1).reshape(-1), axis=0)[::2]
    return np.asarray(sums / (last - first)[:, None], np.float32)
