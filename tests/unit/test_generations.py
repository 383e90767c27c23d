"""Generations on disk: what serves stays whole whatever happens to a build, and only one build runs at a time."""

import fcntl
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from index import generations
from index.catalog import require_current
from index.errors import IndexDamagedError, IndexLockedError, IndexMissingError, IndexWriteError
from index.generations import (
    FORMAT_VERSION,
    Writer,
    check_unlocked,
    current_generation,
    current_writer,
    generation_names,
    hold,
    index_root,
    let_go,
    new_manifest,
    publish,
    read_manifest,
    remove_unused,
    write_manifest,
    writing,
)
from index.local_catalog import LocalCatalog

VALUES: dict[str, Any] = {
    "embedding_model": "модель",
    "embedding_checksum": "c0ffee",
    "dim": 384,
    "chunk_max_tokens": 256,
    "n_articles": 2,
    "n_chunks": 7,
    "paths": ["/статьи"],
}
HOLD_THE_LOCK = """
import sys
from pathlib import Path
from index.generations import writing
with writing(Path(sys.argv[1])) as (building, tell):
    building.mkdir()
    (building / "half.txt").write_text("половина")
    print("locked", flush=True)
    sys.stdin.readline()
"""


def build(data_dir: Path, content: str) -> str:
    with writing(data_dir) as (building, _):
        building.mkdir(exist_ok=True)
        (building / "content.txt").write_text(content)
        return publish(data_dir, building)


def build_and_fail(data_dir: Path, error: BaseException) -> None:
    with writing(data_dir) as (building, _):
        building.mkdir(exist_ok=True)
        (building / "half.txt").write_text("половина")
        write_manifest(building, new_manifest(**VALUES))
        raise error


def snapshot(folder: Path) -> dict[str, bytes]:
    """Every file below a directory but the lock file, which may or may not stay, and what tells of the writer."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in ("writer.lock", "writer.json")
    }


def content_of(data_dir: Path, name: str) -> str:
    return (index_root(data_dir) / name / "content.txt").read_text()


@contextmanager
def held(data_dir: Path, name: str) -> Iterator[None]:
    descriptor = hold(index_root(data_dir) / name)
    try:
        yield
    finally:
        let_go(descriptor)


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
        assert current_generation(tmp_path) == require_current(LocalCatalog(tmp_path)) == name
        assert snapshot(index_root(tmp_path)) == {
            "CURRENT": name.encode(),
            f"{name}/content.txt": "один".encode(),
        }

    def test_only_what_serves_is_kept(self, tmp_path: Path) -> None:
        names = [build(tmp_path, str(number)) for number in range(4)]
        assert len(set(names)) == 4
        assert current_generation(tmp_path) == names[-1]
        assert generation_names(tmp_path) == names[-1:]
        assert content_of(tmp_path, names[-1]) == "3"

    def test_names_are_ordered_as_numbers(self, tmp_path: Path) -> None:
        (index_root(tmp_path) / "g-9999").mkdir(parents=True)
        (index_root(tmp_path) / "CURRENT").write_text("g-9999")
        assert build(tmp_path, "x") == "g-10000"
        with held(tmp_path, "g-10000"):
            assert build(tmp_path, "x") == "g-10001"
            assert generation_names(tmp_path) == ["g-10000", "g-10001"]

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
                name = require_current(LocalCatalog(tmp_path))
                try:
                    with held(tmp_path, name):
                        seen.append(content_of(tmp_path, name))
                except (
                    IndexDamagedError,
                    FileNotFoundError,
                ):  # right where another was published since the name was read
                    if current_generation(tmp_path) == name:
                        seen.append("lost")

        reader = Thread(target=read)
        reader.start()
        for number in range(1, 20):
            build(tmp_path, str(number))
            remove_unused(tmp_path)
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
            require_current(LocalCatalog(tmp_path))


class TestHolding:
    """A generation is there as long as it serves, or somebody reads it."""

    def test_what_a_reader_holds_stays_until_it_lets_go(self, tmp_path: Path) -> None:
        first = build(tmp_path, "один")
        with held(tmp_path, first):
            build(tmp_path, "два")
            third = build(tmp_path, "три")
            assert generation_names(tmp_path) == [first, third]
            assert content_of(tmp_path, first) == "один"
        remove_unused(tmp_path)
        assert generation_names(tmp_path) == [third]

    def test_many_readers_hold_one(self, tmp_path: Path) -> None:
        first = build(tmp_path, "один")
        with held(tmp_path, first):
            with held(tmp_path, first):
                second = build(tmp_path, "два")
            remove_unused(tmp_path)
            assert generation_names(tmp_path) == [first, second]
        assert build(tmp_path, "три") == "g-0003"
        assert generation_names(tmp_path) == ["g-0003"]

    def test_a_reader_that_was_killed_holds_nothing(self, tmp_path: Path) -> None:
        name = build(tmp_path, "один")
        code = (
            "import sys; from pathlib import Path; from index.generations import hold\n"
            "hold(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"
        )
        command = [sys.executable, "-c", code, str(index_root(tmp_path) / name)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as reader:
            assert reader.stdout is not None
            assert reader.stdout.readline() == "held\n"
            second = build(tmp_path, "два")
            assert generation_names(tmp_path) == [name, second]
            reader.kill()
            reader.wait(timeout=30)
        remove_unused(tmp_path)
        assert generation_names(tmp_path) == [second]

    def test_what_serves_is_not_removed_though_nobody_holds_it(self, tmp_path: Path) -> None:
        name = build(tmp_path, "один")
        remove_unused(tmp_path)
        assert generation_names(tmp_path) == [name]
        assert content_of(tmp_path, name) == "один"

    def test_where_nothing_serves_nothing_is_removed(self, tmp_path: Path) -> None:
        name = build(tmp_path, "один")
        (index_root(tmp_path) / "CURRENT").unlink()
        remove_unused(tmp_path)
        assert generation_names(tmp_path) == [name]

    def test_what_a_build_left_that_was_killed_before_it_served_goes_with_the_next_one(self, tmp_path: Path) -> None:
        first = build(tmp_path, "один")
        (index_root(tmp_path) / "g-0002").mkdir()
        remove_unused(tmp_path)
        assert generation_names(tmp_path) == [first, "g-0002"]
        assert build(tmp_path, "три") == "g-0003"
        assert generation_names(tmp_path) == ["g-0003"]

    def test_what_is_not_there_cannot_be_held(self, tmp_path: Path) -> None:
        with pytest.raises(IndexDamagedError, match=r"g-0001.*run: otvet index"):
            hold(index_root(tmp_path) / "g-0001")

    def test_who_holds_waits_for_who_looks_whether_it_is_held(self, tmp_path: Path) -> None:
        """What serves is never refused because somebody else looked at that moment."""
        path = index_root(tmp_path) / build(tmp_path, "один")
        looking = os.open(path, os.O_RDONLY)
        fcntl.flock(looking, fcntl.LOCK_EX)
        opened: list[int] = []
        reader = Thread(target=lambda: opened.append(hold(path)))
        reader.start()
        reader.join(0.05)
        assert opened == []
        os.close(looking)
        reader.join(10)
        assert len(opened) == 1
        let_go(opened[0])

    def test_who_holds_is_told_of_what_was_removed_meanwhile(self, tmp_path: Path) -> None:
        path = index_root(tmp_path) / build(tmp_path, "один")
        removing = os.open(path, os.O_RDONLY)
        fcntl.flock(removing, fcntl.LOCK_EX)
        told: list[BaseException] = []

        def read() -> None:
            try:
                hold(path)
            except IndexDamagedError as exc:
                told.append(exc)

        reader = Thread(target=read)
        reader.start()
        reader.join(0.05)
        shutil.rmtree(path)
        os.close(removing)
        reader.join(10)
        assert [str(exc) for exc in told] == [f"{str(path)!r} was removed; run: otvet index"]

    def test_a_generation_is_not_removed_between_its_renaming_and_its_serving(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A reader may let go of another one at any moment, and then looks for what nobody reads."""
        build(tmp_path, "один")
        replace, n_looks = os.replace, 0

        def replace_and_look(source: Path, target: Path) -> None:
            nonlocal n_looks
            replace(source, target)
            if target.name == "g-0002":
                n_looks += 1
                remove_unused(tmp_path)

        monkeypatch.setattr(os, "replace", replace_and_look)
        assert build(tmp_path, "два") == "g-0002"
        assert n_looks == 1
        assert content_of(tmp_path, "g-0002") == "два"


class TestWriting:
    def test_what_an_earlier_build_left_is_there(self, tmp_path: Path) -> None:
        left_over = index_root(tmp_path) / "building" / "sub"
        left_over.mkdir(parents=True)
        (left_over / "half.txt").write_text("половина")
        with writing(tmp_path) as (building, _):
            assert (building / "sub" / "half.txt").read_text() == "половина"
        with writing(tmp_path / "new") as (building, _):
            assert not building.exists()
            assert building.parent.is_dir()

    def test_build_that_is_not_published_is_not_served(self, tmp_path: Path) -> None:
        with writing(tmp_path) as (building, _):
            building.mkdir()
            (building / "content.txt").write_text("x")
        assert snapshot(index_root(tmp_path)) == {"building/content.txt": b"x"}
        assert current_generation(tmp_path) is None
        assert generation_names(tmp_path) == []

    @pytest.mark.parametrize(
        ("error", "told"), [(RuntimeError, RuntimeError), (KeyboardInterrupt,) * 2, (OSError, IndexWriteError)]
    )
    def test_build_that_fails_leaves_what_serves_and_its_own_to_the_next(
        self, tmp_path: Path, error: type[BaseException], told: type[BaseException]
    ) -> None:
        build(tmp_path, "один")
        name = build(tmp_path, "два")
        before = snapshot(index_root(tmp_path))
        with pytest.raises(told, match="in the middle"):
            build_and_fail(tmp_path, error("in the middle"))
        after = snapshot(index_root(tmp_path))
        assert {path: content for path, content in after.items() if not path.startswith("building/")} == before
        assert set(after) - set(before) == {"building/half.txt", "building/manifest.json"}
        assert current_generation(tmp_path) == name
        assert build(tmp_path, "четыре") == "g-0003"
        assert (index_root(tmp_path) / "g-0003" / "half.txt").read_text() == "половина"

    @pytest.mark.parametrize("error", [OSError(28, "No space left"), sqlite3.OperationalError("disk I/O error")])
    def test_what_cannot_be_written_is_told_with_what_to_do(self, tmp_path: Path, error: Exception) -> None:
        with pytest.raises(IndexWriteError, match=r"(No space left|disk I/O error).*stays as it is.*run: otvet index"):
            build_and_fail(tmp_path, error)

    def test_a_data_directory_that_cannot_be_made_is_told(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(IndexWriteError, match="otvet index"):
            build(tmp_path / "file", "x")

    def test_second_writer_is_told_which_process_writes(self, tmp_path: Path) -> None:
        build(tmp_path, "один")
        with another_writer(tmp_path) as process:
            half_built = snapshot(index_root(tmp_path))
            with pytest.raises(IndexLockedError, match=rf"process {process.pid}, since 20\d\d-.*; wait for it"):
                build(tmp_path, "два")
            with pytest.raises(IndexLockedError, match=f"process {process.pid},"):
                check_unlocked(tmp_path)
            assert snapshot(index_root(tmp_path)) == half_built
            process.communicate("\n", timeout=30)
        check_unlocked(tmp_path)
        assert build(tmp_path, "три") == current_generation(tmp_path) == "g-0002"

    def test_second_writer_in_the_same_process(self, tmp_path: Path) -> None:
        with writing(tmp_path) as (building, _):
            building.mkdir()
            with pytest.raises(IndexLockedError, match=f"process {os.getpid()},"):
                build(tmp_path, "два")
            assert building.is_dir()
            assert publish(tmp_path, building) == "g-0001"

    def test_writer_that_was_killed_blocks_nobody(self, tmp_path: Path) -> None:
        with another_writer(tmp_path) as process:
            process.kill()
            process.wait(timeout=30)
        assert current_writer(tmp_path) is None
        assert (index_root(tmp_path) / "building" / "half.txt").exists()
        name = build(tmp_path, "два")
        assert snapshot(index_root(tmp_path)) == {
            "CURRENT": name.encode(),
            f"{name}/content.txt": "два".encode(),
            f"{name}/half.txt": "половина".encode(),
        }
        assert not (index_root(tmp_path) / "writer.json").exists()


class TestProgress:
    def test_others_see_who_builds_and_how_far_it_is(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(generations, "TOLD_EVERY_S", 0)
        assert current_writer(tmp_path) is None
        with writing(tmp_path) as (_, tell):
            writer = current_writer(tmp_path)
            assert writer is not None
            assert writer == Writer(os.getpid(), writer.since)
            tell("embed", 3, 9)
            assert current_writer(tmp_path) == Writer(os.getpid(), writer.since, "embed", 3, 9)
        assert current_writer(tmp_path) is None

    def test_it_is_not_written_more_often_than_somebody_could_read_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(generations, "TOLD_EVERY_S", 3600)
        with writing(tmp_path) as (_, tell):
            before = (index_root(tmp_path) / "writer.json").stat()
            for done in range(100):
                tell("embed", done, 100)
            after = (index_root(tmp_path) / "writer.json").stat()
            assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)

    def test_another_process_is_seen_too(self, tmp_path: Path) -> None:
        with another_writer(tmp_path) as process:
            writer = current_writer(tmp_path)
            assert writer is not None
            assert (writer.pid, writer.stage, writer.done, writer.total) == (process.pid, "", 0, 0)

    @pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": 1}', '{"pid": 1, "since": "", "more": 2}'])
    def test_a_note_of_the_writer_that_cannot_be_read_is_no_error(self, tmp_path: Path, content: str) -> None:
        with writing(tmp_path):
            (index_root(tmp_path) / "writer.json").write_text(content)
            assert current_writer(tmp_path) is None
            with pytest.raises(IndexLockedError, match="it has just started"):
                build(tmp_path, "x")


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
