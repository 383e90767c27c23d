"""Questions are asked three times, and not again after a stop; the chain is one that replies at once."""

from pathlib import Path

import pytest

from index.settings import IndexSettings
from qa.answer_evaluation import AnswerEvaluation, evaluate_answers
from qa.kept_answers import Asking, Cited, Kept, KeptAnswers, fingerprint, settings_that_matter
from qa.records import Answer, Citation, Question, Refusal, RefusalReason, Response, Source
from qa.settings import AnswerSettings
from qa.squad import AskedQuestion, Collection

ARTICLE_IDS = ["a", "b", "c", "a"]  # the fourth paragraph is the first once more
COLLECTION = Collection(
    paragraphs=("Мост.", "Порт.", "Школа.", "Мост."),
    questions=(AskedQuestion("q1", "Какой мост?", 3, ("мост",)), AskedQuestion("q2", "Какой порт?", 1, ("порт",))),
    articles=(0, 1, 1, 2),
)


class RecordingChain:
    """Quotes article "b" where it may, else refuses; keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Question] = []

    def invoke(self, question: Question) -> Response:
        self.asked.append(question)
        allowed = question.filters.article_ids
        if allowed is not None and "b" not in allowed:
            return Refusal(RefusalReason.NO_ARTICLES, "Нет.", "ru", (), timings_ms={"retrieve": 1.0, "total": 2.0})
        citation = Citation(1, Source("b", "Порт", None, None, None, "ru"), "Порт.", 0, 5, 0.9)
        timings_ms = {"retrieve": 3.0, "total": 8.0, "quote": 4.0}
        return Answer("Порт. [1]", "ru", "extractive", (citation,), timings_ms=timings_ms)


def ask(chain: RecordingChain, path: Path, progress=None) -> AnswerEvaluation:  # noqa: ANN001
    return evaluate_answers(
        COLLECTION, chain, article_ids=ARTICLE_IDS, mode="extractive", answers=KeptAnswers(path), progress=progress
    )


def test_each_question_is_asked_with_and_without_what_answers_it(tmp_path: Path) -> None:
    chain = RecordingChain()
    ask(chain, tmp_path / "answers.jsonl")
    _warming_up, *asked = chain.asked
    assert [(question.text, question.filters.article_ids) for question in asked] == [
        ("Какой мост?", None),
        ("Какой порт?", None),
        ("Какой мост?", ("b", "c")),
        ("Какой порт?", ("a",)),
        ("Какой мост?", ("b", "c")),
        ("Какой порт?", ("a", "c")),
    ]
    assert not any(question.use_dates for question in asked)


def test_figures_worked_by_hand(tmp_path: Path) -> None:
    found = ask(RecordingChain(), tmp_path / "answers.jsonl")
    means = {name: estimate.mean for name, estimate in found.measures.items()}
    assert means["first quote holds the answer"] == means["first citation right"] == 0.5
    assert (means["answerable refused"], means["far: refusal recall"], means["near: refusal recall"]) == (0, 0.5, 0.5)
    assert list(found.times_ms) == ["retrieve", "quote", "total"]
    assert found.times_ms["total"] == (8.0, 8.0)


class StoppedError(Exception):
    """What a person does with Ctrl+C."""


@pytest.mark.parametrize("n_before", [0, 1, 4, 6])
def test_a_run_that_was_stopped_goes_on(tmp_path: Path, n_before: int) -> None:
    path = tmp_path / "evaluations" / "answers.jsonl"
    told: list[tuple[str, int, int]] = []

    def stop(stage: str, done: int, total: int) -> None:
        if done == n_before:
            raise StoppedError

    first, second, at_once = (RecordingChain() for _ in range(3))
    with pytest.raises(StoppedError):
        ask(first, path, stop)
    assert len(KeptAnswers(path).read()) == n_before
    found = ask(second, path, lambda *values: told.append(values))
    n_warming_up = int(n_before < 6)
    assert len(second.asked) == 6 - n_before + n_warming_up
    assert told == [("answer", done, 6) for done in range(n_before, 7)]
    assert found == ask(at_once, tmp_path / "other.jsonl")
    assert first.asked[1:] + second.asked[n_warming_up:] == at_once.asked[1:]
    assert not path.exists()


def test_a_line_that_was_cut_off_is_asked_again(tmp_path: Path) -> None:
    answers = KeptAnswers(tmp_path / "answers.jsonl")
    one = Kept("generative", "Мост «закрыт»\u2028до осени. [1]", (Cited("a", "до\nосени"),), {"total": 1.5})
    other = Kept(None, "Нет.", (), {})
    answers.add(Asking(0, "far"), one)
    answers.add(Asking(1, "near"), other)
    path = tmp_path / "answers.jsonl"
    path.write_bytes(path.read_bytes()[:-7])
    assert answers.read() == {Asking(0, "far"): one}
    answers.add(Asking(1, "near"), other)
    assert answers.read() == {Asking(0, "far"): one, Asking(1, "near"): other}


def test_fingerprint_tells_parts_apart() -> None:
    one = fingerprint(mode="extractive", collection=COLLECTION)
    assert one == fingerprint(collection=COLLECTION, mode="extractive")
    assert len({one, fingerprint(mode="generative", collection=COLLECTION), fingerprint(mode="extractive")}) == 3


def test_settings_without_places_but_with_files(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_text("one")
    answers = AnswerSettings(chat_gguf=path)
    before = settings_that_matter(IndexSettings(data_dir=tmp_path), answers)
    assert {"k", "chat_gguf", "chunk_max_tokens"} <= set(before)
    assert not {"data_dir", "cache_dir", "corpus", "chat_api_key"} & set(before)
    assert before == settings_that_matter(IndexSettings(data_dir=tmp_path / "other"), answers)
    path.write_text("another")
    assert before != settings_that_matter(IndexSettings(data_dir=tmp_path), answers)
