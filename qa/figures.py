"""Numbers and dates that a text states.

Decision: our own rules and tables. Tried in November 2026: text2num 3.1.0 (MIT) knows no Russian; number-parser 0.3.2
(BSD, last release March 2023) knows both languages but not «двое», and gives back a rewritten text without offsets;
quantulum3 0.10.0 (MIT, alpha) reads English only and needs 3.5 s for its first sentence; yargy 0.16.0 (MIT, last
release July 2023) stands on pymorphy2. dateparser 1.5.0 finds «в мае 2014 года» in the year 12, and takes 2 to 4 ms a
sentence after 350 ms for the first (scrapinghub/dateparser#918); all of this file takes 0.4 ms for two sentences.

Limits. Not read: «трёхдневный», fractions («треть»), «четверть века», «вчера».
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache
from typing import Literal, NamedTuple

from index.text import CYRILLIC, fold, question_language, stem
from qa import figure_words as words
from qa.numerals import NUMERALS, SCALES, Numeral, read_numeral

Kind = Literal["number", "ordinal", "percent", "money", "date"]
NEAR = 0.1  # «около», «почти»
STEM_CHARS = 5  # so that «паводок» and «паводка» meet, which the stemmer keeps apart
KNOWN_UNITS = frozenset(words.UNITS.values())
TEXTS_CACHED = 512  # an answer compares each of a few sentences with many others; 10 kB a sentence


@dataclass(frozen=True, slots=True)
class Figure:
    """A number or a date that a text states.

    Attributes:
        value: A decimal number, or ISO 8601 as far as it is told (2014, 2014-05, 2014-05-24, --05-24); the two ends of
            a range are parted by a slash.
        unit: What is counted or measured: for the frequent units a word of `qa.figure_words`, the same in Russian and
            English, else the noun's stem; before it the adjectives' stems. Empty where unknown. A date's is since,
            until, by, after, before or empty.
        kind: What is stated. An ordinal is never a reason for a disagreement: the 18th and the 19th are two things.
        start: First character of the text that was read.
        end: Character after the last one.
        low: Least value that the words leave open, rounding and "at least" considered; 0 of a date.
        high: Greatest such value.
        role: What befell the counted thing (killed, sold, …), several parted by +; "by" when it is a difference.
    """

    value: str
    unit: str
    kind: Kind
    start: int
    end: int
    low: float = 0.0
    high: float = 0.0
    role: str = ""


def figures(text: str) -> tuple[Figure, ...]:
    """The numbers and dates of a text, in order, without overlaps.

    Names that hold a number (Ил-76, Boeing 737, article 5), telephone numbers, times of day and scores are none; nor
    are «десятки» and "dozens".
    """
    return read_text(text).figures


def roles_of(figure: Figure) -> frozenset[str]:
    """What befell the counted thing, without rises and falls."""
    return frozenset(figure.role.split("+")) - words.CHANGES - {""}


class _Token(NamedTuple):
    kind: str
    raw: str
    word: str  # lower case, ё as е
    start: int
    end: int


class _Unit(NamedTuple):
    name: str
    last: int  # index of its last token, or of the last before it where there is none


class ReadText:
    """A text cut into tokens, its figures, and the words that tell whether another text is about the same.

    Not changed once it is made.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.english = question_language(text) == "en"
        self.tokens = [
            _Token(match.lastgroup or "", match[0], fold(match[0]), *match.span())
            for match in words.TOKEN.finditer(text)
        ]
        self.words = [token.word for token in self.tokens]
        for i in range(2, len(self.words)):  # $5m
            if self._touches(i) and self._touches(i - 1) and self.words[i - 2] in words.CURRENCY:
                self.words[i] = words.AFTER_CURRENCY.get(self.words[i], self.words[i])
            if self.words[i - 1 : i + 1] in (["a", "."], ["p", "."]):  # 5 p.m.
                self.words[i - 1] += "m"
        self.clauses = self._clauses()
        self.verbal: set[int] = set()  # clauses with a verb that tells no role
        self.roles = self._roles_of_clauses()
        self.outside: list[int] = []  # tokens that are in no figure
        self.stating: set[int] = set()  # clauses that hold a figure
        self.spans: set[str] = set()  # «за 9 месяцев»
        self.end = 0  # of the figure that was read last
        self.figures = tuple(self._read())
        self.dates = [figure for figure in self.figures if figure.kind == "date"]
        self.periods = {words.unit_of(match.lower()) for match in words.PERIOD.findall(text)} | self.spans
        content = self._content()
        names = [i for i in content if self.tokens[i].raw[0].isupper()]
        self.stems = {stem(self.words[i])[:STEM_CHARS] for i in content}
        self.things = {words.unit_of(self.words[i]) for i in content} - {""}
        self.names = {words.sound(self.words[i])[:2] for i in names if i > 0} - {""}
        self.lands = {words.land_of(word) for word in self.words} - {""}
        self.verbs = {
            stem(self.words[i])[:STEM_CHARS] for i in set(content) - set(names) if words.PAST.search(self.words[i])
        }
        self.cognates = {sound[:3] for i in content if len(sound := words.sound(self.words[i])) > 2}

    def _content(self) -> list[int]:
        """Tokens that tell what the text is about, without clauses that only name a source, as «по данным мэрии»."""
        asides = {self.clauses[i] for i in self.outside if words.REPORT.match(self.words[i])} - self.stating
        return [i for i in self.outside if self.clauses[i] not in asides and self._is_content(i)]

    def _is_content(self, i: int) -> bool:
        word = self.words[i]
        told = word in words.FUNCTION_WORDS or word in NUMERALS or words.role_of(word) or words.REPORT.match(word)
        return self.tokens[i].kind in ("word", "name") and len(word) > 1 and not told

    def _clauses(self) -> list[int]:
        """For each token the number of its clause; «погибших и раненых» stay in one, having one count."""
        roles = [words.role_of(word) for word in self.words]
        clauses, number = [], 0
        for i, word in enumerate(self.words):
            joins_roles = 0 < i < len(roles) - 1 and roles[i - 1] and roles[i + 1]
            number += word in words.CLAUSE_MARKS or (word in words.CONJUNCTIONS and not joins_roles)
            clauses.append(number)
        return clauses

    def _roles_of_clauses(self) -> list[frozenset[str]]:
        """For each token the roles that its clause names.

        Where it names none and has no verb, as in «погибли 12 человек, среди них трое детей», that of the text if it
        has just one and told it before.
        """
        told: dict[int, set[str]] = {}
        for clause, word in zip(self.clauses, self.words, strict=True):
            role = words.role_of(word)
            told.setdefault(clause, set()).update({role} - {""})
            if not role and words.PAST.search(word):
                self.verbal.add(clause)
        one = len(set().union(*told.values()) - words.CHANGES) == 1
        before: frozenset[str] = frozenset()
        of_clause: dict[int, frozenset[str]] = {}
        for clause, roles in told.items():
            inherited = before if one and clause not in self.verbal else frozenset()
            before = of_clause[clause] = frozenset(roles) or inherited
        return [of_clause[clause] for clause in self.clauses]

    def _word(self, i: int) -> str:
        return self.words[i] if 0 <= i < len(self.words) else ""

    def _touches(self, i: int) -> bool:
        """Whether token i stands right behind the one before it."""
        return 0 < i < len(self.tokens) and self.tokens[i].start == self.tokens[i - 1].end

    def _behind(self, i: int) -> int:
        """Index of the word right behind token i, past a hyphen, as in "5-й" and "5th"; i where there is none."""
        j = i + 1 + (self._touches(i + 1) and self._word(i + 1) in ("-", "‑"))
        return j if self._touches(j) and self.tokens[j].kind == "word" else i

    def _read(self) -> Iterator[Figure]:
        counted = {True: "people", False: ""}  # the last noun counted, of people and of things
        for i, token in enumerate(self.tokens):
            if token.start < self.end:
                continue
            figure = self._date(i) or self._year(i) or self._ordinal(i) or self._quantity(i)
            if figure is None:
                self.outside.append(i)
                continue
            told = roles_of(figure)
            if figure.kind == "number" and told and not figure.unit:  # «пятеро ранены»
                figure = replace(figure, unit=counted[told <= words.PERSON_ROLES])
            elif figure.kind == "number" and told and figure.unit not in words.TIME:
                counted[told <= words.PERSON_ROLES] = figure.unit
            self.stating.add(self.clauses[i])
            if figure.unit in words.TIME and self._word(i - 1) in words.SPAN_STARTS:
                self.spans.add(f"{figure.value} {figure.unit}")
            self.end = figure.end
            yield figure

    def _figure(self, kind: Kind, value: str, unit: str, first: int, last: int) -> Figure:
        mark = words.MARKS.get(self._word(first - 1), "")
        if kind == "date" or (mark == "more" and self.stating):  # «погибли пятеро, ещё трое ранены» adds nothing
            mark = ""
        role = "+".join(sorted((self.roles[first] | {mark}) - {""}))
        return Figure(value, unit, kind, self.tokens[first].start, self.tokens[last].end, role=role)

    def _date(self, i: int) -> Figure | None:
        token, before = self.tokens[i], self._word(i - 1)
        is_month = token.kind == "word" and before in words.DATE_UNITS and words.MONTH_ALONE.fullmatch(token.raw)
        value = words.iso_date(token.word) if token.kind == "date" or is_month else ""
        unit = "" if "/" in value else words.DATE_UNITS.get(before, "")
        return self._figure("date", value, unit, i, i) if value else None

    def _year(self, i: int) -> Figure | None:
        """A year that is told to be one, or stands behind a preposition or a bracket and before no noun."""
        if not words.YEAR_ALONE.fullmatch(self.words[i]):
            return None
        before, value, last = self._word(i - 1), self.words[i], i
        if self._word(i + 1) in words.YEAR_LINKS and words.YEAR_ALONE.fullmatch(self._word(i + 2)):
            value, last = f"{value}/{self.words[i + 2]}", i + 2
        suffix = self._behind(last)
        if suffix > last:
            if self.words[suffix] not in words.YEAR_ENDINGS:
                return None
            decade = self.words[suffix] in words.DECADE_ENDINGS and value.endswith("0")
            value, last = f"{value}/{value[:-1]}9" if decade else value, suffix
        elif words.YEAR_WORD.fullmatch(self._word(last + 1)):
            last += 1
        elif before not in words.DATE_UNITS or self._unit(last + 1).name:
            return None
        return self._figure("date", value, "" if "/" in value else words.DATE_UNITS.get(before, ""), i, last)

    def _ordinal(self, i: int) -> Figure | None:
        last = self._behind(i) if self.tokens[i].kind == "number" else i
        if last > i and self.words[last] in words.ORDINAL_ENDINGS:
            value = self.words[i]
        elif words.ORDINAL.fullmatch(self.words[i]) and self._word(i - 1) not in ("-", "a", "per", "one"):
            value = words.ORDINALS[self.words[i][:3]]
        else:
            return None
        unit = self._unit(last + 1)
        return self._figure("ordinal", value, unit.name, i, max(last, unit.last))

    def _quantity(self, i: int) -> Figure | None:
        if self.tokens[i].kind != "number" and not (self.words[i] in NUMERALS or self.words[i] in SCALES):
            return None
        priced = self._touches(i) and self.tokens[i - 1].start >= self.end
        currency = words.CURRENCY.get(self._word(i - 1), "") if priced else ""
        first = i - (currency != "")
        start = self.tokens[first].start
        before = self.text[max(self.end, start - words.HEDGE_CHARS) : start]
        hedge = None if words.CHANGED_TO.search(before) else words.HEDGE.search(before)
        singular = hedge is not None or self._word(i - 1) in ("a", "an")
        numeral = read_numeral(self.words, i, english=self.english, singular=singular)
        if numeral is None:
            return None
        numeral, value = self._range(i, numeral)
        n_or_more = 2 * (tuple(self.words[numeral.next : numeral.next + 2]) in words.OR_MORE)
        n_or_more = n_or_more or int(self._word(numeral.next) == "+")
        unit = self._rate(_Unit(currency, numeral.next - 1)) if currency else self._unit(numeral.next + n_or_more)
        if self._word(i - 1) in words.UNITS_BEFORE and unit.name in ("", "year"):
            unit = _Unit(words.UNITS_BEFORE[self._word(i - 1)], max(unit.last, numeral.next - 1))
        if self._is_name(i, numeral.next - 1, unit):
            return None
        low, high = _bounds(numeral, hedge)
        measure = unit.name.partition("/")[0]
        kind: Kind = "money" if measure in words.MONEY else "percent" if measure == "percent" else "number"
        figure = self._figure(kind, value, unit.name, first, max(unit.last, numeral.next - 1))
        high = math.inf if n_or_more else high
        return replace(figure, start=start - (len(hedge[0]) if hedge else 0), low=low, high=high)

    def _range(self, i: int, numeral: Numeral) -> tuple[Numeral, str]:
        """The number from token i on, as far as its upper end if it is a range, and what it is as a value."""
        link, before = self._word(numeral.next), self._word(i - 1)
        tight = link in words.DASHES and self._touches(numeral.next) and self._touches(numeral.next + 1)
        second = None
        if tight or link == "to" or (before in words.RANGE_STARTS and link in words.RANGE_LINKS):
            second = read_numeral(self.words, numeral.next + 1, english=self.english, singular=False)
        if second is None:
            return numeral, _plain(numeral.value)
        factor = second.scale if numeral.scale == 1 and numeral.value < second.value / second.scale else Decimal(1)
        whole = second._replace(low=numeral.low * factor)
        if whole.low > whole.high:
            return numeral, _plain(numeral.value)
        return whole, f"{_plain(numeral.value * factor)}/{_plain(second.value)}"

    def _is_name(self, i: int, last: int, unit: _Unit) -> bool:
        """Whether the number from token i to `last` is part of a name or a time of day, or «один» just an article."""
        before, behind, following = self._word(i - 1), self._behind(last), self._word(unit.last + 1)
        if before in words.LABELS or (self._touches(i) and before in words.DASHES):
            return True
        if behind > last and not words.unit_of(self.words[behind]):
            return True
        if unit.name == "hour" and (before in words.HOUR_STARTS or following in words.DAY_TIMES | {"дня"}):
            return True
        if words.DAY_TIMES & {following, self._word(last + 1)}:
            return True
        if NUMERALS.get(self.words[i]) == 1 and last == i and not words.unit_of(self._word(i + 1)):
            return True
        known = unit.name.rpartition(" ")[2].partition("/")[0] in KNOWN_UNITS
        if known or i == 0 or not self._is_proper(i - 1):
            return not known and unit.name != "" and words.YEAR_ALONE.fullmatch(self.words[i]) is not None
        opens = i == 1 or self._word(i - 2) in words.PLACE_STARTS  # «В Алжире 180 заложников»
        return not (opens and (unit.name or (i == 1 and not self.english))) or self._is_foreign(i - 1)

    def _is_proper(self, i: int) -> bool:
        word = self.words[i]
        return self.tokens[i].raw[0].isupper() and not (word in words.FUNCTION_WORDS or words.role_of(word))

    def _is_foreign(self, i: int) -> bool:
        """Whether a word is Latin in a Russian text, as a make of aircraft is."""
        return not self.english and not CYRILLIC.search(self.words[i])

    def _unit(self, i: int) -> _Unit:
        """What the number before token i counts: a noun, and the adjectives before it."""
        before = i - 1
        modifiers: list[str] = []
        i += self._touches(i) and self._word(i) in ("-", "‑")
        for j in range(i, min(i + words.UNIT_WORDS, len(self.words))):
            word = self.words[j]
            if word == "per" and self._word(j + 1) == "cent":
                return _Unit("percent", j + 1)
            name, part = words.unit_of(word), words.place_before_noun(word)
            if name or part == "noun":
                return self._rate(_Unit(" ".join([*modifiers, name or stem(word)]), j))
            if part == "modifier":
                modifiers.append(words.modifier_of(word) or stem(word))
            elif part == "stop" and not (word == "." and self._word(j - 1) in words.ABBREVIATED):
                break
        if modifiers and CYRILLIC.search(modifiers[-1]):
            return _Unit(" ".join(modifiers), before)  # «пятеро рабочих»
        return _Unit("", before)

    def _rate(self, unit: _Unit) -> _Unit:
        """The unit with what it is per, as in "km per hour", or the age in "35-year-old"."""
        j = unit.last + 1
        if unit.name == "year" and self.words[j : j + 2] == ["-", "old"]:
            return _Unit("age", j + 1)
        per = words.unit_of(self._word(j + 1)) if self._word(j) in words.PER else ""
        is_rate = per in words.TIME or (per and (self._word(j) != "в" or unit.name in words.MONEY))
        return _Unit(f"{unit.name}/{per}", j + 1) if is_rate else unit


@lru_cache(maxsize=TEXTS_CACHED)
def read_text(text: str) -> ReadText:
    """The text as it is read; one and the same for all who ask."""
    return ReadText(text)


def _bounds(numeral: Numeral, hedge: re.Match[str] | None) -> tuple[float, float]:
    low, high, value = float(numeral.low), float(numeral.high), float(numeral.value)
    match hedge and hedge.lastgroup:
        case "least":
            return low, math.inf
        case "most":
            return 0.0, high
        case "near":
            return min(low, value * (1 - NEAR)), high
        case "about":
            return min(low, value * (1 - NEAR)), max(high, value * (1 + NEAR))
    return low, high


def _plain(number: Decimal) -> str:
    return format(number.normalize(), "f")
