"""`python -m qa.weights`: the numbers of index/fusion.py are derived, and judged on what they were not derived from."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fakes import HashedWordsModel
from index.settings import IndexSettings
from qa.squad import load_collection
from qa.throw_away import throw_away_index
from qa.weights import LEGS, Asked, Tops, ask_all, best_weights, logistic, report, tops_of

MATTERS = ["мост", "порт", "школа", "завод", "театр", "рынок", "вокзал", "музей", "парк", "стадион", "суд", "банк"]


def asked_by(legs: list[list[list[float]]], right: list[int]) -> Asked:
    """Of questions over chunks that are a paragraph each; legs that are not given are 0."""
    values = np.zeros((len(legs), len(legs[0]), len(LEGS)))
    values[..., : len(legs[0][0])] = legs
    n_chunks = values.shape[1]
    cross = np.zeros(len(right), np.bool_)
    return Asked(values, values[..., 2], np.arange(n_chunks), np.array(right), cross)


def test_ties_count_against_the_right_paragraph() -> None:
    asked = asked_by([[[0.5], [0.5], [0.1]], [[0.2], [0.9], [0.1]]], [0, 1])
    assert asked.ranks(asked.legs[..., 0]).tolist() == [2, 1]


def test_best_chunk_of_a_paragraph_counts() -> None:
    asked = replace(asked_by([[[0.1], [0.7], [0.6]]], [0]), paragraphs=np.array([0, 0, 1]))
    assert asked.by_paragraph(asked.legs[..., 0]).tolist() == [[0.7, 0.6]]


def test_weights_are_those_that_made_the_data() -> None:
    """Right chunks are drawn by the softmax of known weights."""
    random = np.random.default_rng(7)
    known = np.array([4.0, 8.0, 2.0, 6.0])
    legs = random.uniform(0, 1, (20_000, 6, 4))
    right = np.argmax(legs @ known + random.gumbel(size=(20_000, 6)), axis=1)
    asked = Asked(legs, legs[..., 2], np.arange(6), right, np.zeros(20_000, np.bool_))
    found = best_weights([(asked, np.ones(20_000, np.bool_))])
    np.testing.assert_allclose(found, known / 4, rtol=0.08)


def test_unanswerable_questions_are_made_by_taking_paragraphs_out() -> None:
    asked = asked_by([[[0.9], [0.8], [0.7], [0.1]]], [0])
    articles = np.array([0, 0, 1, 1])
    found = {kind: tops_of(asked, np.eye(4)[0], kind, articles) for kind in ("answerable", "near", "far")}
    assert {kind: one.evidence.tolist() for kind, one in found.items()} == {
        "answerable": [0.9],
        "near": [0.8],
        "far": [0.7],
    }
    assert [one.is_right.tolist() for one in found.values()] == [[True], [False], [False]]


def test_logistic_finds_the_numbers_that_made_the_data() -> None:
    random = np.random.default_rng(7)
    evidence = random.uniform(1.4, 2.1, 40_000)
    cross = random.random(40_000) < 0.5
    likely = 1 / (1 + np.exp(-20 * (evidence - np.where(cross, 1.6, 1.8))))
    ones = np.ones(40_000, np.int64)
    tops = Tops(evidence, random.random(40_000) < likely, cross, ones, ones)
    slope, same, other = logistic([tops], np.ones(40_000, np.bool_))
    assert slope == pytest.approx(20, rel=0.05)
    assert (same, other) == pytest.approx((1.8, 1.6), abs=0.01)


def test_report_over_a_small_collection(
    tmp_path: Path, hashed_words: HashedWordsModel, index_settings: IndexSettings
) -> None:
    data = [
        {
            "paragraphs": [
                {
                    "context": f"В городе {n} открыли {matter} после долгого ремонта.",
                    "qas": [{"id": f"q{n}", "question": f"Где открыли {matter}?", "answers": []}],
                },
                {"context": f"Жители говорят, что {matter} им нравится.", "qas": []},
            ]
        }
        for n, matter in enumerate(MATTERS)
    ]
    path = tmp_path / "dev.json"
    path.write_text(json.dumps({"data": data}), "utf-8")
    collection = load_collection(path)
    with throw_away_index(collection, model=hashed_words, settings=index_settings) as (index, places):
        with index.lease() as generation:
            asked = ask_all(collection, generation, places, hashed_words)
    lines = report({"dev": collection}, {"dev": asked})
    assert asked.legs.shape == (12, 24, len(LEGS))
    assert "dev, share alone: R@1 1.000  R@5 1.000  MRR 1.000" in lines
    assert sum(line.startswith("dev, fused: ") for line in lines) == 2
    assert any(line.startswith("SLOPE ") for line in lines)
    assert [line.split(":")[0] for line in lines if "below" in line] == [
        "dev, answerable",
        "dev, far",
        "dev, near",
    ]
