"""The numbers that a text states, as a claim is held to them: whether they stand, not what they count.

Strict on the side of the claim and generous on that of the passage: «двухэтажный», "both" and «оба» state a two that a
claim may name, but a claim with "both", "one" or "first" is held to no number. Values are compared, so "2.5 million",
«2,5 млн» and 2,500,000 are one; a claim in millions or round thousands leaves half of its last place open
(qa/numerals.py), a year nothing. Dates are taken apart into year, month and day. «XIX век» states 19, «1990-е» 90 too.

Limits: fractions in words and converted units (miles, pounds) are not understood: the first ask for nothing, the
second fail.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from qa import figure_words as words
from qa.figures import ReadText
from qa.numerals import NUMERALS, SCALES, read_numeral

CACHED = 4_096
ROMAN = re.compile(r"\b[IVXLCІХ]{1,6}\b")
ROMAN_DIGITS = {"I": 1, "І": 1, "V": 5, "X": 10, "Х": 10, "L": 50, "C": 100}
COUNTING = tuple(  # words that tell a number on the way
    (re.compile(pattern), value)
    for pattern, value in (
        (r"об[ае](?:их|им|ими|еих|еим|еими)?|both|twice|doubl\w*|twin\w*|pairs?|couple|half", 2),
        (r"дв(?:аж|ое|ух|ой|ум|у)\w*|вдв\w+|пар[аыуе]|половин\w*", 2),
        (r"тр(?:еть|ети|иж|ех|ое|ой)\w*|втр\w+|tripl\w+|thir\w+|thrice", 3),
        (r"четыре\w*|четвер\w*|вчетвер\w*|quarter\w*|quadr\w+", 4),
        (r"пяти\w+|впятер\w+", 5),
        (r"шести\w+", 6),
        (r"семи\w+", 7),
        (r"восьми\w+", 8),
        (r"девяти\w+", 9),
        (r"десяти\w+|decades?", 10),
        (r"сто\w+летн?\w+|centur\w+", 100),
        (r"тысячелет\w+|millenni\w+", 1000),
    )
)
MOST_HOURS = 24
LEAST_ORDINAL = 3  # "first" and "second" have other meanings too


@dataclass(frozen=True, slots=True)
class Stated:
    """A number, or a month, as a text states it.

    Attributes:
        readings: what it may be, each from its least to its greatest value; the first is the plain one.
        kind: what is compared with what.
        is_asked: whether a claim that states it is held to it.
    """

    readings: tuple[tuple[float, float], ...]
    kind: str = "number"
    is_asked: bool = True


@lru_cache(maxsize=CACHED)
def numbers(text: str) -> tuple[Stated, ...]:
    """The numbers and months of a text, in no order. Safe between threads."""
    return (*_Reading(text).all(), *_romans(text))


def day_numbers(day: date | None) -> tuple[Stated, ...]:
    """What a day of publication states: its year, month and day."""
    return () if day is None else tuple(_of_date(day.isoformat()))


def missing_numbers(claim: str, known: Sequence[Stated]) -> list[Stated]:
    """The numbers that a claim states and that are not among the known ones."""
    plain: dict[str, list[float]] = {}
    for number in known:
        plain.setdefault(number.kind, []).extend(low + (high - low) / 2 for low, high in number.readings)
    return [
        asked
        for asked in numbers(claim)
        if asked.is_asked
        and not any(low <= value <= high for value in plain.get(asked.kind, ()) for low, high in asked.readings)
    ]


class _Reading:
    def __init__(self, text: str) -> None:
        self._read = ReadText(text)
        self._words = self._read.words

    def all(self) -> Iterator[Stated]:
        i = 0
        while i < len(self._words):
            token = self._read.tokens[i]
            after = i + 1
            if token.kind == "date":
                yield from _of_date(words.iso_date(token.word)) or _digits(token.word)
            elif token.kind == "name":
                yield from _digits(token.word)
            elif words.MONTH_ALONE.fullmatch(token.raw):
                yield from _of_date(words.iso_date(token.word))
            elif token.kind == "number" or token.word in NUMERALS or self._words[i] in SCALES:
                found, after = self._numeral(i)
                yield from found
            else:
                yield from _counting(token.word)
            i = after

    def _numeral(self, i: int) -> tuple[list[Stated], int]:
        """What the number at a word states, and the index after it."""
        is_word = self._read.tokens[i].kind == "word"
        numeral = read_numeral(self._words, i, english=self._read.english, singular=False)
        if numeral is None:
            return (list(_digits(self._words[i])) if not is_word else []), i + 1
        low, value, high = float(numeral.low), float(numeral.value), float(numeral.high)
        if numeral.scale == 1 and words.YEAR_ALONE.fullmatch(self._words[i]):
            low = high = value
        readings = [(low, high), *self._scaled(numeral.next, value), *self._decade(i, value), *self._short(i, value)]
        return [Stated(tuple(readings), is_asked=not (is_word and value <= 1))], numeral.next

    def _scaled(self, after: int, value: float) -> Iterator[tuple[float, float]]:
        """The number in "3 to 5 million" is three million, too; that in "5 pm" is 17."""
        if self._words[after : after + 1] and self._words[after] in words.RANGE_LINKS | words.DASHES:
            second = _numeral_at(self._words, after + 1, english=self._read.english)
            if second > 1:
                yield value * second, value * second
        if self._words[after : after + 1] == ["pm"] and value <= MOST_HOURS / 2:
            yield value + MOST_HOURS / 2, value + MOST_HOURS / 2

    def _decade(self, i: int, value: float) -> Iterator[tuple[float, float]]:
        """«1990-е» are the 90s."""
        rest = [word for word in self._words[i + 1 : i + 3] if word not in words.DASHES]
        if rest and rest[0] in words.DECADE_ENDINGS and value % 10 == 0:
            yield from ((century + value % 100,) * 2 for century in (0, 1800, 1900, 2000))

    def _short(self, i: int, value: float) -> Iterator[tuple[float, float]]:
        """The 99 of "1998–99" is 1999."""
        first = self._words[i - 2] if i > 1 and self._words[i - 1] in words.DASHES else ""
        if words.YEAR_ALONE.fullmatch(first) and re.fullmatch(r"\d\d", self._words[i]):
            yield (float(first[:2]) * 100 + value,) * 2


def _numeral_at(tokens: Sequence[str], i: int, *, english: bool) -> float:
    """The scale of the number at a word, 1 where there is none."""
    numeral = read_numeral(tokens, i, english=english, singular=False)
    return 1.0 if numeral is None else float(numeral.scale)


def _of_date(iso: str) -> list[Stated]:
    found = []
    for one in filter(None, iso.split("/")):
        year, month, *day = one.replace("--", "-", 1).split("-") if one.startswith("--") else one.split("-")
        found += [_exactly(float(year))] if year else []
        found += [_exactly(float(month), kind="month"), *(_exactly(float(number)) for number in day)]
    return found


def _digits(text: str) -> Iterator[Stated]:
    """Each number of «Ил-76», 10:30 or 2014/15 by itself; an hour after noon is also told by the clock's other half."""
    for digits in re.findall(r"\d{1,15}", text):
        value = float(digits)
        other = [(value - MOST_HOURS / 2,) * 2] if ":" in text and MOST_HOURS / 2 < value < MOST_HOURS else []
        yield Stated(((value, value), *other), is_asked=value > 0)


def _counting(word: str) -> Iterator[Stated]:
    if words.ORDINAL.fullmatch(word):
        value = float(words.ORDINALS[word[:3]])
        yield _exactly(value, is_asked=value >= LEAST_ORDINAL)
        return
    for pattern, number in COUNTING:
        if pattern.fullmatch(word):
            yield _exactly(number, is_asked=False)


def _romans(text: str) -> Iterator[Stated]:
    for match in ROMAN.finditer(text):
        digits = [ROMAN_DIGITS[letter] for letter in match[0]]
        pairs = zip(digits, [*digits[1:], 0], strict=True)
        value = sum(-digit if digit < following else digit for digit, following in pairs)
        yield _exactly(value, is_asked=len(digits) > 1)


def _exactly(value: float, *, kind: str = "number", is_asked: bool = True) -> Stated:
    return Stated(((value, value),), kind, is_asked)
