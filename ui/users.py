"""Who may log in: a file of names and salted argon2 hashes, written by `otvet users` and read by a running server.

The file is JSON, readable by its owner only: `{"version": 1, "users": [{"name", "is_admin", "password"}]}`, where
`password` is the hash. A change counts from the next request on.
"""

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from typing import Annotated, Literal
from unicodedata import normalize

from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError
from filelock import FileLock
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from index.errors import UsersError
from ui.files import whole_file

log = logging.getLogger(__name__)

MAX_NAME_CHARS = 64
MIN_PASSWORD_CHARS = 8
MAX_PASSWORD_CHARS = 1000
PRIVATE = 0o600

_HASHER = PasswordHasher()  # RFC 9106, the profile of low memory: 64 MiB a check


@dataclass(frozen=True, slots=True)
class User:
    """One who may log in."""

    name: str
    is_admin: bool


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


def _valid_hash(text: str) -> str:
    try:
        extract_parameters(text)
    except InvalidHashError as exc:
        raise ValueError("this is no argon2 hash") from exc
    return text


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: Annotated[str, AfterValidator(valid_name)]
    is_admin: bool = False
    password: Annotated[str, AfterValidator(_valid_hash)]

    def user(self) -> User:
        return User(self.name, self.is_admin)


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    version: Literal[1] = 1
    users: list[_Entry] = Field(default_factory=list)


_Stamp = tuple[int, int, int]
_Entries = dict[str, _Entry]  # by name, folded


class Users:
    """The users of one file. Safe to be used by many threads and processes at once.

    `check`, `get` and `fingerprint` are for a running server: where the file cannot be read they know nobody, and log
    the reason once. `all`, `add` and `remove` are for the terminal: a missing file holds nobody, a broken one is an
    error.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read: tuple[_Stamp, _Entries | str] | None = None  # a text says what is wrong with the file
        self._told = ""

    def require(self) -> None:
        """Do nothing if the file is there and sound.

        Raises:
            UsersError: names the file, and how to make it.
        """
        self._entries()

    def check(self, name: str, password: str) -> User | None:
        """Who this is, or None. Takes about as long for an unknown name as for a wrong password."""
        wrong = _wrong_hash()
        entry = self._serving().get(folded(name))
        try:
            _HASHER.verify(entry.password if entry else wrong, _password_bytes(password))
        except VerificationError:
            return None
        return entry.user() if entry else None

    def get(self, name: str) -> User | None:
        """The user of this name, whatever its case."""
        entry = self._serving().get(folded(name))
        return entry.user() if entry else None

    def fingerprint(self, name: str) -> str | None:
        """Changes whenever the password of this user is set; None for an unknown name. Tells nothing of the hash."""
        entry = self._serving().get(folded(name))
        return sha256(entry.password.encode()).hexdigest()[:32] if entry else None

    def all(self) -> list[User]:
        """Every user, sorted by name.

        Raises:
            UsersError: the file cannot be read.
        """
        entries = self._entries_or_none()
        return [entries[key].user() for key in sorted(entries)]

    def add(self, name: str, password: str, *, is_admin: bool | None = None) -> User:
        """Add a user, or set the password of one who is there. `is_admin` None leaves that as it was, at first False.

        Raises:
            UsersError: the name or the password cannot be used, or the file cannot be read or written.
        """
        try:
            kept = valid_name(name)
        except ValueError as exc:
            raise UsersError(f"{name!r} cannot be the name of a user: {exc}; choose another") from exc
        if not MIN_PASSWORD_CHARS <= len(password) <= MAX_PASSWORD_CHARS:
            raise UsersError(
                f"the password has {len(password)} characters; choose one of {MIN_PASSWORD_CHARS} to"
                f" {MAX_PASSWORD_CHARS}"
            )
        hashed = _HASHER.hash(_password_bytes(password))
        with self._changing() as entries:
            was = entries.get(folded(kept))
            admin = is_admin if is_admin is not None else was is not None and was.is_admin
            entry = _Entry(name=kept, is_admin=admin, password=hashed)
            entries[folded(kept)] = entry
        return entry.user()

    def remove(self, name: str) -> User:
        """Remove a user; all sessions end.

        Raises:
            UsersError: there is no such user, or the file cannot be read or written.
        """
        with self._changing() as entries:
            entry = entries.pop(folded(name), None)
            if entry is None:
                raise UsersError(f"there is no user {name!r} in {str(self.path)!r}; `otvet users list` shows all")
        return entry.user()

    @contextmanager
    def _changing(self) -> Iterator[_Entries]:
        """Entries to be changed, written at the end; one process at a time."""
        path = self.path.resolve()  # a link stays a link
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(path.with_name(f"{path.name}.lock"), mode=PRIVATE):
                entries = dict(self._entries_or_none())
                yield entries
                file = _File(users=[entries[key] for key in sorted(entries)])
                write_private(path, json.dumps(file.model_dump(), ensure_ascii=False, indent=2) + "\n")
        except OSError as exc:
            raise UsersError(f"cannot write the users to {str(path)!r}: {exc}; correct OTVET_USERS") from exc

    def _entries_or_none(self) -> _Entries:
        try:
            return self._entries()
        except UsersError as exc:
            if isinstance(exc.__cause__, FileNotFoundError):
                return {}
            raise

    def _serving(self) -> _Entries:
        try:
            entries = self._entries()
        except UsersError as exc:
            if str(exc) != self._told:
                self._told = str(exc)
                log.error("nobody can log in: %s", exc)
            return {}
        self._told = ""
        return entries

    def _entries(self) -> _Entries:
        """What the file holds; read only if it has changed."""
        try:
            if self._read is None or self._read[0] != _stamp(self.path.stat()):
                self._read = self._load()
        except OSError as exc:
            raise UsersError(f"cannot read the users in {str(self.path)!r}: {exc}; {_NEXT_STEP}") from exc
        _, read = self._read
        if isinstance(read, str):
            raise UsersError(f"the file of users {str(self.path)!r} is broken: {read}; {_NEXT_STEP}")
        return read

    def _load(self) -> tuple[_Stamp, _Entries | str]:
        with self.path.open("rb") as file:
            stamp = _stamp(os.fstat(file.fileno()))
            content = file.read()
        try:
            return stamp, _parse(content)
        except ValueError as exc:
            return stamp, _reason(exc) if isinstance(exc, ValidationError) else str(exc)


_NEXT_STEP = "make one with `otvet users add NAME`, or correct OTVET_USERS"


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read."""
    with whole_file(path, permissions=PRIVATE) as file:
        file.write(text.encode())


def _parse(content: bytes) -> _Entries:
    entries: _Entries = {}
    for entry in _File.model_validate_json(content).users:
        if entries.setdefault(folded(entry.name), entry) is not entry:
            raise ValueError(f"the name {entry.name!r} is in it twice")
    return entries


def _reason(exc: ValidationError) -> str:
    """Where it is broken, without what stands there, which may be a hash."""
    error = exc.errors(include_input=False)[0]
    place = ".".join(str(part) for part in error["loc"])
    return f"{place}: {error['msg']}" if place else error["msg"]


def _stamp(status: os.stat_result) -> _Stamp:
    return status.st_mtime_ns, status.st_size, status.st_ino


def folded(name: str) -> str:
    """The same for names that differ in case, or in how their letters are composed, only."""
    return normalize("NFC", normalize("NFC", name).strip().casefold())


def _password_bytes(password: str) -> bytes:
    """The same however the keyboard composes a letter such as «й»."""
    return normalize("NFC", password).encode(errors="surrogatepass")


@cache
def _wrong_hash() -> str:
    """Verified for names that are unknown, so that these take as long."""
    return _HASHER.hash(token_hex(16))
