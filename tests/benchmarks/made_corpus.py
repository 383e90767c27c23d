"""A corpus of any size out of the sentences of a few paragraphs, and a model that knows its vectors without embedding.

A made article is a mix of sentences of several paragraphs, with other numbers and here and there an invented word, so
that the vocabulary grows with the corpus as that of news does. Its vectors are made from those of its sentences.
"""

import json
import random
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

import numpy as np

from index.embedding import EmbeddingModel, Vectors
from index.encoding import Encoding
from index.making import make_article
from index.records import Filters
from index.sentences import Span, split_sentences

N_DAYS = 1000  # articles are spread over so many, so that ten days are 1 % of them
FIRST_DAY = date(2024, 1, 1)
FILTERS = {
    "no filter": Filters(),
    "1 % of dates": Filters(published_from=FIRST_DAY, published_to=FIRST_DAY + timedelta(9)),
    "10 % of dates": Filters(published_from=FIRST_DAY, published_to=FIRST_DAY + timedelta(99)),
    "50 % of dates": Filters(published_from=FIRST_DAY, published_to=FIRST_DAY + timedelta(499)),
    "publisher, 5 %": Filters(publisher="publisher-1"),
    "language, 90 %": Filters(language="ru"),
}
N_SENTENCES = (3, 6)  # of an article, at least and at most
INVENTED = 0.02  # of the words; gives 100,000 passages some 150,000 stems
NOISE = 0.005  # in each dimension of a vector; a copy has a cosine of 0.995 with its original
VARIABLE = re.compile(r"\d+|[^\W\d_]{5,}")
VOWELS, CONSONANTS = "аеиоуыя", "бвгдзклмнпрстфхчш"


class Bank:
    """The sentences that articles are made of, each once, with the number of its paragraph."""

    def __init__(self, paragraphs: Sequence[str]) -> None:
        texts = [make_article(text=paragraph, source="", language="ru").text for paragraph in paragraphs]  # as stored
        found = [(text[start:end], n) for n, text in enumerate(texts) for start, end in split_sentences(text)]
        mixable = [one for one in found if len(split_sentences(f"{one[0]} {one[0]}")) == 2]
        self.rows = {shape(text): row for row, (text, _) in enumerate(mixable)}
        self.sentences = [text for text, _ in mixable]
        self.paragraphs = [paragraph for _, paragraph in mixable]

    def write_articles(
        self, path: Path, n_articles: int, *, n_sentences: tuple[int, int] = N_SENTENCES, seed: int = 0
    ) -> None:
        """Make the articles, a JSONL row each, of so many sentences; the same ones every time."""
        rng = random.Random(seed)
        with path.open("w", encoding="utf-8") as file:
            for n in range(n_articles):
                sentences = rng.sample(self.sentences, rng.randint(*n_sentences))
                article = {
                    "title": f"{n}: {sentences[0][:60]}",
                    "text": " ".join(_varied(sentence, rng) for sentence in sentences),
                    "published_at": (FIRST_DAY + timedelta(n % N_DAYS)).isoformat(),
                    "publisher": f"publisher-{rng.randrange(20)}",
                    "language": "en" if rng.random() < 0.1 else "ru",
                }
                file.write(json.dumps(article, ensure_ascii=False) + "\n")


class MadeModel:
    """An `EmbeddingModel`: a real one for queries and tokens, made vectors for the sentences of a `Bank`.

    A passage is as far from the middle of all as a real one is: deviations are added and divided by the root of their
    number, as their mean would draw all passages together. An invented word has a state of its own, like no other's.

    Attributes:
        seconds: spent on vectors so far.
        n_embedded: sentences that were not in the bank and had to be embedded.
    """

    def __init__(self, real: EmbeddingModel, bank: Bank, paragraphs: Sequence[str]) -> None:
        self.name, self.checksum, self.dim, self.max_tokens = real.name, real.checksum, real.dim, real.max_tokens
        self.encode_query, self.count_tokens = real.encode_query, real.count_tokens
        self.seconds, self.n_embedded = 0.0, 0
        self._real, self._bank = real, bank
        self._encodings = real.encode_passages(bank.sentences)
        sentences, passages = np.array([one.vector for one in self._encodings]), real.encode_documents(paragraphs)
        self._middle, self._deviations = passages.mean(axis=0), sentences - sentences.mean(axis=0)
        self._of_paragraphs = passages - self._middle
        states = np.concatenate([one.word_vectors for one in self._encodings])
        self._state_mean, self._state_spread = states.mean(axis=0), states.std(axis=0)
        self._rng = np.random.default_rng(0)

    def encode_documents(self, texts: Sequence[str]) -> Vectors:
        with self._clock():
            return np.array([self._passage(text) for text in texts], np.float32)

    def encode_passages(self, texts: Sequence[str]) -> list[Encoding]:
        with self._clock():
            return [self._sentence(text) if shape(text) in self._bank.rows else self._whole(text) for text in texts]

    def _whole(self, text: str) -> Encoding:
        """A passage: its words are those of its sentences."""
        spans = split_sentences(text)
        parts = [self._sentence(text[start:end]) for start, end in spans]
        words = [
            Span(span.start + start, span.start + end)
            for span, part in zip(spans, parts, strict=True)
            for start, end in part.words
        ]
        return Encoding(self._passage(text), tuple(words), np.concatenate([part.word_vectors for part in parts]))

    def _passage(self, text: str) -> Vectors:
        rows = [self._bank.rows.get(shape(text[start:end])) for start, end in split_sentences(text)]
        known = [row for row in rows if row is not None]
        if not known:
            return self._real.encode_documents([text])[0]
        parts = [self._of_paragraphs[self._bank.paragraphs[known[0]]], *self._deviations[known]]
        return self._noisy(self._middle + np.sum(parts, axis=0) / len(parts) ** 0.5)

    def _sentence(self, text: str) -> Encoding:
        row = self._bank.rows.get(shape(text))
        if row is None:
            self.n_embedded += 1
            return self._real.encode_passages([text])[0]
        original, copied = self._bank.sentences[row], self._encodings[row]
        invented = [n for n, (start, end) in enumerate(copied.words) if text[start:end] != original[start:end]]
        states = copied.word_vectors
        if invented:
            states = states.copy()
            random_states = self._rng.standard_normal((len(invented), states.shape[1]), np.float32)
            states[invented] = self._state_mean + self._state_spread * random_states
        return Encoding(self._noisy(copied.vector), copied.words, states)

    def _noisy(self, vector: Vectors) -> Vectors:
        noisy = vector + NOISE * self._rng.standard_normal(self.dim, np.float32)
        return noisy / np.linalg.norm(noisy)

    @contextmanager
    def _clock(self) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.seconds += time.perf_counter() - started


def shape(text: str) -> str:
    """What a sentence and its variations have in common: the lengths of its words and all between them."""
    return re.sub(r"\w", "x", text)


def _varied(sentence: str, rng: random.Random) -> str:
    """The sentence with other numbers and a few invented words, all as long as before."""

    def other(match: re.Match[str]) -> str:
        if match[0].isdecimal():
            return "".join(rng.choice("123456789") for _ in match[0])
        return _invented(match[0], rng) if rng.random() < INVENTED else match[0]

    return VARIABLE.sub(other, sentence)


def _invented(word: str, rng: random.Random) -> str:
    letters = [rng.choice(VOWELS if n % 2 else CONSONANTS) for n in range(len(word))]
    return "".join(letters).capitalize() if word[0].isupper() else "".join(letters)
