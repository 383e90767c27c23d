"""Generations on disk: one directory a build, a pointer file to the one that serves, a lock for the one that writes.

    DATA_DIR/index/
        CURRENT             the name of the serving generation, replaced atomically
        writer.lock         held while a build runs; writer.json tells whose it is and how far
        sources.sqlite      which articles each file of the corpus held when it was read last (index/sources.py)
        g-0001/             manifest.json, articles.sqlite, texts.utf8, vectors/, late/, and what is made from these:
                            chroma/, lexical/, words/
        building/           what a build has written so far; nobody reads it, and the next build goes on from it

Decision: a new directory and a pointer, rather than updates in place. A process that reads a Chroma directory which
another one writes goes stale without a word, and two writers lose vectors without a word (chroma #3792, #7040).

Decision: who reads a generation holds a shared lock on its directory, and one that nobody holds is removed as soon as
another serves. The system lets the lock go with the process, however that ends.
"""

import fcntl
import json
import os
import re
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from index.errors import IndexDamagedError, IndexLockedError, IndexWriteError
from index.records import Progress

FORMAT_VERSION = 4  # of shared ones, too, whose tables have a version of their own (index/postgres.py)
POINTER = "CURRENT"
BUILDING = "building"
WRITER_LOCK, WRITER = "writer.lock", "writer.json"
TOLD_EVERY_S = 0.5
LOCK_TIMEOUT_S = 0.2  # who only looks whether somebody builds holds the lock for a moment
CHUNKS_DIR = "chroma"
LEXICAL_DIR = "lexical"
VECTORS_DIR = "vectors"
WORDS_DIR = "words"
LATE_DIR = "late"
NAME = re.compile(r"g-(\d{4,})")


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a generation was built from and what it holds. `report` is that of index/rebuild.py."""

    format_version: int
    created_at: str
    embedding_model: str
    embedding_checksum: str
    dim: int
    chunk_max_tokens: int
    n_articles: int
    n_chunks: int
    paths: list[str] = field(default_factory=list)
    report: dict[str, Any] = field(default_factory=dict)


def index_root(data_dir: Path) -> Path:
    """The directory that holds the generations."""
    return data_dir / "index"


def current_generation(data_dir: Path) -> str | None:
    """Name of the serving generation, None before the first build. Reads one small file; cheap enough per request.

    Raises:
        IndexDamagedError: the pointer cannot be read or names no generation.
    """
    path = index_root(data_dir) / POINTER
    try:
        name = path.read_text("utf-8").strip()
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as exc:
        raise IndexDamagedError(f"cannot read {str(path)!r} ({exc}); remove it and run: otvet index") from exc
    if not NAME.fullmatch(name):
        raise IndexDamagedError(f"{str(path)!r} names {name!r}, no generation; remove it and run: otvet index")
    return name


def read_manifest(generation: Path) -> Manifest:
    """The manifest of a generation's directory.

    Raises:
        IndexDamagedError: it is missing, unreadable, or written by another version of Otvet.
    """
    path = generation / "manifest.json"
    try:
        values = json.loads(path.read_text("utf-8"))
        if values.get("format_version") != FORMAT_VERSION:
            found = values.get("format_version")
            raise IndexDamagedError(f"{str(path)!r} has format {found!r}, not {FORMAT_VERSION}; run: otvet index")
        return Manifest(**values)
    except (OSError, ValueError, TypeError, AttributeError) as exc:
        raise IndexDamagedError(f"cannot read {str(path)!r} ({exc}); run: otvet index") from exc


def write_manifest(generation: Path, manifest: Manifest) -> None:
    """Write the manifest and force it to disk."""
    write_durably(generation / "manifest.json", json.dumps(asdict(manifest), ensure_ascii=False, indent=2))


@dataclass(frozen=True, slots=True)
class Writer:
    """Who builds, and how far the build is: a stage with its `done` of `total`, which is 0 where it is not known."""

    pid: int
    since: str
    stage: str = ""
    done: int = 0
    total: int = 0


@contextmanager
def writing(data_dir: Path) -> Iterator[tuple[Path, Progress]]:
    """Hold the writer's lock; gives the directory to build in and what is to be told of the progress.

    The directory may be there, with what an earlier build left, and stays if this one fails.

    Raises:
        IndexLockedError: another process is building. Says which one and since when.
        IndexWriteError: a file cannot be written.
    """
    root = index_root(data_dir)
    with _writing_errors(root):
        root.mkdir(parents=True, exist_ok=True)
        lock = FileLock(root / WRITER_LOCK, timeout=LOCK_TIMEOUT_S)
        try:
            lock.acquire()
        except Timeout as exc:
            raise IndexLockedError(f"another build is running ({_holder(data_dir)}); wait for it or stop it") from exc
        try:
            teller = _Teller(root / WRITER)
            yield root / BUILDING, teller
        finally:
            (root / WRITER).unlink(missing_ok=True)
            lock.release()


def check_unlocked(data_dir: Path) -> None:
    """Find out at once, before a model is loaded, that another process is building.

    Raises:
        IndexLockedError: it is. Says which one and since when.
    """
    try:
        descriptor = os.open(index_root(data_dir) / WRITER_LOCK, os.O_RDONLY)
    except OSError:  # nobody has built yet
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared, so that those who look do not see each other
    except BlockingIOError as exc:
        raise IndexLockedError(f"another build is running ({_holder(data_dir)}); wait for it or stop it") from exc
    finally:
        os.close(descriptor)


def current_writer(data_dir: Path) -> Writer | None:
    """Who builds now and how far it is; None where nobody does."""
    try:
        check_unlocked(data_dir)
    except IndexLockedError:
        return _read_writer(data_dir)
    return None


class _Teller:
    """Writes down who builds, and how far the build is, but not more often than somebody could read it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer = Writer(os.getpid(), now())
        self._told = 0.0
        self._write(self._writer)

    def __call__(self, stage: str, done: int, total: int) -> None:
        if time.monotonic() - self._told >= TOLD_EVERY_S:
            self._write(replace(self._writer, stage=stage, done=done, total=total))

    def _write(self, writer: Writer) -> None:
        self._told = time.monotonic()
        scratch = self._path.with_suffix(".tmp")
        scratch.write_text(json.dumps(asdict(writer)), "utf-8")
        os.replace(scratch, self._path)


@contextmanager
def _writing_errors(root: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, sqlite3.OperationalError) as exc:
        raise IndexWriteError(
            f"cannot write the index in {str(root)!r} ({exc}); what serves stays as it is. Mend that, for example by "
            "freeing disk space, and run: otvet index. It goes on from where it stopped"
        ) from exc


def publish(data_dir: Path, building: Path) -> str:
    """Make a complete build the serving generation, in one atomic step, and return its name.

    All of it is forced to the disk first. Those that nobody reads are then removed.
    """
    root = index_root(data_dir)
    for path in building.rglob("*"):
        _sync(path)
    _sync(building)
    name = name_of(_last_number(data_dir) + 1)
    os.replace(building, root / name)
    _sync(root)
    write_durably(root / POINTER, name)
    remove_unused(data_dir)
    return name


def hold(generation: Path) -> int:
    """Keep a generation from being removed until `let_go` is given what this returns.

    Raises:
        IndexDamagedError: it is not there, or was just removed.
    """
    try:
        descriptor = os.open(generation, os.O_RDONLY)
    except OSError as exc:
        raise IndexDamagedError(f"cannot open the generation {str(generation)!r} ({exc}); run: otvet index") from exc
    fcntl.flock(descriptor, fcntl.LOCK_SH)  # waits for who removes it, or finds that it serves and lets it be
    if not generation.exists():
        os.close(descriptor)
        raise IndexDamagedError(f"{str(generation)!r} was removed; run: otvet index")
    return descriptor


def let_go(descriptor: int) -> None:
    """End what `hold` began."""
    os.close(descriptor)


def remove_unused(data_dir: Path) -> None:
    """Remove the generations before the serving one that nobody reads. What cannot be removed stays.

    A later one is about to serve, or was left by a build that was killed just then; it goes when another one serves.
    """
    current = current_generation(data_dir)
    for name in generation_names(data_dir):
        if current is None or number_of(name) >= number_of(current):
            continue
        path = index_root(data_dir) / name
        with suppress(OSError):
            descriptor = os.open(path, os.O_RDONLY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(descriptor)


def generation_names(data_dir: Path) -> list[str]:
    """Names of the generations on disk, oldest first."""
    names = [path.name for path in index_root(data_dir).glob("g-*")]
    return sorted(filter(NAME.fullmatch, names), key=number_of)


def new_manifest(**values: Any) -> Manifest:  # noqa: ANN401 - the fields of Manifest, which checks their names
    """A manifest of this format, made now."""
    return Manifest(format_version=FORMAT_VERSION, created_at=now(), **values)


def _last_number(data_dir: Path) -> int:
    """Of the generations that there are or, as no name may come again while somebody reads, that should serve."""
    named = current_generation(data_dir)
    return max(map(number_of, [*generation_names(data_dir), *filter(None, [named])]), default=0)


def name_of(number: int) -> str:
    """The name of a generation."""
    return f"g-{number:04d}"


def number_of(name: str) -> int:
    """The number of a generation.

    Raises:
        IndexDamagedError: it is no name of one.
    """
    match = NAME.fullmatch(name)
    if match is None:
        raise IndexDamagedError(f"{name!r} is no generation; run: otvet index")
    return int(match[1])


def now() -> str:
    """The time as manifests tell it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _read_writer(data_dir: Path) -> Writer | None:
    try:
        return Writer(**json.loads((index_root(data_dir) / WRITER).read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _holder(data_dir: Path) -> str:
    writer = _read_writer(data_dir)
    return f"process {writer.pid}, since {writer.since}" if writer else "it has just started"


def write_durably(path: Path, text: str) -> None:
    """Write a file that is there whole or not at all, also after a power cut."""
    scratch = path.with_name(path.name + ".tmp")
    with scratch.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(scratch, path)
    _sync(path.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
