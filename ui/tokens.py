"""The tokens that programs send: a file of names, scopes and SHA-256 sums, written by `otvet tokens`.

The file is as ui/entries.py says, with tokens `{"name", "scopes", "created_at", "sha256"}`.

Decision: a fast hash without a salt. Argon2 slows down who guesses passwords that people chose; a token is 256 random
bits, which nobody guesses at any speed, and it is looked at with each request.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from hmac import compare_digest
from pathlib import Path
from secrets import token_urlsafe
from typing import Annotated

from pydantic import AwareDatetime, Field

from index.errors import TokensError
from ui.entries import EntriesFile, Entry, folded, valid_name
from ui.scopes import Scope

PREFIX = "otvet_"  # so that people, and programs that look for secrets, know it when they see it
N_RANDOM_BYTES = 32


@dataclass(frozen=True, slots=True)
class Token:
    """What is known of a token; the token itself is not."""

    name: str
    scopes: frozenset[Scope]
    created_at: datetime


class _Entry(Entry):
    scopes: Annotated[tuple[Scope, ...], Field(min_length=1)]
    created_at: AwareDatetime
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]

    def token(self) -> Token:
        return Token(self.name, frozenset(self.scopes), self.created_at)


class Tokens:
    """The tokens of one file. Safe to be used by many threads and processes at once.

    `check`, `get` and `fingerprint` are for a running server: where the file cannot be read they know no token, and log
    the reason once. `all`, `add` and `remove` are for the terminal: a missing file holds none, a broken one is an
    error.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = EntriesFile(
            path,
            entry=_Entry,
            what="tokens",
            error=TokensError,
            setting="OTVET_API_TOKENS",
            command="otvet tokens add NAME",
        )

    def require(self) -> None:
        """Do nothing if the file is there and sound.

        Raises:
            TokensError: names the file, and how to make it.
        """
        self._file.entries()

    def check(self, token: str) -> Token | None:
        """Which token this is, or None. Compares with every one, whichever fits, and takes the same time for all."""
        digest = _digest(token)
        fitting = [entry for entry in self._file.serving().values() if compare_digest(entry.sha256, digest)]
        return fitting[0].token() if fitting else None

    def get(self, name: str) -> Token | None:
        """The token of this name, whatever its case."""
        entry = self._file.serving().get(folded(name))
        return entry.token() if entry else None

    def fingerprint(self, name: str) -> str | None:
        """Differs from token to token, also of one name; None for an unknown name. Tells nothing of the token."""
        entry = self._file.serving().get(folded(name))
        return sha256(entry.sha256.encode()).hexdigest()[:32] if entry else None

    def all(self) -> list[Token]:
        """Every token, sorted by name.

        Raises:
            TokensError: the file cannot be read.
        """
        entries = self._file.entries_or_none()
        return [entries[key].token() for key in sorted(entries)]

    def add(self, name: str, scopes: frozenset[Scope]) -> str:
        """Make a token, and give it this once; it cannot be told again.

        Raises:
            TokensError: the name cannot be used or is taken, there are no scopes, or the file cannot be read or
                written.
        """
        try:
            kept = valid_name(name)
        except ValueError as exc:
            raise TokensError(f"{name!r} cannot be the name of a token: {exc}; choose another") from exc
        if not scopes:
            raise TokensError(f"a token needs a scope or more; choose from {', '.join(Scope)}")
        token = PREFIX + token_urlsafe(N_RANDOM_BYTES)
        now = datetime.now(UTC).replace(microsecond=0)
        entry = _Entry(name=kept, scopes=tuple(sorted(scopes)), created_at=now, sha256=_digest(token))
        with self._file.changing() as entries:
            if entries.setdefault(folded(kept), entry) is not entry:
                raise TokensError(
                    f"there is a token {entries[folded(kept)].name!r} in {str(self.path)!r} already; choose another"
                    f" name, or remove it first by `otvet tokens remove`"
                )
        return token

    def remove(self, name: str) -> Token:
        """Remove a token; nobody gets in with it from the next request on.

        Raises:
            TokensError: there is no such token, or the file cannot be read or written.
        """
        with self._file.changing() as entries:
            entry = entries.pop(folded(name), None)
            if entry is None:
                raise TokensError(f"there is no token {name!r} in {str(self.path)!r}; `otvet tokens list` shows all")
        return entry.token()


def _digest(token: str) -> str:
    return sha256(token.encode(errors="surrogatepass")).hexdigest()
