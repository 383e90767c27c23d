"""Words and patterns of the days that questions name, Russian and English (qa/dates.py)."""

import re
from collections.abc import Sequence

from index.sentences import QUOTED


def _table(patterns: str) -> tuple[re.Pattern[str], ...]:
    """Patterns of words; the position is the meaning."""
    return tuple(re.compile(pattern, re.IGNORECASE) for pattern in patterns.split())


def any_of(table: Sequence[re.Pattern[str]]) -> str:
    """A pattern of all words of a table."""
    return rf"(?:{'|'.join(pattern.pattern for pattern in table)})(?!\w)"


def position_in(table: Sequence[re.Pattern[str]], word: str) -> int:
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
MONTH_NAME = rf"(?<![^\W\d])(?!(?<!\bin\s)(?<!during\s)(?-i:may|march)(?!\w))(?P<month>{any_of(MONTHS)})"
ABBREVIATION = re.compile(r"\w+\.|(?!ма[йяею]|may)\w{3}|сент|февр|нояб|sept", re.IGNORECASE)
# Words before a month that alone make it a time.
IN_MONTH = (
    r"(?:(?:в|во|за)(?:\s+(?:перв|втор|последн)\w+)?"
    r"(?:\s+(?:начале|середине|конце|течение|половине|числах|дни|днях|неделе|неделю))?"
    r"|(?:in|during|throughout|for|at)(?:\s+the)?(?:\s+(?:first|second|last))?"
    r"(?:[\s-]+(?:early|mid|late|(?:beginning|start|middle|end|half|month|days|week)\s+of))?|early|mid|late)"
)
YEAR_NUMBER = r"(?:1[5-9]|20)\d\d(?!\d)"
SAID_YEAR = rf"(?P<said_year>{any_of(YEARS)})\s+(?:год[ау]?|year)\b"
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
WEEKDAY = rf"(?<!\w)(?:(?:(?:в|во|on)\s+)?{any_of(WEEKDAYS)},?\s+)?"
WHICH = rf"(?P<which>{any_of(WEEKS_AGO)})\s+"
AGO = r"\s+(?:тому\s+)?(?:назад|ago)\b"
NUMBER = rf"(?P<number>\d{{1,3}}(?!\w)|{any_of(NUMBERS)})\s+"
UNIT = rf"(?P<unit>{any_of(UNITS)})(?!\s+of\b|{OF_RUSSIAN_MONTH})"
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
