"""Vectors in plain files: what goes in comes out, and what is nearest is what NumPy says of all of them."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.embedding import Vectors
from index.errors import IndexDamagedError
from index.rows import Mask
from index.sentences import Span
from index.vectors import CHUNK, FEW, FILES, ChunkPlace, Rows, VectorIndex, VectorWriter, keep_vectors

DIM = 16
N_ARTICLES, CHUNKS_EACH = 60, 3
N = N_ARTICLES * CHUNKS_EACH
CHUNK_CHARS = 100
SHORTEST_FIRST = ["chunks.rows", "sentences.i32", "chunk_vectors.f32", "sentence_vectors.f16"]
HALF_PRECISION = 0.001


def unit(n: int, seed: int) -> Vectors:
    vectors = np.random.default_rng(seed).normal(size=(n, DIM)).astype(np.float32)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


CHUNK_VECTORS = unit(N, seed=1)
N_SENTENCES = [1 + (7 * row) % 5 for row in range(N)]
SENTENCE_VECTORS = [unit(n, seed=100 + row) for row, n in enumerate(N_SENTENCES)]
QUERIES = unit(10, seed=2)


def place(row: int) -> ChunkPlace:
    article, at = divmod(row, CHUNKS_EACH)
    return ChunkPlace(article, at * CHUNK_CHARS, at * CHUNK_CHARS + CHUNK_CHARS - 1)


def spans(row: int) -> list[Span]:
    start = place(row).start
    return [Span(start + 10 * at, start + 10 * at + 9) for at in range(N_SENTENCES[row])]


@contextmanager
def writing(folder: Path, n_chunks: int = 0) -> Iterator[VectorWriter]:
    """Goes on behind the first `n_chunks` of those that `write` writes."""
    n_sentences = sum(N_SENTENCES[:n_chunks])
    with closing(VectorWriter(folder, dim=DIM, n_chunks=n_chunks, n_sentences=n_sentences)) as writer:
        yield writer


def write(folder: Path, n: int = N, first: int = 0) -> None:
    with writing(folder, first) as writer:
        for row in range(first, n):
            writer.add(place(row), CHUNK_VECTORS[row], spans(row), SENTENCE_VECTORS[row])
        assert (writer.n_chunks, writer.n_sentences) == (n, sum(N_SENTENCES[:n]))


def read(folder: Path, n: int = N, *, dim: int = DIM) -> VectorIndex:
    return VectorIndex(folder, dim=dim, n_chunks=n, n_sentences=sum(N_SENTENCES[:n]))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("generation") / "vectors"
    write(folder)
    return folder


@pytest.fixture(scope="module")
def index(whole: Path) -> VectorIndex:
    return read(whole)


@pytest.fixture
def empty(tmp_path: Path) -> VectorIndex:
    write(tmp_path / "vectors", n=0)
    return read(tmp_path / "vectors", n=0)


def assert_everything_is_there(index: VectorIndex, n: int = N) -> None:
    assert len(index) == n
    np.testing.assert_array_equal(index.vectors(np.arange(n)), CHUNK_VECTORS[:n])
    np.testing.assert_array_equal(index.articles, np.repeat(np.arange(N_ARTICLES), CHUNKS_EACH)[:n])
    for row in range(n):
        assert index.place(row) == place(row)
        found, vectors = index.sentences(row)
        assert found == spans(row)
        assert (vectors.dtype, vectors.shape) == (np.float32, (N_SENTENCES[row], DIM))
        np.testing.assert_array_equal(vectors, SENTENCE_VECTORS[row].astype(np.float16).astype(np.float32))


def test_everything_comes_back(index: VectorIndex) -> None:
    assert_everything_is_there(index)


@pytest.mark.parametrize("first", [0, 1, 7, N - 1, N])
def test_written_in_two_goes_it_is_as_in_one(tmp_path: Path, first: int) -> None:
    write(tmp_path / "vectors", n=first)
    write(tmp_path / "vectors", first=first)
    assert_everything_is_there(read(tmp_path / "vectors"))


def test_what_was_written_beyond_the_promised_rows_is_cut_off(tmp_path: Path) -> None:
    write(tmp_path / "vectors", n=12)
    write(tmp_path / "vectors", n=9, first=5)
    assert_everything_is_there(read(tmp_path / "vectors", n=9), n=9)
    assert_told(tmp_path / "vectors", n=10)


def test_a_writer_refuses_to_go_on_from_fewer_rows(tmp_path: Path) -> None:
    write(tmp_path / "vectors", n=5)
    with (
        pytest.raises(IndexDamagedError, match=r"fewer than 6 rows; run: otvet index"),
        writing(tmp_path / "vectors", 6),
    ):
        pass
    assert_everything_is_there(read(tmp_path / "vectors", n=5), n=5)


def test_a_reader_sees_no_more_than_its_generation_has(tmp_path: Path) -> None:
    """The files go on growing under it, as generations share them."""
    write(tmp_path / "vectors", n=6)
    before = read(tmp_path / "vectors", n=6)
    write(tmp_path / "vectors", first=6)
    for index in (before, read(tmp_path / "vectors", n=6)):
        assert_everything_is_there(index, n=6)
        assert index.rows_in(2, 0, 999) == []
        assert_nearest(index, QUERIES[0], 2, np.ones(6, np.bool_))
        assert index.best_sentences(QUERIES[0], np.arange(6)).shape == (6,)
    assert_everything_is_there(read(tmp_path / "vectors"))


@settings(deadline=None, max_examples=30)
@given(st.lists(st.booleans(), min_size=N_ARTICLES, max_size=N_ARTICLES))
def test_what_is_kept_stands_in_a_new_folder_as_it_was(
    whole: Path, index: VectorIndex, tmp_path_factory: pytest.TempPathFactory, kept: list[bool]
) -> None:
    """But for the positions of articles, which follow one another again."""
    copy, mask, positions = tmp_path_factory.mktemp("kept") / "copy", np.repeat(kept, CHUNKS_EACH), np.cumsum(kept) - 1
    sizes = keep_vectors(whole, copy, mask, dim=DIM, n_sentences=sum(N_SENTENCES), positions=positions)
    found = VectorIndex(copy, dim=DIM, n_chunks=sizes.n_chunks, n_sentences=sizes.n_sentences)
    rows = np.flatnonzero(mask)
    assert len(found) == len(rows)
    np.testing.assert_array_equal(found.vectors(np.arange(len(rows))), CHUNK_VECTORS[rows])
    for row, old in enumerate(rows.tolist()):
        assert found.place(row) == place(old)._replace(article=positions[place(old).article])
        for one, other in zip(found.sentences(row), index.sentences(old), strict=True):
            np.testing.assert_array_equal(one, other)


def test_places_are_plain_numbers(index: VectorIndex) -> None:
    """They go into values that are stored as JSON."""
    assert {type(value) for value in index.place(7)} == {int}
    assert {type(value) for span in index.sentences(7)[0] for value in span} == {int}
    assert {type(row) for row in index.rows_in(1, 0, 999)} == {int}


def test_vectors_come_in_the_order_that_is_asked_for(index: VectorIndex) -> None:
    rows = np.array([5, 0, 5, N - 1])
    np.testing.assert_array_equal(index.vectors(rows), CHUNK_VECTORS[rows])
    np.testing.assert_allclose(index.cosines(QUERIES[0], rows), CHUNK_VECTORS[rows] @ QUERIES[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("query", QUERIES)
def test_best_sentences_are_those_of_all(index: VectorIndex, query: Vectors) -> None:
    rows = np.random.default_rng(3).permutation(N)[:50]
    expected = [max(float(sentence @ query) for sentence in SENTENCE_VECTORS[row]) for row in rows]
    found = index.best_sentences(query, rows)
    assert (found.dtype, found.shape) == (np.float32, (50,))
    np.testing.assert_allclose(found, expected, atol=HALF_PRECISION)


def test_best_sentences_of_the_first_the_last_and_the_same_chunks(index: VectorIndex) -> None:
    for rows in ([0], [N - 1], [N - 1, 0, 0, N - 1], list(range(N))):
        expected = [float((SENTENCE_VECTORS[row] @ QUERIES[1]).max()) for row in rows]
        np.testing.assert_allclose(index.best_sentences(QUERIES[1], np.array(rows)), expected, atol=HALF_PRECISION)
    assert index.best_sentences(QUERIES[1], np.empty(0, np.int64)).tolist() == []


@pytest.mark.parametrize("n", [2, 3, 5, 29, 79])
def test_equal_vectors_have_equal_cosines_wherever_they_stand(tmp_path: Path, n: int) -> None:
    """BLAS adds in another order in the last rows of a product; equal scores would then not be equal."""
    vector, dim = QUERIES[:1].repeat(24, axis=1).ravel() / 24**0.5, 24 * DIM
    n_each = [1 + row % 3 for row in range(n)]
    with closing(VectorWriter(tmp_path / "vectors", dim=dim)) as writer:
        for row in range(n):
            writer.add(place(row), vector, [Span(0, 1)] * n_each[row], np.stack([vector] * n_each[row]))
    index = VectorIndex(tmp_path / "vectors", dim=dim, n_chunks=n, n_sentences=sum(n_each))
    query = np.random.default_rng(4).normal(size=dim).astype(np.float32)
    assert len(set(index.cosines(query, np.arange(n)).tolist())) == 1
    assert len(set(index.best_sentences(query, np.arange(n)).tolist())) == 1


def nearest(query: Vectors, k: int, mask: Mask) -> set[int]:
    """The `k` nearest rows, by looking at each."""
    rows = [row for row in range(len(mask)) if mask[row]]
    return set(sorted(rows, key=lambda row: -float(CHUNK_VECTORS[row] @ query))[:k])


def assert_nearest(index: VectorIndex, query: Vectors, k: int, mask: Mask) -> None:
    found: Rows = index.nearest(query, k=k, mask=mask)
    assert len(found) == len(set(found.tolist())) == min(k, int(mask.sum()))
    assert set(found.tolist()) == nearest(query, k, mask)


@pytest.mark.parametrize("n_selected", [0, 1, 2, N // FEW - 1, N // FEW, N // FEW + 1, N // 2, N - 1, N])
@pytest.mark.parametrize("k", [1, 10, N, N + 1])
def test_nearest_of_few_and_of_many(index: VectorIndex, n_selected: int, k: int) -> None:
    mask = np.zeros(N, np.bool_)
    mask[np.random.default_rng(n_selected).permutation(N)[:n_selected]] = True
    for query in QUERIES:
        assert_nearest(index, query, k, mask)


@settings(deadline=None)
@given(st.lists(st.booleans(), min_size=N, max_size=N), st.integers(1, N + 9), st.integers(0, 2**32 - 1))
def test_nearest_are_those_of_all(index: VectorIndex, chosen: list[bool], k: int, seed: int) -> None:
    assert_nearest(index, unit(1, seed)[0], k, np.array(chosen))


def test_chunks_that_point_away_are_still_nearest_of_theirs(index: VectorIndex) -> None:
    """A cosine of -1 is lower than any, and yet above those that the mask leaves out."""
    mask = np.zeros(N, np.bool_)
    mask[: N // 2] = True
    assert 0 in index.nearest(-CHUNK_VECTORS[0], k=N // 2, mask=mask)
    assert_nearest(index, -CHUNK_VECTORS[0], N // 2, mask)


@pytest.mark.parametrize(
    ("span", "chunks"),
    [
        ((0, 299), [0, 1, 2]),
        ((0, 298), [0, 1]),
        ((1, 299), [1, 2]),
        ((100, 199), [1]),
        ((100, 198), []),
        ((0, 0), []),
        ((300, 900), []),
    ],
)
@pytest.mark.parametrize("article", [0, 7, N_ARTICLES - 1])
def test_rows_in_part_of_an_article(index: VectorIndex, article: int, span: tuple[int, int], chunks: list[int]) -> None:
    assert index.rows_in(article, *span) == [article * CHUNKS_EACH + chunk for chunk in chunks]


def test_no_rows_of_an_article_that_is_not_there(index: VectorIndex) -> None:
    assert index.rows_in(N_ARTICLES, 0, 999) == index.rows_in(-1, 0, 999) == []


def test_empty_index(empty: VectorIndex) -> None:
    none = np.empty(0, np.int64)
    assert len(empty) == 0
    assert empty.articles.tolist() == []
    assert empty.vectors(none).shape == (0, DIM)
    assert empty.cosines(QUERIES[0], none).tolist() == []
    assert empty.best_sentences(QUERIES[0], none).tolist() == []
    assert empty.nearest(QUERIES[0], k=5, mask=np.empty(0, np.bool_)).tolist() == []
    assert empty.rows_in(0, 0, 9) == []


def assert_told(folder: Path, n: int = 5, *, dim: int = DIM) -> None:
    with pytest.raises(IndexDamagedError, match=r"vectors.*run: otvet index"):
        read(folder, n, dim=dim)


class TestDamaged:
    """A file that holds less than it should, or that contradicts itself, is told when it is opened."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        write(tmp_path / "vectors", n=5)
        return tmp_path / "vectors"

    @pytest.mark.parametrize("name", FILES)
    def test_missing_file(self, folder: Path, name: str) -> None:
        (folder / name).unlink()
        assert_told(folder)

    @pytest.mark.parametrize("name", FILES)
    @pytest.mark.parametrize("n_left", [0, 1, 97, -1])
    def test_truncated_file(self, folder: Path, name: str, n_left: int) -> None:
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[:n_left])
        assert_told(folder)

    @pytest.mark.parametrize("name", FILES)
    def test_file_of_something_else(self, folder: Path, name: str) -> None:
        (folder / name).write_bytes(b"not what it was")
        assert_told(folder)

    @pytest.mark.parametrize(("other", "name"), [*combinations(SHORTEST_FIRST, 2)])
    def test_shorter_file_in_the_place_of_another(self, folder: Path, name: str, other: str) -> None:
        """Rows have no head that tells whose they are; only how many they are is known."""
        (folder / name).write_bytes((folder / other).read_bytes())
        assert_told(folder)

    @pytest.mark.parametrize("other", SHORTEST_FIRST[1:])
    def test_other_rows_in_the_place_of_chunks(self, folder: Path, other: str) -> None:
        """That chunks go from article to article, and each from sentence to sentence, is looked at."""
        (folder / "chunks.rows").write_bytes((folder / other).read_bytes())
        assert_told(folder)

    @pytest.mark.parametrize("name", FILES)
    def test_file_of_a_smaller_generation(self, folder: Path, tmp_path: Path, name: str) -> None:
        write(tmp_path / "smaller", n=4)
        (folder / name).write_bytes((tmp_path / "smaller" / name).read_bytes())
        assert_told(folder)

    @pytest.mark.parametrize("name", FILES)
    def test_file_of_a_later_generation_is_as_good(self, folder: Path, tmp_path: Path, name: str) -> None:
        write(tmp_path / "larger", n=6)
        (folder / name).write_bytes((tmp_path / "larger" / name).read_bytes())
        assert_everything_is_there(read(folder, n=5), n=5)

    @pytest.mark.parametrize(
        "contradict",
        [
            lambda chunks: np.put(chunks["article"], [1], [9]),
            lambda chunks: np.put(chunks["article"], [4], [0]),
            lambda chunks: np.put(chunks["first_sentence"], [2], [99]),
            lambda chunks: np.put(chunks["first_sentence"], [4], [0]),
        ],
    )
    def test_chunks_out_of_order(self, folder: Path, contradict: Callable[[np.ndarray], None]) -> None:
        chunks = np.fromfile(folder / "chunks.rows", CHUNK)
        contradict(chunks)
        chunks.tofile(folder / "chunks.rows")
        assert_told(folder)

    def test_more_sentences_than_the_files_have(self, folder: Path) -> None:
        with pytest.raises(IndexDamagedError, match="run: otvet index"):
            VectorIndex(folder, dim=DIM, n_chunks=5, n_sentences=sum(N_SENTENCES[:5]) + 1)

    def test_other_width(self, folder: Path) -> None:
        assert_told(folder, dim=DIM + 1)

    def test_missing_folder(self, tmp_path: Path) -> None:
        assert_told(tmp_path / "vectors")


def test_a_scan_in_several_lots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of 4096 bytes, so that each lot begins a page of memory; the last lot is smaller."""
    monkeypatch.setattr("index.vectors.SCANNED_AT_ONCE", 4)
    vectors = np.random.default_rng(5).standard_normal((11, 1024)).astype(np.float32)
    with closing(VectorWriter(tmp_path / "wide", dim=1024)) as writer:
        for at, vector in enumerate(vectors):
            writer.add(ChunkPlace(at, 0, 1), vector, [Span(0, 1)], vector[None])
    index = VectorIndex(tmp_path / "wide", dim=1024, n_chunks=11, n_sentences=11)
    everything = np.ones(11, np.bool_)
    for _ in range(2):  # what was given back is read again
        found = index.nearest(vectors[9], k=3, mask=everything)
        assert set(found.tolist()) == set(np.argsort(-(vectors @ vectors[9]))[:3].tolist())
