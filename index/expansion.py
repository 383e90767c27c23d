"""From a query to what the keyword leg looks for: each word's stem, its name's key, and what is near in meaning.

"Maduro" looks for the stem "maduro", for names that sound like it (index/names.py: «Мадуро»), and for stems of the
articles that are near in meaning (index/words.py). The word itself counts in full, the others less.
"""

from collections.abc import Iterator

from index.encoding import Encoding
from index.lexical import NAME, Alternatives
from index.names import name_keys
from index.parts import KeywordIndex
from index.text import WORD, fold, terms_and_words
from index.words import WordIndex

# Chosen by cross-validation like the weights of index/fusion.py; 0.6 to 1 differ by less than 0.005 in recall@1.
MEANING_WEIGHT = 0.8
NAME_WEIGHT = 0.8


def expand(query: str, encoding: Encoding, *, words: WordIndex, lexical: KeywordIndex) -> list[Alternatives]:
    """Alternatives for each word of the query, each word once, in order."""
    asked = dict.fromkeys(terms_and_words(query))
    known = lexical.known([term for term, _ in asked])
    near = words.nearest(query, encoding, known={word for term, word in asked if term in known})
    names = dict(_names(query))
    return [_alternatives(term, near.get(word, {}), names.get(word)) for term, word in asked]


def _names(query: str) -> Iterator[tuple[str, str]]:
    for match in WORD.finditer(query):
        for key in name_keys(match[0]):
            yield fold(match[0]), key


def _alternatives(term: str, near: dict[str, float], name: str | None) -> Alternatives:
    found = {term: 1.0}
    if name is not None:
        found[NAME + name] = NAME_WEIGHT
    for other, similarity in near.items():
        found.setdefault(other, MEANING_WEIGHT * similarity)
    return found
