"""Sentence ends: abbreviations, direct speech, headings, lists, and that nothing is lost."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.sentences import split_paragraphs, split_sentences

TRICKY = st.lists(
    st.sampled_from([*" \t\n\r\xa0.!?…,;:—-«»„“”\"'()[]15аЯzT", "т. д.", "г.", "Mr.", "\n\n", "Да. "]), max_size=60
).map("".join)


def sentences(text: str) -> list[str]:
    return [text[start:end] for start, end in split_sentences(text)]


@pytest.mark.parametrize(
    "text",
    [
        "Он остановился, т. е. Пётр остановился, у калитки.",
        "Лодку, т.к. Нева замёрзла, вытащили на берег.",
        "Так называемая, т. н. Большая, протока обмелела.",
        "Мост через р. Оку в г. Муроме закрыт.",
        "Улица им. Гагарина ведёт к ул. Садовой.",
        "Школа им. «Юнги» открыта.",
        "Стихи А. С. Грибова и Н.П. Лодкина напечатали.",
        "Капитан И. Весло и проф. Рыбин поспорили.",
        "Смотри рис. 5 и табл. 12 на стр. 40.",
        "Рейс назначен на 5 сент. 2024 года.",
        "Тетради, карандаши и т. д. лежали на столе.",
        "Mr. Brown met Dr. Green and Mrs. White.",
        "The U.S. Navy bought it from J. K. Reed.",
        "Prizes, e.g. Medals, go to No. 5 and No. 12.",
        "The bridge on St. John street leads to Mt. Ash.",
    ],
)
def test_abbreviation_inside_a_sentence(text: str) -> None:
    assert sentences(text) == [text]
    assert sentences(f"{text} Потом стало тихо.") == [text, "Потом стало тихо."]


@pytest.mark.parametrize(
    "expected",
    [
        ["Привезли доски, гвозди и т. д.", "Строить начали утром."],
        ["Привезли доски, гвозди и т.п.", "«Начинаем», — сказал мастер."],
        ["Лодки, сети и др.", "Всё это продали."],
        ["He said no.", "Then he left."],
        ["There was no art.", "The hall stood empty."],
        ["Осталось 5 млн руб.", "Их хватит на год."],
        ["Это случилось в 1990.", "Потом стало тихо."],
        ["Он приехал в Рим.", "Там шёл дождь."],
    ],
)
def test_abbreviation_or_word_that_ends_a_sentence(expected: list[str]) -> None:
    assert sentences(" ".join(expected)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "«Иду. Ждите меня!» — крикнул он.",
        "Мастер ответил: «Доски привезут завтра. Гвозди есть. Начинаем!»",
        "Он прочёл: «Объявление. «Заря» уходит в пять. Не опаздывать».",
        "— Где лодка? — спросил Пётр. — У причала.",
        "«Ждём!» – Они ждали.",
        "“Come in. Sit down!” he said.",
        'Она сказала: "Поздно. Пора домой" и ушла.',
        "Er sagte: „Ja. Gut“ und ging.",
    ],
)
def test_direct_speech_stays_whole(text: str) -> None:
    assert sentences(text) == [text]
    assert sentences(f"Было тихо.\n{text}\nПотом все ушли.") == ["Было тихо.", text, "Потом все ушли."]


@pytest.mark.parametrize(
    "expected",
    [
        ["«Мы ждём!»", "Так ответили все."],
        ["Он сказал: «Поздно».", "Пора домой."],
        ["(Дверь была закрыта.)", "Никто не открыл."],
        ["Лодка ушла.", "«Заря» осталась."],
        ["Цех закрыли.", "(Открыли другой.)"],
    ],
)
def test_end_behind_a_closing_mark(expected: list[str]) -> None:
    assert sentences(" ".join(expected)) == expected


def test_quote_that_is_never_closed_reaches_no_further_than_its_paragraph() -> None:
    assert sentences("Он сказал: «Иду. Ждите.\nВсе ждали. Он не пришёл.") == [
        "Он сказал: «Иду.",
        "Ждите.",
        "Все ждали.",
        "Он не пришёл.",
    ]


def test_headings_and_paragraphs() -> None:
    text = "Мост открыт\n\nОткрыли вчера. Народ рад.\nДальше — дорога\n  \n\t\nОна длинная"
    assert sentences(text) == ["Мост открыт", "Открыли вчера.", "Народ рад.", "Дальше — дорога", "Она длинная"]
    paragraphs = [text[start:end] for start, end in split_paragraphs(text)]
    assert paragraphs == ["Мост открыт", "Открыли вчера. Народ рад.", "Дальше — дорога", "Она длинная"]


def test_line_that_goes_on_with_a_small_letter() -> None:
    text = "Мост открыли\nвчера утром. Народ\n  рад."
    assert sentences(text) == ["Мост открыли\nвчера утром.", "Народ\n  рад."]
    assert split_paragraphs(text) == [(0, len(text))]


def test_numbered_list_keeps_its_numbers() -> None:
    assert sentences("1. Доски. Две.\n2. Гвозди.\n10. Пила") == ["1. Доски.", "Две.", "2. Гвозди.", "10. Пила"]
    assert sentences("Купили: 1. Доски. 2. Гвозди! 3. Пилу.") == ["Купили: 1.", "Доски.", "2. Гвозди!", "3. Пилу."]
    assert sentences("Он спросил: «Сколько?» 12. Столько и было.") == ["Он спросил: «Сколько?»", "12. Столько и было."]


@pytest.mark.parametrize(
    "text",
    [
        "Вода поднялась на 3.5 метра, до отметки 12.40.",
        "Версия 2.0.1 лежит на vestnik.test.",
        "Он думал... думал… и уснул.",
        "Что?.. ничего?! да!!!",
    ],
)
def test_marks_that_end_nothing(text: str) -> None:
    assert sentences(text) == [text]


def test_ellipsis_and_doubled_marks_before_a_capital() -> None:
    assert sentences("Он ждал... Никто не шёл… Тихо?! Да!!! Нет.") == [
        "Он ждал...",
        "Никто не шёл…",
        "Тихо?!",
        "Да!!!",
        "Нет.",
    ]


@pytest.mark.parametrize("text", ["", " ", "\n\t \xa0\n"])
def test_blank_text_has_none(text: str) -> None:
    assert split_sentences(text) == []
    assert split_paragraphs(text) == []


def test_offsets_worked_by_hand() -> None:
    assert split_sentences("  Да.  Нет.\n\n Вот ") == [(2, 5), (7, 11), (14, 17)]


@settings(deadline=None, max_examples=300)
@given(text=st.text() | TRICKY)
def test_spans_are_in_order_stripped_and_complete(text: str) -> None:
    for spans in (split_sentences(text), split_paragraphs(text)):
        end_before = 0
        for start, end in spans:
            assert end_before <= start < end <= len(text)
            assert not text[end_before:start].strip()
            assert text[start:end] == text[start:end].strip()
            end_before = end
        assert not text[end_before:].strip()


@settings(deadline=None, max_examples=200)
@given(text=TRICKY)
def test_no_sentence_crosses_a_paragraph(text: str) -> None:
    paragraphs = split_paragraphs(text)
    for start, end in split_sentences(text):
        assert any(paragraph.start <= start and end <= paragraph.end for paragraph in paragraphs)


@pytest.mark.parametrize(
    "text", ["." * 200_000 + "а", "«Да.» Нет. " * 40_000, "«" * 200_000, "а." + " " * 200_000 + "б", "\n " * 100_000]
)
def test_hostile_text_is_no_burden(text: str) -> None:
    """With quadratic time this would take many minutes."""
    spans = split_sentences(text)
    assert sum(len(text[start:end].split()) for start, end in spans) == len(text.split())
