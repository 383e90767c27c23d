"""`otvet evaluate` of the search: on a small file with known answers, and on the dev files where they are at hand."""

import json
import sys
from pathlib import Path

import pytest

from fakes import HashedWordsModel
from index.embedding import EmbeddingModel
from index.errors import QuestionError
from index.settings import IndexSettings
from places import SHARED
from qa.evaluate import evaluate
from qa.evaluation_report import as_markdown, save
from qa.squad import AskedQuestion, Collection, load_collection
from ui.cli import main

PARAGRAPHS = {
    "Мост через реку закрыли на ремонт до осени.": ["До какого времени закрыли мост?", "Что закрыли на ремонт?"],
    "В порт пришли два судна с зерном.": ["Сколько судов пришло в порт?"],
    "Школа получила новый спортивный зал.": ["Что получила школа?"],
}


def squad(path: Path, *, translate: bool = False) -> Path:
    paragraphs, number = [], 0
    for text, asked in PARAGRAPHS.items():
        qas = []
        for question in asked:
            number += 1
            qas.append({"id": f"q{number}", "question": "What?" if translate else question, "answers": []})
        paragraphs.append({"context": text, "qas": qas})
    path.write_text(json.dumps({"data": [{"paragraphs": paragraphs}]}), "utf-8")
    return path


def test_right_paragraphs_are_found(
    tmp_path: Path, hashed_words: HashedWordsModel, index_settings: IndexSettings
) -> None:
    collection = load_collection(squad(tmp_path / "dev.json"))
    told: list[tuple[str, int, int]] = []
    report = evaluate(
        collection,
        model=hashed_words,
        settings=index_settings,
        names=("dev", "dev"),
        mode="retrieval",
        progress=lambda *values: told.append(values),
    )
    assert (report.n_paragraphs, report.n_questions) == (3, 4)
    assert report.measures["recall@1"].mean == 1
    assert report.measures["MRR@10"].mean == 1
    assert set(report.times_ms) == {"embed", "words", "candidates", "judge", "total"}
    assert all(0 <= p50 <= p95 for p50, p95 in report.times_ms.values())
    assert report.answers is None
    assert told[-1] == ("ask", 4, 4)
    assert not index_settings.data_dir.exists()


def test_report_is_saved(tmp_path: Path, hashed_words: HashedWordsModel, index_settings: IndexSettings) -> None:
    collection = load_collection(squad(tmp_path / "dev.json"))
    report = evaluate(
        collection, model=hashed_words, settings=index_settings, names=("dev.ru", "dev.en"), mode="retrieval"
    )
    as_json, as_text = save(report, tmp_path / "reports")
    assert json.loads(as_json.read_text())["measures"]["recall@5"]["mean"] == 1
    assert as_text.read_text() == as_markdown(report)
    assert "| recall@1 | 1.000 | 1.000 to 1.000 |" in as_markdown(report)


def test_questions_of_another_file_are_joined_by_id(tmp_path: Path) -> None:
    here, there = squad(tmp_path / "ru.json"), squad(tmp_path / "en.json", translate=True)
    collection = load_collection(here, there)
    assert [question.paragraph for question in collection.questions] == [0, 0, 1, 2]
    assert {question.text for question in collection.questions} == {"What?"}
    assert set(collection.paragraphs) == set(PARAGRAPHS)


def test_known_answers_are_read_in_both_languages(tmp_path: Path) -> None:
    """Equal ones once, blank ones not at all; a question that SQuAD 2 marks as impossible is left out."""

    def write(name: str, texts: list[str]) -> Path:
        answers = [{"text": text, "answer_start": 0} for text in texts]
        qas = [
            {"id": "q1", "question": "?", "answers": answers},
            {"id": "q2", "question": "?", "answers": [], "is_impossible": True},
            {"id": "q3", "question": "?"},
        ]
        path = tmp_path / name
        path.write_text(json.dumps({"data": [{"paragraphs": [{"context": "x", "qas": qas}]}]}), "utf-8")
        return path

    here, there = write("ru.json", ["осень", "осень", " ", "до осени"]), write("en.json", ["autumn"])
    own, cross = load_collection(here).questions, load_collection(here, there).questions
    assert [question.question_id for question in own] == ["q1", "q3"]
    assert [(question.answers, question.own_answers) for question in own] == [(("осень", "до осени"),) * 2, ((), ())]
    assert (cross[0].answers, cross[0].own_answers) == (("осень", "до осени"), ("autumn",))


def test_equal_paragraphs_are_one_article(hashed_words: HashedWordsModel, index_settings: IndexSettings) -> None:
    """The index keeps the first of them; the question of the other one is answered by it."""
    paragraphs = ("В порт пришли два судна.", "Мост закрыли.", "В порт пришли два судна.")
    collection = Collection(paragraphs, (AskedQuestion("q1", "Сколько судов пришло в порт?", 2),), (0, 0, 1))
    report = evaluate(collection, model=hashed_words, settings=index_settings, names=("dev", "dev"), mode="retrieval")
    assert report.measures["recall@1"].mean == 1


def test_paragraphs_that_cannot_be_indexed_are_named(
    hashed_words: HashedWordsModel, index_settings: IndexSettings
) -> None:
    collection = Collection(("Мост закрыли.", " "), (AskedQuestion("q1", "Что закрыли?", 0),), (0, 0))
    with pytest.raises(QuestionError, match="1 paragraphs cannot be indexed, the first is ' '"):
        evaluate(collection, model=hashed_words, settings=index_settings, names=("dev", "dev"), mode="retrieval")


def test_sample_is_drawn_by_the_seed(tmp_path: Path) -> None:
    path = squad(tmp_path / "dev.json")
    samples = [load_collection(path, sample=2, seed=seed).questions for seed in (1, 1, 2, 3, 4)]
    assert samples[0] == samples[1]
    assert len({sample for sample in samples}) > 1
    assert all(len(sample) == 2 for sample in samples)
    assert len(load_collection(path, sample=99).questions) == 4


@pytest.mark.parametrize("content", ["", "[]", '{"data": [{"paragraphs": [{"context": "x"}]}]}', '{"data": 5}'])
def test_other_files_are_refused_by_name(tmp_path: Path, content: str) -> None:
    path = tmp_path / "bad.json"
    path.write_text(content)
    with pytest.raises(QuestionError, match="bad.json"):
        load_collection(path)


def test_files_that_share_no_question_are_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text('{"data": [{"paragraphs": [{"context": "x", "qas": [{"id": "z", "question": "?"}]}]}]}')
    with pytest.raises(QuestionError, match="share no question"):
        load_collection(squad(tmp_path / "dev.json"), other)


@pytest.mark.parametrize(("questions", "floor"), [("ru", 0.93), ("en", 0.86)])
def test_dev_files(model: EmbeddingModel, index_settings: IndexSettings, questions: str, floor: float) -> None:
    """A guard against falls, on 60 of the 612 questions; the figures of the README come from all."""
    folder = SHARED / "eval"
    if not folder.is_dir():
        pytest.skip(f"needs the dev files in {folder}; name their folder's parent in OTVET_TEST_SHARED")
    collection = load_collection(
        folder / "xquad-dev.ru.json", folder / f"xquad-dev.{questions}.json", sample=60, seed=7
    )
    report = evaluate(collection, model=model, settings=index_settings, names=("ru", questions), mode="retrieval")
    assert report.measures["recall@1"].mean >= floor
    assert report.measures["recall@5"].mean >= 0.98


def test_command_prints_and_saves_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    here, there = squad(tmp_path / "dev.ru.json"), squad(tmp_path / "dev.en.json", translate=True)
    arguments = [str(here), "--questions", str(there), "--sample", "2", "--mode", "retrieval"]
    monkeypatch.setattr(sys, "argv", ["otvet", "evaluate", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    printed = capsys.readouterr().out
    assert printed.startswith("2 questions (dev.en) over 3 paragraphs (dev.ru), multilingual-e5-small")
    assert "| total, p50 / p95 |" in printed
    saved = sorted(path.suffix for path in (tmp_path / "data" / "evaluations").iterdir())
    assert saved == [".json", ".md"]
