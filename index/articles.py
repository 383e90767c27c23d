"""The articles of one generation.

    articles.sqlite   all but the texts; a generation's own
    texts.utf8        the texts, one behind the other; shared with other generations (index/rows.py)

An article keeps its position as long as it is there, and no other one gets it.
"""

import json
import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import astuple, replace
from datetime import date
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from index.errors import IndexDamagedError
from index.filtering import ArticleColumns
from index.listing import Listing, Order, ValueCount, count_values, read_listing
from index.records import Article, Filters
from index.rows import RowFile, RowWriter, Sizes, share

ARTICLES, TEXTS = "articles.sqlite", "texts.utf8"
SCHEMA = """
create table articles (
    position integer primary key,
    article_id text not null unique,
    title text not null,
    text_start integer not null,
    n_text_bytes integer not null,
    published_at text,
    url text,
    publisher text,
    authors text not null,
    language text not null,
    source text not null
);
create index articles_published_at on articles (published_at);
create table sizes (n_positions integer, n_text_bytes integer, n_chunks integer, n_sentences integer, n_words integer);
insert into sizes values (0, 0, 0, 0, 0);
"""
COLUMNS = "article_id, title, text_start, n_text_bytes, published_at, url, publisher, authors, language, source"


class ArticleRef(NamedTuple):
    """Enough to tell whether an article is the same: what it says, by its id, and what the id does not cover."""

    article_id: str
    source: str
    language: str


def ref_of(article: Article) -> ArticleRef:
    """What tells an article."""
    return ArticleRef(article.article_id, article.source, article.language)


class ArticleWriter:
    """Changes the articles of a generation in the making. To be closed; what was not committed is then lost.

    Args:
        folder: of the generation; the files are made where there are none.

    Attributes:
        sizes: as committed last. `commit` is told those of the other files.

    Raises:
        IndexDamagedError: the files cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        is_new = not (folder / ARTICLES).exists()
        self._connection = sqlite3.connect(folder / ARTICLES)
        try:
            if is_new:
                self._connection.executescript(SCHEMA)
            self.sizes = Sizes(*self._connection.execute("select * from sizes").fetchone())
        except (sqlite3.Error, TypeError) as exc:
            self._connection.close()
            raise IndexDamagedError(f"cannot read the articles in {str(folder)!r} ({exc}); run: otvet index") from exc
        try:
            self._texts = RowWriter(folder / TEXTS, 1, n_rows=self.sizes.n_text_bytes)
        except IndexDamagedError:
            self._connection.close()
            raise
        self._n_positions = self.sizes.n_positions

    def add(self, article: Article) -> int | None:
        """Store an article and tell its position; None where one with the same content is there already."""
        text = article.text.encode()
        head = (article.article_id, article.title, self._texts.n_rows, len(text), _iso(article.published_at))
        authors = json.dumps(article.authors, ensure_ascii=False)
        tail = (article.url, article.publisher, authors, article.language, article.source)
        position = self._n_positions
        marks = ", ".join("?" * (1 + len(head) + len(tail)))
        with _damage():
            cursor = self._connection.execute(
                f"insert or ignore into articles (position, {COLUMNS}) values ({marks})", (position, *head, *tail)
            )
        if cursor.rowcount != 1:
            return None
        self._texts.append(text)
        self._n_positions += 1
        return position

    def delete(self, article_ids: Iterable[str]) -> None:
        """Take articles out; their texts stay until the files are compacted."""
        with _damage():
            self._connection.executemany("delete from articles where article_id = ?", ((one,) for one in article_ids))

    def update(self, refs: Iterable[ArticleRef]) -> None:
        """Note where articles come from now, and which language they are said to be in."""
        with _damage():
            self._connection.executemany(
                "update articles set source = ?, language = ? where article_id = ?",
                ((ref.source, ref.language, ref.article_id) for ref in refs),
            )

    def commit(self, sizes: Sizes) -> None:
        """Make all that was changed last. The other files must be on the disk as far as `sizes` says."""
        self._texts.sync()
        self.sizes = replace(sizes, n_positions=self._n_positions, n_text_bytes=self._texts.n_rows)
        with _damage():
            self._connection.execute("delete from sizes")
            self._connection.execute("insert into sizes values (?, ?, ?, ?, ?)", astuple(self.sizes))
            self._connection.commit()

    def close(self) -> None:
        """Close the files."""
        self._texts.close()
        self._connection.close()


def take_over_articles(source: Path, target: Path) -> None:
    """Begin a generation's folder with the articles of another one."""
    shutil.copyfile(source / ARTICLES, target / ARTICLES)
    share(source / TEXTS, target / TEXTS)


class ArticleStore:
    """Reads the articles of a generation. Safe to share between threads.

    Attributes:
        sizes: how much the generation reads of its other files.

    Raises:
        IndexDamagedError: the files are missing or hold no articles.
    """

    def __init__(self, folder: Path) -> None:
        self._lock = Lock()
        path = folder / ARTICLES
        self._address = f"{path.resolve().as_uri()}?mode=ro&immutable=1"
        try:
            self._connection = sqlite3.connect(self._address, uri=True, check_same_thread=False)
        except sqlite3.Error as exc:
            raise IndexDamagedError(f"cannot open the articles in {str(path)!r} ({exc}); run: otvet index") from exc
        try:
            self.n_articles: int = self._connection.execute("select count(*) from articles").fetchone()[0]
            self.sizes = Sizes(*self._connection.execute("select * from sizes").fetchone())
            self._texts = RowFile(folder / TEXTS, "u1", (self.sizes.n_text_bytes, 1))
        except (sqlite3.Error, TypeError, OSError, ValueError) as exc:
            self._connection.close()
            raise IndexDamagedError(f"cannot read the articles in {str(folder)!r} ({exc}); run: otvet index") from exc

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

    def listing(
        self,
        filters: Filters | None = None,
        *,
        words: str = "",
        order: Order = Order.NEWEST,
        offset: int = 0,
        limit: int = 50,
    ) -> Listing:
        """One page of the articles that pass the filters and hold all words, and figures on all of those.

        Args:
            filters: None lets all pass.
            words: parted by white space; each must be in the title, the publisher or the name of an author, as a part
                of a word or a whole one, in whichever letters; «е» is «ё». Empty, all articles hold them.
            order: of all articles that pass; the page is cut out of that.
            offset: how many articles are before the page.
            limit: how many articles are in it, at most.
        """
        where, values = _where(filters or Filters())
        condition = [where.removeprefix("where ")] if where else []
        with self._list_connection() as connection:
            return read_listing(connection, condition, values, words=words, order=order, offset=offset, limit=limit)

    def publishers(self) -> list[ValueCount]:
        """Every publisher with how many articles it has, most first."""
        with self._list_connection() as connection:
            return count_values(connection, "publisher")

    def languages(self) -> list[ValueCount]:
        """Every language with how many articles it has, most first."""
        with self._list_connection() as connection:
            return count_values(connection, "language")

    def columns(self) -> ArticleColumns:
        """What filters ask for, of every article."""
        with _damage(writing=False), self._lock:
            rows = self._connection.execute(
                "select position, article_id, published_at, publisher, language from articles order by position"
            )
            return ArticleColumns(rows, n_positions=self.sizes.n_positions)

    def count(self, filters: Filters) -> int:
        """How many articles pass the filters."""
        where, values = _where(filters)
        with _damage(writing=False), self._lock:
            n_articles: int = self._connection.execute(f"select count(*) from articles {where}", values).fetchone()[0]
        return n_articles

    def all(self) -> Iterator[Article]:
        """Every article in the order it was indexed, read one by one: memory holds one at a time."""
        return (article for _, article in self.from_position(0))

    def from_position(self, position: int) -> Iterator[tuple[int, Article]]:
        """Position and article of all from a position on, in order, read one by one."""
        query = f"select position, {COLUMNS} from articles where position >= ? order by position"
        with _damage(writing=False), closing(self._connection.cursor()) as cursor:
            for row in cursor.execute(query, (position,)):
                yield row[0], self._article(row[1:])

    def at_position(self, position: int) -> Article | None:
        """The article at a position, or None."""
        return next(iter(self._select("where position = ?", [position])), None)

    def refs(self) -> list[ArticleRef]:
        """What tells each article, in the order they were indexed."""
        with _damage(writing=False), self._lock:
            rows = self._connection.execute("select article_id, source, language from articles order by position")
            return [ArticleRef(*row) for row in rows]

    @contextmanager
    def _list_connection(self) -> Iterator[sqlite3.Connection]:
        """A connection of its own: a list takes up to half a second, which no reader of an article waits for."""
        with _damage(writing=False), closing(sqlite3.connect(self._address, uri=True)) as connection:
            try:
                yield connection
            except ValueError as exc:
                raise IndexDamagedError(f"cannot list the articles ({exc}); run: otvet doctor --repair") from exc

    def _select(self, rest: str, values: Iterable[object]) -> list[Article]:
        with _damage(writing=False), self._lock:
            rows = self._connection.execute(f"select {COLUMNS} from articles {rest}", [*values]).fetchall()
        return [self._article(row) for row in rows]

    def _article(self, row: tuple[str, ...]) -> Article:
        article_id, title, text_start, n_text_bytes, published_at, url, publisher, authors, language, source = row
        first, last = int(text_start), int(text_start) + int(n_text_bytes)
        try:
            return Article(
                article_id=article_id,
                title=title,
                text=self._texts.read([(first, last)]).tobytes().decode(),
                published_at=date.fromisoformat(published_at) if published_at else None,
                url=url,
                publisher=publisher,
                authors=tuple(json.loads(authors)),
                language=language,
                source=source,
            )
        except ValueError as exc:
            raise IndexDamagedError(
                f"article {article_id!r} cannot be read ({exc}); run: otvet doctor --repair"
            ) from exc


@contextmanager
def _damage(*, writing: bool = True) -> Iterator[None]:
    """Damage as an error of ours; when `writing`, what SQLite cannot write is left to who writes."""
    try:
        yield
    except sqlite3.DatabaseError as exc:
        if writing and isinstance(exc, sqlite3.OperationalError):
            raise
        raise IndexDamagedError(f"cannot read the articles ({exc}); run: otvet doctor --repair") from exc


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
