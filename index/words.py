"""Words that are near in meaning: what stands in the articles for a word of a query that they do not hold.

A word's vector is the mean, over all chunks that hold it, of its states there, as index/late_interaction.py keeps them;
a query's word has the states of the query itself. Both come with passes of the model that are made anyway. What all
words of an alphabet have in common (language, prompt) is taken off by subtracting a mean: of the words here on this
side, of `QUESTIONS` on the other.

    terms.npy, vectors.npy, means.npy          the most frequent words, for readers
    all_terms.txt, counts.npy, sums.i32        all of them, for the next build: sums of levels (`levels_of`), (n_terms,
                                               width) int32, to which an article adds and from which it is taken again
                                               exactly

Decision: the 4-bit states of chunks, not the states of sentences, which are not kept. Measured on 2026-11-25, recall@1
of the whole search, Russian / English questions: 0.962 / 0.917 instead of 0.961 / 0.913.

Measured on 2026-11-22 with states of sentences, on XQuAD, English questions over 120 Russian paragraphs, keyword leg
alone, recall@1 / @5: stems only 0.10 / 0.23; with the nearest words here 0.75 / 0.94. Words embedded alone, without
their sentences, reach 0.67 / 0.86 and cost a pass of the model each. Other layers than the last, a reduction to 64 to
192 dimensions and other means (of all questions asked, of the words here for both sides) were no better once fused.
"""

import mmap
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import numpy.typing as npt

from index.embedding import EmbeddingModel, Vectors
from index.encoding import Encoding
from index.errors import IndexDamagedError
from index.late_interaction import levels_of, states_of
from index.text import Alphabet, alphabet, fold, is_stop_word, stem

TERMS, VECTORS, MEANS = "terms.npy", "vectors.npy", "means.npy"
ALL_TERMS, COUNTS, SUMS = "all_terms.txt", "counts.npy", "sums.i32"
WORDS_AT_ONCE = 32_768  # their levels take 1.5 kB each
MAX_WORDS = 30_000  # the most frequent; 1.5 kB each, and 9 ms a question for all (29 ms for 100,000)
MAX_CHARS = 40  # of a word; on disk every term takes the room of the longest
NEAREST = 5
MIN_SIMILARITY = 0.4  # between centred vectors
MIN_OF_BEST = 0.6  # of the best one's similarity
ALPHABETS: tuple[Alphabet, ...] = ("cyrillic", "other")
# Plain questions that tell the states of a query's words in general from those of one word.
QUESTIONS: dict[Alphabet, tuple[str, ...]] = {
    "other": (
        "Who is the president of the country?",
        "What did the minister say about the new law?",
        "How many people were killed in the attack?",
        "When did the company open its plant?",
        "Where was the agreement signed?",
        "Why did the price of oil fall last year?",
        "Which city hosted the games?",
        "What is the name of the ship that sank near the coast?",
        "How much money did the bank lend to the government?",
        "Who won the election in the region?",
        "What weapons were sent to the army?",
        "How long did the trial of the journalist last?",
    ),
    "cyrillic": (
        "Кто президент страны?",
        "Что сказал министр о новом законе?",
        "Сколько человек погибло при нападении?",
        "Когда компания открыла завод?",
        "Где было подписано соглашение?",
        "Почему в прошлом году упала цена на нефть?",
        "Какой город принимал игры?",
        "Как называется корабль, который затонул у берега?",
        "Сколько денег банк одолжил правительству?",
        "Кто победил на выборах в регионе?",
        "Какое оружие отправили армии?",
        "Сколько длился суд над журналистом?",
    ),
}


class WordSums:
    """Adds up the states of words, in a file. Memory holds one lot of them.

    Sums may be differences: what is removed need not have been added before, and counts may then be negative.

    Args:
        path: the file; what it holds of `terms` is added to.
        width: of a state.
        terms: those whose sums are in the file, in order.
        counts: how many words were added up to each, (len(terms),).
    """

    def __init__(
        self, path: Path, width: int, *, terms: Sequence[str] = (), counts: npt.NDArray[np.int64] | None = None
    ) -> None:
        path.touch()
        self._path, self.width = path, width
        self._rows = {term: row for row, term in enumerate(terms)}
        self._counts = counts if counts is not None else np.zeros(len(terms), np.int64)
        self._waiting: list[tuple[int, list[int], npt.NDArray[np.uint8]]] = []
        self._n_waiting = 0

    def add(self, words: Sequence[str], packed: npt.NDArray[np.uint8]) -> None:
        """Add the words of a chunk, as `fold` gives them, with their states as index/late_interaction.py packs them."""
        self._take(1, words, packed)

    def remove(self, words: Sequence[str], packed: npt.NDArray[np.uint8]) -> None:
        """Take away what is added by the same words with the same states."""
        self._take(-1, words, packed)

    def read(self) -> "Sums":
        """What was added up so far; it is not to be used any more when the next word is added."""
        self._add_up()
        return Sums(list(self._rows), self._counts, self._sums())

    def _take(self, sign: int, words: Sequence[str], packed: npt.NDArray[np.uint8]) -> None:
        kept = [at for at, word in enumerate(words) if len(word) <= MAX_CHARS]
        rows = [self._rows.setdefault(stem(words[at]), len(self._rows)) for at in kept]
        self._waiting.append((sign, rows, packed[kept]))
        self._n_waiting += len(kept)
        if self._n_waiting >= WORDS_AT_ONCE:
            self._add_up()

    def _add_up(self) -> None:
        rows = np.array([row for _, rows, _ in self._waiting for row in rows], np.int64)
        if len(rows):
            signs = np.repeat([sign for sign, _, _ in self._waiting], [len(rows) for _, rows, _ in self._waiting])
            levels = levels_of(np.concatenate([packed for _, _, packed in self._waiting]), self.width)
            levels *= signs[:, None].astype(np.int32)
            order = np.argsort(rows, kind="stable")
            found, firsts = np.unique(rows[order], return_index=True)
            self._counts = np.append(self._counts, np.zeros(len(self._rows) - len(self._counts), np.int64))
            self._counts += np.bincount(rows, signs, minlength=len(self._counts)).astype(np.int64)
            sums = self._sums()
            sums[found] += np.add.reduceat(levels[order], firsts)
            cast("mmap.mmap", sums.base).madvise(mmap.MADV_DONTNEED)  # else all that was touched counts as memory
        self._waiting, self._n_waiting = [], 0

    def _sums(self) -> npt.NDArray[np.int32]:
        """The file of sums, (n_terms, width), as long as there are terms."""
        if not self._rows:
            return np.empty((0, self.width), np.int32)
        os.truncate(self._path, 4 * self.width * len(self._rows))
        return np.memmap(self._path, np.int32, "r+", shape=(len(self._rows), self.width))


class Sums(NamedTuple):
    """What words add up to: terms, how many words of each, (n,), and the sums of their levels, (n, width)."""

    terms: list[str]
    counts: npt.NDArray[np.int64]
    sums: npt.NDArray[np.int32]


class FrequentWords(NamedTuple):
    """What queries are compared with.

    Attributes:
        terms: the most frequent first; equally frequent ones by their code points.
        vectors: less what all words of their alphabet have in common, (n, width), unit length.
        means: those of `mean_states`, (2, width), which queries are told by.
    """

    terms: list[str]
    vectors: Vectors
    means: Vectors


def frequent_words(words: Sums, means: Vectors) -> FrequentWords:
    """The `MAX_WORDS` most frequent of some words. The same words give the same value, however they were added up."""
    kept = _most_frequent(words)
    terms, counts = [words.terms[row] for row in kept], words.counts[kept]
    levels = words.sums[kept].astype(np.float32) / counts[:, None]
    vectors = states_of(np.asarray(levels, np.float32))
    is_cyrillic = _is_cyrillic(terms)
    for mask in (~is_cyrillic, is_cyrillic):
        if mask.any():
            vectors[mask] -= _weighted_mean(vectors[mask], counts[mask])
    return FrequentWords(terms, _unit(vectors), means)


def _most_frequent(words: Sums) -> list[int]:
    """Rows of the words that are kept, in their order."""
    there = np.flatnonzero(words.counts > 0)
    if len(there) > MAX_WORDS:
        least = np.partition(words.counts[there], -MAX_WORDS)[-MAX_WORDS]
        there = there[words.counts[there] >= least]
    ranked = sorted(zip((-words.counts[there]).tolist(), (words.terms[row] for row in there), there, strict=True))
    return [int(row) for _, _, row in ranked[:MAX_WORDS]]


def _is_cyrillic(terms: Sequence[str]) -> npt.NDArray[np.bool_]:
    return np.array([alphabet(term) == "cyrillic" for term in terms], np.bool_)


class WordWriter:
    """Adds up the words of a generation's chunks, in a folder that it makes.

    Args:
        folder: is made.
        means: those of `mean_states`, which queries are told by.
        base: a folder to go on from; only what differs from it is then added and removed.

    Raises:
        IndexDamagedError: `base` cannot be read, or is of another width.
    """

    def __init__(self, folder: Path, means: Vectors, *, base: Path | None = None) -> None:
        folder.mkdir()
        self._folder, self._means = folder, means
        width = means.shape[1]
        self._sums = WordSums(folder / SUMS, width) if base is None else _taken_over(base, folder, width)

    def add(self, words: Sequence[str], packed: npt.NDArray[np.uint8]) -> None:
        """See `WordSums.add`."""
        self._sums.add(words, packed)

    def remove(self, words: Sequence[str], packed: npt.NDArray[np.uint8]) -> None:
        """See `WordSums.remove`."""
        self._sums.remove(words, packed)

    def save(self) -> None:
        """Complete the files."""
        words = self._sums.read()
        (self._folder / ALL_TERMS).write_text("\n".join(words.terms), "utf-8")
        np.save(self._folder / COUNTS, words.counts)
        frequent = frequent_words(words, self._means)
        np.save(self._folder / TERMS, np.array(frequent.terms, np.str_))
        np.save(self._folder / VECTORS, frequent.vectors)
        np.save(self._folder / MEANS, frequent.means)


def _taken_over(base: Path, folder: Path, width: int) -> WordSums:
    """The sums of a folder, copied into another one."""
    try:
        text = (base / ALL_TERMS).read_text("utf-8")
        terms = text.split("\n") if text else []
        counts = np.load(base / COUNTS)
        if (base / SUMS).stat().st_size != 4 * width * len(terms) or len(counts) != len(terms):
            raise ValueError("terms, counts and sums do not belong together")
        shutil.copyfile(base / SUMS, folder / SUMS)
    except (OSError, ValueError, EOFError) as exc:
        raise IndexDamagedError(f"cannot read the words in {str(base)!r} ({exc}); run: otvet index") from exc
    return WordSums(folder / SUMS, width, terms=terms, counts=counts)


def _read_frequent_words(folder: Path) -> FrequentWords:
    try:
        terms = np.load(folder / TERMS)
        vectors = np.load(folder / VECTORS, mmap_mode="r")
        means = np.load(folder / MEANS)
        if terms.dtype.kind != "U" or vectors.shape != (len(terms), *means.shape[1:]) or len(means) != 2:
            raise ValueError("words, vectors and means do not belong together")
    except (OSError, ValueError, EOFError) as exc:
        raise IndexDamagedError(f"cannot read the words in {str(folder)!r} ({exc}); run: otvet index") from exc
    return FrequentWords(terms.tolist(), vectors, means)


class WordIndex:
    """The words of one generation, for reading. Safe between threads."""

    def __init__(self, words: FrequentWords) -> None:
        self._terms, self._vectors, self._means = words
        self._is_cyrillic = _is_cyrillic(self._terms)
        self.width = int(self._means.shape[1])

    @classmethod
    def read(cls, folder: Path) -> "WordIndex":
        """The words that a `WordWriter` saved in that folder.

        Raises:
            IndexDamagedError: it does not hold them.
        """
        return cls(_read_frequent_words(folder))

    def nearest(self, query: str, encoding: Encoding, *, known: set[str]) -> dict[str, dict[str, float]]:
        """For each word of a query, as `fold` gives it: stems that are near in meaning, with similarities in (0, 1].

        Of a word in `known` only stems of the other alphabet are given, as the articles hold the word itself. Stop
        words have none.
        """
        words, _, states = content_words(query, encoding, self._means)
        asked = {word: row for row, word in enumerate(words)}
        if not asked or not self._terms:
            return {}
        similarities = (self._vectors @ states[list(asked.values())].T).T.copy()
        for row, word in zip(similarities, asked, strict=True):
            if word in known:
                row[self._is_cyrillic if alphabet(word) == "cyrillic" else ~self._is_cyrillic] = 0
        return {word: self._best(row) for word, row in zip(asked, similarities, strict=True)}

    def states(self, query: str, encoding: Encoding) -> Vectors:
        """The states of a query's words as `content_words` gives them, (n_words, width)."""
        return content_words(query, encoding, self._means).states

    def _best(self, similarities: npt.NDArray[np.float32]) -> dict[str, float]:
        near = np.flatnonzero(similarities >= max(MIN_SIMILARITY, MIN_OF_BEST * float(similarities.max())))
        best = near[np.argsort(similarities[near])[-NEAREST:]]
        return {self._terms[row]: float(similarities[row]) for row in best}


def kept_means(folder: Path) -> Vectors | None:
    """The means that the words in a folder were written with; None where they cannot be read."""
    try:
        means: Vectors = np.load(folder / MEANS)
    except (OSError, ValueError, EOFError):
        return None
    return means if means.ndim == 2 and len(means) == len(ALPHABETS) else None


def mean_states(model: EmbeddingModel) -> Vectors:
    """What the states of all words of a question have in common, (2, width), a row for each of `ALPHABETS`."""
    return np.array([_mean_state(model, QUESTIONS[name]) for name in ALPHABETS], np.float32)


class ContentWords(NamedTuple):
    """The words of a text that are no stop words, in order.

    Attributes:
        words: as `fold` gives them.
        starts: where each begins in the text.
        states: less what all words of their alphabet have in common, (n_words, width), unit length.
    """

    words: list[str]
    starts: list[int]
    states: Vectors


def content_words(text: str, encoding: Encoding, means: Vectors) -> ContentWords:
    """What a query or a passage is compared by, word for word; `means` are those of `mean_states`."""
    words = [fold(text[start:end]) for start, end in encoding.words]
    kept = [row for row, word in enumerate(words) if not is_stop_word(word)]
    common = means[[ALPHABETS.index(alphabet(words[row])) for row in kept]]
    states = _unit(encoding.word_vectors[kept] - common)
    return ContentWords([words[row] for row in kept], [encoding.words[row].start for row in kept], states)


def _mean_state(model: EmbeddingModel, questions: Sequence[str]) -> Vectors:
    encodings = [model.encode_query(question) for question in questions]
    states = np.concatenate([encoding.word_vectors for encoding in encodings])
    mean: Vectors = states.mean(axis=0) if len(states) else np.zeros(states.shape[1], np.float32)
    return mean


def _weighted_mean(vectors: Vectors, weights: npt.NDArray[np.int64]) -> Vectors:
    return np.asarray(weights.astype(np.float32) @ vectors / np.float32(weights.sum()), np.float32)


def _unit(vectors: npt.NDArray[np.floating]) -> Vectors:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-12), np.float32)
