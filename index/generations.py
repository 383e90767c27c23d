"""Generations on disk: one directory a build, a pointer file to the one that serves, a lock for the one that writes.

    DATA_DIR/index/
        CURRENT             the name of the serving generation, replaced atomically
        writer.lock         held while a build runs
        g-0001/             manifest.json, articles.sqlite, chroma/, lexical/, vectors/, words/, late/
        building/           what a build has written so far; nobody reads it

Decision: a new directory and a pointer, rather than updates in place. A process that reads a Chroma directory which
another one writes goes stale without a word, and two writers lose vectors without a word (chroma #3792, #7040).
"""

import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from index.errors import IndexDamagedError, IndexLockedError, IndexMissingError

FORMAT_VERSION = 3
POINTER = "CURRENT"
BUILDING = "building"
ARTICLES_FILE = "articles.sqlite"
CHUNKS_DIR = "chroma"
LEXICAL_DIR = "lexical"
VECTORS_DIR = "vectors"
WORDS_DIR = "words"
LATE_DIR = "late"
NAME = re.compile(r"g-(\d{4,})")


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a generation was built from and what it holds. `corpus_fingerprint` is equal for equal articles."""

    format_version: int
    created_at: str
    embedding_model: str
    embedding_checksum: str
    dim: int
    chunk_max_tokens: int
    corpus_fingerprint: str
    n_articles: int
    n_chunks: int
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


def require_generation(data_dir: Path) -> str:
    """Like `current_generation`.

    Raises:
        IndexMissingError: nothing was indexed yet.
    """
    name = current_generation(data_dir)
    if name is None:
        raise IndexMissingError(f"nothing is indexed yet in {str(data_dir)!r}; run: otvet index PATH")
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
    _write_durably(generation / "manifest.json", json.dumps(asdict(manifest), ensure_ascii=False, indent=2))


@contextmanager
def writing(data_dir: Path) -> Iterator[Path]:
    """Hold the writer's lock and get an empty directory to build in; what is left of it afterwards is removed.

    Raises:
        IndexLockedError: another process is building. Says which one and since when.
    """
    root = index_root(data_dir)
    root.mkdir(parents=True, exist_ok=True)
    building, holder = root / BUILDING, root / "writer.json"
    lock = FileLock(root / "writer.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout as exc:
        raise IndexLockedError(f"another build is running ({_holder(holder)}); wait for it or stop it") from exc
    try:
        _write_durably(holder, json.dumps({"pid": os.getpid(), "since": _now()}))
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir()
        yield building
    finally:
        shutil.rmtree(building, ignore_errors=True)
        holder.unlink(missing_ok=True)
        lock.release()


def publish(data_dir: Path, building: Path) -> str:
    """Make a complete build the serving generation, in one atomic step, and return its name.

    The one that served before is kept, as readers may have it open; all others are removed.
    """
    root = index_root(data_dir)
    before = current_generation(data_dir)
    names = generation_names(data_dir)
    name = f"g-{max(map(_number, names), default=0) + 1:04d}"
    os.replace(building, root / name)
    _sync(root)
    _write_durably(root / POINTER, name)
    for old in names:
        if old != before:
            shutil.rmtree(root / old, ignore_errors=True)
    return name


def generation_names(data_dir: Path) -> list[str]:
    """Names of the generations on disk, oldest first."""
    names = [path.name for path in index_root(data_dir).glob("g-*")]
    return sorted(filter(NAME.fullmatch, names), key=_number)


def new_manifest(**values: Any) -> Manifest:  # noqa: ANN401 - the fields of Manifest, which checks their names
    """A manifest of this format, made now."""
    return Manifest(format_version=FORMAT_VERSION, created_at=_now(), **values)


def _number(name: str) -> int:
    return int(name[2:])


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _holder(path: Path) -> str:
    try:
        values = json.loads(path.read_text("utf-8"))
        return f"process {values['pid']}, since {values['since']}"
    except (OSError, ValueError, KeyError):
        return "it has just started"


def _write_durably(path: Path, text: str) -> None:
    scratch = path.with_name(path.name + ".tmp")
    with scratch.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(scratch, path)
    _sync(path.parent)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
