"""Who may log in: a file of names and salted argon2 hashes, written by `otvet users` and read by a running server.

The file is as ui/entries.py says, with users `{"name", "is_admin", "password"}`, where `password` is the hash.
"""

from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from typing import Annotated
from unicodedata import normalize

from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError
from pydantic import AfterValidator

from index.errors import UsersError
from ui.entries import EntriesFile, Entry, folded, valid_name

MIN_PASSWORD_CHARS = 8
MAX_PASSWORD_CHARS = 1000

_HASHER = PasswordHasher()  # RFC 9106, the profile of low memory: 64 MiB a check


@dataclass(frozen=True, slots=True)
class User:
    """One who may log in."""

    name: str
    is_admin: bool


def _valid_hash(text: str) -> str:
    try:
        extract_parameters(text)
    except InvalidHashError as exc:
        raise ValueError("this is no argon2 hash") from exc
    return text


class _Entry(Entry):
    is_admin: bool = False
    password: Annotated[str, AfterValidator(_valid_hash)]

    def user(self) -> User:
        return User(self.name, self.is_admin)


class Users:
    """The users of one file. Safe to be used by many threads and processes at once.

    `check`, `get` and `fingerprint` are for a running server: where the file cannot be read they know nobody, and log
    the reason once. `all`, `add` and `remove` are for the terminal: a missing file holds nobody, a broken one is an
    error.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = EntriesFile(
            path,
            entry=_Entry,
            what="users",
            error=UsersError,
            setting="OTVET_USERS",
            command="otvet users add NAME",
        )

    def require(self) -> None:
        """Do nothing if the file is there and sound.

        Raises:
            UsersError: names the file, and how to make it.
        """
        self._file.entries()

    def check(self, name: str, password: str) -> User | None:
        """Who this is, or None. Takes about as long for an unknown name as for a wrong password."""
        wrong = _wrong_hash()
        entry = self._file.serving().get(folded(name))
        try:
            _HASHER.verify(entry.password if entry else wrong, _password_bytes(password))
        except VerificationError:
            return None
        return entry.user() if entry else None

    def get(self, name: str) -> User | None:
        """The user of this name, whatever its case."""
        entry = self._file.serving().get(folded(name))
        return entry.user() if entry else None

    def fingerprint(self, name: str) -> str | None:
        """Changes whenever the password of this user is set; None for an unknown name. Tells nothing of the hash."""
        entry = self._file.serving().get(folded(name))
        return sha256(entry.password.encode()).hexdigest()[:32] if entry else None

    def all(self) -> list[User]:
        """Every user, sorted by name.

        Raises:
            UsersError: the file cannot be read.
        """
        entries = self._file.entries_or_none()
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
        with self._file.changing() as entries:
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
        with self._file.changing() as entries:
            entry = entries.pop(folded(name), None)
            if entry is None:
                raise UsersError(f"there is no user {name!r} in {str(self.path)!r}; `otvet users list` shows all")
        return entry.user()


def _password_bytes(password: str) -> bytes:
    """The same however the keyboard composes a letter such as «й»."""
    return normalize("NFC", password).encode(errors="surrogatepass")


@cache
def _wrong_hash() -> str:
    """Verified for names that are unknown, so that these take as long."""
    return _HASHER.hash(token_hex(16))
