"""The date or period that a question names, as a filter on the days on which articles were published.

Read are days, ranges of days, weeks and months, Russian and English, in words or numbers, with or without a year;
"yesterday", "a week ago", "last month", "in the last three days"; and one end alone ("since 5 November"). The reader is
shown what was understood and can undo it, but may not look, so a doubt is settled for no filter.

- A date without a year is the most recent one that has begun. With "since", "after", "before" and "until" it must also
  be nearer than the coming one: «до 5 декабря» is none in November. A year elsewhere in the question makes it none.
- Last week, and "a week ago", run from Monday to Sunday. The last week is today and the seven days before it.
- Articles tell of an event for some days: `GRACE_DAYS` are added to the last day, never past today, and not to "before"
  and "until". "Before" and "after" leave the named days out, "since" and "until" take them in.
- None are: a period yet to come; two periods, unless "from … to …" or "and" makes them one; the date of a document, a
  plan or a state («от», «к», «на», "by"); a name («улица 8 Марта», «Россия сегодня», "Long March 5", 11 September,
  anything in quotation marks); any date in a question that asks for a date.

Decision: a year alone («в 2010 году», "this year") is no filter. It mostly dates the thing asked about, and articles
tell of that for decades.

Decision: our own rules. dateparser 1.5.0, tried on 2026-11-22, knows no «октябре», so «в октябре 2025 года» is nothing
to its `parse` and the day 0001-11-22 to its `search_dates`, which takes 27 October alone from «с 20 по 27 октября 2025
года» and a date from the name Theresa May. The words must be found before it can be asked, and once they are, it does
the work of `date(year, month, day)` for 0.1 s at import, 0.3 s at the first call and 2 ms at each other. This file
takes 0.07 s and then 0.1 ms a question; the tests compare its days with dateparser's.

Limits. Not read: seasons, quarters, weekends, holidays, 24/10/2025, days spelled out («первого мая»). Misread: "today"
for nowadays, "On October 20 ships …", the surname May after "in" and "since", «за последние три дня войны».
"""

import re
from calendar import monthrange
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from typing import NamedTuple

from qa.date_words import (
    ABBREVIATION,
    AGO,
    ANOTHER_YEAR,
    ASKS_FOR_DATE,
    DAY,
    DAY_NUMBER,
    DAYS_AGO,
    DURING,
    EDGE,
    EDGE_CHARS,
    EDGE_KINDS,
    FEW,
    FOR,
    FROM,
    HOUR,
    IN_MONTH,
    INCLUSIVE,
    JOIN,
    MONTH,
    MONTH_DAY,
    MONTH_NAME,
    MONTHS,
    NAMES,
    NUMBER,
    NUMBERS,
    OF_MONTH,
    OF_YEAR,
    ONWARDS,
    PAST,
    TO_DAY,
    UNIT,
    UNITS,
    WEEK,
    WEEKDAY,
    WEEKDAYS,
    WEEKS_AGO,
    WHEN,
    WHICH,
    YEAR,
    YEARS,
    any_of,
    position_in,
)

GRACE_DAYS = 2


@dataclass(frozen=True, slots=True)
class Period:
    """The days on which articles may have been published that tell of what a question names.

    Attributes:
        first: the first day, included; None for no bound.
        last: the last day, included; None for no bound, which `first` then is not.
        words: the words of the question that named it, exactly.

    Raises:
        ValueError: both bounds are None, or the first is after the last.
    """

    first: date | None
    last: date | None
    words: str

    def __post_init__(self) -> None:
        if self.first is None and self.last is None:
            raise ValueError("a period has no bounds; give one")
        if self.first and self.last and self.first > self.last:
            raise ValueError(f"first {self.first} is after last {self.last}; swap the two")


class Days(NamedTuple):
    """The first and the last day that some words name, both included."""

    first: date
    last: date


@dataclass(frozen=True, slots=True)
class Mention:
    """Words that name days: characters `start` to `end` of the question.

    Attributes:
        days: the most recent ones where no year was named.
        in_year: the days in another year, ValueError where it has none such; None where the year is settled.
        cycle_days: after how many days the words name days again, 0 for never.
        is_weak: a bare month or day of the week, which counts only next to "since", "from … to" and the like.
    """

    start: int
    end: int
    days: Days
    in_year: Callable[[int], Days] | None = None
    cycle_days: int = 0
    is_weak: bool = False


def named_period(question: str, *, today: date) -> Period | None:
    """The period that a question names, None for none; the top of this file says what counts.

    Any text will do. `today` settles what "last week" and dates without a year mean; no bound lies after it.
    """
    text = NAMES.sub(lambda name: "|" * len(name[0]), question)
    if ASKS_FOR_DATE.search(text):
        return None
    try:
        mentions = _mentions(text, today)
        if not mentions or WHEN.search(text, 0, mentions[0].start):
            return None
        return _period(question, text, mentions, today)
    except (ValueError, OverflowError):  # 31 February
        return None


def _mentions(text: str, today: date) -> list[Mention]:
    """All mentions of days, in order; of those that overlap the first, then the longest, then the first form."""
    found = [mention for form, read in FORMS for match in form.finditer(text) if (mention := read(match, today))]
    mentions: list[Mention] = []
    for mention in sorted(found, key=lambda mention: (mention.start, -mention.end)):
        if not mentions or mention.start >= mentions[-1].end:
            mentions.append(mention)
    return mentions


def _period(question: str, text: str, mentions: list[Mention], today: date) -> Period | None:
    strong = [mention for mention in mentions if not mention.is_weak]
    pair = next((pair for pair in (mentions, strong) if _is_joined(text, pair)), None)
    chosen = pair or strong or mentions
    if not pair and len(chosen) > 1:
        return None
    edge = EDGE.search(text, max(0, chosen[0].start - EDGE_CHARS), chosen[0].start)
    start, end = edge.start() if edge else chosen[0].start, chosen[-1].end
    is_year_elsewhere = ANOTHER_YEAR.search(text, 0, start) or ANOTHER_YEAR.search(text, end)
    if is_year_elsewhere and all(mention.in_year for mention in chosen):
        return None
    kind = "since" if ONWARDS.match(text, end) else _kind(edge)
    words = question[start:end]
    return _between(chosen, kind, words, today) if pair else _single(chosen[0], kind, words, today)


def _is_joined(text: str, mentions: list[Mention]) -> bool:
    return len(mentions) == 2 and JOIN.fullmatch(text, mentions[0].end, mentions[1].start) is not None


def _kind(edge: re.Match[str] | None) -> str:
    """One of `EDGE_KINDS`, "" for no edge."""
    kind = next((kind for kind in EDGE_KINDS if edge and edge[kind]), "")
    return INCLUSIVE.get(kind, kind) if edge and edge["part"] else kind


def _between(pair: Sequence[Mention], kind: str, words: str, today: date) -> Period | None:
    """From one mention to the other. The year of one settles that of the other; else the first is the most recent."""
    begin, end = pair
    if kind in ("before", "until", "other") or (begin.is_weak and end.is_weak and not kind):
        return None
    first, last = begin.days.first, end.days.last
    if end.in_year:
        last = _fitting(end.in_year, range(first.year, first.year + 9), lambda days: days.last >= first).last
    elif begin.in_year:
        first = _most_recent(begin.in_year, last).first
    return _closed(first, last, words, today)


def _single(mention: Mention, kind: str, words: str, today: date) -> Period | None:
    first, last = mention.days
    if kind == "from" or (not kind and not mention.is_weak):
        return _closed(first, last, words, today)
    if first > today or 2 * (today - first).days > mention.cycle_days > 0:
        return None
    if kind == "since":
        return Period(first, None, words)
    if kind == "after" and last < today:
        return Period(last + timedelta(1), None, words)
    if kind in ("before", "until") and last < today:
        return Period(None, last if kind == "until" else first - timedelta(1), words)
    return None


def _closed(first: date, last: date, words: str, today: date) -> Period | None:
    if first > min(last, today):
        return None
    return Period(first, min(last + timedelta(GRACE_DAYS), today), words)


def _read_calendar(match: re.Match[str], today: date) -> Mention | None:
    """A day, a range of days or a whole month. An abbreviated month alone is more often a name: Jan, Mar-a-Lago."""
    named = match.groupdict()
    day, last_day, said_year = named.get("day"), named.get("last_day"), match["said_year"]
    in_year = partial(
        _days_in,
        month=position_in(MONTHS, match["month"]) + 1,
        day=int(day) if day else None,
        last_day=int(last_day) if last_day else None,
    )
    if match["year"]:
        return Mention(*match.span(), in_year(int(match["year"])))
    if said_year:
        return Mention(*match.span(), in_year(today.year + 1 - position_in(YEARS, said_year)))
    if not day and ABBREVIATION.fullmatch(match["month"]):
        return None
    is_weak = not day and not match["lead"]
    return Mention(*match.span(), _most_recent(in_year, today), in_year, cycle_days=365, is_weak=is_weak)


def _read_numbers(match: re.Match[str], today: date) -> Mention:
    year, month, day = (int(match[name]) for name in ("year", "month", "day"))
    named = date(year if len(match["year"]) == 4 else 2000 + year, month, day)
    return Mention(*match.span(), Days(named, named))


def _read_weekday(match: re.Match[str], today: date) -> Mention:
    """Without more the most recent one, today included. "Last Friday" is both Fridays that people mean by it."""
    weekday = position_in(WEEKDAYS, match["weekday"])
    recent = today - timedelta((today.weekday() - weekday) % 7)
    if not match["which"]:
        return Mention(*match.span(), Days(recent, recent), cycle_days=7, is_weak=not match["lead"])
    ago = position_in(WEEKS_AGO, match["which"])
    named = _calendar(WEEK, ago, today).first + timedelta(weekday)
    return Mention(*match.span(), Days(named, recent if ago == 1 and recent < today else named))


def _read_week_or_month(match: re.Match[str], today: date) -> Mention:
    days = _calendar(position_in(UNITS, match["unit"]), position_in(WEEKS_AGO, match["which"]), today)
    return Mention(*match.span(), days)


def _read_ago(match: re.Match[str], today: date) -> Mention:
    unit = position_in(UNITS, match["unit"])
    return Mention(*match.span(), _calendar(unit, _count(match, unit), today))


def _read_day_ago(match: re.Match[str], today: date) -> Mention:
    return Mention(*match.span(), _calendar(DAY, position_in(DAYS_AGO, match["day"]), today))


def _read_window(match: re.Match[str], today: date) -> Mention:
    """So many units up to today. As articles carry no hour, the last day is yesterday and today."""
    unit = position_in(UNITS, match["unit"])
    count = _count(match, unit)
    if unit == MONTH:
        month = _calendar(MONTH, count, today)
        return Mention(*match.span(), Days(month.first.replace(day=min(today.day, month.last.day)), today))
    n_days = {HOUR: -(-count // 24), DAY: count, WEEK: 7 * count}[unit]
    return Mention(*match.span(), Days(today - timedelta(n_days), today))


def _count(match: re.Match[str], unit: int) -> int:
    number = match.groupdict().get("number", "1")
    return int(number) if number.isdecimal() else position_in(NUMBERS, number) or FEW[unit]


def _days_in(year: int, *, month: int, day: int | None, last_day: int | None) -> Days:
    if day is None:
        return Days(date(year, month, 1), date(year, month, monthrange(year, month)[1]))
    return Days(date(year, month, day), date(year, month, last_day or day))


def _most_recent(in_year: Callable[[int], Days], today: date) -> Days:
    return _fitting(in_year, range(today.year, today.year - 9, -1), lambda days: days.first <= today)


def _fitting(in_year: Callable[[int], Days], years: Iterable[int], fits: Callable[[Days], bool]) -> Days:
    """The days of the first year in which they fit; 29 February may be eight years off."""
    for year in years:
        with suppress(ValueError):
            if fits(days := in_year(year)):
                return days
    raise ValueError(f"no year of {years} has these days")


def _calendar(unit: int, ago: int, today: date) -> Days:
    """The day, the week from Monday or the month so many before today's."""
    if unit == MONTH:
        year, month = divmod(12 * today.year + today.month - 1 - ago, 12)
        return _days_in(year, month=month + 1, day=None, last_day=None)
    n_days = 1 if unit == DAY else 7
    first = today - timedelta(n_days * ago + (today.weekday() if unit == WEEK else 0))
    return Days(first, first + timedelta(n_days - 1))


Read = Callable[[re.Match[str], date], Mention | None]
FORMS_OF: dict[Read, tuple[str, ...]] = {
    _read_calendar: (
        rf"{FROM}{DAY_NUMBER}{TO_DAY}{OF_MONTH}",  # «с 20 по 27 октября 2025 года»
        rf"{FROM}{MONTH_DAY}{TO_DAY}{OF_YEAR}",  # "October 20-27, 2025"
        rf"{WEEKDAY}{DAY_NUMBER}{OF_MONTH}",  # «в среду, 24 октября»
        rf"{WEEKDAY}{MONTH_DAY}{OF_YEAR}",  # "October 24th, 2025"
        rf"(?<!\w)(?:(?P<lead>{IN_MONTH})[\s-]+)?{MONTH_NAME}{YEAR}",  # «в конце октября прошлого года»
    ),
    _read_numbers: (
        r"(?<![\w.,:/-])(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)(?!\w|[.:/-]\d)",  # 2025-10-24
        r"(?<![\w.,:/])(?P<day>\d{1,2})\.(?P<month>\d{1,2})\.(?P<year>\d{4}|(?<=\d\d\.\d\d\.)\d\d)(?!\d|[.:/]\d)",
    ),
    _read_weekday: (  # «в среду», "last Friday"
        rf"(?<!\w)(?P<lead>(?:в|во|on)\s+)?(?:{WHICH})?(?P<weekday>{any_of(WEEKDAYS)})(?!\s+(?:of\b|обитани))",
    ),
    _read_week_or_month: (  # «на прошлой неделе», "this month"
        rf"(?<!\w)(?:(?:на|в|за|in|for|during)\s+)?{WHICH}(?P<unit>{any_of(UNITS[WEEK:])})(?!\s+of\b)",
    ),
    _read_day_ago: (rf"(?<!\w)(?P<day>{any_of(DAYS_AGO)})",),  # «вчера»
    _read_ago: (
        # "two weeks ago", but not "a few weeks ago" and «двадцать две недели назад»
        rf"(?<![\w-])(?<!дцать\s)(?!{any_of(NUMBERS[:1])}){NUMBER}(?P<unit>{any_of(UNITS[DAY:])}){AGO}",
        rf"(?<!\w)(?P<unit>день|сутки|неделю|месяц){AGO}",
    ),
    _read_window: (
        rf"(?:{FOR}|(?<!\w)в\s+{PAST})\w\w\s+{NUMBER}{UNIT}",  # «в последние три дня»
        rf"{FOR}(?:ий|юю|ую|его|ей|ие(?=\s+сут)|их(?=\s+сут))\s+{UNIT}",  # «за последнюю неделю»
        rf"(?<!\w)(?:{DURING})?(?:the\s+)?(?:last|past)\s+{NUMBER}{UNIT}",  # "the last 3 days"
        # "in the last week", "the past week", but not "the last week"
        rf"(?<!\w)(?:{DURING}(?:the\s+)?(?:last|past)|(?:the\s+)?past)\s+(?P<unit>hour|day|week|month)\b(?!\s+of\b)",
    ),
}
FORMS = [(re.compile(form, re.IGNORECASE), read) for read, forms in FORMS_OF.items() for form in forms]
