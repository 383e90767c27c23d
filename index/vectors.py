"""Vectors of chunks and of their sentences in plain files, beside Chroma, which finds the nearest of them quickly.

    chunks.npy            (n_chunks,) article (its position among the articles), start, end, first_sentence
    chunk_vectors.f32     (n_chunks, dim) float32
    sentences.npy         (n_sentences, 2) int32: start, end in the article
    sentence_vectors.f16  (n_sentences, dim) float16

Decision: kept twice, here and in Chroma. Chroma's filters cost 70 to 260 ms at 100,000 chunks and an exact scan of
these files 25 ms (15 without giving its 150 MB of memory back); a chunk that only the keyword leg found needs its
cosine; and Chroma can be built again from them without embedding. Sentences are halved to 16 bits, which moves their
cosines by less than 0.001.
"""

import mmap
import os
import weakref
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from index.embedding import Vectors
from index.errors import IndexDamagedError
from index.sentences import Span

CHUNKS, CHUNK_VECTORS = "chunks.npy", "chunk_vectors.f32"
SENTENCES, SENTENCE_VECTORS = "sentences.npy", "sentence_vectors.f16"
CHUNK = np.dtype([("article", np.int32), ("start", np.int32), ("end", np.int32), ("first_sentence", np.int64)])
SCANNED_AT_ONCE = 16_384  # rows; a power of two, so that each lot begins a page of memory
FEW = 50  # a scan of less than one in so many rows reads them one by one, else all are read in order

Rows = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


class ChunkPlace(NamedTuple):
    """Where a chunk is: characters `start` to `end` of the article at that position."""

    article: int
    start: int
    end: int


class VectorWriter:
    """Writes the vectors of a generation, chunk after chunk. A context manager; leaving it completes the files."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self._chunks: list[tuple[int, int, int, int]] = []
        self._sentences: list[tuple[int, int]] = []
        self._chunk_vectors: BinaryIO = (folder / CHUNK_VECTORS).open("wb")
        self._sentence_vectors: BinaryIO = (folder / SENTENCE_VECTORS).open("wb")

    def __enter__(self) -> "VectorWriter":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._chunk_vectors.close()
        self._sentence_vectors.close()
        np.save(self._folder / CHUNKS, np.array(self._chunks, CHUNK))
        np.save(self._folder / SENTENCES, np.array(self._sentences, np.int32).reshape(-1, 2))

    def add(self, place: ChunkPlace, vector: Vectors, sentences: Sequence[Span], vectors: Vectors) -> None:
        """Add a chunk with its vector, (dim,), and its sentences with theirs, (len(sentences), dim)."""
        self._chunks.append((*place, len(self._sentences)))
        self._sentences.extend(sentences)
        self._chunk_vectors.write(np.ascontiguousarray(vector, np.float32).tobytes())
        self._sentence_vectors.write(np.ascontiguousarray(vectors, np.float16).tobytes())


class VectorIndex:
    """The vectors of one generation, for reading; those of chunks are mapped into memory.

    Attributes:
        articles: position of each chunk's article, (n_chunks,).

    Raises:
        IndexDamagedError: the folder does not hold what a `VectorWriter` writes.
    """

    def __init__(self, folder: Path, *, dim: int) -> None:
        try:
            self._chunks = np.load(folder / CHUNKS)
            self._sentences = np.load(folder / SENTENCES, mmap_mode="r")
            if self._chunks.dtype != CHUNK or self._sentences.shape[1:] != (2,):
                raise ValueError(f"{CHUNKS} or {SENTENCES} has other columns")
            self._all_vectors = mapped(folder / CHUNK_VECTORS, np.float32, (len(self._chunks), dim))
            self._chunk_vectors = RowFile(folder / CHUNK_VECTORS, np.float32, (len(self._chunks), dim))
            self._sentence_vectors = RowFile(folder / SENTENCE_VECTORS, np.float16, (len(self._sentences), dim))
        except (OSError, ValueError, EOFError) as exc:
            raise IndexDamagedError(f"cannot read the vectors in {str(folder)!r} ({exc}); run: otvet index") from exc
        self.articles: npt.NDArray[np.int32] = self._chunks["article"]
        self._ends = np.append(self._chunks["first_sentence"][1:], len(self._sentences))

    def __len__(self) -> int:
        return len(self._chunks)

    def place(self, row: int) -> ChunkPlace:
        """Where the chunk of that row is."""
        article, start, end, _ = self._chunks[row].tolist()
        return ChunkPlace(article, start, end)

    def rows_in(self, article: int, start: int, end: int) -> list[int]:
        """Rows of the chunks of an article that lie between two of its characters, in order."""
        first, last = np.searchsorted(self.articles, [article, article + 1])
        rows = range(int(first), int(last))
        return [row for row in rows if start <= self._chunks["start"][row] and self._chunks["end"][row] <= end]

    def vectors(self, rows: Rows) -> Vectors:
        """Vectors of those chunks, (len(rows), dim)."""
        return self._chunk_vectors.read((row, row + 1) for row in rows.tolist())

    def cosines(self, vector: Vectors, rows: Rows) -> npt.NDArray[np.float32]:
        """Cosines of those chunks with a vector, (dim,); equal ones of equal chunks."""
        return _products(self.vectors(rows), vector)

    def nearest(self, vector: Vectors, *, k: int, mask: Mask) -> Rows:
        """The `k` chunks nearest to a vector, (dim,), among those of the mask, (n_chunks,): exact, in any order."""
        if FEW * np.count_nonzero(mask) < len(mask):
            rows = np.flatnonzero(mask)
        else:
            rows = np.arange(len(mask))
        cosines = self._scan(vector) if len(rows) == len(mask) else self.cosines(vector, rows)
        cosines[~mask[rows]] = -2
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
        if not len(rows):
            return np.empty(0, np.float32)
        spans = zip(firsts.tolist(), ends.tolist(), strict=True)
        cosines = _products(self._sentence_vectors.read(spans).astype(np.float32), vector)
        best: npt.NDArray[np.float32] = np.maximum.reduceat(cosines, np.cumsum(ends - firsts) - (ends - firsts))
        return best


def _products(vectors: Vectors, vector: Vectors) -> npt.NDArray[np.float32]:
    """Dot products, (n,). BLAS adds in another order in a matrix's last rows, so reprints would get other scores."""
    products: npt.NDArray[np.float32] = np.einsum("ij,j->i", vectors, vector)
    return products


class RowFile:
    """Rows of a plain file, read when they are asked for. Safe between threads.

    A mapped file counts as memory of the process as far as it was ever touched; of this one nothing stays. It is closed
    with the last reference to it.

    Raises:
        OSError: it cannot be opened.
        ValueError: it is of another size.
    """

    def __init__(self, path: Path, dtype: type[np.number], shape: tuple[int, int]) -> None:
        _check_size(path, dtype, shape)
        self._descriptor = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._descriptor)
        self._dtype, self._width = np.dtype(dtype), shape[1]

    def read(self, spans: Iterable[tuple[int, int]]) -> npt.NDArray[Any]:
        """The rows from the first to before the last of each span, one span behind the other, (n, width)."""
        n_bytes = self._dtype.itemsize * self._width
        pieces = [os.pread(self._descriptor, n_bytes * (end - first), n_bytes * first) for first, end in spans]
        return np.frombuffer(b"".join(pieces), self._dtype).reshape(-1, self._width)


def mapped(path: Path, dtype: type[np.number], shape: tuple[int, int]) -> npt.NDArray[Any]:
    """The file as an array, of which only what is used takes memory.

    Raises:
        ValueError: the file is of another size.
    """
    _check_size(path, dtype, shape)
    return np.memmap(path, dtype=dtype, mode="r", shape=shape) if shape[0] else np.empty(shape, dtype)


def _check_size(path: Path, dtype: type[np.number], shape: tuple[int, int]) -> None:
    if path.stat().st_size != np.dtype(dtype).itemsize * shape[0] * shape[1]:
        raise ValueError(f"{path.name} does not hold {shape[0]} rows of {shape[1]}")
