"""Periods named in questions: both languages, what is no period, and that any text is read quickly."""

from calendar import month_name
from datetime import date, timedelta

import dateparser
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qa.dates import GRACE_DAYS, Period, named_period

TODAY = date(2026, 11, 22)  # a Sunday
TRICKY = st.lists(
    st.sampled_from(
        [
            *' \t\n\x00\x1c.,-–«»"(?/:',
            *"с по до после между и в на от за когда from to and between in on the of last since before when".split(),
            *"1 5 24 27 31 99 2025 2026 1905 24.10.2025 31.02.2025 2025-10-24 24th 5-го ٣ года года".split(),
            *"октября октябре октябрь мая May may March Oct. февраля 8 Марта ſept frıday среду Monday".split(),
            *"последние прошлой этой три несколько дня неделе месяц week days months ago назад вчера today".split(),
        ]
    ),
    max_size=30,
)


def bounds(question: str, today: date = TODAY) -> tuple[str | None, str | None] | None:
    """The first and the last day in ISO form; checks that the words stand in the question."""
    period = named_period(question, today=today)
    if period is None:
        return None
    assert period.words
    assert period.words in question
    return period.first and period.first.isoformat(), period.last and period.last.isoformat()


@pytest.mark.parametrize(
    ("question", "first", "last"),
    [
        ("Что открыли 24 октября 2025 года?", "2025-10-24", "2025-10-26"),
        ("Что открыли 24 октября?", "2026-10-24", "2026-10-26"),
        ("Что открыли 24 ОКТЯБРЯ?", "2026-10-24", "2026-10-26"),
        ("Что открыли 24 декабря?", "2025-12-24", "2025-12-26"),
        ("Что открыли 24-го октября прошлого года?", "2025-10-24", "2025-10-26"),
        ("Что открыли 3 мая этого года?", "2026-05-03", "2026-05-05"),
        ("Что открыли 3 мая позапрошлого года?", "2024-05-03", "2024-05-05"),
        ("Что открыли 24 окт. 2025 г. в порту?", "2025-10-24", "2025-10-26"),
        ("Что открыли 24.10.2025?", "2025-10-24", "2025-10-26"),
        ("Что открыли 24.10.25?", "2025-10-24", "2025-10-26"),
        ("Что открыли 2025-10-24?", "2025-10-24", "2025-10-26"),
        ("Что открыли в пятницу, 24 октября 2025 года?", "2025-10-24", "2025-10-26"),
        ("Что сгорело в ночь на 24 октября?", "2026-10-24", "2026-10-26"),
        ("Кто победил 2:1 в матче 24 октября?", "2026-10-24", "2026-10-26"),
        ("Кто подписал акт 9 мая 1945 года?", "1945-05-09", "1945-05-11"),
        ("Что закрыли 29 февраля?", "2024-02-29", "2024-03-02"),
        ("Что закрыли 21 ноября?", "2026-11-21", "2026-11-22"),
        ("What opened on 24 October?", "2026-10-24", "2026-10-26"),
        ("What opened on the 24th of October 2025?", "2025-10-24", "2025-10-26"),
        ("What opened on October 24th, 2025?", "2025-10-24", "2025-10-26"),
        ("What opened on Friday, October 24, 2025, in the port?", "2025-10-24", "2025-10-26"),
        ("What opened on May 5 last year?", "2025-05-05", "2025-05-07"),
        ("What opened on Sept. 5?", "2026-09-05", "2026-09-07"),
    ],
)
def test_a_day(question: str, first: str, last: str) -> None:
    assert bounds(question) == (first, last)


@pytest.mark.parametrize(
    ("question", "first", "last"),
    [
        ("Что открыли в октябре 2025 года?", "2025-10-01", "2025-11-02"),
        ("Что открыли в октябре?", "2026-10-01", "2026-11-02"),
        ("Что открыли в декабре?", "2025-12-01", "2026-01-02"),
        ("Что открывают в ноябре?", "2026-11-01", "2026-11-22"),
        ("Что открыли в мае прошлого года?", "2025-05-01", "2025-06-02"),
        ("Новости порта, октябрь 2025", "2025-10-01", "2025-11-02"),
        ("Сколько домов сдали за октябрь?", "2026-10-01", "2026-11-02"),
        ("Что открыли в конце октября?", "2026-10-01", "2026-11-02"),
        ("Что открыли в последнюю неделю октября 2025 года?", "2025-10-01", "2025-11-02"),
        ("Что открыли за последнюю неделю октября?", "2026-10-01", "2026-11-02"),
        ("What opened in October 2025?", "2025-10-01", "2025-11-02"),
        ("What opened in May?", "2026-05-01", "2026-06-02"),
        ("what opened in march", "2026-03-01", "2026-04-02"),
        ("What opened in early October?", "2026-10-01", "2026-11-02"),
        ("What opened in the last week of October 2025?", "2025-10-01", "2025-11-02"),
        ("In October 20 ships sank, whose were they?", "2026-10-01", "2026-11-02"),
        ("Что было на прошлой неделе?", "2026-11-09", "2026-11-17"),
        ("Что было на этой неделе?", "2026-11-16", "2026-11-22"),
        ("Что было на позапрошлой неделе?", "2026-11-02", "2026-11-10"),
        ("Что было в прошлом месяце?", "2026-10-01", "2026-11-02"),
        ("What happened last week?", "2026-11-09", "2026-11-17"),
        ("What happened this week?", "2026-11-16", "2026-11-22"),
        ("What happened last month?", "2026-10-01", "2026-11-02"),
    ],
)
def test_a_week_or_a_month(question: str, first: str, last: str) -> None:
    assert bounds(question) == (first, last)


@pytest.mark.parametrize(
    ("question", "first", "last"),
    [
        ("Что строили с 20 по 27 октября 2025 года?", "2025-10-20", "2025-10-29"),
        ("Что строили между 20 и 27 октября?", "2026-10-20", "2026-10-29"),
        ("Что строили с 28 сентября по 3 октября 2025?", "2025-09-28", "2025-10-05"),
        ("Что строили с 28 сентября 2025 по 3 октября?", "2025-09-28", "2025-10-05"),
        ("Что строили с 28 декабря по 3 января?", "2025-12-28", "2026-01-05"),
        ("Что строили с 28 декабря по 3 января 2025 года?", "2024-12-28", "2025-01-05"),
        ("Что строили 20–27 октября?", "2026-10-20", "2026-10-29"),
        ("Что строили 24, 25 и 26 октября?", "2026-10-24", "2026-10-28"),
        ("Что сгорело в ночь с 31 октября на 1 ноября?", "2026-10-31", "2026-11-03"),
        ("Что строили с октября по декабрь 2025 года?", "2025-10-01", "2026-01-02"),
        ("Что строили между сентябрём и ноябрём 2025 года?", "2025-09-01", "2025-12-02"),
        ("Что строили с 20.10.2025 по 27.10.2025?", "2025-10-20", "2025-10-29"),
        ("Что строили после 5 октября и до 10 ноября?", "2026-10-05", "2026-11-12"),
        ("Что строили с 5 ноября по сегодняшний день?", "2026-11-05", "2026-11-22"),
        ("What was built between 20 and 27 October 2025?", "2025-10-20", "2025-10-29"),
        ("What was built from October 20 to October 27, 2025?", "2025-10-20", "2025-10-29"),
        ("What was built October 20-27, 2025?", "2025-10-20", "2025-10-29"),
        ("What was built from 28 December to 3 January?", "2025-12-28", "2026-01-05"),
        ("What was built between October and December 2025?", "2025-10-01", "2026-01-02"),
    ],
)
def test_a_range(question: str, first: str, last: str) -> None:
    assert bounds(question) == (first, last)


@pytest.mark.parametrize(
    ("question", "first", "last"),
    [
        ("Что было вчера?", "2026-11-21", "2026-11-22"),
        ("Что было позавчера?", "2026-11-20", "2026-11-22"),
        ("Что было сегодня?", "2026-11-22", "2026-11-22"),
        ("Что было три дня назад?", "2026-11-19", "2026-11-21"),
        ("Что было неделю назад?", "2026-11-09", "2026-11-17"),
        ("Что было месяц назад?", "2026-10-01", "2026-11-02"),
        ("Что было за последнюю неделю?", "2026-11-15", "2026-11-22"),
        ("Что было за последние три дня?", "2026-11-19", "2026-11-22"),
        ("Что было в последние 10 дней?", "2026-11-12", "2026-11-22"),
        ("Что было за последние два месяца?", "2026-09-22", "2026-11-22"),
        ("Что было за последние несколько дней?", "2026-11-15", "2026-11-22"),
        ("Сколько судов пришло за минувшие сутки?", "2026-11-21", "2026-11-22"),
        ("Что было в среду?", "2026-11-18", "2026-11-20"),
        ("Что было в воскресенье?", "2026-11-22", "2026-11-22"),
        ("What happened yesterday?", "2026-11-21", "2026-11-22"),
        ("What happened the day before yesterday?", "2026-11-20", "2026-11-22"),
        ("What happened today?", "2026-11-22", "2026-11-22"),
        ("What happened two weeks ago?", "2026-11-02", "2026-11-10"),
        ("What happened in the last three days?", "2026-11-19", "2026-11-22"),
        ("What happened in the past week?", "2026-11-15", "2026-11-22"),
        ("What happened over the last 36 hours?", "2026-11-20", "2026-11-22"),
        ("What happened on Friday?", "2026-11-20", "2026-11-22"),
        ("What happened last Friday?", "2026-11-13", "2026-11-22"),
    ],
)
def test_days_counted_from_today(question: str, first: str, last: str) -> None:
    assert bounds(question) == (first, last)


@pytest.mark.parametrize(
    ("question", "first", "last"),
    [
        ("Что строили до 5 ноября 2025 года?", None, "2025-11-04"),
        ("Что строили до конца октября?", None, "2026-10-31"),
        ("Что строили после 5 ноября 2025 года?", "2025-11-06", None),
        ("Что строили с 5 ноября?", "2026-11-05", None),
        ("Что строили с октября прошлого года?", "2025-10-01", None),
        ("Что строили начиная с 24.10.2025?", "2025-10-24", None),
        ("Что изменилось со вчерашнего дня?", "2026-11-21", None),
        ("What was built since 5 November?", "2026-11-05", None),
        ("What was built since the beginning of October?", "2026-10-01", None),
        ("What was built after the 5th of November 2025?", "2025-11-06", None),
        ("What was built before 5 November 2025?", None, "2025-11-04"),
        ("What was built until 5 November 2025?", None, "2025-11-05"),
        ("What was built from 5 November onwards?", "2026-11-05", None),
    ],
)
def test_one_open_end(question: str, first: str | None, last: str | None) -> None:
    assert bounds(question) == (first, last)


@pytest.mark.parametrize(
    "question",
    [
        "",
        " \n\t",
        "Кто построил маяк?",
        # years
        "Что построили в 2010 году?",
        "Что построят в этом году?",
        "Что построили в прошлом году?",
        "Что построили в 1990-х годах?",
        "What was built in 2018?",
        "What was built in the 19th century?",
        "What was built over the last 20 years?",
        # what looks like a date
        "May I ask who met Theresa May in Moscow?",
        "What may Rostec do?",
        "Which rule 5 may apply?",
        "Did they march to the sea?",
        "Где живёт Мая?",
        "Кто такой Август?",
        "Кого звали Пятница?",
        "Чем октябрь и ноябрь хороши?",
        "Чем хороша версия 1.2.10?",
        "Who was in Mar-a-Lago, and who believed Jan?",
        "Кто приехал в Мар-а-Лаго?",
        "Кто победил со счётом 2:1?",
        "Сколько человек на борту: 27 человек?",
        "Чем Су-57 лучше С-400?",
        "Is the S-400 worth 1000 km of road?",
        "О чём статья 24?",
        "Что написано с 20 по 27 страницу?",
        "Позвонить по +7 495 123-24-10-25 или 8.800.24.10.2025?",
        "Что нового в версии 2.10.2025.1?",
        "Сколько стоит проезд, 24.10 или 25.10?",
        "Как попасть в среду обитания рысей?",
        "Что было в тот и в этот день?",
        # names
        "Где улица 8 Марта и площадь 1905 года?",
        "Где находится улица 8 марта?",
        "Кто устроил теракты 11 сентября?",
        "Who planned the September 11 attacks?",
        "Кого поздравили с праздником 9 Мая?",
        "Кто основал движение 26 июля?",
        "Who founded the 26th of July Movement?",
        "How heavy is the Long March 5 rocket?",
        "Кто руководит агентством Россия сегодня?",
        "Кто снял фильм «24 октября 2025 года»?",
        'Who wrote "Yesterday"?',
        "Who owns Russia Today?",
        "Who lives there even today?",
        "Кто живёт там даже сегодня?",
        "Who fled in the last week of the war?",
        # dates of documents, plans and states
        "Что сказано в указе от 24 октября 2025 года?",
        "Что назначено на 24 октября?",
        "Что готовили к 9 мая?",
        "Что решили по 24 октября?",
        "Что было известно на сегодня?",
        "What must be ready by the end of October?",
        # impossible, to come, or doubtful
        "Что открыли 31 февраля?",
        "Что открыли 31 февраля 2025 года?",
        "Что открыли 32.13.2025?",
        "Что строили с 28 по 3 октября?",
        "Что строили 5-4 октября?",
        "Что откроют завтра?",
        "Что откроют 24 октября 2027 года?",
        "Что откроют в октябре следующего года?",
        "Что должны построить до 5 декабря?",
        "Что подорожает с 1 декабря?",
        "Что построят до конца ноября?",
        "What opens after 22 November 2026?",
        "Что открыли двадцать два дня назад?",
        "What happened a few days ago?",
        "Чем 24 октября 2025 года лучше прошлой недели?",
        "Что 24 октября сказали о плане на 2030 год?",
        "На митинг 24 октября 2000 человек пришли?",
    ],
)
def test_no_period(question: str) -> None:
    assert bounds(question) is None


@pytest.mark.parametrize(
    "question",
    [
        "Когда в октябре 2025 года открыли мост?",
        "Кто и когда 24 октября открыл мост?",
        "24 октября когда открыли мост?",
        "Скажите, когда 24 октября открыли мост?",
        "В каком году после 5 ноября 2020 года открыли мост?",
        "Какого числа в октябре открыли мост?",
        "С какого времени с 5 ноября закрыт мост?",
        "В какой день на прошлой неделе открыли мост?",
        "Назови дату в октябре 2025 года",
        "When did the bridge open in October 2025?",
        "In October 2025, when did the bridge open?",
        "What year, before 5 November 2025, did it open?",
        "On what date in October did it open?",
        "In which month before October 2025 did it open?",
        "What day last week did it open?",
        "How long ago, since 5 November, did it open?",
    ],
)
def test_question_that_asks_for_a_date(question: str) -> None:
    assert bounds(question) is None


@pytest.mark.parametrize(
    "question",
    [
        "Кто приехал 24 октября 2025 года, когда открывали мост?",
        "Who came on 24 October 2025 when the bridge opened?",
        "Какой мост открыли 24 октября 2025 года?",
        "Какое число гостей приехало 24 октября 2025 года?",
    ],
)
def test_when_that_asks_for_nothing(question: str) -> None:
    assert bounds(question) == ("2025-10-24", "2025-10-26")


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("Скажи, что открыли в октябре 2025 года в порту?", "в октябре 2025 года"),
        ("Что открыли в октябре 2025 года.", "в октябре 2025 года"),
        ("Что строили с 20 по 27 октября, и где?", "с 20 по 27 октября"),
        ("Что строили до конца октября 2025 г. в порту?", "до конца октября 2025 г."),
        ("Who came between 20 and 27 October 2025?", "between 20 and 27 October 2025"),
        ("What was built since the beginning of October?", "since the beginning of October"),
        ("What of yesterday's fire?", "yesterday"),
    ],
)
def test_words_that_named_it(question: str, words: str) -> None:
    period = named_period(question, today=TODAY)
    assert period is not None
    assert period.words == words


def test_the_day_decides() -> None:
    assert bounds("Что открыли 24 октября?", date(2026, 10, 23)) == ("2025-10-24", "2025-10-26")
    assert bounds("Что открыли 24 октября?", date(2026, 10, 24)) == ("2026-10-24", "2026-10-24")
    assert bounds("Что строили с 20 по 27 октября?", date(2026, 10, 23)) == ("2026-10-20", "2026-10-23")
    assert bounds("Что открыли в октябре?", date(2026, 9, 30)) == ("2025-10-01", "2025-11-02")
    assert bounds("Что было за последний месяц?", date(2026, 3, 31)) == ("2026-02-28", "2026-03-31")
    assert bounds("Что было в прошлом месяце?", date(2026, 1, 1)) == ("2025-12-01", "2026-01-01")
    assert bounds("What happened last week?", date(2026, 11, 23)) == ("2026-11-16", "2026-11-23")
    assert bounds("What happened last Friday?", date(2026, 11, 24)) == ("2026-11-20", "2026-11-22")
    assert bounds("Что было вчера?", date.min) is None


def test_period_checks_itself() -> None:
    with pytest.raises(ValueError, match="no bounds"):
        Period(None, None, "")
    with pytest.raises(ValueError, match="swap"):
        Period(TODAY, TODAY - timedelta(1), "")


RUSSIAN_MONTHS = "января февраля марта апреля мая июня июля августа сентября октября ноября декабря".split()


@pytest.mark.parametrize("month", range(1, 13))
def test_days_as_dateparser_reads_them(month: int) -> None:
    for day in (1, 9, 28):
        for words, language in (
            (f"{day} {RUSSIAN_MONTHS[month - 1]} 2025", "ru"),
            (f"{month_name[month]} {day}, 2025", "en"),
            (f"{day:02}.{month:02}.2025", "ru"),
        ):
            theirs = dateparser.parse(words, languages=[language], settings={"DATE_ORDER": "DMY"})
            period = named_period(f"? {words} ?", today=TODAY)
            assert theirs is not None
            assert period == Period(theirs.date(), theirs.date() + timedelta(GRACE_DAYS), words)


@settings(deadline=None, max_examples=300)
@given(text=st.text(max_size=200) | TRICKY.map(" ".join) | TRICKY.map("".join), today=st.dates())
def test_any_text_is_read(text: str, today: date) -> None:
    period = named_period(text, today=today)
    if period is not None:
        assert period.words
        assert period.words in text
        assert period.first is None or period.first <= today
        assert period.last is None or period.last <= today


@pytest.mark.parametrize(
    "part",
    [
        "с 1 по ",
        "1, ",
        "1 - ",
        "9",
        "24 октября ",
        "24 октября 2025 и ",
        "октября",
        "вчера ",
        "«",
        "«»",
        '"',
        " ",
        "\n",
        "в ",
    ]
    + ["прошл", "росси", "последние три ", "in the last ", "the day before ", "24.10.", "2025-10-", "и когда "],
)
def test_hostile_text_is_no_burden(part: str) -> None:
    """Ten times the longest question; with quadratic time this would be felt."""
    named_period("1 октября " + part * (20_000 // len(part)), today=TODAY)
