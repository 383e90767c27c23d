"""Chroma in shards: it holds exactly the rows that it should, from whatever it goes on, and finds the nearest."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest

from index import store
from index.embedding import Vectors
from index.errors import IndexDamagedError
from index.store import DATABASE, ChunkStore, write_store
from index.vectors import Rows
from processes import wait_for

DIM, N = 16, 130
SHARD, SMALL = 50, 10
VECTORS = np.random.default_rng(1).standard_normal((1200, DIM)).astype(np.float32)
VECTORS /= np.linalg.norm(VECTORS, axis=1, keepdims=True)
QUERIES = np.random.default_rng(2).standard_normal((5, DIM)).astype(np.float32)
EVERYTHING = np.arange(N)


@pytest.fixture(autouse=True, scope="module")
def _small_shards() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "SHARD", SHARD)
        patch.setattr(store, "SMALL", SMALL)
        yield


def vectors_of(rows: Rows) -> Vectors:
    return VECTORS[rows]


def write(folder: Path, rows: Rows, *, base: Path | None = None, vectors_of: Callable = vectors_of) -> list[int]:
    """What was told of the progress."""
    told: list[int] = []
    write_store(folder, rows, vectors_of, base=base, tell=told.append)
    return told


@contextmanager
def reading(folder: Path) -> Iterator[ChunkStore]:
    with closing(ChunkStore(folder)) as chunks:
        yield chunks


def assert_holds(folder: Path, rows: Rows) -> None:
    with reading(folder) as chunks:
        assert chunks.count() == len(rows)
        np.testing.assert_array_equal(chunks.rows(), rows)
        for k in (1, 7, len(rows) + 3):
            for query in QUERIES:
                nearest = rows[np.argsort(-(VECTORS[rows] @ query))][:k]
                assert chunks.nearest(query, k=k).tolist() == nearest.tolist()
        for shard in np.unique(rows // store.SHARD):
            own = rows[rows // store.SHARD == shard][::-1]
            np.testing.assert_allclose(chunks.vectors(own), VECTORS[own], atol=1e-5)


def shards(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


class Asked:
    """Gives the vectors of rows, and notes which."""

    def __init__(self) -> None:
        self.rows: set[int] = set()

    def __call__(self, rows: Rows) -> Vectors:
        self.rows |= set(rows.tolist())
        return VECTORS[rows]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All of `EVERYTHING`, in three shards; not to be changed."""
    folder = tmp_path_factory.mktemp("base") / "chroma"
    told = write(folder, EVERYTHING)
    assert sorted(told) == told
    assert told[-1] == N
    return folder


def test_several_shards_find_what_an_exact_scan_finds(base: Path) -> None:
    assert shards(base) == ["0000", "0001", "0002"]
    assert_holds(base, EVERYTHING)


@pytest.mark.parametrize("rows", [np.arange(0), np.array([SHARD - 1, SHARD]), np.array([3, 110, 120])])
def test_any_rows(tmp_path: Path, rows: Rows) -> None:
    """Shards that would be empty are not made, and the others are found all the same."""
    write(tmp_path / "chroma", rows)
    assert shards(tmp_path / "chroma") == [f"{number:04d}" for number in np.unique(rows // SHARD)]
    assert_holds(tmp_path / "chroma", rows)


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param(np.arange(N + 35), id="some more, the last of them in a new shard"),
        pytest.param(np.setdiff1d(np.arange(N + 5), [0, 49, 50, 51, 129]), id="some deleted and others added"),
        pytest.param(np.setdiff1d(EVERYTHING, np.arange(50, 100)), id="a shard deleted"),
        pytest.param(np.setdiff1d(EVERYTHING, np.arange(50, 95)), id="a shard that becomes small"),
        pytest.param(np.arange(0), id="none"),
    ],
)
def test_from_a_base_it_is_as_if_made_anew(base: Path, tmp_path: Path, rows: Rows) -> None:
    told = write(tmp_path / "chroma", rows, base=base)
    assert_holds(tmp_path / "chroma", rows)
    assert sorted(told) == told
    assert told[-1:] == ([len(rows)] if len(rows) else [])
    assert shards(tmp_path / "chroma") == [f"{number:04d}" for number in np.unique(rows // SHARD)]
    assert_holds(base, EVERYTHING)


def test_from_a_base_only_the_difference_is_asked_for(base: Path, tmp_path: Path) -> None:
    """And the first row of each shard, by which it is tried."""
    asked = Asked()
    write(tmp_path / "chroma", np.setdiff1d(np.arange(N + 5), [60]), base=base, vectors_of=asked)
    assert asked.rows == {*range(N, N + 5), 0, 50, 100}


def test_a_small_shard_is_made_anew(base: Path, tmp_path: Path) -> None:
    asked = Asked()
    write(tmp_path / "chroma", np.arange(50, 50 + SMALL - 1), base=base, vectors_of=asked)
    assert asked.rows == set(range(50, 50 + SMALL - 1))


def test_many_generations_one_from_another(base: Path, tmp_path: Path) -> None:
    random, rows, folder, n_given = np.random.default_rng(3), EVERYTHING, base, N
    for number in range(4):
        kept = rows[random.random(len(rows)) > 0.05]
        n_given, rows = n_given + 9, np.concatenate([kept, np.arange(n_given, n_given + 9)])
        write(tmp_path / str(number), rows, base=folder)
        folder = tmp_path / str(number)
    assert_holds(folder, rows)


def test_a_base_that_is_read_meanwhile_stays_as_it_is(base: Path, tmp_path: Path) -> None:
    with reading(base) as chunks:
        before = chunks.nearest(QUERIES[0], k=9).tolist()
        write(tmp_path / "chroma", np.arange(10, N + 20), base=base)
        assert chunks.nearest(QUERIES[0], k=9).tolist() == before
        assert chunks.count() == N
    assert_holds(tmp_path / "chroma", np.arange(10, N + 20))


class TestDamagedBase:
    """A shard that cannot be gone on from is built anew; the others go on."""

    @pytest.fixture
    def damaged(self, base: Path, tmp_path: Path) -> Path:
        return Path(shutil.copytree(base, tmp_path / "damaged"))

    def assert_mended(self, damaged: Path, rows: Rows = EVERYTHING) -> None:
        asked = Asked()
        write(damaged.parent / "chroma", rows, base=damaged, vectors_of=asked)
        assert asked.rows == {0, *range(50, 100), 100}
        assert_holds(damaged.parent / "chroma", rows)

    @pytest.mark.parametrize(
        "damage",
        [
            lambda content: None,
            lambda content: b"",
            lambda content: content[: len(content) // 2],
            lambda content: b"not what it was",
            lambda content: content[:4096] + bytes(len(content) - 4096),
        ],
    )
    def test_database(self, damaged: Path, damage: Callable[[bytes], bytes | None]) -> None:
        path = damaged / "0001" / DATABASE
        content = damage(path.read_bytes())
        path.unlink() if content is None else path.write_bytes(content)
        self.assert_mended(damaged)

    def test_missing_shard(self, damaged: Path) -> None:
        shutil.rmtree(damaged / "0001")
        self.assert_mended(damaged)

    def test_shard_of_other_vectors(self, damaged: Path) -> None:
        shutil.rmtree(damaged / "0001")
        write_store(damaged.parent / "other", np.arange(50, 100), lambda rows: VECTORS[rows + 500], base=None, tell=id)
        shutil.move(damaged.parent / "other" / "0001", damaged / "0001")
        self.assert_mended(damaged)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eleven hundred rows in one shard; not to be changed."""
    folder = tmp_path_factory.mktemp("large") / "chroma"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "SHARD", 5000)
        write(folder, np.arange(1100))
    return folder


class TestGraph:
    """From a thousand rows on Chroma writes a graph into files of its own."""

    @pytest.fixture(autouse=True)
    def _one_shard(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(store, "SHARD", 5000)

    def test_from_a_base_it_is_as_if_made_anew(self, large: Path, tmp_path: Path) -> None:
        rows = np.setdiff1d(np.arange(1200), np.arange(0, 1100, 11))
        asked = Asked()
        write(tmp_path / "chroma", rows, base=large, vectors_of=asked)
        assert asked.rows == {1, *range(1100, 1200)}
        assert_holds(tmp_path / "chroma", rows)

    @pytest.mark.parametrize("name", ["header.bin", "index_metadata.pickle", "link_lists.bin", "data_level0.bin"])
    def test_a_graph_that_lacks_a_file_is_made_anew(self, large: Path, tmp_path: Path, name: str) -> None:
        shutil.copytree(large, tmp_path / "damaged")
        (path,) = (tmp_path / "damaged").glob(f"0000/*/{name}")
        path.unlink()
        write(tmp_path / "chroma", np.arange(1, 1105), base=tmp_path / "damaged")
        assert_holds(tmp_path / "chroma", np.arange(1, 1105))


def opened_below(folder: Path) -> list[str]:
    """The files of a folder that this process has open."""
    opened = [os.readlink(path) for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]
    return [path for path in opened if path.startswith(str(folder))]


class TestReading:
    def test_vectors_come_in_the_order_that_is_asked_for(self, base: Path) -> None:
        with reading(base) as chunks:
            rows = np.array([77, 50, 99, 61])
            np.testing.assert_allclose(chunks.vectors(rows), VECTORS[rows], atol=1e-5)

    def test_missing_folder_is_told(self, tmp_path: Path) -> None:
        with pytest.raises(IndexDamagedError, match="otvet index"):
            ChunkStore(tmp_path / "absent")

    @pytest.mark.parametrize("name", ["0002", "more"])
    def test_what_is_no_shard_is_told(self, base: Path, tmp_path: Path, name: str) -> None:
        shutil.copytree(base, tmp_path / "chroma")
        shutil.rmtree(tmp_path / "chroma" / name, ignore_errors=True)
        (tmp_path / "chroma" / name).mkdir()
        with pytest.raises(IndexDamagedError, match="otvet index"):
            ChunkStore(tmp_path / "chroma")

    def test_what_could_not_be_opened_is_closed(self, tmp_path: Path) -> None:
        """A database that Chroma can open, but that holds no chunks."""
        (tmp_path / "chroma" / "0000").mkdir(parents=True)
        (tmp_path / "chroma" / "0000" / DATABASE).touch()
        with pytest.raises(IndexDamagedError, match="otvet index"):
            ChunkStore(tmp_path / "chroma")
        wait_for(lambda: not opened_below(tmp_path), timeout_s=10)  # Chroma's own threads let go a little later
