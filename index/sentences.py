"""Where sentences begin and end, in Russian and English, with exact offsets.

Decision: our own rules. Tried in November 2026 on direct speech and abbreviations: razdel 0.5.0 (last release 2020)
ends a sentence inside «…», sentencex 1.0.32 after «т. е.», «им.» and "Mr.". A wrong end cuts a quote in two, which a
reader sees; a missed end only makes a quote longer. So every doubt here is settled against an end.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator
from typing import NamedTuple

# Abbreviations that stand before the thing they belong to, so that a capital after them means nothing.
LEADING_ABBREVIATIONS = frozenset(
    """
    г гг им ул просп пр-т пл пер наб бул кв корп см ср напр св акад проф доц ген полк подп кап лейт серж адм маш тов гр
    гос пос дер обл р-н оз тт изд ред пом зам зав нач исп
    mr mrs ms dr prof gen col lt sgt capt cmdr adm sen rep gov pres hon rev st mt vs ed eds cf al approx est e.g i.e
    """.split()
)
# Abbreviations that stand before a number.
NUMBER_ABBREVIATIONS = frozenset(
    """
    стр рис табл пп ст гл разд вып янв фев мар апр июн июл авг сент окт нояб дек
    no nos fig vol pp art sec jan feb mar apr jun jul aug sep sept oct nov dec
    """.split()
)
# «т. д.», «т. п.» close an enumeration and may close the sentence; «т. е.», «т. к.», «т. н.» never do.
CLOSING_PAIRS = re.compile(r"\bт\.\s?[дп]\.$", re.IGNORECASE)
PARAGRAPH_END = re.compile(r"\n\s*\n|\n(?![^\S\n]*[a-zа-яёіїєґў])")
CLOSING_MARKS = "»”“\"’')]"
# Begins at the first of its marks only: from every mark of a row of dots the search would take quadratic time.
TERMINATOR = re.compile(rf"(?<![.!?…])[.!?…]+[{re.escape(CLOSING_MARKS)}]*(?=\s|$)")
LAST_WORD = re.compile(r"([\w.\-]+)\.$")
INITIALS = re.compile(r"(?:[^\W\d_]\.)*[^\W\d_]")
NEXT_CHARACTER = re.compile(r"\s+[«„“\"'(\[]*(.)", re.DOTALL)
QUOTED = re.compile(r"«[^«»]*(?:«[^«»]*»[^«»]*)*»|“[^“”]*”|„[^„“”]*[“”]|\"[^\"]*\"")
DASHES = "—–-"


class Span(NamedTuple):
    """Characters `start` to `end` (exclusive) of a text."""

    start: int
    end: int


def split_sentences(text: str) -> list[Span]:
    """The sentences of a text, in order, without the white space around them.

    Together they hold every character that is not white space, each once. A heading is a sentence; direct speech with
    the words that introduce it is one sentence. Blank text has none.
    """
    return [sentence for paragraph in split_paragraphs(text) for sentence in _sentences_of(text, paragraph)]


def split_paragraphs(text: str) -> list[Span]:
    """The paragraphs of a text: parted by blank lines, or by a line break before anything but a small letter."""
    return list(_cut(text, Span(0, len(text)), (match.end() for match in PARAGRAPH_END.finditer(text))))


def _sentences_of(text: str, paragraph: Span) -> Iterator[Span]:
    quoted = [Span(*match.span()) for match in QUOTED.finditer(text, *paragraph)]
    ends = (
        match.end()
        for match in TERMINATOR.finditer(text, *paragraph)
        if not _is_inside(quoted, match.end()) and _ends_sentence(text, match, paragraph)
    )
    return _cut(text, paragraph, ends)


def _is_inside(quoted: list[Span], offset: int) -> bool:
    """Whether an offset lies between the first and the last character of one of the spans, which are in order."""
    before = bisect_left(quoted, offset, key=lambda span: span.start) - 1
    return before >= 0 and offset < quoted[before].end


def _ends_sentence(text: str, terminator: re.Match[str], paragraph: Span) -> bool:
    following = NEXT_CHARACTER.match(text, terminator.end(), paragraph.end)
    if following is None:
        return True
    if following[1].islower() or following[1] in DASHES:
        return False
    before = text[max(paragraph.start, terminator.end() - 40) : terminator.end()]
    return terminator[0] != "." or not _is_abbreviation(before, following[1])


def _is_abbreviation(before: str, following: str) -> bool:
    """Whether the full stop that `before` ends with belongs to its last word; `following` is the next character."""
    if CLOSING_PAIRS.search(before):
        return False
    last = LAST_WORD.search(before)
    if last is None:
        return False
    word = last[1]
    if INITIALS.fullmatch(word) or word.lower() in LEADING_ABBREVIATIONS:
        return True
    if word.isdigit():
        return _numbers_an_item(word, before[: last.start()].rstrip())
    return following.isdigit() and word.lower() in NUMBER_ABBREVIATIONS


def _numbers_an_item(number: str, before: str) -> bool:
    """Whether a number with a full stop opens a list's item, as in "1. Text. 2. Text": then it is no sentence."""
    if not before:
        return True
    ended = before.rstrip(CLOSING_MARKS).endswith(tuple(".!?…"))
    return ended and len(number) < 4 and not (before[-1] == "." and _is_abbreviation(before, number))


def _cut(text: str, span: Span, ends: Iterator[int]) -> Iterator[Span]:
    start = span.start
    for end in [*ends, span.end]:
        piece = text[start:end]
        stripped = piece.strip()
        if stripped:
            offset = start + piece.index(stripped)
            yield Span(offset, offset + len(stripped))
        start = end
