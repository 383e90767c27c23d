"""Plain files of rows: they grow at their end only, are shared, cut off, and copied without what is not kept."""

import errno
import os
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index import rows
from index.errors import IndexDamagedError
from index.rows import RowFile, RowWriter, RowWriters, keep_rows, mapped, share

WIDTH = 3
ALL = np.arange(30, dtype=np.int32).reshape(10, WIDTH)
ROW_BYTES = 4 * WIDTH


def write(path: Path, added: npt.NDArray[np.int32], *, n_rows: int = 0) -> None:
    with closing(RowWriter(path, ROW_BYTES, n_rows=n_rows)) as writer:
        writer.append(added)
        assert writer.n_rows == n_rows + len(added)


def read(path: Path) -> npt.NDArray[np.int32]:
    return np.fromfile(path, np.int32).reshape(-1, WIDTH)


def forbid_links(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a file system that has no hard links, or between two of them."""

    def refuse(source: Path, target: Path) -> None:
        raise OSError(errno.EXDEV, "no links here", str(source), None, str(target))

    monkeypatch.setattr(os, "link", refuse)


class TestRowWriter:
    @settings(deadline=None)
    @given(st.lists(st.integers(0, 10), max_size=4))
    def test_written_in_several_goes_it_is_as_in_one(
        self, tmp_path_factory: pytest.TempPathFactory, cuts: list[int]
    ) -> None:
        path = tmp_path_factory.mktemp("any") / "rows"
        for first, last in pairwise([0, *sorted(cuts), 10]):
            write(path, ALL[first:last], n_rows=first)
        np.testing.assert_array_equal(read(path), ALL)

    @pytest.mark.parametrize("n_rows", range(5))
    def test_what_lies_behind_is_cut_off(self, tmp_path: Path, n_rows: int) -> None:
        write(tmp_path / "rows", ALL[:4])
        with (tmp_path / "rows").open("ab") as file:
            file.write(b"half a row")
        write(tmp_path / "rows", ALL[9:], n_rows=n_rows)
        np.testing.assert_array_equal(read(tmp_path / "rows"), [*ALL[:n_rows], ALL[9]])

    def test_opening_alone_cuts_off(self, tmp_path: Path) -> None:
        write(tmp_path / "rows", ALL)
        write(tmp_path / "rows", ALL[:0], n_rows=2)
        np.testing.assert_array_equal(read(tmp_path / "rows"), ALL[:2])

    @pytest.mark.parametrize("n_missing", [1, ROW_BYTES, 4 * ROW_BYTES])
    def test_a_file_with_fewer_rows_is_refused_and_left_as_it_is(self, tmp_path: Path, n_missing: int) -> None:
        write(tmp_path / "rows", ALL[:4])
        os.truncate(tmp_path / "rows", 4 * ROW_BYTES - n_missing)
        before = (tmp_path / "rows").read_bytes()
        with pytest.raises(IndexDamagedError, match=r"rows' holds fewer than 4 rows; run: otvet index"):
            RowWriter(tmp_path / "rows", ROW_BYTES, n_rows=4)
        assert (tmp_path / "rows").read_bytes() == before

    def test_a_file_that_is_not_there_is_made_for_no_rows_only(self, tmp_path: Path) -> None:
        RowWriter(tmp_path / "rows", ROW_BYTES).close()
        assert (tmp_path / "rows").stat().st_size == 0
        with pytest.raises(IndexDamagedError):
            RowWriter(tmp_path / "absent", ROW_BYTES, n_rows=1)

    def test_bytes_are_taken_as_they_are(self, tmp_path: Path) -> None:
        with closing(RowWriter(tmp_path / "rows", 1)) as writer:
            writer.append("мост".encode())
            assert writer.n_rows == 8
        assert (tmp_path / "rows").read_text() == "мост"

    def test_an_array_is_stored_row_by_row_however_it_lies_in_memory(self, tmp_path: Path) -> None:
        write(tmp_path / "rows", np.asfortranarray(ALL)[::2])
        np.testing.assert_array_equal(read(tmp_path / "rows"), ALL[::2])

    def test_after_sync_others_see_all(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        synced: list[int] = []
        monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_ino))
        with closing(RowWriter(tmp_path / "rows", ROW_BYTES)) as writer:
            writer.append(ALL)
            writer.sync()
            np.testing.assert_array_equal(read(tmp_path / "rows"), ALL)
        assert synced == [(tmp_path / "rows").stat().st_ino]

    def test_several_are_opened_all_or_none(self, tmp_path: Path) -> None:
        """One that stayed open would be told of as a warning, which is an error here."""
        write(tmp_path / "one", ALL)
        with pytest.raises(IndexDamagedError, match="other"):
            RowWriters(tmp_path, ("one", ROW_BYTES, 10), ("other", ROW_BYTES, 1))
        with closing(RowWriters(tmp_path, ("one", ROW_BYTES, 9), ("other", 1, 0))) as writers:
            assert [file.n_rows for file in writers.files] == [9, 0]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("whole") / "rows"
    write(path, ALL)
    return path


class TestReading:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        write(tmp_path / "rows", ALL)
        return tmp_path / "rows"

    @given(st.lists(st.tuples(st.integers(0, 10), st.integers(0, 10)).map(lambda span: tuple(sorted(span)))))
    def test_spans_come_one_behind_the_other(self, whole: Path, spans: list[tuple[int, int]]) -> None:
        found = RowFile(whole, np.int32, (10, WIDTH)).read(spans)
        expected = [row for first, end in spans for row in ALL[first:end].tolist()]
        assert found.shape == (len(expected), WIDTH)
        assert found.tolist() == expected

    @pytest.mark.parametrize("n_rows", [0, 4, 10])
    def test_no_more_than_was_asked_for_is_mapped(self, path: Path, n_rows: int) -> None:
        found = mapped(path, np.int32, (n_rows, WIDTH))
        assert found.shape == (n_rows, WIDTH)
        np.testing.assert_array_equal(found, ALL[:n_rows])

    def test_fewer_rows_are_told(self, path: Path) -> None:
        for opened in (mapped, RowFile):
            with pytest.raises(ValueError, match=r"rows holds fewer than 11 rows of 12 bytes"):
                opened(path, np.int32, (11, WIDTH))
            with pytest.raises(FileNotFoundError):
                opened(path.with_name("absent"), np.int32, (0, WIDTH))

    def test_a_reader_is_not_disturbed_by_who_adds_and_cuts_off_behind_its_rows(self, path: Path) -> None:
        array, file = mapped(path, np.int32, (4, WIDTH)), RowFile(path, np.int32, (4, WIDTH))
        write(path, ALL[::-1], n_rows=4)
        for _ in range(2):
            np.testing.assert_array_equal(array, ALL[:4])
            np.testing.assert_array_equal(file.read([(0, 4)]), ALL[:4])
            write(path, ALL[:0], n_rows=4)

    def test_a_file_is_closed_with_its_last_reference(self, path: Path) -> None:
        n_open = len(os.listdir("/dev/fd"))
        file = RowFile(path, np.int32, (10, WIDTH))
        assert len(os.listdir("/dev/fd")) == n_open + 1
        del file
        assert len(os.listdir("/dev/fd")) == n_open


class TestShare:
    def test_it_is_the_same_file(self, tmp_path: Path) -> None:
        write(tmp_path / "rows", ALL[:4])
        share(tmp_path / "rows", tmp_path / "shared")
        assert (tmp_path / "shared").samefile(tmp_path / "rows")
        write(tmp_path / "shared", ALL[4:], n_rows=4)
        np.testing.assert_array_equal(mapped(tmp_path / "rows", np.int32, (4, WIDTH)), ALL[:4])

    def test_it_outlives_who_had_it_first(self, tmp_path: Path) -> None:
        write(tmp_path / "rows", ALL)
        share(tmp_path / "rows", tmp_path / "shared")
        (tmp_path / "rows").unlink()
        np.testing.assert_array_equal(read(tmp_path / "shared"), ALL)

    def test_where_there_are_no_links_it_is_a_copy(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        forbid_links(monkeypatch)
        write(tmp_path / "rows", ALL)
        share(tmp_path / "rows", tmp_path / "copy")
        assert not (tmp_path / "copy").samefile(tmp_path / "rows")
        write(tmp_path / "copy", ALL[:1], n_rows=2)
        np.testing.assert_array_equal(read(tmp_path / "copy"), [*ALL[:2], ALL[0]])
        np.testing.assert_array_equal(read(tmp_path / "rows"), ALL)

    @pytest.mark.parametrize("with_links", [True, False])
    def test_what_is_not_there_cannot_be_shared(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, with_links: bool
    ) -> None:
        if not with_links:
            forbid_links(monkeypatch)
        with pytest.raises(FileNotFoundError):
            share(tmp_path / "absent", tmp_path / "copy")


@settings(deadline=None)
@given(st.lists(st.booleans(), max_size=10), st.integers(1, 12))
def test_what_is_kept_is_what_the_mask_says(
    tmp_path_factory: pytest.TempPathFactory, kept: list[bool], at_once: int
) -> None:
    """The file may hold more rows than the mask speaks of."""
    folder, mask = tmp_path_factory.mktemp("kept"), np.array(kept, np.bool_)
    write(folder / "rows", ALL)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows, "KEPT_AT_ONCE", at_once)
        keep_rows(folder / "rows", folder / "copy", ROW_BYTES, mask)
    np.testing.assert_array_equal(read(folder / "copy"), ALL[: len(mask)][mask])
    np.testing.assert_array_equal(read(folder / "rows"), ALL)


def test_a_mask_of_more_rows_than_there_are_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "rows", ALL)
    with pytest.raises(ValueError, match="fewer than 11 rows"):
        keep_rows(tmp_path / "rows", tmp_path / "copy", ROW_BYTES, np.ones(11, np.bool_))
