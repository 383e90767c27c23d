"""A question is embedded once; what is kept of it is bounded and cannot be changed."""

from collections import Counter

import numpy as np
import pytest

from fakes import HashedWordsModel
from index.embedding import EmbeddingModel
from index.encoding import Encoding
from index.recent_queries import QUERIES_KEPT, RecentQueries

QUERY = "Сколько ржи собрали?"


class CountingModel(HashedWordsModel):
    """Counts how often each query is embedded; fails on those in `failing`."""

    def __init__(self) -> None:
        super().__init__()
        self.n_times: Counter[str] = Counter()
        self.failing: set[str] = set()

    def encode_query(self, text: str) -> Encoding:
        self.n_times[text] += 1
        if text in self.failing:
            raise OSError("the disk is gone")
        return super().encode_query(text)


@pytest.fixture
def counting() -> CountingModel:
    return CountingModel()


def test_a_query_is_embedded_once_and_as_the_model_does_it(counting: CountingModel) -> None:
    recent: EmbeddingModel = RecentQueries(counting)
    first, again = recent.encode_query(QUERY), recent.encode_query(QUERY)
    plain = HashedWordsModel().encode_query(QUERY)
    assert counting.n_times == {QUERY: 1}
    for found in (first, again):
        assert found.words == plain.words
        np.testing.assert_array_equal(found.vector, plain.vector)
        np.testing.assert_array_equal(found.word_vectors, plain.word_vectors)


def test_queries_that_differ_in_a_letter_are_two(counting: CountingModel) -> None:
    recent = RecentQueries(counting)
    assert recent.encode_query("рожь ").words == recent.encode_query("рожь").words
    assert recent.encode_query("Рожь 2").words == recent.encode_query("рожь").words
    assert counting.n_times == {"рожь ": 1, "рожь": 1, "Рожь 2": 1}


def test_nobody_can_change_what_others_are_given(counting: CountingModel) -> None:
    found = RecentQueries(counting).encode_query(QUERY)
    with pytest.raises(ValueError, match="read-only"):
        found.vector[0] = 1
    with pytest.raises(ValueError, match="read-only"):
        found.word_vectors[0] = 1


def test_the_oldest_are_let_go(counting: CountingModel) -> None:
    recent = RecentQueries(counting)
    for number in range(QUERIES_KEPT + 1):
        recent.encode_query(f"вопрос {number}")
    recent.encode_query(f"вопрос {QUERIES_KEPT}")
    recent.encode_query("вопрос 0")
    assert counting.n_times[f"вопрос {QUERIES_KEPT}"] == 1
    assert counting.n_times["вопрос 0"] == 2


def test_one_that_failed_is_tried_again(counting: CountingModel) -> None:
    recent = RecentQueries(counting)
    counting.failing = {QUERY}
    with pytest.raises(OSError, match="the disk is gone"):
        recent.encode_query(QUERY)
    counting.failing = set()
    assert recent.encode_query(QUERY).words


def test_all_else_is_the_models(counting: CountingModel) -> None:
    recent, texts = RecentQueries(counting), ["рожь", "пшеница и овёс"]
    assert (recent.name, recent.checksum, recent.dim, recent.max_tokens) == (
        counting.name,
        counting.checksum,
        counting.dim,
        counting.max_tokens,
    )
    np.testing.assert_array_equal(recent.encode_documents(texts), counting.encode_documents(texts))
    assert [one.words for one in recent.encode_passages(texts)] == [
        one.words for one in counting.encode_passages(texts)
    ]
    assert recent.count_tokens(texts) == counting.count_tokens(texts)
