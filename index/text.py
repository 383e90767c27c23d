"""Words of a text as the keyword leg compares them: lower case, ё as е, stemmed by their alphabet."""

import re
from functools import lru_cache
from threading import local

COMPOUND = re.compile(r"\w+(?:[.\-@/_]+\w+)*")  # Ил-76ТД, S-400, info@example.org, example.org/news
PART = re.compile(r"\d+|[^\W\d_]+")
DIGIT_GROUP = re.compile(r"(?<=\d)[ \u00a0\u202f](?=\d{3}(?!\d))")  # 1 000 is 1000
CYRILLIC = re.compile(r"[\u0400-\u04ff]")
STEMS_CACHED = 200_000

_stemmers = local()  # Snowball's stemmers are not to be shared between threads


def terms(text: str) -> list[str]:
    """The terms of a text, in order, without stop words.

    A compound such as «Ил-76ТД» gives its parts ("ил", "76", "тд") and itself, so that «Ил-76» finds it and the exact
    name finds it first.
    """
    found: list[str] = []
    for compound in COMPOUND.findall(DIGIT_GROUP.sub("", text).lower().replace("ё", "е")):
        parts = PART.findall(compound)
        found.extend(_stem(part) for part in parts if part not in _stop_words())
        if len(parts) > 1:
            found.append(compound)
    return found


@lru_cache(maxsize=1)
def _stop_words() -> frozenset[str]:
    from bm25s.stopwords import STOPWORDS_EN_PLUS, STOPWORDS_RUSSIAN

    return frozenset(word.replace("ё", "е") for word in (*STOPWORDS_EN_PLUS, *STOPWORDS_RUSSIAN))


@lru_cache(maxsize=STEMS_CACHED)
def _stem(word: str) -> str:
    if not hasattr(_stemmers, "russian"):
        from Stemmer import Stemmer

        _stemmers.russian, _stemmers.english = Stemmer("russian"), Stemmer("english")
    stemmer = _stemmers.russian if CYRILLIC.search(word) else _stemmers.english
    stem: str = stemmer.stemWord(word)
    return stem
