"""Articles out of tables: JSONL and CSV, one article a row, streamed.

Both keep the contract of `index.readers.Reader`. Nothing here trusts its input: no more of a row is held than its
limit, and a row that cannot be used becomes a Skipped in `_read_rows`, which goes on with the next.
"""

import codecs
import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import BinaryIO

from index.decoding import HEAD_BYTES, bad_byte, decode, refuse_utf16
from index.making import (
    FIELD_NAMES,
    MAX_ARTICLE_CHARS,
    SURROGATE,
    BadArticleError,
    article_from_fields,
    check_length,
    show,
)
from index.records import Article, Skipped

_ROW_BYTES_PER_CHAR = 6  # the most that JSON needs for a character of the basic plane: \u0416
_ROW_SPARE_BYTES = 65_536  # for the other fields of a row
_QUOTE_RULE = "quote a field that holds separators, and double the quotes in it"


def read_jsonl(path: Path, source: str, *, max_article_chars: int = MAX_ARTICLE_CHARS) -> Iterator[Article | Skipped]:
    """One JSON object a line; blank lines are passed over."""
    with path.open("rb") as file:
        refuse_utf16(_head(file))
        lines = _Lines(file, max_article_chars)
        yield from _read_rows(map(_json_row, lines), lines, source, max_article_chars)


def read_csv(path: Path, source: str, *, max_article_chars: int = MAX_ARTICLE_CHARS) -> Iterator[Article | Skipped]:
    """A header row, then one article a row; "," or ";" or tab between fields, whichever the header uses.

    Quoted fields may hold line ends. After a row whose quotes do not fit, reading goes on behind the line that has the
    missing one; where there is none, with the next line. Going on with the next line always would be simpler, but
    would pass lines of a long text for articles.
    """
    csv.field_size_limit(max(csv.field_size_limit(), _row_limit(max_article_chars)))  # the process has one; only up
    with path.open("rb") as file:
        head = _head(file)
        refuse_utf16(head)
        lines = _Lines(file, max_article_chars, quoted=True)
        texts = map(partial(bytes.decode, errors="surrogateescape"), lines)
        rows = csv.reader(texts, delimiter=_delimiter(head), strict=True)
        names = _csv_names(rows)
        yield from _read_rows(map(partial(_csv_row, names), rows), lines, source, max_article_chars)


def _row_limit(max_article_chars: int) -> int:
    return _ROW_BYTES_PER_CHAR * max_article_chars + _ROW_SPARE_BYTES


def _head(file: BinaryIO) -> bytes:
    head = file.read(HEAD_BYTES)
    file.seek(0)
    return head


class _Lines:
    """The lines of a file, as bytes; holds no more of a row than its limit.

    After an error it goes on with the next line, which a generator would not.
    """

    def __init__(self, file: BinaryIO, max_article_chars: int, *, quoted: bool = False) -> None:
        self.file = file
        self.limit = _row_limit(max_article_chars)
        self.quoted = quoted  # whether a row may go on over lines, between two quotes
        self.n_lines = self.n_bytes = self.n_quotes = 0
        self.resume_at = self.resume_line = 0  # behind the first line of the row, as offset and number
        self.ended = False

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> bytes:
        line = self._take()
        if not line:
            self.ended = True
            raise StopIteration
        if not self.resume_at:
            self.resume_at, self.resume_line = self.file.tell(), self.n_lines
        if self.n_bytes > self.limit:
            self.finish_row()
            raise BadArticleError(
                f"the row has more than {self.limit:,} bytes; split the article, or raise max_article_chars"
            )
        return line.removeprefix(codecs.BOM_UTF8) if self.n_lines == 1 else line

    def _take(self) -> bytes:
        """The next line, cut where it breaks the limit; the rest is passed over."""
        line = part = self.file.readline(self.limit + 1)
        self.n_lines += bool(line)
        while part:
            self.n_bytes += len(part)
            self.n_quotes += part.count(b'"')
            part = b"" if part.endswith(b"\n") else self.file.readline(_ROW_SPARE_BYTES)
        return line

    def start_row(self) -> int:
        """Forget the row before; returns the number of the line that comes next, from 1."""
        self.n_bytes = self.n_quotes = self.resume_at = self.resume_line = 0
        self.ended = False
        return self.n_lines + 1

    def leave_row(self) -> None:
        """Give up a row that is no CSV; what was read of it is not read again, unless its quote swallowed the file."""
        if not self.ended:
            self.resume_at, self.resume_line = self.file.tell(), self.n_lines
        self.finish_row()

    def finish_row(self) -> None:
        """Pass over the lines up to the quote that is missing; if there is none, back to where to resume."""
        while self.quoted and self.n_quotes % 2 and self._take():
            pass
        if self.quoted and self.n_quotes % 2:
            self.file.seek(self.resume_at)
            self.n_lines = self.resume_line


def _read_rows(
    rows: Iterator[Mapping[str, object] | None], lines: _Lines, source: str, max_article_chars: int
) -> Iterator[Article | Skipped]:
    """Each row as an Article or, where it cannot be used, a Skipped with its first line; None is a blank line."""
    n_rows = 0
    while True:
        line = lines.start_row()
        try:
            fields = next(rows)
            if fields is None:
                continue
            article = article_from_fields(fields, f"{source}:{line}")
            item: Article | Skipped = check_length(article, max_article_chars)
        except StopIteration:
            break
        except BadArticleError as exc:
            item = Skipped(source, line, f"{exc}{_lost(line, lines)}")
        except csv.Error as exc:
            lines.leave_row()
            item = Skipped(source, line, f"the row is no CSV: {exc}; {_QUOTE_RULE}{_lost(line, lines)}")
        n_rows += 1
        yield item
    if not n_rows:
        yield Skipped(source, None, "the file has no rows; write articles into it, or delete it")


def _lost(line: int, lines: _Lines) -> str:
    return f" (lines {line} to {lines.n_lines} were passed over)" if lines.n_lines > line else ""


def _json_row(raw: bytes) -> Mapping[str, object] | None:
    if not raw.strip():
        return None
    try:
        row = json.loads(decode(raw.rstrip(b"\r\n")))
    except json.JSONDecodeError as exc:
        raise BadArticleError(f"the row is no JSON at column {exc.colno}: {exc.msg}; correct it") from exc
    except RecursionError as exc:
        raise BadArticleError("the row is nested too deeply; write one flat JSON object") from exc
    except ValueError as exc:
        if isinstance(exc, BadArticleError):
            raise
        raise BadArticleError(f"the row holds a number that is too long: {exc}; put it in quotes") from exc
    if not isinstance(row, dict):
        raise BadArticleError(f'the row is {show(row)}, not an object; write {{"text": …}}')
    return row


def _delimiter(head: bytes) -> str:
    """Of comma, semicolon and tab the one that splits the header into most columns that we know."""
    header = head.partition(b"\n")[0].decode("utf-8-sig", errors="replace")

    def n_known(delimiter: str) -> int:
        return sum(name.strip("\"' \r").lower() in FIELD_NAMES for name in header.split(delimiter))

    return max(",;\t", key=n_known)


def _csv_names(rows: Iterator[list[str]]) -> Sequence[str]:
    try:
        names = [name.strip().lower() for name in next((row for row in rows if row), [])]
    except csv.Error as exc:
        raise BadArticleError(f"the header row is no CSV: {exc}; {_QUOTE_RULE}", line=1) from exc
    if not any(names):
        raise BadArticleError("the file is empty; write a header row such as title,text,published_at, and rows")
    _refuse_bad_bytes(names)
    if names.count("text") != 1 or any(names.count(name) > 1 for name in FIELD_NAMES):
        shown = show(", ".join(names))
        raise BadArticleError(f"the header row has the columns {shown}; name one, and only one, 'text'", line=1)
    return names


def _csv_row(names: Sequence[str], row: list[str]) -> Mapping[str, object] | None:
    if not row:
        return None
    _refuse_bad_bytes(row)
    if len(row) != len(names):
        raise BadArticleError(f"the row has {len(row)} columns, the header {len(names)}; {_QUOTE_RULE}")
    return dict(zip(names, row, strict=True))


def _refuse_bad_bytes(row: Iterable[str]) -> None:
    """Finds what errors="surrogateescape" let through, so that a bad byte costs its own row only."""
    for value in row:
        if found := SURROGATE.search(value):
            raise bad_byte(ord(found.group()) - 0xDC00, line=1)
