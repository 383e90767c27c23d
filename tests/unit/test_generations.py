"""Generations on disk: what serves stays whole whatever happens to a build, and only one build runs at a time."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from index.errors import IndexDamagedError, IndexLockedError, IndexMissingError
from index.generations import (
    FORMAT_VERSION,
    current_generation,
    generation_names,
    index_root,
    new_manifest,
    publish,
    read_manifest,
    require_generation,
    write_manifest,
    writing,
)

VALUES: dict[str, Any] = {
    "embedding_model": "модель",
    "embedding_checksum": "c0ffee",
    "dim": 384,
    "chunk_max_tokens": 256,
    "corpus_fingerprint": "f00d",
    "n_articles": 2,
    "n_chunks": 7,
}
HOLD_THE_LOCK = """
import sys
from pathlib import Path
from index.generations import writing
with writing(Path(sys.argv[1])) as building:
    (building / "half.txt").write_text("половина")
    print("locked", flush=True)
    sys.stdin.readline()
"""


def build(data_dir: Path, content: str) -> str:
    with writing(data_dir) as building:
        (building / "content.txt").write_text(content)
        return publish(data_dir, building)


def build_and_fail(data_dir: Path, error: BaseException) -> None:
    with writing(data_dir) as building:
        (building / "content.txt").write_text("половина")
        write_manifest(building, new_manifest(**VALUES))
        raise error


def snapshot(folder: Path) -> dict[str, bytes]:
    """Every file below a directory but the lock file, which may or may not stay."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "writer.lock"
    }


@contextmanager
def another_writer(data_dir: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock for as long as its standard input stays open."""
    command = [sys.executable, "-c", HOLD_THE_LOCK, str(data_dir)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        try:
            yield process
        finally:
            process.kill()


class TestPublish:
    def test_first_generation(self, tmp_path: Path) -> None:
        assert current_generation(tmp_path) is None
        assert generation_names(tmp_path) == []
        name = build(tmp_path, "один")
        assert current_generation(tmp_path) == require_generation(tmp_path) == name
        assert snapshot(index_root(tmp_path)) == {
            "CURRENT": name.encode(),
            f"{name}/content.txt": "один".encode(),
        }

    def test_two_generations_are_kept(self, tmp_path: Path) -> None:
        names = [build(tmp_path, str(number)) for number in range(4)]
        assert len(set(names)) == 4
        assert current_generation(tmp_path) == names[-1]
        assert generation_names(tmp_path) == names[-2:]
        contents = [(index_root(tmp_path) / name / "content.txt").read_text() for name in names[-2:]]
        assert contents == ["2", "3"]

    def test_names_are_ordered_as_numbers(self, tmp_path: Path) -> None:
        (index_root(tmp_path) / "g-9999").mkdir(parents=True)
        (index_root(tmp_path) / "CURRENT").write_text("g-9999")
        assert build(tmp_path, "x") == "g-10000"
        assert generation_names(tmp_path) == ["g-9999", "g-10000"]
        assert build(tmp_path, "x") == "g-10001"

    def test_pointer_is_replaced_and_not_written_over(self, tmp_path: Path) -> None:
        first = build(tmp_path, "один")
        with (index_root(tmp_path) / "CURRENT").open() as opened_before:
            second = build(tmp_path, "два")
            assert opened_before.read() == first
        assert current_generation(tmp_path) == second

    def test_reader_always_finds_a_complete_generation(self, tmp_path: Path) -> None:
        build(tmp_path, "0")
        seen: list[str] = []
        stop = Event()

        def read() -> None:
            while not stop.is_set():
                name = current_generation(tmp_path) or "no generation"
                content = index_root(tmp_path) / name / "content.txt"
                try:
                    seen.append(content.read_text())
                except FileNotFoundError:  # right where two were published since the name was read
                    if current_generation(tmp_path) == name:
                        seen.append("lost")

        reader = Thread(target=read)
        reader.start()
        for number in range(1, 20):
            build(tmp_path, str(number))
        stop.set()
        reader.join()
        assert [int(each) for each in seen] == sorted(int(each) for each in seen)

    def test_failure_before_the_pointer_leaves_what_serves(self, tmp_path: Path) -> None:
        build(tmp_path, "один")
        before = snapshot(index_root(tmp_path))
        with pytest.raises(FileNotFoundError):
            publish(tmp_path, tmp_path / "never built")
        assert snapshot(index_root(tmp_path)) == before

    def test_nothing_indexed_yet(self, tmp_path: Path) -> None:
        with pytest.raises(IndexMissingError, match="run: otvet index PATH"):
            require_generation(tmp_path)


class TestWriting:
    def test_building_directory_is_new_and_empty(self, tmp_path: Path) -> None:
        left_over = index_root(tmp_path) / "building" / "sub"
        left_over.mkdir(parents=True)
        (left_over / "half.txt").write_text("половина")
        with writing(tmp_path) as building:
            assert building.is_dir()
            assert list(building.iterdir()) == []

    def test_build_that_is_not_published_leaves_nothing(self, tmp_path: Path) -> None:
        with writing(tmp_path) as building:
            (building / "content.txt").write_text("x")
        assert not building.exists()
        assert snapshot(index_root(tmp_path)) == {}
        assert current_generation(tmp_path) is None

    @pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, OSError])
    def test_build_that_fails_leaves_what_serves(self, tmp_path: Path, error: type[BaseException]) -> None:
        build(tmp_path, "один")
        name = build(tmp_path, "два")
        before = snapshot(index_root(tmp_path))
        with pytest.raises(error, match="in the middle"):
            build_and_fail(tmp_path, error("in the middle"))
        assert snapshot(index_root(tmp_path)) == before
        assert not (index_root(tmp_path) / "building").exists()
        assert current_generation(tmp_path) == name
        assert build(tmp_path, "четыре") not in before

    def test_second_writer_is_told_which_process_writes(self, tmp_path: Path) -> None:
        build(tmp_path, "один")
        with another_writer(tmp_path) as process:
            half_built = snapshot(index_root(tmp_path))
            with pytest.raises(IndexLockedError, match=rf"process {process.pid}, since 20\d\d-.*; wait for it"):
                build(tmp_path, "два")
            assert snapshot(index_root(tmp_path)) == half_built
            process.communicate("\n", timeout=30)
        assert build(tmp_path, "три") == current_generation(tmp_path) == "g-0002"

    def test_second_writer_in_the_same_process(self, tmp_path: Path) -> None:
        with writing(tmp_path) as building:
            with pytest.raises(IndexLockedError, match=f"process {os.getpid()},"):
                build(tmp_path, "два")
            assert building.is_dir()
            assert publish(tmp_path, building) == "g-0001"

    def test_writer_that_was_killed_blocks_nobody(self, tmp_path: Path) -> None:
        with another_writer(tmp_path) as process:
            process.kill()
            process.wait(timeout=30)
        assert (index_root(tmp_path) / "building" / "half.txt").exists()
        name = build(tmp_path, "два")
        assert snapshot(index_root(tmp_path)) == {"CURRENT": name.encode(), f"{name}/content.txt": "два".encode()}


class TestManifest:
    def test_round_trip(self, tmp_path: Path) -> None:
        manifest = new_manifest(**VALUES, report={"skipped": [{"source": "a.txt", "reason": "пусто"}], "n": 1})
        write_manifest(tmp_path, manifest)
        assert read_manifest(tmp_path) == manifest
        assert manifest.format_version == FORMAT_VERSION
        assert [path.name for path in tmp_path.iterdir()] == ["manifest.json"]

    def test_field_that_a_manifest_does_not_have(self) -> None:
        with pytest.raises(TypeError, match="n_words"):
            new_manifest(**VALUES, n_words=1)

    @pytest.mark.parametrize("version", [FORMAT_VERSION + 1, 0, None, str(FORMAT_VERSION)])
    def test_another_format_version(self, tmp_path: Path, version: object) -> None:
        values = {**VALUES, "created_at": "2024-05-06T10:00:00+00:00", "format_version": version, "n_words": 1}
        (tmp_path / "manifest.json").write_text(json.dumps(values))
        with pytest.raises(IndexDamagedError, match=rf"has format {version!r}, not {FORMAT_VERSION}; run: otvet index"):
            read_manifest(tmp_path)

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b'{"format_version": 1',
            b"[]",
            b"null",
            b'{"format_version": 1}',
            json.dumps({**VALUES, "created_at": "", "format_version": FORMAT_VERSION, "n_words": 1}).encode(),
            "манифест".encode("cp1251"),
        ],
    )
    def test_broken(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "manifest.json").write_bytes(content)
        with pytest.raises(IndexDamagedError, match=r"manifest\.json.*run: otvet index"):
            read_manifest(tmp_path)

    def test_missing(self, tmp_path: Path) -> None:
        with pytest.raises(IndexDamagedError, match="run: otvet index"):
            read_manifest(tmp_path / "g-0001")
