"""Chunks: exact offsets, the size limit, and where they end."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from index.chunking import CountTokens, chunk_article
from index.records import Article, Chunk
from index.sentences import split_sentences

OVERHEAD = 3  # as prompt and special tokens


def count_words(texts: Sequence[str]) -> list[int]:
    return [len(text.split()) + OVERHEAD for text in texts]


def count_letters(texts: Sequence[str]) -> list[int]:
    """Like a model that knows no words: four letters a token, white space for nothing."""
    return [-(-len("".join(text.split())) // 4) + OVERHEAD for text in texts]


def count_jumps(texts: Sequence[str]) -> list[int]:
    """Not additive: two texts joined hold more tokens than the two."""
    return [len(text.split()) + len(text.split()) // 5 + OVERHEAD for text in texts]


def article_of(text: str) -> Article:
    return Article("0123456789abcdef", "Мост", text, None, None, None, (), "ru", "a.txt")


def chunks_of(text: str, *, max_tokens: int, count_tokens: CountTokens = count_words) -> list[Chunk]:
    return chunk_article(article_of(text), count_tokens=count_tokens, max_tokens=max_tokens)


def texts_of(text: str, *, max_tokens: int, count_tokens: CountTokens = count_words) -> list[str]:
    return [chunk.text for chunk in chunks_of(text, max_tokens=max_tokens, count_tokens=count_tokens)]


def sentence(n_words: int, first: str = "Слово") -> str:
    return " ".join([first] + ["слово"] * (n_words - 1)) + "."


WORDY = st.lists(
    st.sampled_from(
        ["Лодка", "плывёт", "т. д.", "тихо.", "«Да.", "Нет!»", "—", "5", "г.", ",", "\n", "\n\n", "x" * 40]
    ),
    min_size=1,
    max_size=120,
).map(" ".join)


@settings(deadline=None, max_examples=300)
@given(
    text=st.text(min_size=1) | WORDY,
    max_tokens=st.integers(OVERHEAD + 1, 40),
    count_tokens=st.sampled_from([count_words, count_letters, count_jumps]),
)
def test_offsets_slice_back_nothing_is_lost_nothing_is_too_long(
    text: str, max_tokens: int, count_tokens: CountTokens
) -> None:
    assume(text.strip())
    chunks = chunks_of(text, max_tokens=max_tokens, count_tokens=count_tokens)
    end_before = 0
    for chunk in chunks:
        assert text[chunk.start : chunk.end] == chunk.text == chunk.text.strip()
        assert end_before <= chunk.start
        assert not text[end_before : chunk.start].strip()
        assert count_tokens([chunk.text])[0] <= max_tokens
        assert chunk.article_id == "0123456789abcdef"
        end_before = chunk.end
    assert not text[end_before:].strip()


@settings(deadline=None, max_examples=100)
@given(
    sizes=st.lists(st.integers(1, 12), min_size=1, max_size=30),
    breaks=st.lists(st.sampled_from([" ", "\n", "\n\n"]), min_size=30, max_size=30),
    max_tokens=st.integers(15, 40),
)
def test_sentences_that_fit_are_never_cut(sizes: list[int], breaks: list[str], max_tokens: int) -> None:
    text = "".join(sentence(size) + gap for size, gap in zip(sizes, breaks, strict=False)).strip()
    spans = split_sentences(text)
    assert len(spans) == len(sizes)
    chunks = chunks_of(text, max_tokens=max_tokens)
    assert {chunk.end for chunk in chunks} <= {span.end for span in spans}
    assert {chunk.start for chunk in chunks} <= {span.start for span in spans}
    for before, after in pairwise(chunks):  # a chunk is left half empty only where a sentence would not fit
        first_sentence = next(span for span in spans if span.start == after.start)
        n_both = count_words([text[before.start : first_sentence.end]])[0]
        n_before = count_words([before.text])[0] - OVERHEAD
        assert n_both > max_tokens or 2 * n_before >= max_tokens - OVERHEAD


def test_chunk_is_filled_to_the_last_token() -> None:
    text = " ".join(sentence(5) for _ in range(5))
    assert [count_words([chunk])[0] for chunk in texts_of(text, max_tokens=13)] == [13, 13, 8]
    assert [count_words([chunk])[0] for chunk in texts_of(text, max_tokens=12)] == [8] * 5
    assert texts_of(text, max_tokens=28) == [text]


class TestParagraphs:
    def test_from_half_on_a_paragraph_that_would_be_cut_opens_a_chunk(self) -> None:
        one, two = sentence(5), f"{sentence(3)} {sentence(3)}"
        assert texts_of(f"{one}\n\n{two}", max_tokens=10 + OVERHEAD) == [one, two]

    def test_below_half_it_does_not(self) -> None:
        one, two, three = sentence(4), sentence(4), sentence(4)
        assert texts_of(f"{one}\n\n{two} {three}", max_tokens=10 + OVERHEAD) == [f"{one}\n\n{two}", three]

    def test_paragraph_that_fits_whole_stays(self) -> None:
        text = f"{sentence(5)}\n\n{sentence(2)} {sentence(3)}"
        assert texts_of(text, max_tokens=10 + OVERHEAD) == [text]

    def test_without_the_break_the_same_sentences_fill_up(self) -> None:
        one, two, three = sentence(5), sentence(3), sentence(3)
        assert texts_of(f"{one} {two} {three}", max_tokens=10 + OVERHEAD) == [f"{one} {two}", three]


class TestLongSentence:
    def test_is_cut_at_a_clause_rather_than_at_a_comma(self) -> None:
        clause = "лодка плывёт по реке, и гребец поёт; рыба спит, рак сидит под камнем, чайка молчит"
        assert texts_of(clause, max_tokens=10 + OVERHEAD) == [
            "лодка плывёт по реке, и гребец поёт;",
            "рыба спит, рак сидит под камнем, чайка молчит",
        ]

    def test_is_cut_at_an_end_inside_a_quote_first(self) -> None:
        quote = "Он сказал: «Лодка плывёт. Рыба спит; чайка молчит, и всё тихо»."
        assert texts_of(quote, max_tokens=8 + OVERHEAD) == [
            "Он сказал: «Лодка плывёт.",
            "Рыба спит; чайка молчит, и всё тихо».",
        ]

    def test_is_cut_at_a_comma_then_at_a_space(self) -> None:
        assert texts_of("раз два три, четыре пять шесть семь", max_tokens=4 + OVERHEAD) == [
            "раз два три,",
            "четыре пять шесть семь",
        ]
        assert texts_of("раз два три четыре", max_tokens=2 + OVERHEAD) == ["раз два", "три четыре"]

    def test_seam_near_an_end_is_left_alone(self) -> None:
        text = "нет; раз два три четыре пять шесть семь восемь"
        assert texts_of(text, max_tokens=6 + OVERHEAD) == ["нет; раз два три четыре", "пять шесть семь восемь"]

    def test_its_parts_are_filled_up_with_what_follows(self) -> None:
        text = f"раз два три, четыре пять шесть семь. {sentence(1, 'Всё')}"
        assert texts_of(text, max_tokens=5 + OVERHEAD) == ["раз два три,", "четыре пять шесть семь. Всё."]


def test_one_word_of_5000_letters() -> None:
    word = "ы" * 5_000
    chunks = texts_of(f"Начало. {word} Конец.", max_tokens=64, count_tokens=count_letters)
    assert max(count_letters(chunks)) <= 64
    assert "".join(chunks).replace(" ", "") == f"Начало.{word}Конец."
    assert len(chunks) < 2 * 5_000 / (61 * 4) + 2  # halving leaves no chunk of a word below half a chunk


def test_one_character_is_never_cut_further() -> None:
    def count_too_many(texts: Sequence[str]) -> list[int]:
        return [100 for _ in texts]

    assert texts_of("да нет", max_tokens=5, count_tokens=count_too_many) == ["д", "а", "н", "е", "т"]


@pytest.mark.parametrize("text", ["Да", " \n Да.\t", "Да."])
def test_short_text_is_one_chunk_without_the_space_around(text: str) -> None:
    assert texts_of(text, max_tokens=10) == [text.strip()]


def test_same_text_same_chunks() -> None:
    text = "\n\n".join(f"{sentence(7)} {sentence(9)} {sentence(4)}" for _ in range(20))
    assert chunks_of(text, max_tokens=25) == chunks_of(text, max_tokens=25)


def test_long_blank_inside_a_long_sentence_is_no_burden() -> None:
    """With quadratic time this would take minutes."""
    words = "слово " * 100
    chunks = texts_of(f"{words}{' ' * 300_000}{words}", max_tokens=50)
    assert sum(len(chunk.split()) for chunk in chunks) == 200
