"""Which passages are the same words again, and which only speak of the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.repeats import is_repeat, shingles

STORY = (
    "Паром «Северянка» сел на мель у острова Долгий во время ночного шторма. На борту находились сто сорок два "
    "пассажира и одиннадцать членов экипажа. Спасатели подошли к судну на рассвете и за четыре часа сняли всех людей. "
    "Капитан объяснил аварию тем, что маяк на мысе не горел. Владелец линии пообещал вернуть деньги за билеты и "
    "проверить остальные суда. Прокуратура начала проверку, её итоги обещают к концу месяца."
)
RETOLD = (
    "Ночью шторм выбросил на мель у Долгого паром, на котором плыли полторы сотни человек. К утру всех вывезли "
    "катерами, никто не пострадал. По словам капитана, виноват погасший маяк. Проверкой занялась прокуратура, "
    "а судовладелец намерен возместить стоимость билетов."
)
WORDS = st.lists(st.sampled_from(["паром", "сел", "на", "мель", "27", "the", "ferry", "Ил-76"]), max_size=12).map(
    " ".join
)
TEXTS = st.text() | WORDS


def repeats(one: str, other: str) -> bool:
    return is_repeat(shingles(one), shingles(other))


def sentences(text: str) -> list[str]:
    return [f"{sentence}." for sentence in text.rstrip(".").split(". ")]


@pytest.mark.parametrize(
    "other",
    [
        STORY,
        STORY.upper(),
        STORY.replace("ё", "е"),
        STORY.replace(". ", ".\n\n").replace("«", '"').replace("»", '"'),
        f"Пассажиров парома спасли после ночи на мели. {STORY}",
        f"ОСТРОВ ДОЛГИЙ, 5 мая — ТАСС. {STORY} Материал подготовила служба новостей.",
        f"{STORY} Напомним, весной на этой же линии уже случилась поломка: тогда паром простоял в порту двое суток.",
        " ".join(sentences(STORY)[:3]),
        " ".join(sentences(STORY)[1:]),
        " ".join(sentences(STORY)[::2]),
        sentences(STORY)[2],
        STORY.replace("сто сорок два", "сто сорок три").replace("к концу месяца", "к концу недели"),
    ],
    ids=[
        *("reprint", "capitals", "yo", "paragraphs", "headline", "dateline", "longer", "shorter", "no lead", "extract"),
        *("one sentence", "corrected"),
    ],
)
def test_the_same_words_again(other: str) -> None:
    assert repeats(STORY, other)


@pytest.mark.parametrize(
    "other",
    [
        RETOLD,
        " ".join(reversed(STORY.split())),
        f"{sentences(STORY)[0]} {RETOLD} Подробности мы сообщим позже, когда появятся новые сведения от спасателей.",
        "The ferry ran aground near the island during a night storm.",
        "Паром",
        "…",
        "",
    ],
    ids=["retold", "backwards", "one sentence of it", "translated", "one word", "dots", "nothing"],
)
def test_other_words(other: str) -> None:
    assert not repeats(STORY, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            "В ночь на 5 мая силы ПВО сбили 27 беспилотников над Брянской областью, сообщили в министерстве.",
            "В ночь на 9 июня силы ПВО сбили 41 беспилотник над Курской областью, сообщили в министерстве.",
        ),
        (
            "Курс доллара на 5 мая составил 92,14 рубля, сообщил Центробанк.",
            "Курс доллара на 6 мая составил 93,02 рубля, сообщил Центробанк.",
        ),
        ("Самолёт Ту-317 сел в порту по расписанию.", "Самолёт Ту-318 сел в порту по расписанию."),
        ("27 28 29 30", "31 32 33 34"),
        (
            "Сборная Перу обыграла сборную Чили со счётом 2:1, голы забили Рамос и Кастро.",
            "Сборная Кубы обыграла сборную Гаити со счётом 3:0, голы забили Диас и Перес.",
        ),
        (
            "The central bank raised its key rate to 12 percent on Friday, the fourth rise this year.",
            "The central bank cut its key rate to 9 percent on Monday, the second cut this year.",
        ),
    ],
)
def test_another_event_told_by_the_same_template_is_no_repeat(one: str, other: str) -> None:
    assert not repeats(one, other)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("Паром сел", "паром сел!", True),
        ("Паром сел", "Паром сел на мель", False),  # two words are no run of three
        ("Паром сел на", "Вчера паром сел на мель", True),
        ("Паром", "Паром", True),
        ("Паром", "Катер", False),
        ("", "Паром", False),
    ],
)
def test_short_texts(one: str, other: str, expected: bool) -> None:
    assert repeats(one, other) is expected


def test_runs_of_three_words() -> None:
    assert shingles("Паром сел на мель") == {("паром", "сел", "на"), ("сел", "на", "мель")}
    assert shingles("Паром сел") == {("паром", "сел")}
    assert shingles("Ил-76 сел") == {("ил", "76", "сел")}


def test_seven_of_ten_runs_are_enough() -> None:
    """Twelve words have ten runs; a change of the last word costs one run, of the last three words three."""
    words = [f"слово{letter}" for letter in "абвгдежзиклм"]
    for n_changed in range(1, 6):
        changed = [*words[:-n_changed], *(f"иное{letter}" for letter in "абвгд"[:n_changed])]
        assert repeats(" ".join(words), " ".join(changed)) is (n_changed <= 3)


@given(TEXTS)
def test_a_text_repeats_itself(text: str) -> None:
    assert repeats(text, text)
    assert repeats(text, f"«{text}…»")


@given(TEXTS, TEXTS)
def test_repeating_is_mutual(one: str, other: str) -> None:
    assert repeats(one, other) == repeats(other, one)


@given(WORDS, WORDS, WORDS)
def test_what_contains_a_text_repeats_it(before: str, text: str, after: str) -> None:
    if len(text.split()) >= 3:
        assert repeats(f"{before} {text} {after}", text)
