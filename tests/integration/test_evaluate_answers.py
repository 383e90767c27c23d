"""`otvet evaluate` of whole answers on small made-up files, with the real embedding model."""

import json
import sys
from pathlib import Path

import pytest

from fakes import ScriptedChatModel
from index.embedding import EmbeddingModel
from index.errors import SettingsError
from index.settings import IndexSettings
from qa.evaluate import evaluate
from qa.evaluation_report import Evaluation, as_markdown, save
from qa.squad import Collection, load_collection
from ui.cli import main

# Of each article: Russian and English paragraphs, each with a question and its answer.
ARTICLES = [
    [
        (
            "Мост через реку Ольховку закрыли на ремонт 3 марта. Движение вернут в октябре, сообщили в мэрии.",
            ("Когда вернут движение по мосту через Ольховку?", "в октябре"),
            ("When will traffic over the Olkhovka bridge be back?", "in October"),
        ),
        (
            "Ремонт моста обойдётся в 240 млн рублей. Работы ведёт компания «Севермост».",
            ("Какая компания ведёт ремонт моста?", "Севермост"),
            ("Which company repairs the bridge?", "Severmost"),
        ),
    ],
    [
        (
            "В порт Заозёрска пришли два судна с зерном из Аргентины. Разгрузка займёт четыре дня.",
            ("Откуда пришли суда с зерном в порт Заозёрска?", "из Аргентины"),
            ("Where did the ships with grain in the port of Zaozyorsk come from?", "Argentina"),
        ),
        (
            "Начальник порта Пётр Лосев сказал, что в будущем году построят третий причал.",
            ("Кто начальник порта?", "Пётр Лосев"),
            ("Who is the head of the port?", "Pyotr Losev"),
        ),
    ],
]


def squad(path: Path, *, english: bool = False) -> Path:
    data, number = [], 0
    for article in ARTICLES:
        paragraphs = []
        for text, *by_language in article:
            number += 1
            question, answer = by_language[english]
            qas = [{"id": f"q{number}", "question": question, "answers": [{"text": answer, "answer_start": 0}]}]
            paragraphs.append({"context": text, "qas": qas})
        data.append({"paragraphs": paragraphs})
    path.write_text(json.dumps({"data": data}), "utf-8")
    return path


@pytest.fixture
def russian(tmp_path: Path) -> Collection:
    return load_collection(squad(tmp_path / "dev.ru.json"))


@pytest.fixture
def cross(tmp_path: Path) -> Collection:
    return load_collection(squad(tmp_path / "dev.ru.json"), squad(tmp_path / "dev.en.json", english=True))


def scripted(*pieces: str | Exception) -> ScriptedChatModel:
    """Always the same reply."""
    return ScriptedChatModel(replies=[list(pieces)] * 99)


def means(report: Evaluation) -> dict[str, float]:
    assert report.answers is not None
    return {name: estimate.mean for name, estimate in report.answers.measures.items()}


def test_answers_by_quotes(russian: Collection, model: EmbeddingModel, index_settings: IndexSettings) -> None:
    told: list[tuple[str, int, int]] = []
    report = evaluate(
        russian,
        model=model,
        settings=index_settings,
        names=("dev", "dev"),
        mode="extractive",
        progress=lambda *values: told.append(values),
    )
    assert report.answers is not None
    assert (report.answers.mode, report.answers.chat_model) == ("extractive", None)
    found = means(report)
    assert found["first citation right"] == found["first quote holds the answer"] == 1 - found["answerable refused"]
    assert found["answerable refused"] <= 0.5
    assert found["in the question's language"] == 1
    assert found["far: refusal recall"] >= found["near: refusal recall"]
    assert "fell back to quotes" not in found
    assert {"retrieve", "rank", "extractive"} <= set(report.answers.times_ms)
    assert list(report.answers.times_ms)[-1] == "total"
    assert told[-1] == ("answer", 12, 12)
    assert not any((index_settings.data_dir / "evaluations").iterdir())


def test_what_is_taken_out_is_not_cited(
    russian: Collection, model: EmbeddingModel, index_settings: IndexSettings
) -> None:
    """The file of a run that is stopped at its end shows all answers, in clear text."""

    def stop(stage: str, done: int, total: int) -> None:
        if stage == "answer" and done == total:
            raise KeyboardInterrupt

    options = {"model": model, "settings": index_settings, "names": ("dev", "dev"), "mode": "extractive"}
    with pytest.raises(KeyboardInterrupt):
        evaluate(russian, **options, progress=stop)
    (path,) = (index_settings.data_dir / "evaluations").iterdir()
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert len(rows) == 12
    for row in rows:
        place = russian.questions[row["asking"]["number"]].paragraph
        article = 2 * (place // 2)  # two paragraphs each
        absent = {"answerable": [], "near": [place], "far": [article, article + 1]}[row["asking"]["kind"]]
        for citation in row["answer"]["citations"]:
            assert not any(citation["quote"] in russian.paragraphs[one] for one in absent)


def test_answers_of_a_model_in_the_language_of_the_question(
    cross: Collection, model: EmbeddingModel, index_settings: IndexSettings, tmp_path: Path
) -> None:
    report = evaluate(
        cross,
        model=model,
        settings=index_settings,
        names=("dev.ru", "dev.en"),
        mode="generative",
        chat_model=scripted("It will be ", "in October [1]."),
    )
    assert report.answers is not None
    found = means(report)
    assert 0 < found["answer in the text"] <= 0.5  # one of the four asks for it, unless it is not answered so
    assert found["answer in the text or a quote"] >= found["answer in the text"]
    assert "fell back to quotes" in found
    as_json, as_text = save(report, tmp_path / "reports")
    assert json.loads(as_json.read_text("utf-8"))["answers"]["measures"]["token F1"]["mean"] == found["token F1"]
    assert as_text.read_text("utf-8") == as_markdown(report)
    assert "-generative-" in as_json.name


def test_fallen_back_to_quotes(russian: Collection, model: EmbeddingModel, index_settings: IndexSettings) -> None:
    """A model that cannot be reached."""
    report = evaluate(
        russian,
        model=model,
        settings=index_settings,
        names=("dev", "dev"),
        mode="generative",
        chat_model=scripted(ConnectionError("nobody listens")),
    )
    assert means(report)["fell back to quotes"] == 1


def test_the_model_is_not_asked_again_after_a_stop(russian: Collection, model: EmbeddingModel, tmp_path: Path) -> None:
    def stop(stage: str, done: int, total: int) -> None:
        if stage == "answer" and done == 3:
            raise KeyboardInterrupt

    def run(folder: str, chat_model: ScriptedChatModel, progress=None) -> Evaluation:  # noqa: ANN001
        settings = IndexSettings(data_dir=tmp_path / folder)
        options = {"mode": "generative", "chat_model": chat_model, "progress": progress}
        return evaluate(russian, model=model, settings=settings, names=("dev", "dev"), **options)

    whole, before, after = (scripted("Движение вернут в октябре [1].") for _ in range(3))
    at_once = run("one", whole)
    with pytest.raises(KeyboardInterrupt):
        run("two", before, stop)
    assert len(before.sent) > 0
    in_two = run("two", after)
    assert before.sent + after.sent == whole.sent
    assert means(in_two) == means(at_once)


def test_a_model_is_needed_for_its_answers(
    russian: Collection, model: EmbeddingModel, index_settings: IndexSettings
) -> None:
    with pytest.raises(SettingsError, match="otvet models pull.*OTVET_CHAT_MODEL.*--mode extractive"):
        evaluate(russian, model=model, settings=index_settings, names=("dev", "dev"), mode="generative")


def test_command_prints_and_saves_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    here, there = squad(tmp_path / "dev.ru.json"), squad(tmp_path / "dev.en.json", english=True)
    monkeypatch.setattr(sys, "argv", ["otvet", "evaluate", str(here), "--questions", str(there), "--sample", "2"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    printed = capsys.readouterr().out
    assert "| answers by quotes | mean | 95 % interval |" in printed
    assert "| first citation right | " in printed
    assert "- token F1: SQuAD's F1" in printed
    assert "python -m qa.calibrate" in printed
    saved = sorted(path.name for path in (tmp_path / "data" / "evaluations").iterdir())
    assert [name.split("-2-")[1].split("-")[0] for name in saved] == ["extractive", "extractive"]
