"""MaxSim over packed states, against the formula on the states themselves."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.fft import idct

from index.embedding import Vectors
from index.errors import IndexDamagedError
from index.late_interaction import (
    FILES,
    WORD_ENDS,
    LateIndex,
    LateWriter,
    cosines_of,
    keep_words,
    levels_of,
    n_bytes,
    pack,
    states_of,
)
from index.sentences import Span

WIDTH = 384


def states(n: int, seed: int, *, width: int = WIDTH) -> Vectors:
    vectors = np.random.default_rng(seed).standard_normal((n, width), np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def starts_of(chunk: Vectors) -> list[int]:
    return list(range(100, 100 + 10 * len(chunk), 10))


def write(folder: Path, chunks: Sequence[Vectors], *, n_chunks: int = 0, n_words: int = 0) -> None:
    with closing(LateWriter(folder, width=WIDTH, n_chunks=n_chunks, n_words=n_words)) as writer:
        for chunk in chunks:
            writer.add(starts_of(chunk), chunk)
        assert writer.n_words == n_words + sum(map(len, chunks))


def save(folder: Path, chunks: Sequence[Vectors]) -> LateIndex:
    write(folder, chunks)
    return LateIndex(folder, width=WIDTH, n_chunks=len(chunks))


def assert_holds(index: LateIndex, chunks: Sequence[Vectors]) -> None:
    assert (len(index), index.n_words) == (len(chunks), sum(map(len, chunks)))
    for row, chunk in enumerate(chunks):
        starts, packed = index.words(row)
        assert starts == starts_of(chunk)
        np.testing.assert_array_equal(packed, pack(chunk).reshape(len(chunk), n_bytes(WIDTH)))


def max_sim(query: Vectors, chunk: Vectors) -> float:
    """The formula, word by word."""
    return float(np.mean([max(float(asked @ word) for word in chunk) for asked in query]))


@pytest.fixture
def chunks() -> list[Vectors]:
    return [states(n, seed) for seed, n in enumerate((5, 1, 40, 12))]


def test_max_sims_are_those_of_the_formula(tmp_path: Path, chunks: list[Vectors]) -> None:
    index, query = save(tmp_path / "late", chunks), states(7, 100)
    expected = [max_sim(query, chunk) for chunk in chunks]
    np.testing.assert_allclose(index.max_sims(query, np.arange(4)), expected, atol=0.01)


def test_a_chunk_with_the_querys_words_comes_near_1(tmp_path: Path, chunks: list[Vectors]) -> None:
    found = save(tmp_path / "late", chunks).max_sims(chunks[2][:6], np.arange(4))
    assert found[2] > 0.98
    assert np.delete(found, 2).max() < 0.3


def test_words_come_back(tmp_path: Path, chunks: list[Vectors]) -> None:
    index = save(tmp_path / "late", chunks)
    assert_holds(index, chunks)
    assert {type(start) for start in index.words(2)[0]} == {int}


@pytest.mark.parametrize("first", range(5))
def test_written_in_two_goes_it_is_as_in_one(tmp_path: Path, chunks: list[Vectors], first: int) -> None:
    write(tmp_path / "late", chunks[:first])
    write(tmp_path / "late", chunks[first:], n_chunks=first, n_words=sum(map(len, chunks[:first])))
    assert_holds(LateIndex(tmp_path / "late", width=WIDTH, n_chunks=4), chunks)


def test_what_was_written_beyond_the_promised_rows_is_cut_off(tmp_path: Path, chunks: list[Vectors]) -> None:
    write(tmp_path / "late", chunks)
    write(tmp_path / "late", chunks[3:], n_chunks=2, n_words=6)
    assert_holds(LateIndex(tmp_path / "late", width=WIDTH, n_chunks=3), [*chunks[:2], chunks[3]])
    with pytest.raises(IndexDamagedError):
        LateIndex(tmp_path / "late", width=WIDTH, n_chunks=4)


@pytest.mark.parametrize(("n_chunks", "n_words"), [(5, 58), (4, 59)])
def test_a_writer_refuses_to_go_on_from_fewer_rows(
    tmp_path: Path, chunks: list[Vectors], n_chunks: int, n_words: int
) -> None:
    index = save(tmp_path / "late", chunks)
    with pytest.raises(IndexDamagedError, match="run: otvet index"):
        write(tmp_path / "late", [], n_chunks=n_chunks, n_words=n_words)
    assert_holds(index, chunks)


def test_a_reader_sees_no_more_than_its_generation_has(tmp_path: Path, chunks: list[Vectors]) -> None:
    before = save(tmp_path / "late", chunks[:2])
    write(tmp_path / "late", chunks[2:], n_chunks=2, n_words=6)
    for index in (before, LateIndex(tmp_path / "late", width=WIDTH, n_chunks=2)):
        assert_holds(index, chunks[:2])


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=12))
def test_what_is_kept_stands_in_a_new_folder_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, made: list[tuple[int, bool]]
) -> None:
    folder, chunks = tmp_path_factory.mktemp("kept"), [states(n, seed) for seed, (n, _) in enumerate(made)]
    kept = np.array([is_kept for _, is_kept in made], np.bool_)
    write(folder / "late", chunks)
    n_words = keep_words(folder / "late", folder / "copy", kept, width=WIDTH)
    index = LateIndex(folder / "copy", width=WIDTH, n_chunks=int(kept.sum()))
    assert index.n_words == n_words
    assert_holds(index, [chunk for chunk, is_kept in zip(chunks, kept, strict=True) if is_kept])


def test_rows_in_any_order_and_more_than_once(tmp_path: Path, chunks: list[Vectors]) -> None:
    index, query = save(tmp_path / "late", chunks), states(3, 100)
    whole = index.max_sims(query, np.arange(4))
    rows = np.array([3, 0, 3, 2])
    np.testing.assert_array_equal(index.max_sims(query, rows), whole[rows])
    assert index.max_sims(query, np.empty(0, np.int64)).tolist() == []


def test_without_words_it_is_0(tmp_path: Path) -> None:
    empty = np.empty((0, WIDTH), np.float32)
    index = save(tmp_path / "late", [empty, states(3, 1), empty, states(2, 2), empty])
    query = states(2, 1)
    assert len(index) == 5
    found = index.max_sims(query, np.arange(5))
    assert (found == 0).tolist() == [True, False, True, False, True]
    assert index.max_sims(empty, np.arange(5)).tolist() == [0] * 5
    assert index.max_sims(query, np.array([0, 2])).tolist() == [0, 0]
    assert save(tmp_path / "none", []).max_sims(query, np.empty(0, np.int64)).tolist() == []
    assert save(tmp_path / "wordless", [empty]).max_sims(query, np.array([0])).tolist() == [0]


def test_sentences_of_a_chunk_by_the_words_that_begin_in_them(tmp_path: Path, chunks: list[Vectors]) -> None:
    """Words begin at 100, 110, …; the second sentence has none, and the last word is in no sentence."""
    index, query = save(tmp_path / "late", chunks), states(7, 100)
    spans = [Span(95, 120), Span(121, 129), Span(130, 210)]
    found = index.of_sentences(query, 3, spans)
    expected = [max_sim(query, chunks[3][:2]), 0, max_sim(query, chunks[3][3:11])]
    np.testing.assert_allclose(found, expected, atol=0.01)
    assert index.of_sentences(query, 3, [Span(0, 1000)]) == index.max_sims(query, np.array([3]))
    assert index.of_sentences(states(0, 1), 3, spans).tolist() == [0, 0, 0]


@given(st.integers(1, 400), st.integers(0, 2**32 - 1))
def test_packed_states_keep_their_cosines(width: int, seed: int) -> None:
    """Of an odd width too; of a small one, where a dimension is wider than the levels, only roughly."""
    words, query = states(5, seed, width=width), states(3, seed + 1, width=width)
    packed = pack(words)
    assert (packed.dtype, packed.shape) == (np.uint8, (5, n_bytes(width)))
    np.testing.assert_allclose(cosines_of(packed, query), words @ query.T, atol=0.04 if width >= 100 else 0.6)


def test_levels_worked_by_hand() -> None:
    """A width of 4: a standard deviation is 0.5, a step of 0.36 of them 0.18; 0.5 is in level 10, -0.5 in level 5."""
    turned = np.array([[0.5, -0.5, 0.5, 0.5]], np.float32)
    packed = pack(idct(turned, norm="ortho"))
    assert packed.tolist() == [[10 | 5 << 4, 10 | 10 << 4]]
    assert pack(idct(np.array([[0.95, -0.4, 0.1, 0.1]], np.float32), norm="ortho")).tolist() == [
        [13 | 5 << 4, 8 | 8 << 4]
    ]
    found = cosines_of(packed, idct(np.eye(4, dtype=np.float32), norm="ortho"))
    np.testing.assert_allclose(found, [[0.45, -0.45, 0.45, 0.45]], atol=1e-6)


def test_levels_add_up_exactly_and_give_the_states_back() -> None:
    """As odd numbers around 0: level 10 is 5, level 5 is -5, of which a half times the step is the value."""
    turned = np.array([[0.5, -0.5, 0.5, 0.5], [0.95, -0.4, 0.1, 0.1]], np.float32)
    levels = levels_of(pack(idct(turned, norm="ortho")), 4)
    assert levels.dtype == np.int32
    assert levels.tolist() == [[5, -5, 5, 5], [11, -5, 1, 1]]
    expected = idct(np.array([[0.45, -0.45, 0.45, 0.45], [0.99, -0.45, 0.09, 0.09]]), norm="ortho")
    np.testing.assert_allclose(states_of(levels), expected, atol=1e-6)
    assert states_of(np.empty((0, 4), np.int32)).shape == (0, 4)


@given(st.integers(1, 400), st.integers(0, 2**32 - 1))
def test_cosines_are_those_of_the_states_that_levels_give(width: int, seed: int) -> None:
    packed, query = pack(states(5, seed, width=width)), states(3, seed + 1, width=width)
    expected = states_of(levels_of(packed, width)) @ query.T
    np.testing.assert_allclose(cosines_of(packed, query), expected, atol=1e-4)


def test_a_state_of_one_dimension_is_kept_too() -> None:
    axes = np.eye(WIDTH, dtype=np.float32)
    np.testing.assert_allclose(cosines_of(pack(axes), axes), axes, atol=0.05)


class TestDamaged:
    def assert_told(self, folder: Path, *, width: int = WIDTH, n_chunks: int = 4) -> None:
        with pytest.raises(IndexDamagedError, match=r"words.*run: otvet index"):
            LateIndex(folder, width=width, n_chunks=n_chunks)

    @pytest.mark.parametrize("name", FILES)
    @pytest.mark.parametrize("n_left", [None, 0, 1, 20, -1])
    def test_missing_and_truncated_files(
        self, tmp_path: Path, chunks: list[Vectors], name: str, n_left: int | None
    ) -> None:
        save(tmp_path / "late", chunks)
        path = tmp_path / "late" / name
        content = path.read_bytes()
        path.unlink() if n_left is None else path.write_bytes(content[:n_left])
        self.assert_told(tmp_path / "late")

    @pytest.mark.parametrize("ends", [[5, 4, 46, 58], [-1, 6, 46, 58], [5, 6, 46, 59], [5, 6, 46, 2**62]])
    def test_ends_of_words_that_cannot_be(self, tmp_path: Path, chunks: list[Vectors], ends: list[int]) -> None:
        save(tmp_path / "late", chunks)
        np.array(ends, np.int64).tofile(tmp_path / "late" / WORD_ENDS)
        self.assert_told(tmp_path / "late")

    def test_states_of_another_width(self, tmp_path: Path, chunks: list[Vectors]) -> None:
        save(tmp_path / "late", chunks)
        self.assert_told(tmp_path / "late", width=WIDTH + 2)

    def test_more_chunks_than_the_files_have(self, tmp_path: Path, chunks: list[Vectors]) -> None:
        save(tmp_path / "late", chunks)
        self.assert_told(tmp_path / "late", n_chunks=5)

    def test_missing_folder(self, tmp_path: Path) -> None:
        self.assert_told(tmp_path / "late")
