"""Markers and quotes: what a model's "[n]" means, and which "[n]" may leave the chain.

A model's numbers name passages. They are taken out of its text as it streams, resolved to quotes or dropped, and new
numbers are given out, from 1, once a quote has been compared with the stored article. So a number that resolves to
nothing has no way out.
"""

import logging
import re
from collections.abc import Callable, Iterable, Iterator

from index.records import Article
from qa.drafts import Claim, Difference, Quote
from qa.records import Citation, CitationFound, Disagreement, Event, TextDelta

log = logging.getLogger(__name__)

INNER = r"[\d\s,;–—-]"  # what stands between the brackets of a marker
MARKER = re.compile(rf"[\[【]{{1,2}}(?P<numbers>[\s,;–—-]*\d{INNER}*)[\]】]{{1,2}}")
NO_MARKER = re.compile(r"[^\d\s,;–—\-\[\]【】]+")
OPENING = re.compile(r"[\[【]")
# A number of a passage has three digits at most; longer ones are years and nonsense.
NUMBER = re.compile(r"(?<!\d)\d{1,3}(?!\d)")
RANGE = re.compile(r"(?<!\d)(\d{1,3})\s*[–—-]\s*(\d{1,3})(?!\d)")
# A marker, or what may be the beginning of one if another text follows.
MARKER_LIKE = re.compile(rf"[\[【]{INNER}*(?:[\]】]|\Z)")
ROUND = str.maketrans("[]【】", "()()")

FindArticle = Callable[[str], Article | None]
"""The stored article of an id, None where there is none."""


def split_markers(pieces: Iterable[str]) -> Iterator[str | list[int]]:
    """A stream of text, cut into text without markers and the numbers of each marker.

    "[1]", "[1, 2]", "[1-3]", "[[1]]" and «【1】» are markers, also where the stream cuts them in two. Joined, the texts
    are the stream without its markers and without white space before them and at its end. How the stream is cut makes
    no difference to the joined texts and to the numbers.
    """
    buffer = ""
    for piece in pieces:
        buffer += piece
        n_settled = _settled_length(buffer)
        yield from _split(buffer[:n_settled])
        buffer = buffer[n_settled:]
    yield from _split(buffer.rstrip())


def _settled_length(text: str) -> int:
    """How much of the text can be no part of a marker that goes on, or of the white space before one."""
    tail = NO_MARKER.split(text)[-1]
    opening = OPENING.search(tail)
    n_open = len(tail) - opening.start() if opening else 0
    return len(text[: len(text) - n_open].rstrip())


def _split(text: str) -> Iterator[str | list[int]]:
    start = 0
    for marker in MARKER.finditer(text):
        if before := text[start : marker.start()].rstrip():
            yield before
        yield _numbers(marker["numbers"])
        start = marker.end()
    if start < len(text):
        yield text[start:]


def _numbers(text: str) -> list[int]:
    """Turn "1, 3-5" into [1, 3, 4, 5]."""
    ranges = {(int(first), int(last)) for first, last in RANGE.findall(text)}
    inner = [number for first, last in ranges for number in range(first, last + 1)]
    return sorted({*map(int, NUMBER.findall(text)), *inner})


def defuse(text: str) -> str:
    """The text with round brackets around what would read as a marker, alone or with the text that comes next.

    Quoted articles have footnotes of their own, and a model can write anything.
    """
    return MARKER_LIKE.sub(lambda match: match[0].translate(ROUND), text)


class Citations:
    """Gives out numbers to quotes that stand in the stored articles, word for word.

    Args:
        find_article: looks an article up in the index.

    Attributes:
        text: all that `events` gave out so far.
        disagreements: between citations, so far.
    """

    def __init__(self, find_article: FindArticle) -> None:
        self.text = ""
        self.disagreements: tuple[Disagreement, ...] = ()
        self._find_article = find_article
        self._found: dict[tuple[str, int, int], Citation] = {}

    @property
    def found(self) -> tuple[Citation, ...]:
        """The citations so far, by number."""
        return tuple(self._found.values())

    def events(self, claim: Claim) -> Iterator[Event]:
        """The claim as text with numbers, each number's citation before the text that first shows it.

        A claim that has quotes of which none stands is dropped, its text too.
        """
        n_before = len(self._found)
        cited = dict.fromkeys(citation for quote in claim.quotes if (citation := self._cite(quote)))
        if claim.quotes and not cited:
            return
        yield from map(CitationFound, self.found[n_before:])
        text = defuse(claim.text) + "".join(f" [{citation.marker}]" for citation in cited)
        if text := text if self.text else text.lstrip():
            self.text += text
            yield TextDelta(text)
        if claim.difference is not None:
            self._differ(claim.difference)

    def _differ(self, difference: Difference) -> None:
        first, second = (self._cite(quote) for quote in difference.quotes)
        if first is not None and second is not None:
            found = Disagreement((first.marker, second.marker), difference.words)
            self.disagreements = (*self.disagreements, found)

    def _cite(self, quote: Quote) -> Citation | None:
        source = quote.passage.source
        key = (source.article_id, quote.start, quote.end)
        if key in self._found:
            return self._found[key]
        article = self._find_article(source.article_id)
        if article is None or article.text[quote.start : quote.end] != quote.text:
            log.warning("dropped a citation of %s at %d: the stored article has other words", key[0], quote.start)
            return None
        citation = Citation(len(self._found) + 1, source, quote.text, quote.start, quote.end, quote.passage.score)
        self._found[key] = citation
        return citation
