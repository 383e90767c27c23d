"""Late interaction: each word of a query looks for the word of a chunk that is nearest to it, both seen in context.

    MaxSim = mean over the query's words of the highest cosine with a word of the chunk
    (Khattab, Zaharia, "ColBERT", 2020, with a mean for their sum)

    first_words.npy   (n_chunks + 1,) int64: where each chunk's words begin
    word_starts.i32   (n_words,) int32: where each word begins in its article
    states.u4         (n_words, width / 2) uint8: two levels of 4 bits a byte

Words are those of `content_words` (index/words.py). Their states come with the pass of the model that the chunk's
vector is from, so nothing is embedded twice.

Decision: 4 bits a dimension, 192 bytes a word. Measured on 2026-11-25 on XQuAD, fused with the other legs, recall@1 on
articles that the weights were not derived from, Russian / English: 16 bits 0.961 / 0.909, 4 bits 0.961 / 0.910, 2 bits
0.958 / 0.913, 1 bit 0.959 / 0.912; reduced to 128 of 384 dimensions 0.953 / 0.900, to 64 0.951 / 0.899; without this
leg 0.953 / 0.900. The states of sentences in place of those of chunks: 0.954 / 0.910. In these tries the mean of all
words here was subtracted; that of questions (index/words.py), which needs no second pass over the words, finds as much
(0.959 / 0.908).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
from scipy.fft import dct

from index.embedding import Vectors
from index.errors import IndexDamagedError
from index.sentences import Span
from index.vectors import RowFile, Rows, mapped

FIRST_WORDS, WORD_STARTS, STATES = "first_words.npy", "word_starts.i32", "states.u4"
DECIMALS = 5  # BLAS adds in another order in a matrix's last rows, and reprints are to have equal scores
LEVELS = 16
WIDEST = 2.7  # standard deviations of a dimension; what is farther out counts as this
STEP = 2 * WIDEST / (LEVELS - 1)  # between two levels, in standard deviations


class LateWriter:
    """Writes the words of chunks, chunk after chunk. A context manager; leaving it completes the files."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self._first_words = [0]
        self._starts: BinaryIO = (folder / WORD_STARTS).open("wb")
        self._states: BinaryIO = (folder / STATES).open("wb")

    def __enter__(self) -> "LateWriter":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._starts.close()
        self._states.close()
        np.save(self._folder / FIRST_WORDS, np.array(self._first_words, np.int64))

    def add(self, starts: Sequence[int], states: Vectors) -> None:
        """Add a chunk by its words: where they begin in the article, and their states, (n_words, width)."""
        self._first_words.append(self._first_words[-1] + len(states))
        self._starts.write(np.array(starts, np.int32).tobytes())
        self._states.write(pack(states).tobytes())


class LateIndex:
    """The words of one generation's chunks, for reading. Safe between threads.

    Raises:
        IndexDamagedError: the folder does not hold what a `LateWriter` writes.
    """

    def __init__(self, folder: Path, *, width: int) -> None:
        try:
            self._first_words = np.load(folder / FIRST_WORDS)
            if self._first_words.dtype != np.int64 or self._first_words.ndim != 1 or not len(self._first_words):
                raise ValueError(f"{FIRST_WORDS} does not hold places of words")
            n_words = int(self._first_words[-1])
            self._starts = mapped(folder / WORD_STARTS, np.int32, (n_words, 1))
            self._states = RowFile(folder / STATES, np.uint8, (n_words, n_bytes(width)))
        except (OSError, ValueError, EOFError) as exc:
            raise IndexDamagedError(
                f"cannot read the chunks' words in {str(folder)!r} ({exc}); run: otvet index"
            ) from exc

    def __len__(self) -> int:
        return len(self._first_words) - 1

    def max_sims(self, query: Vectors, rows: Rows) -> npt.NDArray[np.float32]:
        """MaxSim of those chunks with the states of a query's words, (n_words, width): (len(rows),), in [-1, 1].

        0 for a chunk, and for a query, without words.
        """
        firsts, ends = self._first_words[rows], self._first_words[rows + 1]
        packed = self._states.read(zip(firsts.tolist(), ends.tolist(), strict=True))
        return _max_sims(packed, ends - firsts, query)

    def of_sentences(self, query: Vectors, row: int, sentences: Sequence[Span]) -> npt.NDArray[np.float32]:
        """The same for the sentences of a chunk, in order and in characters of the article: (len(sentences),)."""
        first, last = int(self._first_words[row]), int(self._first_words[row + 1])
        bounds = first + np.searchsorted(self._starts[first:last, 0], np.array(sentences).reshape(-1, 2))
        return _max_sims(self._states.read(bounds.tolist()), bounds[:, 1] - bounds[:, 0], query)


def _max_sims(packed: npt.NDArray[np.uint8], n_words: npt.NDArray[np.int64], query: Vectors) -> npt.NDArray[np.float32]:
    """Of texts whose words stand one behind the other in `packed`, so many of each."""
    found = np.zeros(len(n_words), np.float32)
    if len(query) and len(packed):
        firsts = (np.cumsum(n_words) - n_words)[n_words > 0]
        best = np.maximum.reduceat(cosines_of(packed, query), firsts)
        found[n_words > 0] = best.mean(axis=1).clip(-1, 1)
    return found.round(DECIMALS)


def n_bytes(width: int) -> int:
    """How many bytes a state takes."""
    return (width + 1) // 2


def pack(states: Vectors) -> npt.NDArray[np.uint8]:
    """States of unit length, (n, width), as levels of 4 bits, (n, n_bytes(width)).

    They are turned first, lest few dimensions hold most of a state; the standard deviation of a dimension of a turned
    one is about 1 / sqrt(width).
    """
    width = states.shape[1]
    levels = np.floor(_turned(states) * (width**0.5 / STEP)) + LEVELS // 2
    codes = np.zeros((len(states), 2 * n_bytes(width)), np.uint8)
    codes[:, :width] = levels.clip(0, LEVELS - 1)
    return np.asarray(codes[:, ::2] | codes[:, 1::2] << 4, np.uint8)


def cosines_of(packed: npt.NDArray[np.uint8], query: Vectors) -> npt.NDArray[np.float32]:
    """Cosines of what `pack` made with states, (n_words, width), as far as 4 bits tell: (n, n_words).

    A level stands for (level - 7.5) * STEP / sqrt(width), so the levels need not be written out as numbers first.
    """
    turned, width = _turned(query), query.shape[1]
    odd = np.zeros((packed.shape[1], len(query)), np.float32)
    odd[: width // 2] = turned[:, 1::2].T
    levels = (packed & 15).astype(np.float32) @ turned[:, ::2].T + (packed >> 4).astype(np.float32) @ odd
    cosines: npt.NDArray[np.float32] = (levels - (LEVELS - 1) / 2 * turned.sum(axis=1)) * np.float32(STEP / width**0.5)
    return cosines


def _turned(states: Vectors) -> Vectors:
    """An orthonormal transform, the same for all: it keeps every cosine."""
    return np.asarray(dct(states, norm="ortho"), np.float32) if len(states) else states
