"""Tensors in a safetensors file, beside the library of that name."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from index.tensors import Floats, Tensor, TensorRows, mapped_tensors, tensor_places, write_tensors

RNG = np.random.default_rng(5)
TENSORS: dict[str, Floats] = {
    name: RNG.standard_normal(shape, np.float32) for name, shape in {"ю": (3,), "words": (40, 6), "z": (2, 2)}.items()
}


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    path = tmp_path / "ours.safetensors"
    write_tensors(
        path, [Tensor(name, each.shape, lambda each=each: np.array_split(each, 2)) for name, each in TENSORS.items()]
    )
    return path


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    save_file(TENSORS, tmp_path / "theirs.safetensors", {"format": "pt"})
    return tmp_path / "theirs.safetensors"


def test_the_library_reads_what_is_written(ours: Path) -> None:
    found = load_file(ours)
    assert found.keys() == TENSORS.keys()
    for name, values in TENSORS.items():
        np.testing.assert_array_equal(found[name], values)


@pytest.mark.parametrize("which", ["ours", "theirs"])
def test_tensors_are_where_they_are_said_to_be(which: str, request: pytest.FixtureRequest) -> None:
    path = request.getfixturevalue(which)
    data, found = path.read_bytes(), mapped_tensors(path)
    assert found.keys() == TENSORS.keys()
    for name, place in tensor_places(path).items():
        assert place.at % 4 == 0
        assert data[place.at : place.at + place.n_bytes] == TENSORS[name].tobytes()
        np.testing.assert_array_equal(found[name], TENSORS[name])


def test_rows_are_those_of_the_numbers(theirs: Path) -> None:
    rows = TensorRows(theirs, "words")
    assert rows.width == 6
    for numbers in ([[3, 3, 0]], [[39], [0]], [5, 4, 5], np.empty((2, 0), int)):
        found = rows.read(np.array(numbers, np.int64))
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, TENSORS["words"][np.array(numbers, np.int64)])


def test_threads_read_at_once(ours: Path) -> None:
    rows = TensorRows(ours, "words")
    lots = [RNG.integers(0, 40, (3, 20)) for _ in range(60)]
    with ThreadPoolExecutor(6) as pool:
        for numbers, found in zip(lots, pool.map(rows.read, lots), strict=True):
            np.testing.assert_array_equal(found, TENSORS["words"][numbers])


def test_what_is_no_such_file_or_cut_off_is_told(ours: Path, tmp_path: Path) -> None:
    for content in (b"", b"not one at all, but long enough", ours.read_bytes()[:-100]):
        (tmp_path / "bad").write_bytes(content)
        with pytest.raises(ValueError, match=r"bad|Expecting"):
            TensorRows(tmp_path / "bad", "words")
    with pytest.raises(KeyError, match="missing"):
        TensorRows(ours, "missing")
