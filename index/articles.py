"""The articles of one generation, in one SQLite file: written once, then only read."""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from datetime import date
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from index.errors import IndexDamagedError
from index.filtering import ArticleColumns
from index.records import Article, Filters

SCHEMA = """
create table articles (
    position integer primary key,
    article_id text not null unique,
    title text not null,
    text text not null,
    published_at text,
    url text,
    publisher text,
    authors text not null,
    language text not null,
    source text not null
);
create index articles_published_at on articles (published_at);
"""
COLUMNS = "article_id, title, text, published_at, url, publisher, authors, language, source"


class ArticleRef(NamedTuple):
    """Enough to tell whether an article is the same and stands in the same place."""

    article_id: str
    source: str


class ArticleWriter:
    """Writes the articles of a generation. A context manager: leaving it commits and closes the file."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path)
        self._connection.executescript(SCHEMA)

    def __enter__(self) -> "ArticleWriter":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._connection.commit()
        self._connection.close()

    def add(self, article: Article) -> bool:
        """Store an article. False when one with the same content is there already; then nothing is written."""
        cursor = self._connection.execute(
            f"insert or ignore into articles ({COLUMNS}) values (?, ?, ?, ?, ?, ?, ?, ?, ?)", _to_row(article)
        )
        return cursor.rowcount == 1


class ArticleStore:
    """Reads the articles of a generation. Safe to share between threads.

    Raises:
        IndexDamagedError: the file is missing or is no article store.
    """

    def __init__(self, path: Path) -> None:
        self._lock = Lock()
        address = f"{path.resolve().as_uri()}?mode=ro&immutable=1"
        try:
            self._connection = sqlite3.connect(address, uri=True, check_same_thread=False)
        except sqlite3.Error as exc:
            raise IndexDamagedError(f"cannot open the articles in {str(path)!r} ({exc}); run: otvet index") from exc
        try:
            self.n_articles: int = self._connection.execute("select count(*) from articles").fetchone()[0]
        except sqlite3.Error as exc:
            self._connection.close()
            raise IndexDamagedError(f"cannot read the articles in {str(path)!r} ({exc}); run: otvet index") from exc

    def close(self) -> None:
        """Close the file; the store cannot be used afterwards."""
        with self._lock:
            self._connection.close()

    def get(self, article_id: str) -> Article | None:
        """The article of that id, or None."""
        return next(iter(self.get_many([article_id])), None)

    def get_many(self, article_ids: Sequence[str]) -> list[Article]:
        """The articles of these ids that exist, in the order they were indexed."""
        marks = ", ".join("?" * len(article_ids))
        return self._select(f"where article_id in ({marks}) order by position", list(article_ids))

    def page(self, *, filters: Filters | None = None, offset: int = 0, limit: int = 100) -> list[Article]:
        """Articles, newest first, undated ones last; `limit` of them after the first `offset`."""
        where, values = _where(filters or Filters())
        order = "order by published_at is null, published_at desc, position limit ? offset ?"
        return self._select(f"{where} {order}", [*values, limit, offset])

    def columns(self) -> ArticleColumns:
        """What filters ask for, of every article."""
        with self._lock:
            rows = self._connection.execute(
                "select article_id, published_at, publisher, language from articles order by position"
            )
            return ArticleColumns(rows)

    def count(self, filters: Filters) -> int:
        """How many articles pass the filters."""
        where, values = _where(filters)
        with self._lock:
            n_articles: int = self._connection.execute(f"select count(*) from articles {where}", values).fetchone()[0]
        return n_articles

    def all(self) -> Iterator[Article]:
        """Every article in the order it was indexed, read one by one: memory holds one at a time."""
        with closing(self._connection.cursor()) as cursor:
            yield from map(_from_row, cursor.execute(f"select {COLUMNS} from articles order by position"))

    def refs(self) -> list[ArticleRef]:
        """Id and source of every article, in the order they were indexed."""
        with self._lock:
            return [
                ArticleRef(*row)
                for row in self._connection.execute("select article_id, source from articles order by position")
            ]

    def _select(self, rest: str, values: Iterable[object]) -> list[Article]:
        with self._lock:
            return [
                _from_row(row) for row in self._connection.execute(f"select {COLUMNS} from articles {rest}", [*values])
            ]


def _where(filters: Filters) -> tuple[str, list[str]]:
    conditions: list[str] = []
    values: list[str] = []
    for condition, value in (
        ("published_at >= ?", _iso(filters.published_from)),
        ("published_at <= ?", _iso(filters.published_to)),
        ("publisher = ?", filters.publisher),
        ("language = ?", filters.language),
    ):
        if value is not None:
            conditions.append(condition)
            values.append(value)
    if filters.article_ids is not None:
        conditions.append(f"article_id in ({', '.join('?' * len(filters.article_ids))})")
        values.extend(filters.article_ids)
    return (f"where {' and '.join(conditions)}" if conditions else ""), values


def _iso(day: date | None) -> str | None:
    return day.isoformat() if day else None


def _to_row(article: Article) -> tuple[str | None, ...]:
    published_at = _iso(article.published_at)
    authors = json.dumps(article.authors, ensure_ascii=False)
    head = (article.article_id, article.title, article.text, published_at, article.url, article.publisher)
    return (*head, authors, article.language, article.source)


def _from_row(row: tuple[str, ...]) -> Article:
    article_id, title, text, published_at, url, publisher, authors, language, source = row
    return Article(
        article_id=article_id,
        title=title,
        text=text,
        published_at=date.fromisoformat(published_at) if published_at else None,
        url=url,
        publisher=publisher,
        authors=tuple(json.loads(authors)),
        language=language,
        source=source,
    )
