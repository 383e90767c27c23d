"""Whether the names of a claim stand in a passage, in whichever of the two alphabets.

A word of a name stands there by its sound (a key of index/names.py with three letters or more; one of four or more also
where it differs a little, or belongs to a word in lower case), by the beginning of its stem («Россия», «российский»),
or by the table of qa/support_words.py. Else it is judged by meaning (`Features`). A name stands there when the mean of
its words' log odds is not negative.

A word in front of a sentence is asked for only when it is surely a name (`NameFinder.is_surely_name`).

Decision: states of the embedding model, as late interaction has them, and no dictionary. Measured on 2026-11-25, words
of English claims over Russian paragraphs of XQuAD, right ones against those of other articles, AUC: state in the claim
0.972, state of the name alone 0.974, their mean 0.985; fall of the claim's cosine without the name 0.937; the name and
a word of the passage embedded alone 0.886. Whether two letters of a key are shared, and how alike the
Latin forms are, add nothing to these. Boosted trees in place of the logistic regression, the smallest or the
greatest of a name's words in place of their mean, and five further features caught as many or fewer. Of 616 words of
other articles 3 share a key of three letters with a name of the passage, none one of four with a word in lower case,
and 2 nearly share one.

The tokenizer's test for names: of 182 words that open sentences and stand elsewhere in lower case none passes.

Limits: a wrong name that opens a sentence with a single word, when the test does not know it (Lukashenko); one that is
as near in context as the right one; what a claim says of an unnamed doer or turns round (who asked whom).
"""

import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from index.embedding import EmbeddingModel, Vectors
from index.encoding import Encoding
from index.names import name_keys
from index.sentences import Span
from index.text import WORD, Alphabet, alphabet, fold, is_stop_word, question_language, stem
from index.words import ALPHABETS, mean_states
from qa.support_words import NO_NAMES, known_names

TEXTS_CACHED = 512  # sentences, 100 kB each when their words were looked at
WORDS_CACHED = 8_192
PAIRS_CACHED = 65_536
JOINED = re.compile(r"[ \-‑–'’.]{1,2}")  # between the words of one name
KEY_CHARS = 3  # shorter keys are shared by chance
LONG_KEY_CHARS = 4  # keys so long may be those of words in lower case, and differ in a letter
NEARLY = 0.88
BEGINNING_CHARS = 5  # of a stem: «росси» of «Россия» and «российский»
HEARD = 2.0  # most log odds of a word: "President" is not to outweigh a wrong name behind it
SAME_ALPHABET = -4.5  # added to log odds by meaning where sound should have found the word
ROMAN = re.compile(r"[IVXLC]+")
SENTENCE_END = re.compile(r"[.!?…:][»”\"')]*\s*[«“\"'(]*$")


class Name(NamedTuple):
    """A name in a text: its words, and whether it opens a sentence with a single word, which may be no name."""

    words: tuple[Span, ...]
    opens: bool

    @property
    def start(self) -> int:
        """First character."""
        return self.words[0].start

    @property
    def end(self) -> int:
        """Character after the last one."""
        return self.words[-1].end


@lru_cache(maxsize=WORDS_CACHED)
def names_of(text: str) -> tuple[Name, ...]:
    """Runs of capitalised words that are no stop words, months, weekdays, titles or Roman numerals, in order."""
    runs: list[list[Span]] = []
    for match in WORD.finditer(text):
        if not _is_name(match[0]):
            continue
        if runs and JOINED.fullmatch(text[runs[-1][-1].end : match.start()]):
            runs[-1].append(Span(*match.span()))
        else:
            runs.append([Span(*match.span())])
    return tuple(Name(tuple(run), len(run) == 1 and _opens(text[: run[0].start])) for run in runs)


def _is_name(word: str) -> bool:
    folded = fold(word)
    plain = is_stop_word(folded) and not (word.isupper() and len(word) > 1)
    return word[0].isupper() and len(word) > 1 and not (plain or folded in NO_NAMES or ROMAN.fullmatch(word))


def _opens(before: str) -> bool:
    return not any(map(str.isalnum, before)) or SENTENCE_END.search(before) is not None


class Weights(NamedTuple):
    """By what a word of a name that its sound does not give away is judged: a logistic regression; see `Features`."""

    bias: float
    in_claim: float
    alone: float
    loss: float


WEIGHTS = Weights(-7.1, 7.9, 11.7, 79.0)


class Features(NamedTuple):
    """What speaks for a word of a claim's name standing in a passage, in the order of `Weights`.

    Attributes:
        in_claim: highest cosine of its state in the claim with the state of a word of the passage.
        alone: the same for its state in the name alone, which knows nothing of the claim's other words.
        loss: by how much the nearest sentence's cosine with the claim falls when the name is taken out of the claim.
    """

    in_claim: float
    alone: float
    loss: float

    def score(self, weights: Weights) -> float:
        """Log odds that it stands there."""
        return weights.bias + sum(weight * value for weight, value in zip(weights[1:], self, strict=True))


class _Words(NamedTuple):
    """The words of a passage's sentences: states, (n_words, width), the sentence of each, and most words' alphabet."""

    states: Vectors
    sentences: npt.NDArray[np.int64]
    alphabet: Alphabet


class _Heard(NamedTuple):
    """What a sentence holds by its sound: keys of names and of other words, beginnings of all, rows of the table.

    Beginnings are those of stems.
    """

    names: frozenset[str]
    others: frozenset[str]
    beginnings: frozenset[str]
    known: frozenset[int]


class NameFinder:
    """Looks for the names of claims in passages. Safe between threads.

    Args:
        model: sees words in their context; one that cannot tell words leaves names to their sound alone, and those
            that are not found so pass.
        weights: how a word that is not found by its sound is judged.
    """

    def __init__(self, model: EmbeddingModel, weights: Weights = WEIGHTS) -> None:
        self._model = model
        self.weights = weights
        self._words_of = lru_cache(maxsize=TEXTS_CACHED)(self._words_now)
        self._means = lru_cache(maxsize=1)(lambda: mean_states(model))

    def in_claim(self, claim: str, encoding: Encoding) -> "ClaimNames":
        """The names of a claim, to be looked for in passages; `encoding` is the claim's as a passage."""
        return ClaimNames(self, claim, encoding)

    def encode(self, texts: Sequence[str]) -> list[Encoding]:
        """Texts as passages."""
        return self._model.encode_passages(texts)

    def centred(self, text: str, encoding: Encoding) -> Vectors:
        """The states of all words of a text, less what those of their alphabet have in common; unit length."""
        common = self._means()[[ALPHABETS.index(alphabet(text[start:end])) for start, end in encoding.words]]
        states = encoding.word_vectors - common
        lengths = np.linalg.norm(states, axis=1, keepdims=True)
        return np.asarray(states / np.maximum(lengths, 1e-12), np.float32)

    def is_surely_name(self, word: str) -> bool:
        """Whether a capitalised word is a name wherever it stands.

        Abbreviations are, and what the model's tokenizer cuts into more pieces in lower case: it has seen the word with
        its capital more often.
        """
        if word.isupper():
            return True
        small, own = self._model.count_tokens([word.lower(), word])
        return small > own

    def words_of(self, sentences: tuple[str, ...]) -> _Words:
        """The words of a passage's sentences."""
        return self._words_of(sentences)

    def _words_now(self, sentences: tuple[str, ...]) -> _Words:
        encodings = self._model.encode_passages(sentences)
        states = [self.centred(text, encoding) for text, encoding in zip(sentences, encodings, strict=True)]
        places = np.repeat(np.arange(len(states)), [len(rows) for rows in states])
        language = question_language(" ".join(sentences))
        return _Words(np.concatenate(states), places, "cyrillic" if language == "ru" else "other")


class Looked(NamedTuple):
    """A word of a claim's name, looked for in a passage.

    Attributes:
        heard: the sentences that hold it by its sound or by the table.
        features: what else speaks for it, where no sentence does; None for a word that the model does not tell.
        sentence: where the word is that is nearest to it by them.
        same_alphabet: whether the passage is written as the word is.
    """

    heard: frozenset[int]
    features: Features | None = None
    sentence: int = 0
    same_alphabet: bool = False

    def score(self, weights: Weights) -> float:
        """Log odds that the passage holds it."""
        if self.heard:
            return HEARD
        if self.features is None:
            return 0.0
        return min(HEARD, self.features.score(weights) + SAME_ALPHABET * self.same_alphabet)


class ClaimNames:
    """The names of one claim. What costs a pass of the model is done when a passage first asks for it.

    Attributes:
        names: in order.
        vector: of the claim, (dim,).
    """

    def __init__(self, finder: NameFinder, claim: str, encoding: Encoding) -> None:
        self.names = [
            name for name in names_of(claim) if not name.opens or finder.is_surely_name(claim[name.start : name.end])
        ]
        self._finder = finder
        self._claim = claim
        self.vector = encoding.vector
        self._states = _by_start(finder, claim, encoding)
        self._alone: dict[Name, dict[int, Vectors]] = {}
        self._without: dict[Name, Vectors] = {}

    def places(self, sentences: tuple[str, ...], nearest: Vectors) -> list[frozenset[int]]:
        """For each name the sentences that hold it; none where the passage does not hold it.

        Args:
            sentences: of the passage, and its title.
            nearest: the vector of the sentence that is nearest to the claim, (dim,).
        """
        weights = self._finder.weights
        found = []
        for words in self.look(sentences, nearest).values():
            evidence = sum(word.score(weights) for word in words) / len(words)
            held = frozenset().union(*(word.heard or {word.sentence} for word in words))
            found.append(held if evidence >= 0 else frozenset())
        return found

    def look(self, sentences: tuple[str, ...], nearest: Vectors) -> dict[Name, list[Looked]]:
        """The words of each name, looked for in a passage; arguments as of `places`."""
        heard = [_heard(sentence) for sentence in sentences]
        by_sound = {name: [self._sounds(span, heard) for span in name.words] for name in self.names}
        self._prepare([name for name, words in by_sound.items() if not all(words)])
        return {
            name: [
                Looked(at) if at else self._look(name, span, heard, self._finder.words_of(sentences), nearest)
                for span, at in zip(name.words, words, strict=True)
            ]
            for name, words in by_sound.items()
        }

    def _sounds(self, span: Span, heard: Sequence[_Heard]) -> frozenset[int]:
        word = self._claim[span.start : span.end]
        own = _heard(word)
        keys = [key for key in own.names if len(key) >= KEY_CHARS]
        rows = {row for start, end, row in known_names(self._claim) if start <= span.start and span.end <= end}
        return frozenset(
            at
            for at, one in enumerate(heard)
            if rows & one.known or own.beginnings & one.beginnings or any(_sounds_in(key, one) for key in keys)
        )

    def _prepare(self, names: Sequence[Name]) -> None:
        """Embed names alone, and the claim without each of them."""
        names = [name for name in names if name not in self._alone]
        if not names:
            return
        alone = [self._claim[name.start : name.end] for name in names]
        without = [self._claim[: name.start] + self._claim[name.end :] for name in names]
        encodings = self._finder.encode([*alone, *without])
        for at, name in enumerate(names):
            self._alone[name] = _by_start(self._finder, alone[at], encodings[at])
            self._without[name] = encodings[len(names) + at].vector

    def _look(self, name: Name, span: Span, heard: Sequence[_Heard], words: _Words, nearest: Vectors) -> Looked:
        in_claim, alone = self._states.get(span.start), self._alone[name].get(span.start - name.start)
        if in_claim is None or alone is None or not len(words.states):
            return Looked(frozenset())
        cosines, others = words.states @ in_claim, words.states @ alone
        word = self._claim[span.start : span.end]
        loss = float(nearest @ self.vector) - float(nearest @ self._without[name])
        features = Features(float(cosines.max()), float(others.max()), loss)
        return Looked(
            frozenset(),
            features,
            int(words.sentences[(cosines + others).argmax()]),
            words.alphabet == alphabet(word),
        )


def _sounds_in(key: str, sentence: _Heard) -> bool:
    """Whether a sentence holds the key of a name, or of a long one nearly so."""
    if key in sentence.names or (len(key) >= LONG_KEY_CHARS and key in sentence.others):
        return True
    return len(key) >= LONG_KEY_CHARS and any(_is_nearly(key, other) for other in sentence.names)


@lru_cache(maxsize=PAIRS_CACHED)
def _is_nearly(key: str, other: str) -> bool:
    return SequenceMatcher(None, key, other, autojunk=False).ratio() >= NEARLY


@lru_cache(maxsize=WORDS_CACHED)
def _heard(text: str) -> _Heard:
    words = [match[0] for match in WORD.finditer(text) if not is_stop_word(fold(match[0]))]
    names = {key for word in words if word[0].isupper() for key in name_keys(word)}
    others = {key for word in words if not word[0].isupper() for key in name_keys(word.capitalize())}
    beginnings = {stem(fold(word))[:BEGINNING_CHARS] for word in words if len(word) >= BEGINNING_CHARS}
    known = frozenset(row for _, _, row in known_names(text))
    return _Heard(frozenset(names), frozenset(others), frozenset(beginnings), known)


def _by_start(finder: NameFinder, text: str, encoding: Encoding) -> dict[int, Vectors]:
    """The state of each word of a text, (width,), by the character where it begins."""
    states = finder.centred(text, encoding)
    return {start: row for (start, _), row in zip(encoding.words, states, strict=True)}
