"""The articles of a generation of a shared index: the tables `articles` and `texts` (index/postgres.py).

An article's row has a stored position, which no other article ever gets; the positions that a generation tells of count
the articles that it sees, in the order of those, and so are dense.

Decision: words are looked for in a column of the row that holds title, publisher and authors in folded letters, by a
scan of the table; no extension of PostgreSQL, which would be one more thing to install, indexes it. Of 1,000,000 made
articles on two busy cores a list takes 1.3 s, with words 1.7 to 2.3 s; one article by its id takes less than 10 ms.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from index.articles import ArticleRef
from index.errors import IndexDamagedError
from index.filtering import ArticleColumns
from index.listing import (
    CHARS_SQL,
    MAX_WORDS_CHARS,
    NEWEST_FIRST,
    ORDER_BY,
    ListedArticle,
    Listing,
    MonthCount,
    Order,
    ValueCount,
    most_first,
    sort_key,
)
from index.postgres import VISIBLE, Database
from index.records import Article, Filters

if TYPE_CHECKING:
    from psycopg import Connection

AT_ONCE = 64  # articles of a stream that are in memory; one may have 2,000,000 characters
ROWS_AT_ONCE = 20_000
UNSTORABLE = re.compile("[\0\ud800-\udfff]")  # what a text of PostgreSQL cannot hold
LIKE_MARKS = re.compile(r"[\\%_]")
COLUMNS = "position, article_id, title, published_at, url, publisher, authors, language, source"
VERSION = f"{COLUMNS}, n_text_bytes, title_key, publisher_key, search_key"
SHARED_ORDER_BY = {
    **ORDER_BY,
    Order.TITLE: "title_key, position",
    Order.PUBLISHER: f"coalesce(publisher, '') = '', publisher_key, {NEWEST_FIRST}",
}
LISTED = f"article_id, title, published_at, publisher, authors, language, {CHARS_SQL}"


class SharedArticles:
    """Reads the articles of a generation. Safe to share between threads. What each method does: see `ArticleStore`.

    Args:
        database: is not closed by `close`.
        generation: the number of the generation.

    Attributes:
        positions: the stored position of each article, (n_articles,), in order.

    Raises:
        IndexUnreachableError: the server cannot be reached.
        IndexDamagedError: the tables are not there.
    """

    def __init__(self, database: Database, generation: int) -> None:
        self._database = database
        self._generation = generation
        self._columns, self.positions = self._read_columns()

    @property
    def n_articles(self) -> int:
        """How many there are."""
        return len(self.positions)

    def close(self) -> None:
        """Do nothing: the connections are the database's."""

    def get(self, article_id: str) -> Article | None:
        """The article of that id, or None."""
        return next(iter(self.get_many([article_id])), None)

    def get_many(self, article_ids: Sequence[str]) -> list[Article]:
        """The articles of these ids that exist, in the order they were indexed."""
        where = _where(Filters(article_ids=tuple(article_ids)))
        return self._articles(where, "order by position")

    def page(self, *, filters: Filters | None = None, offset: int = 0, limit: int = 100) -> list[Article]:
        """Articles, newest first, undated ones last; `limit` of them after the first `offset`."""
        where = _where(filters or Filters()).and_(limit=limit, offset=offset)
        return self._articles(where, f"order by {NEWEST_FIRST} limit %(limit)s offset %(offset)s")

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

        Letters are alike when `fold` makes them so. An embedded index tells some apart that this does not, such as «ß»
        and «ss»: all that it finds is found here.
        """
        where = _where(filters or Filters())
        if patterns := [f"%{_escaped(word)}%" for word in _words(words)]:
            where = where.and_("search_key like all(%(patterns)s)", patterns=patterns)
        months, n_undated = self._months(where)
        return Listing(
            articles=self._listed(where, order, offset=offset, limit=limit),
            n_articles=sum(month.n_articles for month in months) + n_undated,
            months=months,
            n_undated=n_undated,
        )

    def publishers(self) -> list[ValueCount]:
        """Every publisher with how many articles it has, most first."""
        return self._count_values("publisher")

    def languages(self) -> list[ValueCount]:
        """Every language with how many articles it has, most first."""
        return self._count_values("language")

    def columns(self) -> ArticleColumns:
        """What filters ask for, of every article; one object for all who ask."""
        return self._columns

    def count(self, filters: Filters) -> int:
        """How many articles pass the filters."""
        ((n_articles,),) = self._rows("select count(*) from articles", _where(filters))
        return int(n_articles)

    def all(self) -> Iterator[Article]:
        """Every article in the order it was indexed: memory holds some tens at a time."""
        return (article for _, article in self.from_position(0))

    def from_position(self, position: int) -> Iterator[tuple[int, Article]]:
        """Position and article of all from a position on, in order.

        They are read by some tens, each time by a transaction of its own, so that whoever takes them may be slow.
        """
        for first in range(max(0, position), self.n_articles, AT_ONCE):
            yield from enumerate(self._at(self.positions[first : first + AT_ONCE]), start=first)

    def at_position(self, position: int) -> Article | None:
        """The article at a position, or None."""
        return self._at(self.positions[[position]])[0] if 0 <= position < self.n_articles else None

    def refs(self) -> list[ArticleRef]:
        """What tells each article, in the order they were indexed."""
        rows = self._rows("select article_id, source, language from articles", _where(Filters()), "order by position")
        return [ArticleRef(*row) for row in rows]

    def _read_columns(self) -> tuple[ArticleColumns, npt.NDArray[np.int64]]:
        asked = {"generation": self._generation}
        columns = "position, article_id, to_char(published_at, 'YYYY-MM-DD'), publisher, language"
        with (
            self._database.connection() as connection,
            connection.transaction(),
            connection.cursor("columns") as cursor,
        ):
            ((n_articles,),) = connection.execute(f"select count(*) from articles where {VISIBLE}", asked).fetchall()
            positions = np.empty(n_articles, np.int64)
            cursor.itersize = ROWS_AT_ONCE
            cursor.execute(f"select {columns} from articles where {VISIBLE} order by position", asked)
            return ArticleColumns(_dense(cursor, positions), n_positions=n_articles), positions

    def _rows(self, select: str, where: "_Where", rest: str = "") -> list[tuple[Any, ...]]:
        """What a query finds among the articles that the generation sees."""
        conditions = " and ".join([VISIBLE, *where.conditions])
        values = {"generation": self._generation, **where.values}
        with self._database.connection() as connection:
            return connection.execute(f"{select} where {conditions} {rest}", values).fetchall()

    def _at(self, positions: npt.NDArray[np.int64]) -> list[Article]:
        """The articles at stored positions, which are in order."""
        where = _Where(("position = any(%(positions)s)",), {"positions": positions.tolist()})
        articles = self._articles(where, "order by position")
        if len(articles) != len(positions):
            raise IndexDamagedError(
                f"{self._database.place} has {len(articles)} of {len(positions)} articles of generation "
                f"{self._generation} from position {positions[0]} on; run: otvet doctor --repair"
            )
        return articles

    def _articles(self, where: "_Where", rest: str) -> list[Article]:
        """Articles with their texts, which are read by a query of their own: what is sorted is small."""
        rows = self._rows(f"select {COLUMNS} from articles", where, rest)
        with self._database.connection() as connection:
            query = "select position, text from texts where position = any(%s)"
            texts = dict(connection.execute(query, [[row[0] for row in rows]]).fetchall()) if rows else {}
        return [_article(row, texts.get(row[0], "")) for row in rows]

    def _months(self, where: "_Where") -> tuple[tuple[MonthCount, ...], int]:
        """The months of those that pass, and how many are undated."""
        month = "select date_trunc('month', published_at::timestamp)::date, count(*) from articles"
        rows = self._rows(month, where, "group by 1 order by 1 nulls last")
        n_undated = rows.pop()[1] if rows and rows[-1][0] is None else 0
        return tuple(MonthCount(*row) for row in rows), n_undated

    def _listed(self, where: "_Where", order: Order, *, offset: int, limit: int) -> tuple[ListedArticle, ...]:
        page = f"order by {SHARED_ORDER_BY[order]} limit %(limit)s offset %(offset)s"
        rows = self._rows(f"select {LISTED} from articles", where.and_(limit=limit, offset=offset), page)
        return tuple(
            ListedArticle(article_id, title, published_at, publisher, tuple(authors), language, round(n_chars))
            for article_id, title, published_at, publisher, authors, language, n_chars in rows
        )

    def _count_values(self, column: str) -> list[ValueCount]:
        where = _Where((f"{column} != ''",), {})
        rows = self._rows(f"select {column}, count(*) from articles", where, f"group by {column}")
        return most_first(ValueCount(*row) for row in rows)


def add_articles(connection: "Connection[Any]", number: int, pairs: Sequence[tuple[int, Article]]) -> None:
    """Store articles with their texts at positions that no article ever had.

    Articles that the generation sees already are not looked for: whoever calls has `visible_refs`.
    """
    with (
        connection.cursor() as cursor,
        cursor.copy(f"copy articles (since, {VERSION}) from stdin") as articles,
    ):
        for position, article in pairs:
            articles.write_row((number, *_version(position, article)))
    with connection.cursor() as cursor, cursor.copy("copy texts (position, text) from stdin") as texts:
        for position, article in pairs:
            texts.write_row((position, article.text))


def end_articles(connection: "Connection[Any]", number: int, article_ids: Sequence[str]) -> None:
    """Take articles out of the generation; those that came with it are deleted. Ids that it has not are no error."""
    asked = {"generation": number, "article_ids": list(article_ids)}
    mine = f"{VISIBLE} and article_id = any(%(article_ids)s)"
    connection.execute(f"update articles set until = %(generation)s where {mine} and since < %(generation)s", asked)
    deleted = connection.execute(
        f"delete from articles where {mine} and since = %(generation)s returning position", asked
    ).fetchall()
    _delete_unused(connection, deleted)


def update_refs(connection: "Connection[Any]", number: int, refs: Sequence[ArticleRef]) -> None:
    """Note where articles come from now, and which language they are said to be in.

    A row that older generations see ends, and a version of it begins with the generation; both have one position.
    """
    last = {ref.article_id: ref for ref in refs}.values()
    asked: dict[str, object] = {"generation": number}
    asked |= {name: [getattr(ref, name) for ref in last] for name in ArticleRef._fields}
    connection.execute(
        f"""with ended as (
            update articles set until = %(generation)s
            where {VISIBLE} and since < %(generation)s and article_id = any(%(article_id)s) returning *
        )
        insert into articles (since, {VERSION}) select %(generation)s, {VERSION} from ended""",
        asked,
    )
    connection.execute(
        f"""update articles set source = given.source, language = given.language
        from unnest(%(article_id)s::text[], %(source)s::text[], %(language)s::text[])
            as given (article_id, source, language)
        where articles.article_id = given.article_id and {VISIBLE} and since = %(generation)s""",
        asked,
    )


def visible_refs(connection: "Connection[Any]", number: int) -> dict[str, ArticleRef]:
    """What tells each article of the generation, by its id, in order of position."""
    query = f"select article_id, source, language from articles where {VISIBLE} order by position"
    return {row[0]: ArticleRef(*row) for row in connection.execute(query, {"generation": number}).fetchall()}


def undo_articles(connection: "Connection[Any]", number: int) -> None:
    """Make the articles what they were before the generation was begun, which nobody may have seen."""
    deleted = connection.execute("delete from articles where since = %s returning position", [number]).fetchall()
    connection.execute("update articles set until = null where until = %s", [number])
    _delete_unused(connection, deleted)


def forget_articles(connection: "Connection[Any]", before: int) -> None:
    """Delete what no generation from `before` on sees."""
    deleted = connection.execute("delete from articles where until <= %s returning position", [before]).fetchall()
    _delete_unused(connection, deleted)


def fold(text: str) -> str:
    """Text in which letters are looked for: without case, «ё» as «е».

    Every character becomes the same as each of its forms that index/listing.py looks for, which casefold alone does not
    bring about: «ı» has the capital «I».
    """
    return text.upper().casefold().replace("ё", "е")


class _Where(NamedTuple):
    """Conditions that all hold, and the values that they name."""

    conditions: tuple[str, ...]
    values: Mapping[str, object]

    def and_(self, *conditions: str, **values: object) -> "_Where":
        return _Where((*self.conditions, *conditions), {**self.values, **values})


def _where(filters: Filters) -> _Where:
    where = _Where((), {})
    for name, condition in (
        ("published_from", "published_at >= %(published_from)s"),
        ("published_to", "published_at <= %(published_to)s"),
        ("publisher", "publisher = %(publisher)s"),
        ("language", "language = %(language)s"),
    ):
        value = getattr(filters, name)
        if isinstance(value, str) and UNSTORABLE.search(value):
            where = where.and_("false")  # no article has it
        elif value is not None:
            where = where.and_(condition, **{name: value})
    if filters.article_ids is not None:
        storable = [one for one in filters.article_ids if not UNSTORABLE.search(one)]
        where = where.and_("article_id = any(%(article_ids)s)", article_ids=storable)
    return where


def _words(words: str) -> set[str]:
    text = words[:MAX_WORDS_CHARS].replace("\0", " ").encode(errors="replace").decode()  # as index/listing.py does
    return {fold(word) for word in text.split()}


def _escaped(word: str) -> str:
    return LIKE_MARKS.sub(r"\\\g<0>", word)


def _dense(
    rows: Iterator[tuple[int, str, str | None, str | None, str]], positions: npt.NDArray[np.int64]
) -> Iterator[tuple[int, str, str | None, str | None, str]]:
    """The rows with dense positions; the stored ones are noted."""
    for dense, (stored, article_id, published_at, publisher, language) in enumerate(rows):
        positions[dense] = stored
        yield dense, article_id, published_at, publisher, language


def _version(position: int, article: Article) -> tuple[object, ...]:
    """The columns of `VERSION`."""
    named = "\n".join([article.title, article.publisher or "", *article.authors])
    return (
        position,
        article.article_id,
        article.title,
        article.published_at,
        article.url,
        article.publisher,
        list(article.authors),
        article.language,
        article.source,
        len(article.text.encode()),
        sort_key(article.title),
        sort_key(article.publisher),
        fold(named),
    )


def _article(row: tuple[Any, ...], text: str) -> Article:
    _, article_id, title, published_at, url, publisher, authors, language, source = row
    try:
        return Article(article_id, title, text, published_at, url, publisher, tuple(authors), language, source)
    except ValueError as exc:
        raise IndexDamagedError(f"article {article_id!r} cannot be read ({exc}); run: otvet doctor --repair") from exc


def _delete_unused(connection: "Connection[Any]", deleted: Sequence[tuple[int]]) -> None:
    """Delete the texts and chunks of positions of which no version is left."""
    positions = list({position for (position,) in deleted})
    for table in ("texts", "chunks"):
        connection.execute(
            f"""delete from {table} where position = any(%s)
            and not exists (select from articles where articles.position = {table}.position)""",
            [positions],
        )
