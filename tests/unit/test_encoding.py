"""Words out of tokens, beside a plain loop over words."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from index.encoding import Offsets, encoding_of
from index.sentences import Span
from index.text import WORD


def plainly(text: str, states: np.ndarray, tokens: Offsets, shift: int) -> tuple[list[Span], list[np.ndarray]]:
    """For each word the mean over the tokens that share a character with it."""
    words, vectors = [], []
    for match in WORD.finditer(text):
        start, end = match.start() + shift, match.end() + shift
        own = [row for row, (a, b) in enumerate(tokens) if max(a, start) < min(b, end)]
        if own:
            words.append(Span(*match.span()))
            vectors.append(states[own].mean(axis=0))
    return words, vectors


@given(
    text=st.text("аб1 -", max_size=30),
    cuts=st.lists(st.integers(0, 33), max_size=12, unique=True),
    shift=st.integers(0, 3),
    seed=st.integers(0, 99),
)
def test_words_are_the_means_of_their_tokens(text: str, cuts: list[int], shift: int, seed: int) -> None:
    """Whatever characters tokens cover, in order, between the two special ones."""
    edges = sorted(cuts)
    inner = [(a, b) for a, b in zip(edges, edges[1:], strict=False) if (a + seed) % 5]
    tokens = np.array([(0, 0), *inner, (0, 0)], np.int64)
    states = np.random.default_rng(seed).standard_normal((len(tokens), 3), np.float32)
    found = encoding_of(text, np.ones(3, np.float32), states, tokens, shift=shift)
    words, vectors = plainly(text, states, tokens, shift)
    assert list(found.words) == words
    assert found.word_vectors.dtype == np.float32
    np.testing.assert_allclose(found.word_vectors, np.reshape(vectors, (len(words), 3)), atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(found.vector), 1, atol=1e-6)


def test_a_model_that_cannot_tell_where_tokens_are_has_no_words() -> None:
    states = np.ones((4, 3), np.float32)
    found = encoding_of("рожь", states[0], states, np.empty((0, 2), np.int64), shift=0)
    assert found.words == ()
    assert found.word_vectors.shape == (0, 3)
