"""What the keyword leg looks for: the word itself, its name's key, and what is near in meaning."""

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes import HashedWordsModel
from index.embedding import Vectors
from index.expansion import MEANING_WEIGHT, NAME_WEIGHT, expand
from index.late_interaction import pack
from index.lexical import NAME, Alternatives, LexicalIndex, LexicalWriter
from index.names import name_keys
from index.text import terms_and_words
from index.words import WordIndex, WordWriter, content_words, mean_states

TEXTS = [
    "Зерно привезли на двух судах.",
    "Мост чинят третий год.",
    "Чавес летал на Ил-76ТД за 1 000 км.",
    "Grain prices rose after the storm.",
    "Школу у реки закрыли из-за паводка.",
]


class Bilingual(HashedWordsModel):
    """Knows what three English words mean."""

    MEANINGS = {"grain": "зерно", "wheat": "зерно", "bridge": "мост"}

    def _vector(self, text: str) -> Vectors:
        return super()._vector(" ".join(self.MEANINGS.get(word, word) for word in text.lower().split()))


class Legs(NamedTuple):
    model: HashedWordsModel
    words: WordIndex
    lexical: LexicalIndex

    def expand(self, query: str) -> list[Alternatives]:
        return expand(query, self.model.encode_query(query), words=self.words, lexical=self.lexical)

    def expand_word(self, query: str) -> dict[str, float]:
        (alternatives,) = self.expand(query)
        return dict(alternatives)


@pytest.fixture(scope="module")
def legs(tmp_path_factory: pytest.TempPathFactory) -> Legs:
    folder, model = tmp_path_factory.mktemp("generation"), Bilingual()
    means = mean_states(model)
    lexical, words = LexicalWriter(folder / "lexical"), WordWriter(folder / "words", means)
    for text, encoding in zip(TEXTS, model.encode_passages(TEXTS), strict=True):
        lexical.add(text)
        content = content_words(text, encoding, means)
        words.add(content.words, pack(content.states))
    lexical.save()
    words.save()
    alive = np.ones(len(TEXTS), np.bool_)
    return Legs(model, WordIndex.read(folder / "words"), LexicalIndex(folder / "lexical", alive=alive))


@settings(deadline=None)
@given(
    st.text()
    | st.lists(st.sampled_from(["Мост", "моста", "grain", "the", "Ил-76ТД", "Чавес", "1 000", "?"])).map(" ".join)
)
def test_each_word_once_its_own_term_first_and_in_full(legs: Legs, query: str) -> None:
    found = legs.expand(query)
    assert [next(iter(one.items())) for one in found] == [
        (term, 1) for term, _ in dict.fromkeys(terms_and_words(query))
    ]
    assert all(0 < weight <= 1 for one in found for weight in one.values())


@pytest.mark.parametrize(
    ("query", "keys"),
    [
        ("Chavez", ["~svs"]),
        ("Чавеса", ["~svs"]),
        ("chavez", []),
        ("Кто", []),  # a stop word
        ("Школа", ["~skl"]),  # any word with a capital
    ],
)
def test_a_name_is_looked_for_by_its_key(legs: Legs, query: str, keys: list[str]) -> None:
    found = legs.expand_word(query)
    assert [term for term in found if term.startswith(NAME)] == keys
    assert all(found[key] == NAME_WEIGHT for key in keys)


def test_the_key_is_the_one_that_the_articles_have(legs: Legs) -> None:
    assert legs.lexical.shares(legs.expand("Chavez"))[2] > 0
    assert legs.lexical.shares(legs.expand("chavez"))[2] == 0


def test_names_are_told_apart(legs: Legs) -> None:
    found = legs.expand("Кто видел Чавеса в Каракасе?")
    named = {next(iter(one)): [term for term in one if term.startswith(NAME)] for one in found}
    assert {term: keys for term, keys in named.items() if keys} == {"чавес": ["~svs"], "каракас": ["~krks"]}


def test_meanings_weigh_by_their_similarity(legs: Legs) -> None:
    near = legs.words.nearest("wheat", legs.model.encode_query("wheat"), known=set())["wheat"]
    assert set(near) == {"зерн", "grain"}
    assert legs.expand_word("wheat") == {
        "wheat": 1.0,
        "зерн": pytest.approx(MEANING_WEIGHT * near["зерн"]),
        "grain": pytest.approx(MEANING_WEIGHT * near["grain"]),
    }


def test_a_word_of_the_articles_is_looked_for_in_the_other_alphabet_only(legs: Legs) -> None:
    assert set(legs.expand_word("grain")) == {"grain", "зерн"}
    assert set(legs.expand_word("зерно")) == {"зерн", "grain"}
    assert set(legs.expand_word("bridge")) == {"bridg", "мост"}


def test_stop_words_stand_for_themselves(legs: Legs) -> None:
    assert legs.expand("The the на")[0] == {"the": 1.0}
    assert legs.expand("что и где") == [{"что": 1.0}, {"и": 1.0}, {"где": 1.0}]


def test_compounds_and_numbers(legs: Legs) -> None:
    assert legs.expand("Ил-76ТД за 1 000 км") == [
        {"ил": 1.0, NAME + name_keys("Ил")[0]: NAME_WEIGHT},
        {"76": 1.0},
        {"тд": 1.0, NAME + name_keys("ТД")[0]: NAME_WEIGHT},
        {"ил-76тд": 1.0},
        {"за": 1.0},
        {"1000": 1.0},
        {"км": 1.0},
    ]


def test_parts_of_compounds_have_meanings_too(legs: Legs) -> None:
    assert [set(one) for one in legs.expand("grain-bridge")] == [{"grain", "зерн"}, {"bridg", "мост"}, {"grain-bridge"}]


@pytest.mark.parametrize("query", ["", "?", "— … !"])
def test_a_query_without_words_looks_for_nothing(legs: Legs, query: str) -> None:
    assert legs.expand(query) == []
