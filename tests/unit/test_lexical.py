"""The keyword leg against BM25 computed from its formula, and through its files."""

import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from index.errors import IndexDamagedError
from index.lexical import K1, B, LexicalIndex, LexicalWriter
from index.records import Chunk
from index.text import terms

TEXTS = [
    "В порт пришли два судна с зерном. Суда разгрузили за ночь.",
    "Мост закрыли на ремонт, движение пустили в объезд.",
    "На ремонт моста и порта выделили 1 000 рублей.",
    "Grain prices fell in the port.",
]


def chunks(texts: list[str]) -> list[Chunk]:
    return [Chunk(f"{number:016x}", 0, len(text), text) for number, text in enumerate(texts)]


@pytest.fixture
def lexical(tmp_path: Path) -> LexicalIndex:
    writer = LexicalWriter()
    writer.add(chunks(TEXTS)[:2])
    writer.add(chunks(TEXTS)[2:])
    writer.save(tmp_path / "lexical")
    return LexicalIndex(tmp_path / "lexical")


def share(query: str, text: str) -> float:
    """BM25 (Lucene's form without k1 + 1) over the query's whole weight, written out from the formula."""
    documents = [Counter(terms(other)) for other in TEXTS]
    average = sum(sum(document.values()) for document in documents) / len(documents)

    def weight(term: str) -> float:
        n = sum(term in document for document in documents)
        return math.log(1 + (len(documents) - n + 0.5) / (n + 0.5))

    document = Counter(terms(text))
    length = sum(document.values())
    asked = set(terms(query))
    score = sum(
        weight(term) * document[term] / (document[term] + K1 * (1 - B + B * length / average)) for term in asked
    )
    return score / sum(map(weight, asked))


@pytest.mark.parametrize(
    "query", ["ремонт моста", "суда с зерном в порту", "зерно и самолёт", "grain port зерно", "1000"]
)
def test_scores_are_those_of_the_formula(lexical: LexicalIndex, query: str) -> None:
    expected = [share(query, text) for text in TEXTS]
    np.testing.assert_allclose(lexical.scores(query), expected, rtol=1e-5)
    assert max(expected) > 0


def test_scores_stay_within_0_and_1(lexical: LexicalIndex) -> None:
    for query in (*TEXTS, "ремонт " * 50):
        scores = lexical.scores(query)
        assert scores.min() >= 0
        assert scores.max() < 1


@pytest.mark.parametrize("query", ["", "???", "что это было", "неведомое"])
def test_query_without_known_words_scores_0(lexical: LexicalIndex, query: str) -> None:
    assert lexical.scores(query).tolist() == [0.0] * 4


def test_unknown_words_lower_the_share(lexical: LexicalIndex) -> None:
    assert lexical.scores("ремонт").max() > lexical.scores("ремонт неведомой штуковины").max() > 0


def test_rows_are_in_the_order_of_adding(lexical: LexicalIndex) -> None:
    assert lexical.ids_of([3, 0]) == [chunks(TEXTS)[3].chunk_id, chunks(TEXTS)[0].chunk_id]
    mask = lexical.rows_of([chunks(TEXTS)[2].article_id, "f" * 16])
    assert mask.tolist() == [False, False, True, False]
    assert lexical.rows_of([]).tolist() == [False] * 4


def test_texts_without_a_single_word(tmp_path: Path) -> None:
    writer = LexicalWriter()
    writer.add(chunks(["…", "!!!"]))
    writer.save(tmp_path / "lexical")
    assert LexicalIndex(tmp_path / "lexical").scores("мост").tolist() == [0.0, 0.0]


@pytest.mark.parametrize("name", ["chunk_ids.npy", "vocab.index.json", "data.csc.index.npy", "params.index.json"])
@pytest.mark.parametrize("content", [None, b"", b"not it"])
def test_damaged_files_are_told(lexical: LexicalIndex, tmp_path: Path, name: str, content: bytes | None) -> None:
    path = tmp_path / "lexical" / name
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(IndexDamagedError, match="otvet index"):
        LexicalIndex(tmp_path / "lexical")
