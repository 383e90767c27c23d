"""Tensors of float32 in a safetensors file: written part by part, found again, and read row by row.

The file begins with the length of a header, eight bytes, and the header in JSON, which tells where each tensor lies
behind it (https://github.com/huggingface/safetensors, "Format"). Not by the library of that name, which maps the file
that it reads, so that what is touched counts as memory of the process, and takes all that it writes, 470 MB, at once.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
import numpy.typing as npt

from index.rows import RowFile

Floats = npt.NDArray[np.float32]
ITEM_BYTES = 4


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor to be written.

    Attributes:
        parts: gives its values, in order, in arrays of any shape.
    """

    name: str
    shape: tuple[int, ...]
    parts: Callable[[], Iterable[Floats]]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a tensor lies: `n_bytes` from `at`, a multiple of four, in its file."""

    at: int
    shape: tuple[int, ...]

    @property
    def n_bytes(self) -> int:
        """Of all its values."""
        return ITEM_BYTES * prod(self.shape)


class TensorRows:
    """Rows of a matrix in a safetensors file, read when they are asked for. Safe between threads.

    Raises:
        OSError: the file cannot be opened.
        ValueError: it is not such a file, or shorter than it says.
        KeyError: the matrix is not there.
    """

    def __init__(self, path: Path, name: str) -> None:
        place = tensor_places(path)[name]
        _, self.width = place.shape
        self._first = place.at // ITEM_BYTES
        self._values = RowFile(path, "<f4", (self._first + prod(place.shape), 1))

    def read(self, numbers: npt.NDArray[np.int64]) -> Floats:
        """The rows of these numbers, in any shape: (*numbers.shape, width)."""
        distinct, back = np.unique(numbers, return_inverse=True)
        starts = (self._first + distinct * self.width).tolist()
        rows = self._values.read((start, start + self.width) for start in starts)
        found: Floats = rows.reshape(-1, self.width)[back]
        return found


def write_tensors(path: Path, tensors: Sequence[Tensor]) -> None:
    """Write a file that holds these tensors."""
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}  # without it transformers refuses the file
    end = 0
    for tensor in tensors:
        start, end = end, end + ITEM_BYTES * prod(tensor.shape)
        header[tensor.name] = {"dtype": "F32", "shape": tensor.shape, "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for tensor in tensors:
            for part in tensor.parts():
                file.write(part.astype("<f4", copy=False).tobytes())


def tensor_places(path: Path) -> dict[str, Place]:
    """Where each tensor of a file lies.

    Raises:
        OSError: the file cannot be opened.
        ValueError: it is not a safetensors file.
    """
    with path.open("rb") as file:
        n_bytes = int.from_bytes(file.read(8), "little")
        if n_bytes > path.stat().st_size:
            raise ValueError(f"{path.name} is not a safetensors file")
        header = json.loads(file.read(n_bytes))
    header.pop("__metadata__", None)
    start = 8 + n_bytes
    return {name: Place(start + it["data_offsets"][0], tuple(it["shape"])) for name, it in header.items()}


def mapped_tensors(path: Path) -> dict[str, Floats]:
    """All tensors of a file; what is used of them is read in.

    Raises:
        OSError: the file cannot be opened.
        ValueError: it is not a safetensors file, or shorter than it says.
    """
    return {name: np.memmap(path, "<f4", "r", place.at, place.shape) for name, place in tensor_places(path).items()}
