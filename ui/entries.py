"""Private files of named entries, such as users: written by the terminal, read by a running server.

A file is JSON, readable by its owner only, `{"version": 1, WHAT: [{"name", …}]}`. It is written whole, by one process
at a time, and read again only where it has changed, so that a change counts from the next request on.
"""

import json
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar
from unicodedata import normalize

from filelock import FileLock
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, create_model

from index.errors import OtvetError
from ui.files import whole_file

log = logging.getLogger(__name__)

MAX_NAME_CHARS = 64
PRIVATE = 0o600
LOCK_TIMEOUT_S = 10
STRICT = ConfigDict(extra="forbid", frozen=True, strict=True)


def valid_name(name: str) -> str:
    """A name as it is kept: NFC, without white space around it.

    Raises:
        ValueError: it is empty or too long, or holds what cannot be seen, or a colon, which ends a name in HTTP Basic.
    """
    kept = normalize("NFC", name).strip()
    if not 1 <= len(kept) <= MAX_NAME_CHARS:
        raise ValueError(f"a name has 1 to {MAX_NAME_CHARS} characters")
    if not kept.isprintable() or ":" in kept:
        raise ValueError("a name has no control or other invisible characters, and no colon")
    return kept


def folded(name: str) -> str:
    """The same for names that differ in case, or in how their letters are composed, only."""
    return normalize("NFC", normalize("NFC", name).strip().casefold())


class Entry(BaseModel):
    """What a file holds of one name."""

    model_config = STRICT

    name: Annotated[str, AfterValidator(valid_name)]


E = TypeVar("E", bound=Entry)
_Stamp = tuple[int, int, int]


class EntriesFile(Generic[E]):
    """The entries of one file, by their names, folded. Safe to be used by many threads and processes at once.

    Args:
        path: of the file.
        entry: what it holds.
        what: the entries in one word, also their key in the file.
        error: raised where the file cannot be read or written.
        setting: the variable that names the file.
        command: what adds an entry.
    """

    def __init__(
        self,
        path: Path,
        *,
        entry: type[E],
        what: str,
        error: Callable[[str], OtvetError],
        setting: str,
        command: str,
    ) -> None:
        self.path = path
        self._what, self._error, self._setting = what, error, setting
        self._next_step = f"make one with `{command}`, or correct {setting}"
        fields: dict[str, Any] = {what: (list[entry], Field(default_factory=list))}  # type: ignore[valid-type]
        self._file = create_model("File", __config__=STRICT, version=(Literal[1], 1), **fields)
        self._read: tuple[_Stamp, dict[str, E] | str] | None = None  # a text says what is wrong with the file
        self._told = ""

    def entries(self) -> dict[str, E]:
        """What the file holds.

        Raises:
            OtvetError: of the kind given; the file is missing, broken or cannot be read.
        """
        try:
            if self._read is None or self._read[0] != _stamp(self.path.stat()):
                self._read = self._load()
        except OSError as exc:
            raise self._error(f"cannot read the {self._what} in {str(self.path)!r}: {exc}; {self._next_step}") from exc
        _, read = self._read
        if isinstance(read, str):
            raise self._error(f"the file of {self._what} {str(self.path)!r} is broken: {read}; {self._next_step}")
        return read

    def entries_or_none(self) -> dict[str, E]:
        """For the terminal: a missing file holds nothing, a broken one is an error."""
        try:
            return self.entries()
        except OtvetError as exc:
            if isinstance(exc.__cause__, FileNotFoundError):
                return {}
            raise

    def serving(self) -> dict[str, E]:
        """For a running server: a file that cannot be read holds nothing, which is logged once."""
        try:
            entries = self.entries()
        except OtvetError as exc:
            if str(exc) != self._told:
                self._told = str(exc)
                log.error("none of the %s is let in: %s", self._what, exc)
            return {}
        self._told = ""
        return entries

    @contextmanager
    def changing(self) -> Iterator[dict[str, E]]:
        """Entries to be changed, written at the end; one process at a time.

        Raises:
            OtvetError: the file is broken or cannot be written.
        """
        path = self.path.resolve()  # a link stays a link
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(path.with_name(f"{path.name}.lock"), timeout=LOCK_TIMEOUT_S, mode=PRIVATE):
                entries = dict(self.entries_or_none())
                yield entries
                file = self._file(**{self._what: [entries[key] for key in sorted(entries)]})
                write_private(path, json.dumps(file.model_dump(mode="json"), ensure_ascii=False, indent=2) + "\n")
        except OSError as exc:
            raise self._error(
                f"cannot write the {self._what} to {str(self.path)!r}: {exc}; correct {self._setting}"
            ) from exc

    def _load(self) -> tuple[_Stamp, dict[str, E] | str]:
        with self.path.open("rb") as file:
            stamp = _stamp(os.fstat(file.fileno()))
            content = file.read()
        try:
            return stamp, self._parse(content)
        except ValueError as exc:
            return stamp, _reason(exc) if isinstance(exc, ValidationError) else str(exc)

    def _parse(self, content: bytes) -> dict[str, E]:
        entries: dict[str, E] = {}
        for entry in getattr(self._file.model_validate_json(content), self._what):
            if entries.setdefault(folded(entry.name), entry) is not entry:
                raise ValueError(f"the name {entry.name!r} is in it twice")
        return entries


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read."""
    with whole_file(path, permissions=PRIVATE) as file:
        file.write(text.encode())


def _reason(exc: ValidationError) -> str:
    """Where it is broken, without what stands there, which may be a hash."""
    error = exc.errors(include_input=False)[0]
    place = ".".join(str(part) for part in error["loc"])
    return f"{place}: {error['msg']}" if place else error["msg"]


def _stamp(status: os.stat_result) -> _Stamp:
    return status.st_mtime_ns, status.st_size, status.st_ino
