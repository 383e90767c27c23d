"""The keyword leg in blocks: gone on with from another generation, shared, with deleted chunks, against bm25s."""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from bm25s import BM25
from hypothesis import given, settings
from hypothesis import strategies as st

from index import lexical
from index.errors import IndexDamagedError
from index.lexical import K1, B, LexicalIndex, LexicalWriter, chunk_terms
from index.rows import Mask

BLOCK = 4
WORDS = ["мост", "порт", "судно", "зерно", "Чавес", "ремонт", "Grain", "1000", "Ил-76", "школа"]
CHUNKS = st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join)
TEXTS = [" ".join(WORDS[at : at + 1 + at % 3]) + " мост" * (at % 4) for at in range(len(WORDS))]
QUERIES = [{term: 1.0} for term in sorted({term for word in WORDS for term in chunk_terms(word)})]


@pytest.fixture(autouse=True, scope="module")
def _small_blocks() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lexical, "BLOCK", BLOCK)
        yield


def write(folder: Path, texts: Sequence[str], *, base: Path | None = None, n_chunks: int = 0) -> Path:
    writer = LexicalWriter(folder, base=base, n_chunks=n_chunks)
    for text in texts:
        writer.add(text)
    writer.save()
    return folder


def write_in_goes(folder: Path, goes: Sequence[Sequence[str]]) -> Path:
    """Each go is a generation of its own that goes on from the one before."""
    folder.mkdir(exist_ok=True)
    base, n_chunks = write(folder / "0", goes[0]), len(goes[0])
    for number, texts in enumerate(goes[1:], start=1):
        base, n_chunks = write(folder / str(number), texts, base=base, n_chunks=n_chunks), n_chunks + len(texts)
    return base


def read(folder: Path, alive: int | Sequence[bool] | Mask) -> LexicalIndex:
    mask = np.ones(alive, np.bool_) if isinstance(alive, int) else np.array(alive, np.bool_)
    return LexicalIndex(folder, alive=mask)


def assert_same(one: LexicalIndex, other: LexicalIndex) -> None:
    assert len(one) == len(other)
    for query in [*([word] for word in QUERIES), QUERIES]:
        np.testing.assert_array_equal(one.shares(query), other.shares(query))


@settings(deadline=None, max_examples=40)
@given(st.lists(CHUNKS, max_size=14), st.lists(st.integers(0, 14), max_size=3))
def test_written_in_several_goes_it_is_as_in_one(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], cuts: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("goes")
    goes = [texts[first:last] for first, last in pairwise([0, *sorted(cuts), len(texts)])]
    n_chunks = sum(map(len, goes))
    in_goes = read(write_in_goes(folder / "goes", goes), n_chunks)
    assert_same(in_goes, read(write(folder / "once", [text for go in goes for text in go]), n_chunks))


@pytest.mark.parametrize("first", range(2 * BLOCK + 2))
def test_it_goes_on_at_and_beside_the_border_of_a_block(tmp_path: Path, first: int) -> None:
    in_goes = write_in_goes(tmp_path / "goes", [TEXTS[:first], TEXTS[first:]])
    assert_same(read(in_goes, len(TEXTS)), read(write(tmp_path / "once", TEXTS), len(TEXTS)))


def test_the_base_stays_as_it_is(tmp_path: Path) -> None:
    """It serves on, though the next generation has terms that it does not know."""
    base = write(tmp_path / "base", TEXTS[:6])
    before = {path: path.read_bytes() for path in base.rglob("*") if path.is_file()}
    write(tmp_path / "next", ["новое слово"] * 5, base=base, n_chunks=6)
    assert {path: path.read_bytes() for path in base.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("n_chunks", [BLOCK - 1, BLOCK, 2 * BLOCK, 2 * BLOCK + 1])
def test_full_blocks_are_shared_and_the_others_are_not(tmp_path: Path, n_chunks: int) -> None:
    base = write(tmp_path / "base", TEXTS[:n_chunks])
    write(tmp_path / "next", ["порт"], base=base, n_chunks=n_chunks)
    for path in base.glob("*/*.npy"):
        is_shared = path.samefile(tmp_path / "next" / path.relative_to(base))
        assert is_shared == (int(path.parent.name) < n_chunks // BLOCK)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(CHUNKS, st.booleans()), max_size=14))
def test_deleted_chunks_weigh_nothing(tmp_path_factory: pytest.TempPathFactory, chunks: list[tuple[str, bool]]) -> None:
    """For those that live all is as if the others had never been there."""
    folder = tmp_path_factory.mktemp("deleted")
    texts, alive = [text for text, _ in chunks], np.array([is_alive for _, is_alive in chunks], np.bool_)
    with_dead = read(write(folder / "all", texts), alive)
    living = [text for text, is_alive in chunks if is_alive]
    without = read(write(folder / "living", living), len(living))
    for query in [*([word] for word in QUERIES), QUERIES]:
        shares = with_dead.shares(query)
        np.testing.assert_allclose(shares[alive], without.shares(query), rtol=1e-6)
        assert not shares[~alive].any()
    terms = [term for word in QUERIES for term in word]
    assert with_dead.known(terms) == without.known(terms)


@settings(deadline=None, max_examples=60)
@given(st.lists(CHUNKS.filter(bool), min_size=1, max_size=14), st.sets(st.sampled_from(WORDS), min_size=1))
def test_shares_are_scores_of_bm25s_by_the_sum_of_idf(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], asked: set[str]
) -> None:
    index = read(write(tmp_path_factory.mktemp("bm25s") / "lexical", texts), len(texts))
    documents = [chunk_terms(text) for text in texts]
    terms = sorted({term for word in asked for term in chunk_terms(word)})
    scores, weight = np.zeros(len(texts)), 0.0
    for term in terms:
        n_with = sum(term in document for document in documents)
        weight += math.log(1 + (len(texts) - n_with + 0.5) / (n_with + 0.5))
    if known := sorted(index.known(terms)):
        reference = BM25(method="lucene", k1=K1, b=B)
        reference.index(documents, show_progress=False)
        scores = reference.get_scores(known)
    np.testing.assert_allclose(index.shares([{term: 1.0} for term in terms]), scores / weight, rtol=1e-5, atol=1e-7)


class TestDamagedBase:
    """It is told when a generation goes on from it, before anything that is damaged is taken over."""

    @pytest.fixture
    def base(self, tmp_path: Path) -> Path:
        return write(tmp_path / "base", TEXTS[:6])

    def assert_told(self, base: Path, n_chunks: int = 6) -> None:
        with pytest.raises(IndexDamagedError, match="run: otvet index"):
            write(base.parent / "next", [], base=base, n_chunks=n_chunks)

    @pytest.mark.parametrize("name", ["vocabulary.txt", "lengths.i32"])
    @pytest.mark.parametrize("left", [None, 0.0, 0.5])
    def test_lists(self, base: Path, name: str, left: float | None) -> None:
        content = (base / name).read_bytes()
        (base / name).unlink() if left is None else (base / name).write_bytes(content[: int(left * len(content))])
        self.assert_told(base)

    @pytest.mark.parametrize("block", ["0000", "0001"])
    @pytest.mark.parametrize("name", ["starts.npy", "rows.npy", "counts.npy"])
    @pytest.mark.parametrize("left", [None, 0.0, 0.5])
    def test_full_block_and_the_last_one(self, base: Path, block: str, name: str, left: float | None) -> None:
        path = base / block / name
        content = path.read_bytes()
        path.unlink() if left is None else path.write_bytes(content[: int(left * len(content))])
        self.assert_told(base)

    @pytest.mark.parametrize("n_chunks", [0, 5, 7])
    def test_another_number_of_chunks(self, base: Path, n_chunks: int) -> None:
        self.assert_told(base, n_chunks)

    def test_missing_folder(self, tmp_path: Path) -> None:
        self.assert_told(tmp_path / "absent")
