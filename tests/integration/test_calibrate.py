"""`python -m qa.calibrate`: the gate is derived, and judged on what it was not derived from."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from fakes import HashedWordsModel
from index.settings import IndexSettings
from qa.calibrate import KINDS, SHOWN, Refused, RememberingModel, Told, askings, calibrate, fit, main, refused, tell
from qa.gate import FEATURES, Gate
from qa.squad import AskedQuestion, Collection, load_collection

MATTERS = ["мост", "порт", "школа", "завод", "театр", "рынок", "вокзал", "музей", "парк", "стадион", "суд", "банк"]


def made_up(n: int = 30_000, seed: int = 7) -> Told:
    """Questions of which the first feature tells nearly all, the second nothing, and others do not vary."""
    random = np.random.default_rng(seed)
    kinds = random.permutation(np.repeat(list(KINDS), n // 3))
    values = np.full((n, len(FEATURES)), 0.5)
    values[:, 0] = random.normal(np.select([kinds == "answerable", kinds == "near"], [0.8, 0.6], 0.5), 0.1)
    values[:, 1] = random.uniform(size=n)
    return Told(FEATURES, values, kinds, random.integers(0, 6, n))


def squad(path: Path) -> Path:
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
    path.write_text(json.dumps({"data": data}), "utf-8")
    return path


def test_every_question_is_asked_once_of_each_kind() -> None:
    asked = tuple(AskedQuestion(f"q{at}", "Где?", paragraph) for at, paragraph in enumerate([0, 1, 2, 4, 4]))
    collection = Collection(("а", "б", "в", "г", "д"), asked, (0, 0, 0, 1, 1))
    counts = {kind: np.zeros(5, np.int64) for kind in KINDS}
    for asking in askings(collection):
        counts[asking.kind] += asking.questions
        for question in np.array(collection.questions, object)[asking.questions]:
            held = np.flatnonzero(asking.paragraphs).tolist()
            own = {
                at
                for at, article in enumerate(collection.articles)
                if article == collection.articles[question.paragraph]
            }
            assert (question.paragraph in held) == (asking.kind == "answerable")
            assert asking.kind != "far" or not own & set(held)
            assert asking.kind != "near" or own & set(held)
    assert all(count.tolist() == [1] * 5 for count in counts.values())


def test_only_what_tells_them_apart_weighs() -> None:
    gate = fit(told := made_up(), np.ones(len(told.parts), np.bool_))
    first, second, *others = gate.weights.values()
    assert first.weight > 10
    assert abs(second.weight) < 0.3
    assert [one.weight for one in others] == pytest.approx([0] * len(others), abs=1e-6)
    assert (second.low, second.high) == pytest.approx((0.01, 0.99), abs=0.01)


@pytest.mark.parametrize("share", [0.02, 0.05, 0.2])
def test_as_many_are_refused_as_was_aimed_at(share: float) -> None:
    told = made_up()
    found = refused(told, told.features[:, 0], share)
    assert found.answerable == pytest.approx(share, abs=0.005)
    assert found.far > found.near > found.answerable


def test_precision_of_refusals() -> None:
    found = Refused(answerable=0.05, far=0.95, near=0.0)
    assert found.precision("far") == pytest.approx(0.95)
    assert found.precision("near") == 0


def test_the_gate_refuses_what_lies_below_its_limit() -> None:
    told = made_up()
    gates, lines = calibrate({"same": told})
    odds = np.array([gates["same"].odds(dict(zip(FEATURES, one, strict=True))) for one in told.features.tolist()])
    assert np.mean(odds[told.kinds == "answerable"] < 0) == pytest.approx(0.05, abs=0.005)
    assert lines[0] == "same, 10000 questions of each kind"


def test_a_text_is_embedded_once(hashed_words: HashedWordsModel) -> None:
    model = RememberingModel(hashed_words)
    first = model.encode_passages(["мост", "порт", "мост"])
    again = model.encode_passages(["порт", "суд"])
    assert first[0] is first[2]
    assert first[1] is again[0]
    np.testing.assert_array_equal(again[1].vector, hashed_words.encode_query("суд").vector)
    assert model.encode_query("суд") is model.encode_query("суд")
    np.testing.assert_array_equal(model.encode_documents(["суд"]), hashed_words.encode_documents(["суд"]))


def test_a_small_collection_is_asked(
    tmp_path: Path, hashed_words: HashedWordsModel, index_settings: IndexSettings
) -> None:
    collection = load_collection(squad(tmp_path / "dev.json"))
    told = tell([collection, collection], hashed_words, index_settings)["same_alone"]
    assert told.features.shape == (2 * 3 * len(MATTERS), len(FEATURES) - 1)
    share = told.features[:, told.names.index("share")]
    means = {kind: share[told.kinds == kind].mean() for kind in KINDS}
    assert means["answerable"] > means["far"] + 0.2
    assert means["answerable"] > means["near"] + 0.05
    assert sorted(set(told.parts.tolist())) == [0, 1, 2, 3, 4, 5]


def test_command_writes_the_gate_and_prints_how_it_fares(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "gate.json"
    monkeypatch.setattr(sys, "argv", ["calibrate", str(squad(tmp_path / "dev.json")), "--out", str(out)])
    main()
    head, columns, *rows = capsys.readouterr().out.splitlines()[: 2 + len(SHOWN)]
    assert head == "same_alone, 12 questions of each kind"
    assert columns.split() == ["aimed", "at", "answerable", "far", "precision", "near", "precision"]
    assert all(len(row.split()) == 6 for row in rows)
    gates = {name: Gate.from_json(one) for name, one in json.loads(out.read_text("utf-8")).items()}
    assert set(gates) == {"same", "cross", "same_alone", "cross_alone"}
    assert all(set(gate.weights) <= set(FEATURES) for gate in gates.values())
