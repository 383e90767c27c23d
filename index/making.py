"""The making of an Article: cleaning, the id, the missing title and language, and fields as strangers write them."""

import hashlib
import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import date, datetime
from urllib.parse import urlsplit

from index.records import Article
from index.sentences import split_sentences

MAX_ARTICLE_CHARS = 2_000_000
FIELD_NAMES = ("title", "text", "published_at", "date", "url", "publisher", "authors", "author", "language", "lang")
LINE_END = re.compile("\r\n|[\r\v\f]")
SURROGATE = re.compile("[\ud800-\udfff]")

_TITLE_CHARS = 120
_HEAD_CHARS = 2_000  # enough to tell the first sentence and the language by
_MIN_LETTERS = 10  # py3langid calls the empty text Afrikaans; below a word or two it guesses
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\ufeff]")
_LETTER = re.compile(r"[^\W\d_]")
_URL = re.compile(r"https?://[^\s<>\"\\^`{|}]+", re.IGNORECASE)


class BadArticleError(ValueError):
    """An article that cannot be used; the message is the reason that a Skipped gives.

    Never leaves `index.readers.read_corpus`, hence no child of OtvetError.

    Attributes:
        line: from 1, None where a whole file is meant.
    """

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(reason)
        self.line = line


def make_article(
    *,
    text: str,
    source: str,
    title: str | None = None,
    published_at: date | None = None,
    url: str | None = None,
    publisher: str | None = None,
    authors: Sequence[str] = (),
    language: str | None = None,
) -> Article:
    r"""Clean the values and make an Article of them.

    Line ends become \n, control characters and byte order marks go, and the ends are stripped. A missing title is the
    first sentence of the text; a missing language is detected, "und" where the text has hardly any letters. A `url`
    that is not http(s) is dropped, because it comes from strangers and becomes a link.

    `language` is any code that begins with two letters of ISO 639-1, such as "RU" or "en-GB". The article's id is made
    from all values but `language` and `source`: a file that is moved keeps it.

    Raises:
        BadArticleError: if the text is blank, or a value holds half of a surrogate pair.
    """
    text = _clean(text, "text").strip()
    if not text:
        raise BadArticleError("there is no text; write the article into it, or leave it out")
    article = Article(
        article_id="",
        title=_one_line(title, "title") or _first_sentence(text),
        text=text,
        published_at=published_at,
        url=web_url(_one_line(url, "url")),
        publisher=_one_line(publisher, "publisher"),
        authors=tuple(name for author in authors if (name := _one_line(author, "authors"))),
        language=_language_code(language) or _detect_language(text),
        source=source,
    )
    return replace(article, article_id=article_id_of(article))


def article_from_fields(fields: Mapping[str, object], source: str) -> Article:
    """An Article of the fields that front matter or the row of a table gives, as `FIELD_NAMES` lists them.

    Raises:
        BadArticleError: as `make_article`, and if a field has the wrong type.
    """
    return make_article(
        text=_string(fields, "text") or "",
        source=source,
        title=_string(fields, "title"),
        published_at=parse_date(fields.get("published_at")) or parse_date(fields.get("date")),
        url=_string(fields, "url"),
        publisher=_string(fields, "publisher"),
        authors=authors_of(fields.get("authors") or fields.get("author")),
        language=_string(fields, "language") or _string(fields, "lang"),
    )


def check_length(article: Article, max_article_chars: int) -> Article:
    """The article itself, unless its text is longer than `max_article_chars`: then BadArticleError."""
    if len(article.text) > max_article_chars:
        raise BadArticleError(
            f"the text has {len(article.text):,} characters, over the limit of {max_article_chars:,}; "
            "split the article, or raise max_article_chars"
        )
    return article


def parse_date(value: object) -> date | None:
    """A date out of an ISO date or datetime, whose date part is taken as written; None and blank are None.

    Raises:
        BadArticleError: if it is anything else, or a day that no calendar has.
    """
    if isinstance(value, datetime):
        return value.date()
    if value is None or isinstance(value, date):
        return value
    if isinstance(value, str):
        if not value.strip():
            return None
        with suppress(ValueError):
            return datetime.fromisoformat(value.strip()).date()
    raise BadArticleError(f"date {show(value)} is no date; write YYYY-MM-DD")


def authors_of(value: object) -> Sequence[str]:
    """Names out of a list of strings, or out of one string with ";" or else "," between them; None is no name.

    Raises:
        BadArticleError: if it is anything else.
    """
    if isinstance(value, str):
        return value.split(";" if ";" in value else ",")
    if value is None:
        return ()
    if not isinstance(value, list):
        raise BadArticleError(f"authors is {show(value)}; write a list of strings, or one string with ';' between")
    for author in value:
        if not isinstance(author, str):
            raise BadArticleError(f"authors holds {show(author)}, not a string; put it in quotes")
    return value


def web_url(url: str | None) -> str | None:
    """The URL itself if it is http(s) with a host and no character that could end a link, else None."""
    if url is None or not _URL.fullmatch(url):
        return None
    try:
        return url if urlsplit(url).hostname else None
    except ValueError:  # brackets that hold no address
        return None


def show(value: object) -> str:
    """The value as a message quotes it: short, and safe for what aliases and depth make of YAML and JSON."""
    if isinstance(value, list | dict):
        return "[...]" if isinstance(value, list) else "{...}"
    shown = repr(value[:80] if isinstance(value, str) else value)
    return shown if len(shown) <= 100 else shown[:99] + "…"


def article_id_of(article: Article) -> str:
    """The id that the content of an article gives it."""
    content = {
        "title": article.title,
        "text": article.text,
        "published_at": article.published_at and article.published_at.isoformat(),
        "url": article.url,
        "publisher": article.publisher,
        "authors": article.authors,
    }
    canonical = json.dumps(content, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def _string(fields: Mapping[str, object], name: str) -> str | None:
    value = fields.get(name)
    if value is not None and not isinstance(value, str):
        raise BadArticleError(f"{name} is {show(value)}, not a string; put it in quotes")
    return value


def _clean(value: str, name: str) -> str:
    if found := SURROGATE.search(value):
        raise BadArticleError(
            f"{name} holds {found.group()!r} at character {found.start() + 1}, half of a surrogate pair and no "
            "character; write the pair, or the character itself"
        )
    return unicodedata.normalize("NFC", _CONTROL.sub("", LINE_END.sub("\n", value)))


def _one_line(value: str | None, name: str) -> str | None:
    return " ".join(_clean(value or "", name).split()) or None


def _first_sentence(text: str) -> str:
    head = text[:_HEAD_CHARS]
    first = split_sentences(head)[0]
    sentence = " ".join(head[first.start : first.end].split())
    if len(sentence) <= _TITLE_CHARS:
        return sentence
    cut = sentence[:_TITLE_CHARS]  # one more than fits beside the mark, so that a word may end exactly there
    return (cut.rpartition(" ")[0] or cut[:-1]).rstrip(" ,;:–—-") + "…"


def _language_code(language: str | None) -> str | None:
    code = (language or "").strip().lower()
    return code[:2] if re.match("[a-z]{2}", code) and code != "und" else None


def _detect_language(text: str) -> str:
    head = text[:_HEAD_CHARS]
    if len(_LETTER.findall(head)) < _MIN_LETTERS:
        return "und"
    import py3langid

    code = str(py3langid.classify(head)[0])
    return "und" if code == "zxx" else code
