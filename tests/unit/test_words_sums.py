"""Sums of words from generation to generation: what is added and taken away again leaves no trace."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index import words
from index.errors import IndexDamagedError
from index.late_interaction import levels_of, n_bytes
from index.text import stem
from index.words import ALL_TERMS, COUNTS, MEANS, SUMS, TERMS, VECTORS, WordIndex, WordWriter

WIDTH = 12
MEANS_HERE = np.zeros((2, WIDTH), np.float32)
VOCABULARY = ["мост", "моста", "порт", "зерно", "grain", "bridge", "bridges", "ы" * 41]


class Chunk(NamedTuple):
    words: list[str]
    packed: npt.NDArray[np.uint8]


def chunk_of(made: Sequence[tuple[str, bytes]]) -> Chunk:
    levels = [np.frombuffer(level, np.uint8) for _, level in made]
    return Chunk([word for word, _ in made], np.array(levels, np.uint8).reshape(-1, n_bytes(WIDTH)))


WORDS = st.tuples(st.sampled_from(VOCABULARY), st.binary(min_size=n_bytes(WIDTH), max_size=n_bytes(WIDTH)))
CHUNKS = st.lists(WORDS, max_size=6).map(chunk_of)
MANY = [chunk_of([(word, bytes([at] * n_bytes(WIDTH))) for word in VOCABULARY[at % 5 :]]) for at in range(20)]


def write(folder: Path, added: Sequence[Chunk], removed: Sequence[Chunk] = (), *, base: Path | None = None) -> Path:
    writer = WordWriter(folder, MEANS_HERE, base=base)
    for chunk in added:
        writer.add(*chunk)
    for chunk in removed:
        writer.remove(*chunk)
    writer.save()
    return folder


def sums(folder: Path) -> dict[str, tuple[int, list[int]]]:
    """Count and sum of each term that is anywhere."""
    terms = (folder / ALL_TERMS).read_text().split("\n")
    counts = np.load(folder / COUNTS)
    found = np.fromfile(folder / SUMS, np.int32).reshape(len(counts), WIDTH)
    assert len(terms) == max(1, len(counts))
    assert not found[counts == 0].any()
    return {
        term: (int(count), row.tolist()) for term, count, row in zip(terms, counts, found, strict=False) if count > 0
    }


def sums_by_hand(chunks: Sequence[Chunk]) -> dict[str, tuple[int, list[int]]]:
    found: dict[str, tuple[int, list[int]]] = {}
    for chunk in chunks:
        for word, levels in zip(chunk.words, levels_of(chunk.packed, WIDTH).tolist(), strict=True):
            if len(word) <= words.MAX_CHARS:
                n, row = found.get(stem(word), (0, [0] * WIDTH))
                found[stem(word)] = (n + 1, [one + other for one, other in zip(row, levels, strict=True)])
    return found


def vectors(folder: Path) -> dict[str, npt.NDArray[np.float32]]:
    """What readers compare with, by the term."""
    WordIndex.read(folder)
    return dict(zip(np.load(folder / TERMS).tolist(), np.load(folder / VECTORS), strict=True))


def assert_readers_see(folder: Path, chunks: Sequence[Chunk]) -> None:
    """Terms and vectors as after a build of just these chunks, whatever the order."""
    found, fresh = vectors(folder), vectors(write(folder.parent / "fresh", chunks))
    assert found.keys() == fresh.keys()
    for term, vector in found.items():
        np.testing.assert_allclose(vector, fresh[term], atol=1e-5)


@settings(deadline=None, max_examples=30)
@given(st.lists(CHUNKS, max_size=6), st.integers(1, 9))
def test_sums_are_those_worked_out_word_by_word(
    tmp_path_factory: pytest.TempPathFactory, chunks: list[Chunk], at_once: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(words, "WORDS_AT_ONCE", at_once)
        assert sums(write(tmp_path_factory.mktemp("sums") / "words", chunks)) == sums_by_hand(chunks)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(CHUNKS, st.booleans()), max_size=6), st.booleans())
def test_added_and_removed_is_as_never_added(
    tmp_path_factory: pytest.TempPathFactory, chunks: list[tuple[Chunk, bool]], in_one_go: bool
) -> None:
    """In the same generation, and in the next one."""
    folder = tmp_path_factory.mktemp("removed")
    everything, removed = [chunk for chunk, _ in chunks], [chunk for chunk, is_removed in chunks if is_removed]
    if in_one_go:
        last = write(folder / "words", everything, removed)
    else:
        last = write(folder / "next", [], removed, base=write(folder / "words", everything))
    left = [chunk for chunk, is_removed in chunks if not is_removed]
    assert sums(last) == sums_by_hand(left)
    assert_readers_see(last, left)


@settings(deadline=None, max_examples=30)
@given(st.lists(CHUNKS, max_size=8), st.lists(st.integers(0, 8), max_size=3))
def test_a_base_and_the_rest_is_as_all_at_once(
    tmp_path_factory: pytest.TempPathFactory, chunks: list[Chunk], cuts: list[int]
) -> None:
    folder, base = tmp_path_factory.mktemp("base"), None
    bounds = [0, *sorted(min(cut, len(chunks)) for cut in cuts), len(chunks)]
    for number, (first, last) in enumerate(pairwise(bounds)):
        base = write(folder / str(number), chunks[first:last], base=base)
    assert base is not None
    assert sums(base) == sums_by_hand(chunks)
    assert_readers_see(base, chunks)


def test_nothing_is_left_of_words_that_are_all_gone(tmp_path: Path) -> None:
    last = write(tmp_path / "next", [], MANY, base=write(tmp_path / "words", MANY))
    assert sums(last) == {}
    assert np.load(last / TERMS).tolist() == []
    assert sums(write(tmp_path / "later", MANY[:2], base=last)) == sums_by_hand(MANY[:2])


def test_the_base_stays_as_it_is(tmp_path: Path) -> None:
    base = write(tmp_path / "base", MANY[:9])
    before = {path.name: path.read_bytes() for path in base.iterdir()}
    write(tmp_path / "next", MANY[9:], MANY[:3], base=base)
    assert {path.name: path.read_bytes() for path in base.iterdir()} == before
    assert set(before) == {ALL_TERMS, COUNTS, SUMS, TERMS, VECTORS, MEANS}


class TestDamagedBase:
    @pytest.fixture
    def base(self, tmp_path: Path) -> Path:
        return write(tmp_path / "base", MANY)

    def assert_told(self, base: Path, *, width: int = WIDTH) -> None:
        with pytest.raises(IndexDamagedError, match=r"words.*run: otvet index"):
            WordWriter(base.parent / "next", np.zeros((2, width), np.float32), base=base)

    @pytest.mark.parametrize("name", [ALL_TERMS, COUNTS, SUMS])
    @pytest.mark.parametrize("left", [None, 0.0, 0.5])
    def test_missing_and_truncated_files(self, base: Path, name: str, left: float | None) -> None:
        content = (base / name).read_bytes()
        (base / name).unlink() if left is None else (base / name).write_bytes(content[: int(left * len(content))])
        self.assert_told(base)

    @pytest.mark.parametrize("name", [ALL_TERMS, COUNTS, SUMS])
    def test_file_of_something_else(self, base: Path, name: str) -> None:
        (base / name).write_bytes(b"not what it was")
        self.assert_told(base)

    def test_another_width(self, base: Path) -> None:
        self.assert_told(base, width=WIDTH + 2)

    def test_missing_folder(self, tmp_path: Path) -> None:
        self.assert_told(tmp_path / "absent")
