"""The formats that hold one article a file: plain text, Markdown, saved pages.

Each keeps the contract of `index.readers.Reader`. Nothing here trusts its input: reading is bounded, and what cannot be
used is a `BadArticleError`, which `index.readers` turns into a Skipped.
"""

import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from index.decoding import decode, decode_page, read_whole
from index.making import (
    MAX_ARTICLE_CHARS,
    BadArticleError,
    article_from_fields,
    authors_of,
    make_article,
    parse_date,
    show,
    web_url,
)
from index.records import Article, Skipped

if TYPE_CHECKING:
    from trafilatura.settings import Document
    from yaml import SafeLoader

_FRONT_MATTER_CHARS = 65_536  # YAML is slow: about 1 s
_DATE_LINE = re.compile(r"\s*date[ \t]+(\d{4}-\d{1,2}-\d{1,2}\S*)")
_HEADING = re.compile(r"^#[ \t]+(\S.*)$", re.MULTILINE)
_FRONT_MATTER_START = re.compile(r"\s*---[ \t]*\n")
_FRONT_MATTER = re.compile(r"\s*---[ \t]*\n(.*?)^(?:---|\.\.\.)[ \t]*$", re.MULTILINE | re.DOTALL)
_FENCE = re.compile(" {0,3}(```|~~~)")
_INDENTED = r"\t| {4}"
_LINE_ALONE = r" {0,3}(?:#{1,6}(?:[ \t]|$)|(?:[-*_=][ \t]*)+$)|.*\|"  # heading, rule or underlined heading, table row
_LIST_ITEM_OR_QUOTE = r" {0,3}(?:(?:[-*+]|\d{1,3}[.)])[ \t]|>)"  # three digits: a wrapped line may begin with a year
_OPENS_BLOCK = re.compile(f"{_INDENTED}|{_LINE_ALONE}|{_LIST_ITEM_OR_QUOTE}")
_CLOSES_BLOCK = re.compile(rf"{_INDENTED}|{_LINE_ALONE}|.*(?:  |\\)$|\s*$")  # or is blank, or ends in a hard line break


def read_text(path: Path, source: str, *, max_article_chars: int = MAX_ARTICLE_CHARS) -> Iterator[Article | Skipped]:
    """A text file is one article. It may begin with `date YYYY-MM-DD`, which is not part of the text."""
    text = decode(read_whole(path, max_article_chars))
    match = _DATE_LINE.match(text)
    try:
        published_at = parse_date(match.group(1)) if match else None
    except BadArticleError as exc:
        raise BadArticleError(str(exc), line=1) from exc
    yield make_article(text=text[match.end() :] if match else text, source=source, published_at=published_at)


def read_markdown(
    path: Path, source: str, *, max_article_chars: int = MAX_ARTICLE_CHARS
) -> Iterator[Article | Skipped]:
    """A Markdown file is one article: front matter, if any, gives the fields, the body is the text.

    Without a title the first `# heading` is the title, and is left out of the text. The markup stays, but for the line
    breaks inside a paragraph, which become spaces.
    """
    text = decode(read_whole(path, max_article_chars))
    fields: dict[str, object] = {}
    if match := _FRONT_MATTER.match(text):
        fields = _front_matter(match.group(1), first_line=1 + text.count("\n", 0, match.start(1)))
        text = text[match.end() :]
    elif _FRONT_MATTER_START.match(text):
        raise BadArticleError("the front matter that '---' opens is never closed; close it with a line '---'", line=1)
    text = _join_lines(text)
    if not fields.get("title") and (heading := _HEADING.search(text)):
        fields["title"] = _heading_text(heading.group(1))
        text = text[: heading.start()] + text[heading.end() :].lstrip("\n")
    yield article_from_fields({**fields, "text": text}, source)


def _heading_text(line: str) -> str:
    """Without the "#" that may close a heading, after a space."""
    bare = line.rstrip().rstrip("#")
    return bare.strip() if not bare or bare[-1].isspace() else line.strip()


def _join_lines(text: str) -> str:
    """The text with each paragraph in one line, for in Markdown a single line break is a space.

    Left as it is, a hard-wrapped article would be shown and quoted in ragged lines, and cut into chunks at lines that
    happen to begin with a capital.
    """
    parts: list[str] = []
    fence = ""  # what opened the fenced code that this line is in
    goes_on = False
    for line in text.split("\n"):
        mark = _FENCE.match(line)
        if goes_on and not mark and line.strip() and not _OPENS_BLOCK.match(line):
            parts += " ", line.strip()
        else:
            parts += "\n", line
        if mark and fence in ("", mark[1]):
            fence = "" if fence else mark[1]
        goes_on = not (fence or mark or _CLOSES_BLOCK.match(line))
    return "".join(parts[1:])


def _front_matter(block: str, *, first_line: int) -> dict[str, object]:
    """The fields of a YAML block, names in lower case, scalars as strings."""
    import yaml

    try:
        if len(block) > _FRONT_MATTER_CHARS:
            raise yaml.YAMLError(f"it has {len(block):,} characters, over the limit of {_FRONT_MATTER_CHARS:,}")
        fields = yaml.load(block, Loader=_yaml_loader())
    except yaml.MarkedYAMLError as exc:
        line = first_line + exc.problem_mark.line if exc.problem_mark else None
        raise BadArticleError(f"the front matter is no plain YAML: {exc.problem}; correct it", line) from exc
    except (yaml.YAMLError, RecursionError) as exc:
        reason = "it is nested too deeply" if isinstance(exc, RecursionError) else str(exc).partition("\n")[0]
        raise BadArticleError(f"the front matter is no plain YAML: {reason}; correct it", first_line) from exc
    if not isinstance(fields or {}, dict):
        reason = f"the front matter is {show(fields)}, not a mapping; write lines like 'title: …'"
        raise BadArticleError(reason, first_line)
    return {str(name).strip().lower(): value for name, value in (fields or {}).items()}


def _yaml_loader() -> type["SafeLoader"]:
    """A SafeLoader that knows mappings, lists, strings and null.

    Decision: no scalar is guessed at. YAML would make the title 1984 a number, the language `no` false and the date
    2025-13-45 a crash; here each stays what was typed and is checked like the fields of every other format.
    """
    import yaml

    class Loader(yaml.SafeLoader):
        yaml_implicit_resolvers = {
            first: [pair for pair in pairs if pair[0].endswith(":null")]
            for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
        }
        yaml_constructors = {
            tag: make
            for tag, make in yaml.SafeLoader.yaml_constructors.items()
            if tag is None or tag.rpartition(":")[2] in {"null", "str", "seq", "map"}
        }

    return Loader


def read_html(path: Path, source: str, *, max_article_chars: int = MAX_ARTICLE_CHARS) -> Iterator[Article | Skipped]:
    """A saved page is one article: trafilatura finds the text, the title, the date and the rest."""
    found = _extract(decode_page(read_whole(path, max_article_chars)))
    text = found.text or ""
    first_line, _, rest = text.partition("\n")
    url = web_url(found.url)
    yield make_article(
        text=rest if rest.strip() and first_line == found.title else text,
        source=source,
        title=found.title,
        published_at=parse_date(found.date),
        url=url,
        publisher=found.sitename or found.hostname or (url and urlsplit(url).hostname),
        authors=authors_of(found.author),
        language=found.language,
    )


def _extract(page: str) -> "Document":
    """What trafilatura makes of a page, with some text in it.

    Decision: no extensive search for a date. It took "© 2016" at the foot of a page for the day of publication; a
    missing date is better than a wrong one.
    """
    from lxml.etree import LxmlError
    from trafilatura import bare_extraction
    from trafilatura.settings import Document

    # It logs errors of its own for a page without text, which reach the terminal; the Skipped says it once, and better.
    logging.getLogger("trafilatura").setLevel(logging.CRITICAL)
    dates = {"original_date": True, "extensive_search": False}
    try:
        found = bare_extraction(page, with_metadata=True, include_comments=False, date_extraction_params=dates)
    except (ValueError, TypeError, RecursionError, LxmlError) as exc:
        raise BadArticleError(f"the page cannot be parsed: {show(str(exc))}; save it again") from exc
    if not isinstance(found, Document) or not (found.text or "").strip():
        raise BadArticleError("no article text was found in the page; save the article itself, or convert it to .txt")
    return found
