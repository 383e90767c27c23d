"""`python -m qa.weights`: the numbers of index/fusion.py are derived, and judged on what they were not derived from."""

import json
from pathlib import Path

import numpy as np
import pytest

from fakes import HashedWordsModel
from index.settings import IndexSettings
from qa.evaluate import load_collection, throw_away_index
from qa.weights import Legs, Tops, best_weight, legs_of, logistic, report, tops_of

MATTERS = ["мост", "порт", "школа", "завод", "театр", "рынок", "вокзал", "музей", "парк", "стадион", "суд", "банк"]


def legs(dense: list[list[float]], shares: list[list[float]], right: list[int]) -> Legs:
    n_chunks = len(dense[0])
    cross = np.zeros(len(right), np.bool_)
    return Legs(np.array(dense), np.array(shares), np.array(shares), np.arange(n_chunks), np.array(right), cross)


def test_ties_count_against_the_right_paragraph() -> None:
    asked = legs([[0.5, 0.5, 0.1], [0.2, 0.9, 0.1]], [[0.0] * 3] * 2, [0, 1])
    assert asked.ranks(asked.dense).tolist() == [2, 1]


def test_best_chunk_of_a_paragraph_counts() -> None:
    two_of_one = Legs(
        dense=np.array([[0.1, 0.7, 0.6]]),
        shares=np.zeros((1, 3)),
        names=np.zeros((1, 3)),
        paragraphs=np.array([0, 0, 1]),
        right=np.array([0]),
        is_cross=np.array([False]),
    )
    assert two_of_one.by_paragraph(two_of_one.dense).tolist() == [[0.7, 0.6]]


def test_weight_is_the_one_that_ranks_best() -> None:
    asked = legs([[1.0, 1.1], [1.0, 1.2]], [[0.5, 0.0], [0.0, 0.0]], [0, 1])
    assert best_weight([(asked, np.array([True, True]))]) == 0.25  # 0.2 * 0.5 is a tie, which counts against it


def test_unanswerable_questions_are_made_by_taking_paragraphs_out() -> None:
    asked = legs([[0.9, 0.8, 0.7, 0.1]], [[0.0] * 4], [0])
    articles = np.array([0, 0, 1, 1])
    found = {kind: tops_of(asked, 0.0, kind, articles) for kind in ("answerable", "near", "far")}
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
            asked = legs_of(collection, generation, places, hashed_words)
    lines = report({"dev": collection}, {"dev": asked})
    assert asked.dense.shape == (12, 24)
    assert "dev, keywords alone: R@1 1.000  R@5 1.000  MRR 1.000" in lines
    assert sum(line.startswith("dev, fused: ") for line in lines) == 2
    assert any(line.startswith("SLOPE ") for line in lines)
    assert [line.split(":")[0] for line in lines if "below" in line] == [
        "dev, answerable",
        "dev, far",
        "dev, near",
    ]
