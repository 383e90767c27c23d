"""Terms of the keyword leg."""

import threading

import pytest

from index.text import terms


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("самолёты", "самолетами"),
        ("договор", "Договоре"),
        ("ракета", "ракет"),
        ("signed treaties", "sign treaty"),
        ("1 000 км", "1000 км"),
        ("1\u00a0000\u202f000", "1000000"),
    ],
)
def test_same_terms(one: str, other: str) -> None:
    assert terms(one) == terms(other)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ил-76ТД", ["ил", "76", "тд", "ил-76тд"]),
        ("S-400", ["400", "s-400"]),
        ("27 октября", ["27", "октябр"]),
        ("info@example.org", ["info", "exampl", "org", "info@example.org"]),
        ("", []),
        ("— … !", []),
    ],
)
def test_terms(text: str, expected: list[str]) -> None:
    assert terms(text) == expected


def test_exact_names_and_addresses_stay_findable() -> None:
    assert "example.org/news" in terms("См. https://example.org/news сегодня")
    assert set(terms("Ил-76")) - {"ил-76"} <= set(terms("Ил-76ТД"))


def test_stop_words_are_no_terms() -> None:
    assert terms("Что же было, если бы не он? What is it?") == []


def test_numbers_beside_each_other_are_not_joined() -> None:
    assert terms("27 2025 и 12 345678") == ["27", "2025", "12", "345678"]


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
