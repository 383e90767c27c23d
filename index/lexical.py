"""The keyword leg: BM25 over stems and keys of names, built with the generation and only read afterwards.

Decision: bm25s. An index is always built whole and published whole, so appending is not needed; a query over 100,000
chunks takes about 1 ms and the files can be mapped into memory. PyStemmer's stems find nearly what pymorphy3's lemmas
find (fused, recall@1 of Russian questions 0.956 against 0.958) in a fortieth of the time.

Decision: k1 = 0.6 and b = 0.5 rather than the usual 1.2 and 0.75. That a word is there says more than how often, and
fused with the dense leg it finds more: recall@1 0.956 / 0.905 (Russian / English questions) against 0.953 / 0.902.
Both were measured on 2026-11-22, before late interaction was there.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from index.errors import IndexDamagedError
from index.names import name_keys
from index.text import terms

K1, B = 0.6, 0.5
NAME = "~"  # before the key of a name, so that it is no stem's equal

Scores = npt.NDArray[np.float32]
Alternatives = Mapping[str, float]
"""Terms that stand for one word of a query, with weights in (0, 1]; the first is the word's own."""


def chunk_terms(text: str) -> list[str]:
    """What a chunk is found by: its terms, and the keys of its names with `NAME` before them."""
    return [*terms(text), *(NAME + key for key in name_keys(text))]


class LexicalWriter:
    """Collects the chunks of a generation. A term costs 8 bytes until `save`."""

    def __init__(self) -> None:
        self._vocabulary: dict[str, int] = {}
        self._rows: list[list[int]] = []

    def add(self, texts: Sequence[str]) -> None:
        """Add chunks behind those that are there."""
        for text in texts:
            self._rows.append([self._vocabulary.setdefault(t, len(self._vocabulary)) for t in chunk_terms(text)])

    def save(self, folder: Path) -> None:
        """Build the index and write it into a new folder."""
        from bm25s import BM25
        from bm25s.tokenization import Tokenized

        if not self._vocabulary:  # bm25s divides by the mean number of terms; no query has the empty one
            self._vocabulary, self._rows = {"": 0}, [[0] for _ in self._rows]
        logging.getLogger("bm25s").setLevel(logging.WARNING)  # it sets itself to DEBUG
        bm25 = BM25(method="lucene", k1=K1, b=B)
        bm25.index(Tokenized(ids=self._rows, vocab=self._vocabulary), create_empty_token=False, show_progress=False)
        bm25.save(folder, show_progress=False)


class LexicalIndex:
    """The keyword leg of one generation, for reading. Safe between threads.

    Raises:
        IndexDamagedError: the folder holds no readable index.
    """

    def __init__(self, folder: Path) -> None:
        from bm25s import BM25

        try:
            bm25: BM25 = BM25.load(folder, mmap=True, show_progress=False)
            columns: Any = bm25.scores
            self._scores, self._rows, self._starts = columns["data"], columns["indices"], np.array(columns["indptr"])
            self._n_chunks = int(columns["num_docs"])
            self._columns: dict[str, int] = bm25.vocab_dict
        except (OSError, ValueError, KeyError, EOFError, json.JSONDecodeError) as exc:
            raise IndexDamagedError(f"cannot read the keyword index {str(folder)!r} ({exc}); run: otvet index") from exc
        n_with_term = np.diff(self._starts)
        self._weights = np.log1p((self._n_chunks - n_with_term + 0.5) / (n_with_term + 0.5))
        self._unknown = float(np.log1p((self._n_chunks + 0.5) / 0.5))

    def __len__(self) -> int:
        return self._n_chunks

    def __contains__(self, term: str) -> bool:
        return term in self._columns

    def shares(self, query: Sequence[Alternatives]) -> Scores:
        """How much of the query's weight each chunk holds, (n_chunks,), in [0, 1).

        BM25 as Lucene computes it (Robertson, Zaragoza, 2009; without the constant k1 + 1), divided by the sum of the
        inverse document frequencies of the query's words. Of a word's alternatives the one that gives a chunk most
        counts, for no more than the word itself weighs. A word that has none in the articles weighs as the rarest one,
        so a query whose words are mostly not in the corpus scores near 0 whatever the few common words do.
        """
        total = 0.0
        shares = np.zeros(self._n_chunks, np.float32)
        for alternatives in query:
            known = [(self._columns[term], weight) for term, weight in alternatives.items() if term in self._columns]
            if not known:
                total += self._unknown
                continue
            own = self._columns.get(next(iter(alternatives)))
            whole = float(self._weights[own] if own is not None else max(self._weights[at] for at, _ in known))
            total += whole
            shares += self._best([(at, weight * min(1.0, whole / self._weights[at])) for at, weight in known])
        return shares / np.float32(total) if total else shares

    def _best(self, known: Sequence[tuple[int, float]]) -> Scores:
        best = np.zeros(self._n_chunks, np.float32)
        for column, weight in known:
            span = slice(self._starts[column], self._starts[column + 1])
            rows = self._rows[span]
            best[rows] = np.maximum(best[rows], np.float32(weight) * self._scores[span])
        return best
