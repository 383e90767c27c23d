"""What each file of the corpus held when it was read last: a file of the same content need not be read again.

Decision: by the sha256 of the content, not by time and size, which a copy or an editor may keep; 10,000 files take
0.15 s (2026-11-25). It is a cache: without it files are read again, which embeds nothing anew.
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

SCHEMA = "create table if not exists files (path text primary key, content text not null, items text not null)"

READ_AT_ONCE = 2**20  # bytes; hashlib.file_digest is slower on small files

Items = Sequence[ArticleRef | Skipped]


def content_of(path: Path, *, fingerprint: str) -> str | None:
    """The sha256 of a file and of what else decides what it holds; None where it cannot be read, or is a pipe."""
    if not path.is_file():
        return None
    try:
        digest = hashlib.sha256(hashlib.sha256(fingerprint.encode()).digest())  # so that it ends where the file begins
        with path.open("rb", buffering=0) as file:
            while block := file.read(READ_AT_ONCE):
                digest.update(block)
    except OSError:
        return None
    return digest.hexdigest()


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

    def get(self, path: Path, content: str) -> list[ArticleRef | Skipped] | None:
        """What the file holds, None where that is not known for this content."""
        self._seen.append((_key(path),))
        row = self._connection.execute(
            "select items from files where path = ? and content = ?", (_key(path), content)
        ).fetchone()
        try:
            return [_item(fields) for fields in json.loads(row[0])] if row else None
        except (ValueError, TypeError):  # damaged
            return None

    def put(self, path: Path, content: str, items: Items) -> None:
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


def _key(path: Path) -> str:
    return str(path.absolute()).encode(errors="surrogateescape").decode(errors="replace")


def _item(fields: Any) -> ArticleRef | Skipped:  # noqa: ANN401 - of JSON: a list of an article, a dict of what was skipped
    return ArticleRef(*fields) if isinstance(fields, list) else Skipped(**fields)
