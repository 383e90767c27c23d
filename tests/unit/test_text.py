"""Words of a text as the keyword leg compares them."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.text import alphabet, fold, is_stop_word, question_language, stem, terms, terms_and_words


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("самолёты", "самолетами"),
        ("договор", "Договоре"),
        ("ракета", "ракет"),
        ("signed treaties", "sign treaty"),
        ("1 000 км", "1000 км"),
        ("1\u00a0000\u202f000", "1000000"),
        ("«Ростех»", "Ростехом"),
        ("U.S.", "u.s"),
    ],
)
def test_same_terms(one: str, other: str) -> None:
    assert terms(one) == terms(other)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ил-76ТД", ["ил", "76", "тд", "ил-76тд"]),
        ("S-400", ["s", "400", "s-400"]),
        ("27 октября", ["27", "октябр"]),
        ("1 000 км", ["1000", "км"]),
        ("info@example.org", ["info", "exampl", "org", "info@example.org"]),
        ("Что это было?", ["что", "эт", "был"]),
        ("What is it?", ["what", "is", "it"]),
        ("под_чёркнуто", ["под", "черкнут", "под_черкнуто"]),
        ("12%, 5:0", ["12", "5", "0"]),
        ("", []),
        ("— … ! _ __", []),
    ],
)
def test_terms(text: str, expected: list[str]) -> None:
    assert terms(text) == expected


def test_exact_names_and_addresses_stay_findable() -> None:
    assert "example.org/news" in terms("См. https://example.org/news сегодня")
    assert set(terms("Ил-76")) - {"ил-76"} <= set(terms("Ил-76ТД"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ёлки", [("елк", "елки")]),
        ("Running in", [("run", "running"), ("in", "in")]),
        ("Ил-76ТД", [("ил", "ил"), ("76", "76"), ("тд", "тд"), ("ил-76тд", "ил-76тд")]),
        ("1 000 судов", [("1000", "1000"), ("суд", "судов")]),
        ("?", []),
    ],
)
def test_terms_tell_their_words(text: str, expected: list[tuple[str, str]]) -> None:
    assert terms_and_words(text) == expected


@given(st.text())
def test_a_term_is_its_words_stem_or_the_compound_itself(text: str) -> None:
    found = terms_and_words(text)
    assert [term for term, _ in found] == terms(text)
    assert all(term == word or term == stem(word) for term, word in found)
    assert all(word == fold(word) for _, word in found)


@pytest.mark.parametrize("text", ["27 2025", "12 345678", "1000 00", "5 км 000", "2025 1234 5"])
def test_only_groups_of_three_digits_are_joined(text: str) -> None:
    assert terms(text) == text.split()


class TestFold:
    @pytest.mark.parametrize(("text", "folded"), [("Ёж и ЁЛКА", "еж и елка"), ("NATO", "nato"), ("İ", "i̇"), ("", "")])
    def test_small_letters_and_no_yo(self, text: str, folded: str) -> None:
        assert fold(text) == folded

    @given(st.text(st.characters(max_codepoint=0x4FF, exclude_characters="İ")))
    def test_latin_and_cyrillic_keep_their_length(self, text: str) -> None:
        assert len(fold(text)) == len(text)
        assert fold(fold(text)) == fold(text)


class TestStem:
    @pytest.mark.parametrize(
        "forms", ["судно судна судном", "договор договора договором", "treaty treaties", "strike strikes striking"]
    )
    def test_forms_of_a_word_share_it(self, forms: str) -> None:
        assert len({stem(form) for form in forms.split()}) == 1

    def test_each_alphabet_has_its_own_endings(self) -> None:
        assert stem("ракетами") == "ракет"
        assert stem("rockets") == "rocket"
        assert stem("ракеты") != stem("rockets")

    @pytest.mark.parametrize("word", ["76", "", "習近平", "νατο"])
    def test_other_words_stay(self, word: str) -> None:
        assert stem(word) == word


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("мост", "cyrillic"),
        ("bridge", "other"),
        ("їжак", "cyrillic"),
        ("cмесь", "cyrillic"),
        ("76", "other"),
        ("", "other"),
    ],
)
def test_alphabet(word: str, expected: str) -> None:
    assert alphabet(word) == expected


@pytest.mark.parametrize("word", ["что", "и", "же", "the", "what", "его", "еще"])
def test_stop_words(word: str) -> None:
    assert is_stop_word(word)
    assert terms(word)


@pytest.mark.parametrize("word", ["мост", "октября", "maduro", "war", "76", "", "Что", "ещё"])
def test_other_words_are_no_stop_words(word: str) -> None:
    """Nor are words that `fold` did not give."""
    assert not is_stop_word(word)


@pytest.mark.parametrize(
    ("text", "language"),
    [("Кто такой Maduro?", "ru"), ("Who is Мадуро?", "en"), ("Maduro Мадуро", "ru"), ("S-400?", "en"), ("", "en")],
)
def test_language_of_a_question(text: str, language: str) -> None:
    assert question_language(text) == language


def test_threads_get_the_same_stems() -> None:
    words = [f"разговаривали{number} договорённости встречами" for number in range(300)]
    expected = [terms(text) for text in words]
    results: list[list[list[str]]] = []
    threads = [threading.Thread(target=lambda: results.append([terms(text) for text in words])) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [expected] * 4
