"""What a model wrote, cut into sentences with their markers, however the stream was cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa.generative import Written, written_sentences
from qa.language import answer_language, speaks
from qa.records import Question, Turn


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("A bridge fell. [1] It rained. [2]", [("A bridge fell.", (1,)), ("It rained.", (2,))]),
        ("A bridge fell [1]. It rained [2].", [("A bridge fell.", (1,)), ("It rained.", (2,))]),
        ("Мост упал [1][3]. Шёл дождь【2】.", [("Мост упал.", (1, 3)), ("Шёл дождь.", (2,))]),
        ("Мост [1] упал [2] ночью.", [("Мост упал ночью.", (1, 2))]),
        ("[1] Мост упал. Шёл дождь [2].", [("Мост упал.", (1,)), ("Шёл дождь.", (2,))]),
        ("Мост упал. Шёл дождь. [1-3]", [("Мост упал.", ()), ("Шёл дождь.", (1, 2, 3))]),
        ("- **Мост** упал [1]\n- Шёл дождь [2]", [("Мост упал", (1,)), ("Шёл дождь", (2,))]),
        ("1. Мост упал [1].\n2. Шёл дождь [2].", [("Мост упал.", (1,)), ("Шёл дождь.", (2,))]),
        ("Мост упал [1]. Шёл до", [("Мост упал.", (1,))]),
        ("Мост упал [1]. Шёл дождь [", [("Мост упал.", (1,))]),
        ("Мост упал [1]. Шёл «дождь.»", [("Мост упал.", (1,)), ("Шёл «дождь.»", ())]),
        ("Мост упал", [("Мост упал", ())]),
        ("12 [1]", [("12", (1,))]),
        ("[1] [2]", []),
        (" … [1]", []),
        ("", []),
    ],
)
def test_sentences_and_their_markers(text: str, sentences: list[tuple[str, tuple[int, ...]]]) -> None:
    expected = [Written(*one) for one in sentences]
    assert list(written_sentences([text])) == expected
    assert list(written_sentences(text)) == expected


TEXTS = st.text("Аб .!?[]12,-\n«»", max_size=60)


@given(TEXTS, st.lists(st.integers(0, 60), max_size=6))
def test_how_a_stream_is_cut_makes_no_difference_to_numbers_and_words(text: str, cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(text)]
    pieces = [text[start:end] for start, end in zip(places, places[1:], strict=False)]
    whole, cut = list(written_sentences([text])), list(written_sentences(pieces))
    assert " ".join(one.text for one in whole).split() == " ".join(one.text for one in cut).split()
    assert {number for one in whole for number in one.numbers} == {number for one in cut for number in one.numbers}


def test_a_sentence_comes_as_soon_as_the_next_begins() -> None:
    read: list[str] = []

    def pieces() -> list[str]:
        for piece in ["Мост упал. [1]", " Шёл", " дождь. [2]", " И", " снег."]:
            read.append(piece)
            yield piece

    first = next(written_sentences(pieces()))  # type: ignore[arg-type]
    assert first == Written("Мост упал.", (1,))
    assert len(read) == 2


@pytest.mark.parametrize(
    ("text", "history", "language"),
    [
        ("Что такое GPS?", [], "ru"),
        ("What is Ростех?", [], "en"),
        ("Ростех Венесуэла news", [], "ru"),
        ("2024?", [], "en"),
        ("2024?", ["Когда построили мост?"], "ru"),
        ("2024?", ["Когда построили мост?", "And in English?"], "en"),
        ("2024?", ["Когда построили мост?", "2023?"], "ru"),
    ],
)
def test_the_language_of_the_answer_is_the_questions(text: str, history: list[str], language: str) -> None:
    turns = tuple(turn for asked in history for turn in (Turn("user", asked), Turn("assistant", "A long time ago.")))
    assert answer_language(Question(text, history=turns)) == language


@pytest.mark.parametrize(
    ("text", "russian", "english"),
    [
        ("Мост закрыт.", True, False),
        ("The bridge is closed.", False, True),
        ("Airbus A320", True, True),
        ("Airbus поставил A320.", True, True),
        ("The «Ростех» office is closed.", False, True),
        ("Он сказал: “We are closed for today and tomorrow”.", True, False),
        ("1902 [1]", True, True),
        ("Сергей Иванов", True, False),
        ("La neige a fermé la route pendant trois jours.", False, False),
        ("Міст закрили на три дні, повідомила влада.", False, False),
    ],
)
def test_what_language_a_text_speaks(text: str, russian: bool, english: bool) -> None:
    assert (speaks(text, "ru"), speaks(text, "en")) == (russian, english)
