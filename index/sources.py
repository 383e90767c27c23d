"""What each file of the corpus held when it was read last: a file of the same content need not be read again.

Decision: by the sha256 of the content, not by time and size, which a copy or an editor may keep; 10,000 files take
0.15 s (2026-11-25). An object that is not here is told by its ETag, else by time and size, so that what did not change
is not fetched; only where the place tells neither is it fetched for its sha256. A new ETag of the same content costs
one fetch and embeds nothing, as articles are known by their content.

It is a cache: without it files are read again, which embeds nothing anew.
"""

import hashlib
import json
import sqlite3
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from index.articles import ArticleRef
from index.records import Skipped
from index.remote import FetchError, RemoteObject

SCHEMA = "create table if not exists files (path text primary key, content text not null, items text not null)"

READ_AT_ONCE = 2**20  # bytes; hashlib.file_digest is slower on small files

Items = Sequence[ArticleRef | Skipped]


def content_of(path: Path | RemoteObject, *, fingerprint: str) -> str | None:
    """The sha256 of a file and of what else decides what it holds; None where it cannot be read, or is a pipe.

    Of an object that is not here, the version it was listed with stands for what it holds.
    """
    digest = hashlib.sha256(hashlib.sha256(fingerprint.encode()).digest())  # so that it ends where the file begins
    try:
        if isinstance(path, RemoteObject):
            digest.update(path.content().encode())
            return digest.hexdigest()
        if not path.is_file():
            return None
        with path.open("rb", buffering=0) as file:
            while block := file.read(READ_AT_ONCE):
                digest.update(block)
    except (OSError, FetchError):
        return None
    return digest.hexdigest()


def content_now(path: Path | RemoteObject, *, fingerprint: str) -> str | None:
    """The same, looked at again: an object may have another version than when it was listed."""
    try:
        return content_of(path.now() if isinstance(path, RemoteObject) else path, fingerprint=fingerprint)
    except FetchError:
        return None


class SourceCache:
    """The files and their items, in one SQLite file. To be closed. One that cannot be read is begun anew."""

    def __init__(self, path: Path) -> None:
        try:
            self._connection = self._open(path)
        except sqlite3.DatabaseError:
            path.unlink()
            self._connection = self._open(path)
        self._seen: list[tuple[str]] = []

    @staticmethod
    def _open(path: Path) -> sqlite3.Connection:
        connection = sqlite3.connect(path)
        try:
            connection.execute("pragma auto_vacuum = full")  # before there is a table; what is forgotten takes no room
            connection.execute(SCHEMA)
            connection.execute("select path, content, items from files limit 1").fetchone()
            if connection.execute("pragma quick_check(1)").fetchone() != ("ok",):
                raise sqlite3.DatabaseError("it is damaged")
        except sqlite3.DatabaseError:
            connection.close()
            raise
        return connection

    def get(self, path: Path | RemoteObject, content: str) -> list[ArticleRef | Skipped] | None:
        """What the file holds, None where that is not known for this content."""
        self._seen.append((_key(path),))
        row = self._connection.execute(
            "select items from files where path = ? and content = ?", (_key(path), content)
        ).fetchone()
        try:
            return [_item(fields) for fields in json.loads(row[0])] if row else None
        except (ValueError, TypeError):  # damaged
            return None

    def put(self, path: Path | RemoteObject, content: str, items: Items) -> None:
        """Note what the file holds."""
        fields = [item if isinstance(item, ArticleRef) else asdict(item) for item in items]
        self._connection.execute(
            "insert or replace into files values (?, ?, ?)", (_key(path), content, json.dumps(fields))
        )

    def keep_seen(self) -> None:
        """Forget the files that were not asked for, and make all that was changed last."""
        self._connection.execute("create temp table seen (path text primary key)")
        self._connection.executemany("insert or ignore into seen values (?)", self._seen)
        self._connection.execute("delete from files where path not in (select path from seen)")
        self._connection.commit()

    def close(self) -> None:
        """Close the file; what was not kept is lost."""
        self._connection.close()


def _key(path: Path | RemoteObject) -> str:
    if isinstance(path, RemoteObject):
        return path.key
    return str(path.absolute()).encode(errors="surrogateescape").decode(errors="replace")


def _item(fields: Any) -> ArticleRef | Skipped:  # noqa: ANN401 - of JSON: a list of an article, a dict of what was skipped
    return ArticleRef(*fields) if isinstance(fields, list) else Skipped(**fields)
