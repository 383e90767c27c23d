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

from index.sentences import QUOTED

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


def _table(patterns: str) -> tuple[re.Pattern[str], ...]:
    """Patterns of words; the position is the meaning."""
    return tuple(re.compile(pattern, re.IGNORECASE) for pattern in patterns.split())


def _any_of(table: Sequence[re.Pattern[str]]) -> str:
    return rf"(?:{'|'.join(pattern.pattern for pattern in table)})(?!\w)"


def _position(table: Sequence[re.Pattern[str]], word: str) -> int:
    """Where a word stands in a table. No dict of words: IGNORECASE takes "ſ" for "s", `str.lower` does not."""
    return next(position for position, pattern in enumerate(table) if pattern.fullmatch(word))


MONTHS = _table(r"""
    январ\w{1,2}|янв\.?|january|jan\.? феврал\w{1,2}|февр?\.?|february|feb\.? март(?:[аеу]|ом)?|мар\.?|march|mar\.?
    апрел\w{1,2}|апр\.?|april|apr\.? ма(?:[йяею]|ем)|may июн(?:\w{1,2}|\.)?|june? июл(?:\w{1,2}|\.)?|july?
    август(?:[аеу]|ом)?|авг\.?|august|aug\.? сентябр\w{1,2}|сент?\.?|september|sept?\.?
    октябр\w{1,2}|окт\.?|october|oct\.? ноябр\w{1,2}|нояб?\.?|november|nov\.? декабр\w{1,2}|дек\.?|december|dec\.?
    """)
OF_RUSSIAN_MONTH = r"\s+(?:(?:январ|феврал|апрел|ма|июн|июл|сентябр|октябр|ноябр|декабр)я|марта|августа)(?!\w)"
WEEKDAYS = _table(r"""
    понедельник(?:[ауе]|ом)?|monday вторник(?:[ауе]|ом)?|tuesday сред[ауые]|wednesday четверг(?:[ауе]|ом)?|thursday
    пятниц[ауые]|friday суббот[ауые]|saturday воскресень[еюя]|sunday
    """)
UNITS = _table(r"""
    час(?:а|ов|ы)?|hours? дн(?:я|ей|и)|день|сут(?:ки|ок)|days? недел(?:[яеиюь]|ей)|weeks? месяц(?:[аеуы]|ев)?|months?
    """)
HOUR, DAY, WEEK, MONTH = range(4)
FEW = (24, 7, 4, 6)  # how many of each unit "a few" are: rather too many than too few
NUMBERS = _table(r"""
    несколько|нескольких|few|several одну|один|одного|an?|one два|две|двух|двое|two три|тр[её]х|трое|three
    четыр(?:е|[её]х)|four пят[ьи]|five шест[ьи]|six сем[ьи]|seven вос(?:емь|ьми)|eight девят[ьи]|nine десят[ьи]|ten
    """)
DAYS_AGO = _table(r"""
    (?<!даже\s)сегодня(?:шн\w+\s+д(?:ень|ня|н[её]м))?|(?<!even\s)today
    вчера(?:шн\w+\s+д(?:ень|ня|н[её]м))?|yesterday позавчера|the\s+day\s+before\s+yesterday
    """)
WEEKS_AGO = _table(r"""
    эт(?:а|ой|у|от|ого|ом)|текущ\w+|нынешн\w+|this|current прошл\w+|минувш\w+|предыдущ\w+|last|previous позапрошл\w+
    """)
YEARS = _table(r"""
    следующ\w+|будущ\w+|next эт(?:ого|ом)|текущ\w+|нынешн\w+|сего|this прошл\w+|минувш\w+|last позапрошл\w+
    """)

# Behind a number: it is neither a year nor a day.
COUNTED = (
    r"\s*(?:%|процент|человек|чел\.|солдат|тыс|млн|млрд|руб|долл|евро|(?-i:[а-яё]+(?:ов|ев|ей|ых|их))\b|(?:км|men|km)\b"
    r"|percent|people|women|soldiers|troops|thousand|million|billion|dollars)"
)
# In small letters "may" and "march" are verbs, but for "in may".
MONTH_NAME = rf"(?<![^\W\d])(?!(?<!\bin\s)(?<!during\s)(?-i:may|march)(?!\w))(?P<month>{_any_of(MONTHS)})"
ABBREVIATION = re.compile(r"\w+\.|(?!ма[йяею]|may)\w{3}|сент|февр|нояб|sept", re.IGNORECASE)
# Words before a month that alone make it a time.
IN_MONTH = (
    r"(?:(?:в|во|за)(?:\s+(?:перв|втор|последн)\w+)?"
    r"(?:\s+(?:начале|середине|конце|течение|половине|числах|дни|днях|неделе|неделю))?"
    r"|(?:in|during|throughout|for|at)(?:\s+the)?(?:\s+(?:first|second|last))?"
    r"(?:[\s-]+(?:early|mid|late|(?:beginning|start|middle|end|half|month|days|week)\s+of))?|early|mid|late)"
)
YEAR_NUMBER = r"(?:1[5-9]|20)\d\d(?!\d)"
SAID_YEAR = rf"(?P<said_year>{_any_of(YEARS)})\s+(?:год[ау]?|year)\b"
YEAR = (
    rf"(?:,?\s*(?:of\s+|в\s+)?(?:(?P<year>{YEAR_NUMBER})(?:-?го)?(?![.,:/-]\d|{COUNTED})(?:\s*г(?:\.|(?:од[ау]?)?\b))?"
    rf"|{SAID_YEAR}))?"
)
NO_YEAR = rf"(?!,?\s*(?:of\s+|в\s+)?{YEAR_NUMBER})"
ANOTHER_YEAR = re.compile(rf"(?<!\d)(?:{YEAR_NUMBER}|\d\d(?:-?\w\w?)?\s+год[ау])|(?<!\w){SAID_YEAR}", re.IGNORECASE)
ORDINAL = r"(?:-?(?:го|е|ое|st|nd|rd|th)(?!\w))?"
DAY_NUMBER = rf"(?<![\w.,:/])(?<!\w-)(?P<day>\d{{1,2}}){ORDINAL}"
OF_MONTH = rf"\s*(?:of\s+)?{MONTH_NAME}{YEAR}"
MONTH_DAY = rf"(?=[a-z]){MONTH_NAME}\s+(?:the\s+)?(?P<day>\d{{1,2}}){ORDINAL}"
OF_YEAR = rf"(?![\w%]|[.:/]\d|,\d{{3}}(?!\d)|{COUNTED}){YEAR}"
TO_DAY = (
    r"(?:,\s*\d{1,2}){0,9}\s*(?:[-–—]|(?:по|до|на|и|to|and|till|until|through)\s(?:the\s)?)\s*"
    rf"(?P<last_day>\d{{1,2}}){ORDINAL}"
)
FROM = r"(?<!\w)(?:(?:с|со|from|between|между)\s+(?:the\s+)?)?"
WEEKDAY = rf"(?<!\w)(?:(?:(?:в|во|on)\s+)?{_any_of(WEEKDAYS)},?\s+)?"
WHICH = rf"(?P<which>{_any_of(WEEKS_AGO)})\s+"
AGO = r"\s+(?:тому\s+)?(?:назад|ago)\b"
NUMBER = rf"(?P<number>\d{{1,3}}(?!\w)|{_any_of(NUMBERS)})\s+"
UNIT = rf"(?P<unit>{_any_of(UNITS)})(?!\s+of\b|{OF_RUSSIAN_MONTH})"
PAST = r"(?:последн|прошедш|минувш|прошл)"
FOR = rf"(?<!\w)(?:за|в\s+течение|на\s+протяжении)\s+{PAST}"
DURING = r"(?:in|over|during|within|for)\s+"

# A word before a date that says which end of a period it is, or that it is no time of an event.
PART = r"(?:начал\w|середин\w|кон(?:ец|ц\w)|(?:the\s+)?(?:start|beginning|middle|end)\s+of)"
EDGE = re.compile(
    r"(?<!\w)(?:(?P<since>с|со|since)|(?P<after>после|after)|(?P<before>до|before|накануне)|(?P<until>until|till)"
    r"|(?P<between>между|between)|(?P<from>from)|(?P<other>от|к|ко|(?<!ночь\s)на|по|by|to|dated))"
    rf"(?P<part>\s+{PART})?(?:\s+the)?\s+\Z",
    re.IGNORECASE,
)
EDGE_KINDS = ("since", "after", "before", "until", "between", "from", "other")
EDGE_CHARS = 60  # more than the longest edge has
INCLUSIVE = {"after": "since", "before": "until"}  # the start and the end of a month are in it
ONWARDS = re.compile(r"\s+(?:onwards?|(?:to|till|until)\s+(?:now|date|the\s+present|this\s+day))\b", re.IGNORECASE)
JOIN = re.compile(
    r"\s*(?:[-–—]|(?:,\s*)?(?:(?:и|and)(?:\s+(?:до|before|until))?|по|до|на|to|until|till|through)"
    rf"(?:\s+{PART})?(?:\s+the)?\s)\s*",
    re.IGNORECASE,
)
NAMES = re.compile(
    rf"{QUOTED.pattern}|(?<!\w)(?:росси\w+\s+сегодня|(?:russia|usa)\s+today|long\s+march"
    r"|\d{1,2}(?:th)?\s+(?:of\s+)?\w+\s+movement"
    rf"|(?:улиц\w*|ул\.|площад\w*|пл\.|проспект\w*|движени\w*|имени|им\.)\s+\d{{1,2}}{OF_RUSSIAN_MONTH}{NO_YEAR}"
    # A capital letter, as in «улица 8 Марта» or «праздник 9 Мая».
    rf"|\d{{1,2}}(?=\s+(?-i:[А-Я][а-я])){OF_RUSSIAN_MONTH}{NO_YEAR}"
    # The attacks on New York in 2001 and on Israel in 2023 go by their days.
    rf"|(?:11{ORDINAL}\s+(?:of\s+)?(?:сентября|september)|september\s+11{ORDINAL}(?!\w)){NO_YEAR}"
    rf"|(?:7{ORDINAL}\s+(?:of\s+)?(?:октября|october)|october\s+7{ORDINAL}(?!\w)){NO_YEAR})",
    re.IGNORECASE,
)
# Before a date it asks, behind it goes on: "on 24 October, when …".
WHEN = re.compile(r"(?<!\w)(?:когда|when)(?!\w)", re.IGNORECASE)
ASKS_FOR_DATE = re.compile(
    r"(?<!\w)(?:как(?:ой|ая|ое|ие|ого|ому|ом|им|их|ую)\s+(?:(?:именно|точн\w+)\s+)?(?:год(?:а|у|ы|ом)?|месяц(?:а|е|у|ы|ем)?"
    r"|числ(?:а|у|е|ом)|д(?:ень|ня|не|ню|ни)|недел[яюеи]|период\w*|врем(?:я|ени)|века?|момента|пор)"
    r"|в\s+как(?:ой|ие)\s+сроки?|дат[ауы]|dates?|как\s+давно|сколько\s+\w+\s+назад"
    r"|how\s+(?:long|many\s+\w+)\s+ago|(?:what|which)\s+(?:exact\s+)?(?:year|month|day|week|time|period|century|decade)s?"
    r"|when\s+(?:did|was|were|is|are|does|do|has|have|had|will|would|can|should|exactly))(?!\w)"
    r"|[^\s,]\s+когда(?!\w)",
    re.IGNORECASE,
)


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
        month=_position(MONTHS, match["month"]) + 1,
        day=int(day) if day else None,
        last_day=int(last_day) if last_day else None,
    )
    if match["year"]:
        return Mention(*match.span(), in_year(int(match["year"])))
    if said_year:
        return Mention(*match.span(), in_year(today.year + 1 - _position(YEARS, said_year)))
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
    weekday = _position(WEEKDAYS, match["weekday"])
    recent = today - timedelta((today.weekday() - weekday) % 7)
    if not match["which"]:
        return Mention(*match.span(), Days(recent, recent), cycle_days=7, is_weak=not match["lead"])
    ago = _position(WEEKS_AGO, match["which"])
    named = _calendar(WEEK, ago, today).first + timedelta(weekday)
    return Mention(*match.span(), Days(named, recent if ago == 1 and recent < today else named))


def _read_week_or_month(match: re.Match[str], today: date) -> Mention:
    days = _calendar(_position(UNITS, match["unit"]), _position(WEEKS_AGO, match["which"]), today)
    return Mention(*match.span(), days)


def _read_ago(match: re.Match[str], today: date) -> Mention:
    unit = _position(UNITS, match["unit"])
    return Mention(*match.span(), _calendar(unit, _count(match, unit), today))


def _read_day_ago(match: re.Match[str], today: date) -> Mention:
    return Mention(*match.span(), _calendar(DAY, _position(DAYS_AGO, match["day"]), today))


def _read_window(match: re.Match[str], today: date) -> Mention:
    """So many units up to today. As articles carry no hour, the last day is yesterday and today."""
    unit = _position(UNITS, match["unit"])
    count = _count(match, unit)
    if unit == MONTH:
        month = _calendar(MONTH, count, today)
        return Mention(*match.span(), Days(month.first.replace(day=min(today.day, month.last.day)), today))
    n_days = {HOUR: -(-count // 24), DAY: count, WEEK: 7 * count}[unit]
    return Mention(*match.span(), Days(today - timedelta(n_days), today))


def _count(match: re.Match[str], unit: int) -> int:
    number = match.groupdict().get("number", "1")
    return int(number) if number.isdecimal() else _position(NUMBERS, number) or FEW[unit]


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
        rf"(?<!\w)(?P<lead>(?:в|во|on)\s+)?(?:{WHICH})?(?P<weekday>{_any_of(WEEKDAYS)})(?!\s+(?:of\b|обитани))",
    ),
    _read_week_or_month: (  # «на прошлой неделе», "this month"
        rf"(?<!\w)(?:(?:на|в|за|in|for|during)\s+)?{WHICH}(?P<unit>{_any_of(UNITS[WEEK:])})(?!\s+of\b)",
    ),
    _read_day_ago: (rf"(?<!\w)(?P<day>{_any_of(DAYS_AGO)})",),  # «вчера»
    _read_ago: (
        # "two weeks ago", but not "a few weeks ago" and «двадцать две недели назад»
        rf"(?<![\w-])(?<!дцать\s)(?!{_any_of(NUMBERS[:1])}){NUMBER}(?P<unit>{_any_of(UNITS[DAY:])}){AGO}",
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
