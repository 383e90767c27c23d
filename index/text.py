"""Words of a text as the keyword leg compares them: lower case, ё as е, stemmed by their alphabet."""

import re
from functools import lru_cache
from threading import local
from typing import Literal

COMPOUND = re.compile(r"\w+(?:[.\-@/_]+\w+)*")  # Ил-76ТД, S-400, info@example.org, example.org/news
WORD = re.compile(r"[^\W\d_]+")
PART = re.compile(r"\d+|[^\W\d_]+")
DIGIT_GROUP = re.compile(r"(?<=\d)[ \u00a0\u202f](?=\d{3}(?!\d))")  # 1 000 is 1000
CYRILLIC = re.compile(r"[\u0400-\u04ff]")
STEMS_CACHED = 200_000

Alphabet = Literal["cyrillic", "other"]
Language = Literal["ru", "en"]

_stemmers = local()  # Snowball's stemmers are not to be shared between threads


def terms(text: str) -> list[str]:
    """The terms of a text, in order.

    A compound such as «Ил-76ТД» gives its parts ("ил", "76", "тд") and itself, so that «Ил-76» finds it and the exact
    name finds it first. Words that every text has stay: they weigh next to nothing, and without them recall@1 of
    Russian questions was 0.949 instead of 0.956 (2026-11-22, before MaxSim was there).
    """
    return [term for term, _ in terms_and_words(text)]


def terms_and_words(text: str) -> list[tuple[str, str]]:
    """Each term with the word, as `fold` gives it, that it was made of; a compound is a word of its own."""
    found: list[tuple[str, str]] = []
    for compound in COMPOUND.findall(fold(DIGIT_GROUP.sub("", text))):
        parts = PART.findall(compound)
        found.extend((stem(part), part) for part in parts)
        if len(parts) > 1:
            found.append((compound, compound))
    return found


def fold(text: str) -> str:
    """Lower case, ё as е; as long as the text for all but a few letters outside of Latin and Cyrillic."""
    return text.lower().replace("ё", "е")


def alphabet(word: str) -> Alphabet:
    """Whether a word has Cyrillic letters."""
    return "cyrillic" if CYRILLIC.search(word) else "other"


def question_language(text: str) -> Language:
    """Russian when at least half of the words have Cyrillic letters, else English.

    Words, not letters, are counted: "What is Ростех?" is an English question and «Что такое GPS?» a Russian one.
    """
    words = WORD.findall(text)
    n_cyrillic = sum(alphabet(word) == "cyrillic" for word in words)
    return "ru" if words and 2 * n_cyrillic >= len(words) else "en"


def is_stop_word(word: str) -> bool:
    """Whether a word, as `fold` gives it, is one that every text has."""
    return word in _stop_words()


@lru_cache(maxsize=1)
def _stop_words() -> frozenset[str]:
    from bm25s.stopwords import STOPWORDS_EN_PLUS, STOPWORDS_RUSSIAN

    return frozenset(fold(word) for word in (*STOPWORDS_EN_PLUS, *STOPWORDS_RUSSIAN))


@lru_cache(maxsize=STEMS_CACHED)
def stem(word: str) -> str:
    """The stem of a word that `fold` gave, Russian or English by its alphabet."""
    if not hasattr(_stemmers, "russian"):
        from Stemmer import Stemmer

        _stemmers.russian, _stemmers.english = Stemmer("russian"), Stemmer("english")
    stemmer = _stemmers.russian if alphabet(word) == "cyrillic" else _stemmers.english
    stemmed: str = stemmer.stemWord(word)
    return stemmed
