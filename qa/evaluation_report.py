"""The report of an evaluation: for programs as JSON, for people as Markdown."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from qa.answer_evaluation import AnswerEvaluation
from qa.answer_measures import MEASURES, OF_A_MODEL
from qa.metrics import Estimate

NO_NAME = re.compile(r"[^\w.-]+")  # what a model's name may hold and a file's should not
FITTED = (
    "The gate, which refuses, may have been fitted to these very questions; `python -m qa.calibrate` judges it on"
    " articles that it was not fitted to."
)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was measured.

    Attributes:
        measures: of the search, mean and interval by name.
        reranker: its name, None without one.
        times_ms: median and 95th percentile of the milliseconds of each stage of the search and of their "total".
        answers: of the whole chain, None where only the search was measured.
    """

    day: str
    passages: str
    questions: str
    embedding_model: str
    n_paragraphs: int
    n_questions: int
    measures: dict[str, Estimate]
    reranker: str | None
    times_ms: dict[str, tuple[float, float]]
    answers: AnswerEvaluation | None = None


def as_markdown(evaluation: Evaluation) -> str:
    """The report as Markdown tables, with what was measured on which day above them."""
    reranker = f", reranker {evaluation.reranker}" if evaluation.reranker else ""
    head = (
        f"{evaluation.n_questions} questions ({evaluation.questions}) over {evaluation.n_paragraphs} paragraphs "
        f"({evaluation.passages}), {evaluation.embedding_model}{reranker}, {evaluation.day}\n"
    )
    parts = [head, _table("search", evaluation.measures, evaluation.times_ms)]
    if evaluation.answers is not None:
        parts += _of_answers(evaluation.answers)
    return "\n".join(parts)


def _of_answers(answers: AnswerEvaluation) -> list[str]:
    """Table, meanings and caution."""
    by = f"answers by {answers.chat_model}" if answers.chat_model else "answers by quotes"
    meanings = {**MEASURES, **OF_A_MODEL}
    lines = "\n".join(f"- {name}: {meanings[name].meaning}." for name in answers.measures)
    return [_table(by, answers.measures, answers.times_ms), f"{lines}\n\n{FITTED}\n"]


def _table(of_what: str, measures: Mapping[str, Estimate], times_ms: Mapping[str, tuple[float, float]]) -> str:
    rows = [f"| {name} | {value.mean:.3f} | {value.low:.3f} to {value.high:.3f} |" for name, value in measures.items()]
    times = [f"| {stage}, p50 / p95 | {p50:.1f} / {p95:.1f} ms | |" for stage, (p50, p95) in times_ms.items()]
    return "\n".join([f"| {of_what} | mean | 95 % interval |", "|---|---|---|", *rows, *times, ""])


def save(evaluation: Evaluation, folder: Path) -> tuple[Path, Path]:
    """Write the report as JSON and Markdown; returns the two paths, named after what was measured and the day."""
    folder.mkdir(parents=True, exist_ok=True)
    answers = evaluation.answers
    models = [Path(evaluation.reranker).name] if evaluation.reranker else []
    models += [answers.mode, *filter(None, [answers.chat_model])] if answers else []
    parts = [stem(evaluation.passages, evaluation.questions, evaluation.n_questions), *models, evaluation.day]
    name = NO_NAME.sub("-", "-".join(parts))
    as_json, as_text = folder / f"{name}.json", folder / f"{name}.md"
    as_json.write_text(json.dumps(asdict(evaluation), ensure_ascii=False, indent=2), "utf-8")
    as_text.write_text(as_markdown(evaluation), "utf-8")
    return as_json, as_text


def stem(passages: str, questions: str, n_questions: int) -> str:
    """How the names of an evaluation's files begin."""
    return f"{passages}-by-{questions}-{n_questions}"
