"""Vectors of chunks and of their sentences in plain files, beside Chroma, which finds the nearest of them quickly.

    chunks.rows           (n_chunks,) article (its position in index/articles.py), start, end, first_sentence
    chunk_vectors.f32     (n_chunks, dim) float32
    sentences.i32         (n_sentences, 2) int32: start, end in the article
    sentence_vectors.f16  (n_sentences, dim) float16

Rows are in the order in which they were added, so those of an article lie together and articles are in order of their
positions. The rows of an article that was deleted stay until a build leaves them out (index/drafts.py).

Decision: kept twice, here and in Chroma. Chroma's filters cost 70 to 260 ms at 100,000 chunks and an exact scan of
these files 25 ms (15 without giving its 150 MB of memory back); a chunk that only the keyword leg found needs its
cosine; and Chroma can be built again from them without embedding. Sentences are halved to 16 bits, which moves their
cosines by less than 0.001.
"""

import mmap
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from index.embedding import Vectors
from index.errors import IndexDamagedError
from index.rows import Mask, RowFile, RowWriters, Sizes, keep_rows, mapped
from index.sentences import Span

CHUNKS, CHUNK_VECTORS = "chunks.rows", "chunk_vectors.f32"
SENTENCES, SENTENCE_VECTORS = "sentences.i32", "sentence_vectors.f16"
CHUNK = np.dtype([("article", np.int32), ("start", np.int32), ("end", np.int32), ("first_sentence", np.int64)])
FILES = (CHUNKS, CHUNK_VECTORS, SENTENCES, SENTENCE_VECTORS)
SCANNED_AT_ONCE = 16_384  # rows; a power of two, so that each lot begins a page of memory
FEW = 50  # a scan of less than one in so many rows reads them one by one, else all are read in order

Rows = npt.NDArray[np.int64]


class ChunkPlace(NamedTuple):
    """Where a chunk is: characters `start` to `end` of the article at that position."""

    article: int
    start: int
    end: int


class VectorWriter(RowWriters):
    """Adds chunks with their vectors behind the first `n_chunks` and `n_sentences` of a folder. To be closed.

    Raises:
        IndexDamagedError: the folder holds fewer.
    """

    def __init__(self, folder: Path, *, dim: int, n_chunks: int = 0, n_sentences: int = 0) -> None:
        super().__init__(
            folder,
            (CHUNKS, CHUNK.itemsize, n_chunks),
            (CHUNK_VECTORS, 4 * dim, n_chunks),
            (SENTENCES, 8, n_sentences),
            (SENTENCE_VECTORS, 2 * dim, n_sentences),
        )
        self._chunks, self._chunk_vectors, self._sentences, self._sentence_vectors = self.files

    @property
    def n_chunks(self) -> int:
        """How many there are."""
        return self._chunks.n_rows

    @property
    def n_sentences(self) -> int:
        """How many there are."""
        return self._sentences.n_rows

    def add(self, place: ChunkPlace, vector: Vectors, sentences: Sequence[Span], vectors: Vectors) -> None:
        """Add a chunk with its vector, (dim,), and its sentences with theirs, (len(sentences), dim)."""
        self._chunks.append(np.array([(*place, self.n_sentences)], CHUNK))
        self._chunk_vectors.append(np.asarray(vector, np.float32))
        self._sentences.append(np.array(sentences, np.int32).reshape(-1, 2))
        self._sentence_vectors.append(np.asarray(vectors, np.float16))


def keep_vectors(source: Path, target: Path, kept: Mask, *, dim: int, n_sentences: int, positions: Rows) -> Sizes:
    """Copy those chunks, (n_chunks,), into a new folder, with their sentences, and tell how many there are.

    Args:
        source: a folder of chunks.
        target: is made.
        kept: which chunks.
        dim: of the vectors.
        n_sentences: of all chunks.
        positions: the new position of each article by its old one.
    """
    target.mkdir()
    chunks = np.array(mapped(source / CHUNKS, CHUNK, (len(kept),)))
    n_each = np.diff(np.append(chunks["first_sentence"], n_sentences))
    of_kept = np.repeat(kept, n_each)
    chunks, n_each = chunks[kept], n_each[kept]
    chunks["article"] = positions[chunks["article"]]
    chunks["first_sentence"] = np.cumsum(n_each) - n_each
    chunks.tofile(target / CHUNKS)
    keep_rows(source / CHUNK_VECTORS, target / CHUNK_VECTORS, 4 * dim, kept)
    keep_rows(source / SENTENCES, target / SENTENCES, 8, of_kept)
    keep_rows(source / SENTENCE_VECTORS, target / SENTENCE_VECTORS, 2 * dim, of_kept)
    return Sizes(n_chunks=len(chunks), n_sentences=int(n_each.sum()))


class VectorIndex:
    """The vectors of one generation, for reading; those of chunks are mapped into memory.

    Attributes:
        articles: position of each chunk's article, (n_chunks,), in order; deleted ones included.

    Raises:
        IndexDamagedError: the folder does not hold so many chunks and sentences, or they contradict each other.
    """

    def __init__(self, folder: Path, *, dim: int, n_chunks: int, n_sentences: int) -> None:
        try:
            self._chunks = np.array(mapped(folder / CHUNKS, CHUNK, (n_chunks,)))
            self._sentences = mapped(folder / SENTENCES, np.int32, (n_sentences, 2))
            self._all_vectors = mapped(folder / CHUNK_VECTORS, np.float32, (n_chunks, dim))
            self._chunk_vectors = RowFile(folder / CHUNK_VECTORS, np.float32, (n_chunks, dim))
            self._sentence_vectors = RowFile(folder / SENTENCE_VECTORS, np.float16, (n_sentences, dim))
            self._ends = np.append(self._chunks["first_sentence"][1:], n_sentences)
            if np.any(self._chunks["first_sentence"] > self._ends) or np.any(np.diff(self._chunks["article"]) < 0):
                raise ValueError(f"{CHUNKS} is out of order")
        except (OSError, ValueError) as exc:
            raise IndexDamagedError(f"cannot read the vectors in {str(folder)!r} ({exc}); run: otvet index") from exc
        self.articles: npt.NDArray[np.int32] = self._chunks["article"]

    def __len__(self) -> int:
        return len(self._chunks)

    def place(self, row: int) -> ChunkPlace:
        """Where the chunk of that row is."""
        article, start, end, _ = self._chunks[row].tolist()
        return ChunkPlace(article, start, end)

    def rows_in(self, article: int, start: int, end: int) -> list[int]:
        """Rows of the chunks of an article that lie between two of its characters, in order."""
        return rows_in(self.articles, self._chunks, article, start, end)

    def vectors(self, rows: Rows) -> Vectors:
        """Vectors of those chunks, (len(rows), dim)."""
        return self._chunk_vectors.read((row, row + 1) for row in rows.tolist())

    def cosines(self, vector: Vectors, rows: Rows) -> npt.NDArray[np.float32]:
        """Cosines of those chunks with a vector, (dim,); equal ones of equal chunks."""
        return products(self.vectors(rows), vector)

    def nearest(self, vector: Vectors, *, k: int, mask: Mask) -> Rows:
        """The `k` chunks nearest to a vector, (dim,), among those of the mask, (n_chunks,): exact, in any order."""
        if FEW * np.count_nonzero(mask) < len(mask):
            rows = np.flatnonzero(mask)
        else:
            rows = np.arange(len(mask))
        cosines = self._scan(vector) if len(rows) == len(mask) else self.cosines(vector, rows)
        cosines[~mask[rows]] = -np.inf
        k = min(k, int(np.count_nonzero(mask)))
        return rows[np.argpartition(cosines, -k)[-k:]] if k else np.empty(0, np.int64)

    def _scan(self, vector: Vectors) -> npt.NDArray[np.float32]:
        """Cosines of all chunks, (n_chunks,). What was touched is given back, lest it count as memory from then on."""
        cosines = np.empty(len(self), np.float32)
        row_bytes = self._all_vectors.strides[0]
        for at in range(0, len(self), SCANNED_AT_ONCE):
            some = self._all_vectors[at : at + SCANNED_AT_ONCE]
            cosines[at : at + len(some)] = some @ vector
            cast("mmap.mmap", self._all_vectors.base).madvise(mmap.MADV_DONTNEED, at * row_bytes, len(some) * row_bytes)
        return cosines

    def sentences(self, row: int) -> tuple[list[Span], Vectors]:
        """The sentences of a chunk and their vectors."""
        first, end = int(self._chunks["first_sentence"][row]), int(self._ends[row])
        vectors = self._sentence_vectors.read([(first, end)]).astype(np.float32)
        return [Span(*pair) for pair in self._sentences[first:end].tolist()], vectors

    def best_sentences(self, vector: Vectors, rows: Rows) -> npt.NDArray[np.float32]:
        """The highest cosine that a sentence of each of those chunks has with a vector, (dim,)."""
        firsts, ends = self._chunks["first_sentence"][rows], self._ends[rows]
        spans = zip(firsts.tolist(), ends.tolist(), strict=True)
        return best_of_each(self._sentence_vectors.read(spans), ends - firsts, vector)


def rows_in(
    articles: npt.NDArray[np.integer], chunks: npt.NDArray[Any], article: int, start: int, end: int
) -> list[int]:
    """Rows of the chunks of an article that lie between two of its characters, in order.

    Args:
        articles: position of each chunk's article, (n_chunks,), in order.
        chunks: with the fields `start` and `end`, (n_chunks,).
        article: its position.
        start: the first character.
        end: the character behind the last one.
    """
    first, last = np.searchsorted(articles, [article, article + 1])
    rows = range(int(first), int(last))
    return [row for row in rows if start <= chunks["start"][row] and chunks["end"][row] <= end]


def best_of_each(
    sentences: npt.NDArray[np.float16], n_each: npt.NDArray[np.int64], vector: Vectors
) -> npt.NDArray[np.float32]:
    """The highest cosine with a vector, (dim,), among the sentences of each chunk, which stand one behind the other."""
    if not len(n_each):
        return np.empty(0, np.float32)
    cosines = products(sentences.astype(np.float32), vector)
    best: npt.NDArray[np.float32] = np.maximum.reduceat(cosines, np.cumsum(n_each) - n_each)
    return best


def products(vectors: Vectors, vector: Vectors) -> npt.NDArray[np.float32]:
    """Dot products, (n,). BLAS adds in another order in a matrix's last rows, so reprints would get other scores."""
    found: npt.NDArray[np.float32] = np.einsum("ij,j->i", vectors, vector)
    return found
