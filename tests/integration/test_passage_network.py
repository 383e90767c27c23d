"""Passages through the fast network: near to the exact vectors, in order, whatever they are run with and wherever."""

import platform
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from index import bundled, bundled_model
from index.bundled_model import BundledModel, _runs
from index.embedding import SentenceTransformerModel
from index.machine import bytes_are_exact
from index.sentences import Span
from index.text import WORD
from places import CACHE_DIR

PASSAGES = [
    "Портовая управа сообщила, что ночью у третьего причала встали два сухогруза с ячменём из Новороссийска.",
    "Вчера вечером в депо загорелся вагон. Пожар потушили за сорок минут, никто не пострадал; причину выясняют.",
    "Завод «Прибой» к 2031 году обещает выпускать 1 200 лодок в год, то есть втрое больше нынешнего.",
    "Музей открыл выставку часов: здесь и карманные, и башенные, и одни солнечные. Билет стоит 300 рублей.",
    "The council voted nine to four to rebuild the old ferry bridge, which had been closed since the spring floods.",
    "A baker from the north of the town has baked the same rye loaf each morning for forty-one years.",
    "Researchers counted fewer swallows this summer than last; the drought, they say, left too few insects.",
    "Tickets for the night train go on sale on Monday at eight, and at the stations an hour later.",
    "Врач",
    "Да. Нет! Когда?",
]


@pytest.fixture(scope="module")
def torch_model() -> SentenceTransformer:
    """The same weights in torch and float32."""
    return SentenceTransformer(str(bundled.bundled_model_path(CACHE_DIR)), local_files_only=True)


def test_vectors_are_near_to_those_of_torch(model: BundledModel, torch_model: SentenceTransformer) -> None:
    exact = np.asarray(torch_model.encode_document(PASSAGES))
    cosines = np.sum(model.encode_documents(PASSAGES) * exact, axis=1)
    assert cosines.mean() > 0.998
    assert cosines.min() > 0.995
    assert not bytes_are_exact() or cosines.max() < 0.99999, "the exact network was run"


def test_words_are_near_to_those_of_torch(model: BundledModel, torch_model: SentenceTransformer) -> None:
    exact = SentenceTransformerModel(torch_model, name="torch").encode_passages(PASSAGES)
    for ours, theirs in zip(model.encode_passages(PASSAGES), exact, strict=True):
        assert ours.words == theirs.words
        lengths = np.linalg.norm(ours.word_vectors, axis=1) * np.linalg.norm(theirs.word_vectors, axis=1)
        assert (np.sum(ours.word_vectors * theirs.word_vectors, axis=1) / lengths).min() > 0.98


def test_a_processor_without_vnni_runs_the_exact_network(
    torch_model: SentenceTransformer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundled_model, "bytes_are_exact", lambda: False)
    folder = bundled.bundled_model_path(CACHE_DIR)
    slow = BundledModel(folder)
    exact = np.asarray(torch_model.encode_document(PASSAGES))
    np.testing.assert_allclose(slow.encode_documents(PASSAGES), exact, atol=1e-5)


@pytest.mark.parametrize(
    ("machine", "flags", "exact"),
    [
        ("x86_64", "flags\t\t: fpu avx2 avx512f avx512_vnni\n", True),
        ("x86_64", "flags\t\t: fpu avx2 avx_vnni fma\n", True),
        ("x86_64", "flags\t\t: fpu avx2 avx512f\n", False),
        ("AMD64", None, False),
        ("arm64", None, True),
        ("aarch64", "Features\t: fp asimd\n", True),
    ],
)
def test_processors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, machine: str, flags: str | None, exact: bool
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    if flags is not None:
        (tmp_path / "cpuinfo").write_text(flags)
    assert bytes_are_exact(tmp_path / "cpuinfo") is exact


def test_order_is_that_of_the_texts_and_company_changes_nothing(model: BundledModel) -> None:
    alone = {text: model.encode_passages([text])[0] for text in PASSAGES}
    many = PASSAGES * 4
    random.Random(3).shuffle(many)
    for text, found in zip(many, model.encode_passages(many), strict=True):
        np.testing.assert_allclose(found.vector, alone[text].vector, atol=1e-3)
        assert found.words == alone[text].words
        assert [text[start:end] for start, end in found.words] == WORD.findall(text)


def test_odd_texts(model: BundledModel) -> None:
    texts = ["", "?", "…—!?;", "   ", "7", "рожь", "\n\t"]
    for text, found in zip(texts, model.encode_passages(texts), strict=True):
        assert float(np.linalg.norm(found.vector)) == pytest.approx(1, abs=1e-5)
        assert found.words == ((Span(0, 4),) if text == "рожь" else ())
        assert found.word_vectors.shape == (len(found.words), 384)
    assert model.encode_passages([]) == []
    assert model.encode_documents([]).shape == (0, 384)


def test_a_long_text_is_read_to_the_limit(model: BundledModel, torch_model: SentenceTransformer) -> None:
    long = "Урожай ржи убрали до дождей. " * 400
    exact: Any = SentenceTransformerModel(torch_model, name="torch").encode_passages([long])[0]
    found = model.encode_passages([long])[0]
    assert model.count_tokens([long])[0] > 1000
    assert found.words == exact.words
    assert float(found.vector @ exact.vector) > 0.998


def test_threads_do_not_disturb_one_another(model: BundledModel) -> None:
    """Passages, queries and counts at once, long and short, are as alone."""
    long = " ".join(PASSAGES) * 8
    passages = model.encode_documents([*PASSAGES, long])
    queries = {text: model.encode_query(text).vector for text in [*PASSAGES, long]}
    counts = model.count_tokens([*PASSAGES, long])

    def one(number: int) -> None:
        if number % 3 == 0:
            found = np.array([each.vector for each in model.encode_passages([*PASSAGES, long])])
            np.testing.assert_allclose(found, passages, atol=1e-3)
        elif number % 3 == 1:
            for text, vector in queries.items():
                np.testing.assert_allclose(model.encode_query(text).vector, vector, atol=1e-5)
        else:
            assert model.count_tokens([*PASSAGES, long]) == counts

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(one, range(18)))


def test_threads_of_any_other_model_do_not_disturb_one_another(torch_model: SentenceTransformer) -> None:
    plain = SentenceTransformerModel(torch_model, name="plain")
    expected = [one.words for one in plain.encode_passages(PASSAGES)]
    with ThreadPoolExecutor(4) as pool:
        found = [pool.submit(plain.encode_passages, PASSAGES) for _ in range(4)]
        counts = [pool.submit(plain.count_tokens, PASSAGES) for _ in range(8)]
        assert all([one.words for one in done.result()] == expected for done in found)
        assert len({tuple(done.result()) for done in counts}) == 1


def test_runs_are_of_one_length_and_hold_each_text_once() -> None:
    lengths = [7, 300, 7, 512, 300, 7, 20]
    runs = _runs(lengths)
    assert sorted(row for rows in runs for row in rows) == list(range(len(lengths)))
    assert all(len({lengths[row] for row in rows}) == 1 for rows in runs)
    assert [lengths[rows[0]] for rows in runs] == [512, 300, 300, 20, 7]
    assert _runs([]) == []
    assert [len(rows) for rows in _runs([100] * 12)] == [5, 5, 2]
