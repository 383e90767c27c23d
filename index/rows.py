"""Rows of equal length in plain files, which generations share.

Decision: such files only grow at their end, and a generation reads no more rows than it was published with. So the next
one takes them over by a hard link and adds its own rows behind them: an article costs what it weighs, however many are
there. What a build left behind that was never published is cut off by the next one.
"""

import os
import shutil
import weakref
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from index.errors import IndexDamagedError

Mask = npt.NDArray[np.bool_]
KEPT_AT_ONCE = 65_536


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much a generation reads of each file that generations share; what was deleted is included.

    Attributes:
        n_positions: of articles (index/articles.py).
        n_text_bytes: of the texts of articles.
        n_words: of chunks (index/late_interaction.py).
    """

    n_positions: int = 0
    n_text_bytes: int = 0
    n_chunks: int = 0
    n_sentences: int = 0
    n_words: int = 0


class RowWriter:
    """Adds rows to a file behind its first `n_rows`; what lies after those is cut off. To be closed.

    Attributes:
        n_rows: how many there are, those just added included.

    Raises:
        IndexDamagedError: the file holds fewer rows.
    """

    def __init__(self, path: Path, row_bytes: int, *, n_rows: int = 0) -> None:
        self.n_rows = n_rows
        self._row_bytes = row_bytes
        self._file = path.open("r+b" if path.exists() else "w+b")
        if self._file.seek(0, os.SEEK_END) < n_rows * row_bytes:
            self._file.close()
            raise IndexDamagedError(f"{str(path)!r} holds fewer than {n_rows} rows; run: otvet index")
        self._file.truncate(n_rows * row_bytes)
        self._file.seek(0, os.SEEK_END)

    def append(self, rows: bytes | npt.NDArray[Any]) -> None:
        """Add rows; an array is stored as it lies in memory."""
        data = rows if isinstance(rows, bytes) else np.ascontiguousarray(rows).tobytes()
        self._file.write(data)
        self.n_rows += len(data) // self._row_bytes

    def sync(self) -> None:
        """Force what was added to the disk."""
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Write out what is left and close the file."""
        self._file.close()


class RowWriters:
    """Writers of several files of a folder, which is made. To be closed.

    Args:
        folder: of the files.
        files: the name of each, the bytes of a row, and behind how many rows is added.

    Raises:
        IndexDamagedError: a file holds fewer rows; then none is open.
    """

    def __init__(self, folder: Path, *files: tuple[str, int, int]) -> None:
        folder.mkdir(exist_ok=True)
        with ExitStack() as opened:
            self.files = [
                opened.enter_context(closing(RowWriter(folder / name, row_bytes, n_rows=n_rows)))
                for name, row_bytes, n_rows in files
            ]
            opened.pop_all()

    def sync(self) -> None:
        """Force what was added to the disk."""
        for file in self.files:
            file.sync()

    def close(self) -> None:
        """Complete the files."""
        for file in self.files:
            file.close()


class RowFile:
    """Rows of a plain file, read when they are asked for. Safe between threads.

    A mapped file counts as memory of the process as far as it was ever touched; of this one nothing stays. It is closed
    with the last reference to it.

    Raises:
        OSError: it cannot be opened.
        ValueError: it holds fewer rows.
    """

    def __init__(self, path: Path, dtype: npt.DTypeLike, shape: tuple[int, int]) -> None:
        _check_size(path, dtype, shape)
        self._descriptor = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._descriptor)
        self._dtype, self._width = np.dtype(dtype), shape[1]

    def read(self, spans: Iterable[tuple[int, int]]) -> npt.NDArray[Any]:
        """The rows from the first to before the last of each span, one span behind the other, (n, width)."""
        n_bytes = self._dtype.itemsize * self._width
        pieces = [os.pread(self._descriptor, n_bytes * (end - first), n_bytes * first) for first, end in spans]
        return np.frombuffer(b"".join(pieces), self._dtype).reshape(-1, self._width)


def mapped(path: Path, dtype: npt.DTypeLike, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """The first rows of a file as an array, of which only what is used takes memory.

    Raises:
        OSError: the file cannot be opened.
        ValueError: it holds fewer rows.
    """
    _check_size(path, dtype, shape)
    return np.memmap(path, dtype=dtype, mode="r", shape=shape) if shape[0] else np.empty(shape, dtype)


def share(source: Path, target: Path) -> None:
    """Take over a file of rows by a hard link; a copy where the file system has none."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def keep_rows(source: Path, target: Path, row_bytes: int, kept: Mask) -> None:
    """Copy those rows of a file that a mask, (n_rows,), keeps."""
    rows = mapped(source, np.uint8, (len(kept), row_bytes))
    with target.open("wb") as file:
        for some in _lots(len(kept)):
            file.write(rows[some][kept[some]].tobytes())


def _lots(n_rows: int) -> Iterator[slice]:
    return (slice(at, at + KEPT_AT_ONCE) for at in range(0, n_rows, KEPT_AT_ONCE))


def _check_size(path: Path, dtype: npt.DTypeLike, shape: tuple[int, ...]) -> None:
    row_bytes = np.dtype(dtype).itemsize * int(np.prod(shape[1:], dtype=int))
    if path.stat().st_size < row_bytes * shape[0]:
        raise ValueError(f"{path.name} holds fewer than {shape[0]} rows of {row_bytes} bytes")
