"""Late interaction: each word of a query looks for the word of a chunk that is nearest to it, both seen in context.

    MaxSim = mean over the query's words of the highest cosine with a word of the chunk
    (Khattab, Zaharia, "ColBERT", 2020, with a mean for their sum)

    word_ends.i64     (n_chunks,) int64: where each chunk's words end, and the next one's begin
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

import numpy as np
import numpy.typing as npt
from scipy.fft import dct, idct

from index.embedding import Vectors
from index.errors import IndexDamagedError
from index.rows import Mask, RowFile, RowWriters, keep_rows, mapped
from index.sentences import Span
from index.vectors import Rows

WORD_ENDS, WORD_STARTS, STATES = "word_ends.i64", "word_starts.i32", "states.u4"
FILES = (WORD_ENDS, WORD_STARTS, STATES)
DECIMALS = 5  # BLAS adds in another order in a matrix's last rows, and reprints are to have equal scores
LEVELS = 16
WIDEST = 2.7  # standard deviations of a dimension; what is farther out counts as this
STEP = 2 * WIDEST / (LEVELS - 1)  # between two levels, in standard deviations


class LateWriter(RowWriters):
    """Adds the words of chunks behind the first `n_chunks` and `n_words` of a folder. To be closed.

    Raises:
        IndexDamagedError: the folder holds fewer.
    """

    def __init__(self, folder: Path, *, width: int, n_chunks: int = 0, n_words: int = 0) -> None:
        super().__init__(folder, (WORD_ENDS, 8, n_chunks), (WORD_STARTS, 4, n_words), (STATES, n_bytes(width), n_words))
        self._ends, self._starts, self._states = self.files

    @property
    def n_words(self) -> int:
        """How many there are."""
        return self._states.n_rows

    def add(self, starts: Sequence[int], states: Vectors) -> None:
        """Add a chunk by its words: where they begin in the article, and their states, (n_words, width)."""
        self._starts.append(np.array(starts, np.int32))
        self._states.append(pack(states))
        self._ends.append(np.array([self.n_words], np.int64))


def keep_words(source: Path, target: Path, kept: Mask, *, width: int) -> int:
    """Copy the words of those chunks, (n_chunks,), into a new folder, and tell how many they are."""
    target.mkdir()
    ends = np.array(mapped(source / WORD_ENDS, np.int64, (len(kept),)))
    n_each = np.diff(ends, prepend=0)
    of_kept = np.repeat(kept, n_each)
    np.cumsum(n_each[kept]).tofile(target / WORD_ENDS)
    keep_rows(source / WORD_STARTS, target / WORD_STARTS, 4, of_kept)
    keep_rows(source / STATES, target / STATES, n_bytes(width), of_kept)
    return int(n_each[kept].sum())


class LateIndex:
    """The words of one generation's chunks, for reading. Safe between threads.

    Attributes:
        width: of a state.
        n_words: of all chunks.

    Raises:
        IndexDamagedError: the folder does not hold the words of so many chunks.
    """

    def __init__(self, folder: Path, *, width: int, n_chunks: int) -> None:
        self.width = width
        try:
            ends = mapped(folder / WORD_ENDS, np.int64, (n_chunks,))
            self._first_words = np.concatenate([np.zeros(1, np.int64), ends])
            if np.any(np.diff(self._first_words) < 0):
                raise ValueError(f"{WORD_ENDS} does not hold places of words")
            self.n_words = int(self._first_words[-1])
            self._starts = mapped(folder / WORD_STARTS, np.int32, (self.n_words,))
            self._states = RowFile(folder / STATES, np.uint8, (self.n_words, n_bytes(width)))
        except (OSError, ValueError) as exc:
            raise IndexDamagedError(
                f"cannot read the chunks' words in {str(folder)!r} ({exc}); run: otvet index"
            ) from exc

    def __len__(self) -> int:
        return len(self._first_words) - 1

    def words(self, row: int) -> tuple[list[int], npt.NDArray[np.uint8]]:
        """Where each word of a chunk begins in the article, and their states as `pack` makes them."""
        first, last = int(self._first_words[row]), int(self._first_words[row + 1])
        return self._starts[first:last].tolist(), self._states.read([(first, last)])

    def max_sims(self, query: Vectors, rows: Rows) -> npt.NDArray[np.float32]:
        """MaxSim of those chunks with the states of a query's words, (n_words, width): (len(rows),), in [-1, 1].

        0 for a chunk, and for a query, without words.
        """
        firsts, ends = self._first_words[rows], self._first_words[rows + 1]
        packed = self._states.read(zip(firsts.tolist(), ends.tolist(), strict=True))
        return max_sims_of(packed, ends - firsts, query)

    def of_sentences(self, query: Vectors, row: int, sentences: Sequence[Span]) -> npt.NDArray[np.float32]:
        """The same for the sentences of a chunk, in order and in characters of the article: (len(sentences),)."""
        first, last = int(self._first_words[row]), int(self._first_words[row + 1])
        bounds = first + np.searchsorted(self._starts[first:last], np.array(sentences).reshape(-1, 2))
        return max_sims_of(self._states.read(bounds.tolist()), bounds[:, 1] - bounds[:, 0], query)


def max_sims_of(
    packed: npt.NDArray[np.uint8], n_words: npt.NDArray[np.int64], query: Vectors
) -> npt.NDArray[np.float32]:
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


def levels_of(packed: npt.NDArray[np.uint8], width: int) -> npt.NDArray[np.int32]:
    """Levels as odd numbers around 0, (n, width); twice the distance from the middle, so that they add exactly."""
    levels = np.empty((len(packed), 2 * packed.shape[1]), np.int32)
    levels[:, ::2], levels[:, 1::2] = packed & 15, packed >> 4
    return 2 * levels[:, :width] - (LEVELS - 1)


def states_of(levels: npt.NDArray[np.floating]) -> Vectors:
    """States out of what `levels_of` gives, or of means of them, (n, width), as far as 4 bits tell."""
    turned = np.asarray(levels, np.float32) * np.float32(STEP / 2 / levels.shape[1] ** 0.5)
    return np.asarray(idct(turned, norm="ortho"), np.float32) if len(levels) else turned


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
