"""Lists of what a generation holds, for people who look around: searched by words, ordered, counted by month.

The texts are not read. SQLite's LIKE and lower() know ASCII only, but GLOB takes classes of any characters, so each
letter of a word becomes a class of its forms. That is C and holds up no other thread: 100,000 articles are searched in
0.2 to 0.3 s, where a function in Python takes 0.3 to 0.4 s and the interpreter with it.
"""

import json
import re
import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import NamedTuple

from index.filtering import CYRILLIC_LANGUAGES

MAX_WORDS_CHARS = 300  # what is typed beyond is not looked at; SQLite bounds patterns and conditions
BYTES_A_CHAR = 1.8  # in Cyrillic languages; 1.72 to 1.80 in the sample articles
CHARS_SQL = (
    f"n_text_bytes / case when language in ({', '.join(map(repr, CYRILLIC_LANGUAGES))}) then {BYTES_A_CHAR} else 1 end"
)
HAS_WORD = """(title glob ? or publisher glob ? or exists (
    select 1 from json_each(articles.authors) as author where author.value glob ?))"""
LEADING_MARKS = re.compile(r"^[\W_]+")
NEWEST_FIRST = "published_at is null, published_at desc, position"


class Order(StrEnum):
    """How articles are sorted. Those without what is sorted by come last; equal ones keep one order, always."""

    NEWEST = "newest"
    OLDEST = "oldest"
    TITLE = "title"
    PUBLISHER = "publisher"
    LONGEST = "longest"


ORDER_BY = {
    Order.NEWEST: NEWEST_FIRST,
    Order.OLDEST: "published_at is null, published_at, position",
    Order.TITLE: "sort_key(title), position",
    Order.PUBLISHER: f"coalesce(publisher, '') = '', sort_key(publisher), {NEWEST_FIRST}",
    Order.LONGEST: f"{CHARS_SQL} desc, position",
}


@dataclass(frozen=True, slots=True)
class ListedArticle:
    """An article without its text. `n_chars` is about how long that is, told by its bytes and its language."""

    article_id: str
    title: str
    published_at: date | None
    publisher: str | None
    authors: tuple[str, ...]
    language: str
    n_chars: int


class MonthCount(NamedTuple):
    """How many articles were published in the month that begins on `month`."""

    month: date
    n_articles: int


class ValueCount(NamedTuple):
    """How many articles have a publisher or a language."""

    value: str
    n_articles: int


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of the articles that pass, and figures on all of them.

    Attributes:
        articles: of this page.
        n_articles: that pass.
        months: those with articles that pass, in order of time.
        n_undated: articles that pass and are in no month.
    """

    articles: tuple[ListedArticle, ...]
    n_articles: int
    months: tuple[MonthCount, ...]
    n_undated: int


def read_listing(
    connection: sqlite3.Connection,
    conditions: Sequence[str],
    values: Sequence[str],
    *,
    words: str,
    order: Order,
    offset: int,
    limit: int,
) -> Listing:
    """The articles that pass the conditions, which have `values`, and hold all words; see `ArticleStore.listing`.

    The articles are searched once, whatever is told of them.
    """
    connection.create_function("sort_key", 1, sort_key, deterministic=True)
    globs = [word_glob(word) for word in words[:MAX_WORDS_CHARS].replace("\0", " ").split()]
    conditions = [*conditions, *[HAS_WORD] * len(globs)]
    values = [*values, *(glob for glob in globs for _ in range(HAS_WORD.count("?")))]
    where = f"where {' and '.join(conditions)}" if conditions else ""
    query = f"select position, substr(published_at, 1, 7) from articles {where} order by {ORDER_BY[order]}"
    passing = connection.execute(query, values).fetchall()
    months = Counter(month for _, month in passing)
    n_undated = months.pop(None, 0)
    return Listing(
        articles=_read_articles(connection, [position for position, _ in passing[offset : offset + limit]]),
        n_articles=len(passing),
        months=tuple(MonthCount(date.fromisoformat(f"{month}-01"), months[month]) for month in sorted(months)),
        n_undated=n_undated,
    )


def count_values(connection: sqlite3.Connection, column: str) -> list[ValueCount]:
    """The values of a column that are not empty, most frequent first, equally frequent ones by the alphabet."""
    query = f"select {column}, count(*) from articles where coalesce({column}, '') != '' group by {column}"
    return most_first(ValueCount(*row) for row in connection.execute(query))


def most_first(counts: Iterable[ValueCount]) -> list[ValueCount]:
    """Counts in order: most frequent first, equally frequent ones by the alphabet."""
    return sorted(counts, key=lambda count: (-count.n_articles, sort_key(count.value), count.value))


def word_glob(word: str) -> str:
    """What SQLite's GLOB matches where a word stands, in small letters or capitals, with «ё» or «е»."""
    text = word.encode(errors="replace").decode()  # SQLite takes no half of a surrogate pair
    return f"*{''.join(map(_char_class, text))}*"


def sort_key(text: str | None) -> str:
    """What text is sorted by: without case and leading marks, «ё» as «е»."""
    return LEADING_MARKS.sub("", text or "").casefold().replace("ё", "е")


def _char_class(char: str) -> str:
    alike = "ЕеЁё" if char in "ЕеЁё" else char
    forms = {form for one in alike for form in (one, one.lower(), one.upper()) if len(form) == 1}
    return f"[{''.join(sorted(forms))}]" if char != "^" else "^"  # it alone means something alone in a class


def _read_articles(connection: sqlite3.Connection, positions: Sequence[int]) -> tuple[ListedArticle, ...]:
    columns = f"article_id, title, published_at, publisher, authors, language, {CHARS_SQL}"
    query = f"select {columns} from articles where position = ?"
    return tuple(_article(connection.execute(query, (position,)).fetchone()) for position in positions)


def _article(row: tuple[str, str, str | None, str | None, str, str, float]) -> ListedArticle:
    article_id, title, published_at, publisher, authors, language, n_chars = row
    return ListedArticle(
        article_id=article_id,
        title=title,
        published_at=date.fromisoformat(published_at) if published_at else None,
        publisher=publisher,
        authors=tuple(json.loads(authors)),
        language=language,
        n_chars=round(n_chars),
    )
