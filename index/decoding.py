"""Bytes of a corpus file to text: bounded reading, UTF-8 and nothing else, and messages that say how to convert.

Decision: the encoding of a file is never guessed. cp1251 read as cp1252 is text too, and would be indexed; only a page
that names its own charset is believed.
"""

import codecs
import re
from pathlib import Path

from index.making import LINE_END, BadArticleError

HEAD_BYTES = 4_096
_FILE_BYTES_PER_CHAR = 4  # the most that UTF-8 needs
_META_CHARSET = re.compile(rb"<meta[^>]+charset=[\"']?(windows-125\d|koi8-[ru]|ibm866|iso-8859-\d+)", re.IGNORECASE)


def read_whole(path: Path, max_article_chars: int) -> bytes:
    """All bytes of a file of one article.

    Raises:
        BadArticleError: it is empty, UTF-16, or larger than an article of `max_article_chars` can be; then it is not
            read.
    """
    refuse_large(path.stat().st_size, max_article_chars)
    with path.open("rb") as file:
        raw = file.read(_FILE_BYTES_PER_CHAR * max_article_chars)  # and no more, should it grow meanwhile
    if not raw.strip():
        raise BadArticleError("the file is empty; write the article into it, or delete it")
    refuse_utf16(raw[:HEAD_BYTES])
    return raw


def refuse_large(size: int, max_article_chars: int) -> None:
    """BadArticleError for a file of one article with more bytes than `max_article_chars` can be."""
    limit = _FILE_BYTES_PER_CHAR * max_article_chars
    if size > limit:
        raise BadArticleError(
            f"the file has {size:,} bytes, over the limit of {limit:,}; split it, or raise max_article_chars"
        )


def refuse_utf16(head: bytes) -> None:
    """BadArticleError for UTF-16, told by its mark or by every second byte being that of Latin (0) or Cyrillic (4)."""
    halves = (head[0::2], head[1::2])
    unmarked = len(head) >= 8 and any(half.count(0) + half.count(4) > 0.8 * len(half) for half in halves)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or unmarked:
        raise BadArticleError(
            f"the file begins with the bytes {head[:4].hex(' ')}, it is UTF-16 and not UTF-8; "
            "convert it, for example: iconv -f utf-16 -t utf-8 OLD > NEW"
        )


def decode(raw: bytes) -> str:
    r"""UTF-8 to text, without a byte order mark, every line end as \n.

    Raises:
        BadArticleError: it is not UTF-8. Names the first bad byte and its line.
    """
    try:
        return LINE_END.sub("\n", raw.decode("utf-8-sig"))
    except UnicodeDecodeError as exc:
        rest = exc.object  # lacks the byte order mark, as exc.start does not count it
        raise bad_byte(rest[exc.start], 1 + rest.count(b"\n", 0, exc.start)) from exc


def bad_byte(byte: int, line: int | None = None) -> BadArticleError:
    """The error for a byte that is not UTF-8."""
    return BadArticleError(
        f"the byte 0x{byte:02X} is not UTF-8; convert the file, for example: iconv -f cp1251 -t utf-8 OLD > NEW", line
    )


def decode_page(raw: bytes) -> str:
    """Like `decode`, but a page that names an 8-bit Latin or Cyrillic charset is believed."""
    try:
        return decode(raw)
    except BadArticleError:
        declared = _META_CHARSET.search(raw[:HEAD_BYTES])
        if declared is None:
            raise
        return raw.decode(declared.group(1).decode("ascii"), errors="replace")
