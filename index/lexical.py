"""The keyword leg: BM25 over stems, built with the generation and only read afterwards.

Decision: bm25s. An index is always built whole and published whole, so appending is not needed; a query over 100,000
chunks takes about 1 ms and the files can be mapped into memory. PyStemmer's stems find nearly what pymorphy3's lemmas
find (recall@1 on 240 Russian paragraphs 0.910 against 0.918, unstemmed words 0.808) in a fortieth of the time.
"""

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from index.errors import IndexDamagedError
from index.records import Chunk
from index.text import terms

if TYPE_CHECKING:
    pass

K1, B = 1.2, 0.75
CHUNK_IDS = "chunk_ids.npy"
ARTICLE_ID_CHARS = 16

Scores = npt.NDArray[np.float32]


class LexicalWriter:
    """Collects the chunks of a generation. A term costs 8 bytes until `save`."""

    def __init__(self) -> None:
        self._vocabulary: dict[str, int] = {}
        self._rows: list[list[int]] = []
        self._chunk_ids: list[str] = []

    def add(self, chunks: Sequence[Chunk]) -> None:
        """Add chunks behind those that are there."""
        for chunk in chunks:
            self._rows.append([self._vocabulary.setdefault(t, len(self._vocabulary)) for t in terms(chunk.text)])
            self._chunk_ids.append(chunk.chunk_id)

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
        np.save(folder / CHUNK_IDS, np.array(self._chunk_ids, dtype=np.bytes_))


class LexicalIndex:
    """The keyword leg of one generation, for reading. Safe between threads.

    Attributes:
        chunk_ids: the id of each row, bytes, (n_chunks,).

    Raises:
        IndexDamagedError: the folder holds no readable index.
    """

    def __init__(self, folder: Path) -> None:
        from bm25s import BM25

        try:
            self._bm25: BM25 = BM25.load(folder, mmap=True, show_progress=False)
            self.chunk_ids: npt.NDArray[np.bytes_] = np.load(folder / CHUNK_IDS, mmap_mode="r")
            columns: Any = self._bm25.scores["indptr"]
            n_with_term = np.diff(columns)
        except (OSError, ValueError, KeyError, EOFError, json.JSONDecodeError) as exc:
            raise IndexDamagedError(f"cannot read the keyword index {str(folder)!r} ({exc}); run: otvet index") from exc
        self._article_ids = self.chunk_ids.astype(f"S{ARTICLE_ID_CHARS}")  # cuts ":start-end" off
        n = len(self.chunk_ids)
        self._weights = np.log1p((n - n_with_term + 0.5) / (n_with_term + 0.5))
        self._unknown = float(np.log1p((n + 0.5) / 0.5))

    def ids_of(self, rows: Sequence[int]) -> list[str]:
        """Chunk ids of those rows."""
        return [self.chunk_ids[row].decode() for row in rows]

    def rows_of(self, article_ids: Sequence[str]) -> npt.NDArray[np.bool_]:
        """Which rows are chunks of one of the articles, (n_chunks,)."""
        return np.isin(self._article_ids, np.array(article_ids, dtype=np.bytes_))

    def scores(self, query: str) -> Scores:
        """How much of the query's weight each chunk holds, (n_chunks,), in [0, 1).

        BM25 as Lucene computes it (Robertson, Zaragoza, 2009; without the constant k1 + 1), divided by the sum of the
        inverse document frequencies of the query's terms. So a query whose words are mostly not in the corpus, such as
        an English one over Russian articles, scores near 0 whatever the few common words do.
        """
        asked = list(dict.fromkeys(terms(query)))
        known = [term for term in asked if term in self._bm25.vocab_dict]
        if not known:
            return np.zeros(len(self.chunk_ids), np.float32)
        weight = sum(float(self._weights[self._bm25.vocab_dict[term]]) for term in known)
        total = weight + self._unknown * (len(asked) - len(known))
        return np.asarray(self._bm25.get_scores(known), np.float32) / np.float32(total)
