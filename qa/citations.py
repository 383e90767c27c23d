"""Markers and quotes: what a model's "[n]" means, and which "[n]" may leave the chain.

A model's numbers name passages. They are taken out of its text as it streams, resolved to quotes or dropped, and new
numbers are given out, from 1, once a quote has been compared with the stored article. So a number that resolves to
nothing has no way out.
"""

import logging
import re
from collections.abc import Callable, Iterable, Iterator

from index.records import Article
from qa.drafts import Claim, Quote
from qa.records import Citation, CitationFound, Event, TextDelta

log = logging.getLogger(__name__)

OPENING, CLOSING = "[【", "]】"
MAX_MARKER_CHARS = 40  # a bracket that is still open after so many characters is no marker
MARKER = re.compile(r"\s*[\[【](?P<numbers>[\d\s,;–—-]*\d[\d\s,;–—-]*)[\]】]")
RANGE = re.compile(r"(\d+)\s*[–—-]\s*(\d+)")
MAX_NUMBER = 999

FindArticle = Callable[[str], Article | None]
"""The stored article of an id, None where there is none."""


def split_markers(pieces: Iterable[str]) -> Iterator[str | list[int]]:
    """A stream of text, cut into text without markers and the numbers of each marker.

    "[1]", "[1, 2]", "[1-3]" and «【1】» are markers, also where the stream cuts them in two. Joined, the texts are the
    stream without its markers and the white space before them.
    """
    buffer = ""
    for piece in pieces:
        buffer += piece
        while match := MARKER.search(buffer):
            if match.start():
                yield buffer[: match.start()]
            yield _numbers(match["numbers"])
            buffer = buffer[match.end() :]
        ready = _safe_length(buffer)
        if ready:
            yield buffer[:ready]
            buffer = buffer[ready:]
    if buffer:
        yield buffer


def _safe_length(text: str) -> int:
    """How much of the text cannot be the beginning of a marker, or of the white space before one."""
    opening = max(text.rfind(bracket) for bracket in OPENING)
    if opening < 0 or len(text) - opening > MAX_MARKER_CHARS or any(closing in text[opening:] for closing in CLOSING):
        opening = len(text)
    return len(text[:opening].rstrip())


def _numbers(text: str) -> list[int]:
    """Turn "1, 3-5" into [1, 3, 4, 5]."""
    ranges = {(int(first), int(last)) for first, last in RANGE.findall(text)}
    numbers = [int(number) for number in re.findall(r"\d+", text)]
    inner = [number for first, last in ranges if last <= MAX_NUMBER for number in range(first, last + 1)]
    return sorted({*numbers, *inner})


def defuse(text: str) -> str:
    """The text with round brackets around what would read as a marker: quoted articles have footnotes of their own."""
    return MARKER.sub(lambda match: match[0].translate(str.maketrans("[]【】", "()()")), text)


class Citations:
    """Gives out numbers to quotes that stand in the stored articles, word for word.

    Args:
        find_article: looks an article up in the index.
    """

    def __init__(self, find_article: FindArticle) -> None:
        self._find_article = find_article
        self._found: dict[tuple[str, int, int], Citation] = {}

    @property
    def found(self) -> tuple[Citation, ...]:
        """The citations so far, by number."""
        return tuple(self._found.values())

    def events(self, claim: Claim) -> Iterator[Event]:
        """The claim as text with numbers, each number's citation before the text that first shows it."""
        numbers = []
        for quote in claim.quotes:
            n_before = len(self._found)
            citation = self._cite(quote)
            if citation is None:
                continue
            if len(self._found) > n_before:
                yield CitationFound(citation)
            numbers.append(citation.marker)
        marks = "".join(f" [{number}]" for number in dict.fromkeys(numbers))
        if text := defuse(claim.text) + marks:
            yield TextDelta(text)

    def _cite(self, quote: Quote) -> Citation | None:
        passage = quote.passage
        key = (passage.source.article_id, quote.start, quote.end)
        if key in self._found:
            return self._found[key]
        text = passage.text[quote.start - passage.start : quote.end - passage.start]
        article = self._find_article(passage.source.article_id)
        if article is None or not text or article.text[quote.start : quote.end] != text:
            log.warning("dropped a citation of %s at %d: the stored article has other words", key[0], quote.start)
            return None
        citation = Citation(len(self._found) + 1, passage.source, text, quote.start, quote.end, passage.score)
        self._found[key] = citation
        return citation
