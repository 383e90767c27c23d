"""Measures the whole search on a file of passages and questions with known answers, in SQuAD format.

Every paragraph becomes one article of a throw-away index. A second file may ask the same questions, joined by their
ids, in another language; so cross-lingual search is measured too.
"""

import json
import random
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import numpy as np

from index.embedding import EmbeddingModel
from index.errors import QuestionError
from index.rebuild import build_index
from index.records import Filters, Progress
from index.search import HybridSearch, Search
from index.serving import Index
from index.settings import IndexSettings
from qa.metrics import Estimate, bootstrap, first_rank, ndcg_at, recall_at, reciprocal_rank

K = 10
MEASURES: Mapping[str, Callable[[int | None], float]] = {
    "recall@1": lambda rank: recall_at(rank, 1),
    "recall@5": lambda rank: recall_at(rank, 5),
    "recall@10": lambda rank: recall_at(rank, 10),
    "MRR@10": reciprocal_rank,
    "nDCG@10": lambda rank: ndcg_at(rank, 10),
}


@dataclass(frozen=True, slots=True)
class AskedQuestion:
    """A question and the paragraph that answers it."""

    question_id: str
    text: str
    paragraph: int


@dataclass(frozen=True, slots=True)
class Collection:
    """Paragraphs, and questions that each one of them answers."""

    paragraphs: tuple[str, ...]
    questions: tuple[AskedQuestion, ...]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was measured.

    Attributes:
        measures: mean and interval by name.
        p50_ms: median time of a search, in milliseconds.
        p95_ms: 95th percentile of it.
    """

    day: str
    passages: str
    questions: str
    embedding_model: str
    n_paragraphs: int
    n_questions: int
    measures: dict[str, Estimate]
    p50_ms: float
    p95_ms: float


def load_collection(
    passages: Path, questions: Path | None = None, *, sample: int | None = None, seed: int = 0
) -> Collection:
    """Read the paragraphs of one file and the questions of the same or another one, joined by question id.

    Args:
        passages: SQuAD-format file.
        questions: SQuAD-format file of the same questions in another language; None for those of `passages`.
        sample: so many questions at most, drawn with `seed`; None for all.
        seed: the same seed draws the same questions.

    Raises:
        QuestionError: a file is not there or not in SQuAD format, or the two share no question.
    """
    paragraphs, asked = _read_squad(passages)
    if questions is not None:
        places = {question.question_id: question.paragraph for question in asked}
        _, others = _read_squad(questions)
        asked = [
            AskedQuestion(other.question_id, other.text, places[other.question_id])
            for other in others
            if other.question_id in places
        ]
    if not asked:
        raise QuestionError(f"{str(passages)!r} and {str(questions)!r} share no question id; give parallel files")
    if sample is not None and sample < len(asked):
        asked = random.Random(seed).sample(asked, sample)
    return Collection(tuple(paragraphs), tuple(asked))


def _read_squad(path: Path) -> tuple[list[str], list[AskedQuestion]]:
    paragraphs: list[str] = []
    questions: list[AskedQuestion] = []
    try:
        for article in json.loads(path.read_text("utf-8"))["data"]:
            for paragraph in article["paragraphs"]:
                for asked in paragraph["qas"]:
                    questions.append(AskedQuestion(str(asked["id"]), str(asked["question"]), len(paragraphs)))
                paragraphs.append(str(paragraph["context"]))
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise QuestionError(
            f"cannot read {str(path)!r} as SQuAD ({exc!r}); it is JSON: data, paragraphs, context, qas, id, question"
        ) from exc
    return paragraphs, questions


def evaluate(
    collection: Collection,
    *,
    model: EmbeddingModel,
    settings: IndexSettings,
    names: tuple[str, str],
    progress: Progress | None = None,
) -> Evaluation:
    """Index the paragraphs in a throw-away directory, ask every question, and measure.

    Args:
        collection: paragraphs and questions.
        model: the embedding model.
        settings: how the index is built; its directories are not touched.
        names: what the report calls the passages and the questions.
        progress: told (stage, done, total); stages "read", "embed", "ask".
    """
    with tempfile.TemporaryDirectory(prefix="otvet-evaluate-") as scratch:
        places = _index(collection, Path(scratch), model, settings, progress)
        own = settings.model_copy(update={"data_dir": Path(scratch)})
        index = Index(own, model)
        try:
            ranks, times_ms = _ask_all(collection, HybridSearch(index, model), places, progress)
        finally:
            index.close()
    measures = {name: bootstrap([measure(rank) for rank in ranks]) for name, measure in MEASURES.items()}
    p50_ms, p95_ms = np.percentile(times_ms, [50, 95])
    return Evaluation(
        day=date.today().isoformat(),
        passages=names[0],
        questions=names[1],
        embedding_model=model.name,
        n_paragraphs=len(collection.paragraphs),
        n_questions=len(collection.questions),
        measures=measures,
        p50_ms=round(float(p50_ms), 1),
        p95_ms=round(float(p95_ms), 1),
    )


def _index(
    collection: Collection, scratch: Path, model: EmbeddingModel, settings: IndexSettings, progress: Progress | None
) -> dict[str, int]:
    """Build the index; returns the number of each paragraph by the source of its article."""
    table = scratch / "paragraphs.jsonl"
    rows = (json.dumps({"text": text}, ensure_ascii=False) for text in collection.paragraphs)
    table.write_text("\n".join(rows), "utf-8")
    own = settings.model_copy(update={"data_dir": scratch})
    build_index([table], settings=own, model=model, progress=progress)
    return {f"{table.name}:{number}": number - 1 for number in range(1, len(collection.paragraphs) + 1)}


def _ask_all(
    collection: Collection, search: Search, places: Mapping[str, int], progress: Progress | None
) -> tuple[list[int | None], list[float]]:
    """Rank of the right paragraph and milliseconds of the search, for each question; chunks count for their article."""
    tell = progress or (lambda stage, done, total: None)
    ranks: list[int | None] = []
    times_ms: list[float] = []
    search.search(collection.questions[0].text, k=K, filters=Filters())  # warms the model up; not measured
    for n_asked, question in enumerate(collection.questions, start=1):
        started = time.perf_counter()
        hits = search.search(question.text, k=3 * K, filters=Filters())
        times_ms.append(1000 * (time.perf_counter() - started))
        found = list(dict.fromkeys(places[hit.article.source] for hit in hits))[:K]
        ranks.append(first_rank([str(place) for place in found], str(question.paragraph)))
        tell("ask", n_asked, len(collection.questions))
    return ranks, times_ms


def as_markdown(evaluation: Evaluation) -> str:
    """The report as a Markdown table, with what was measured on which day above it."""
    head = (
        f"{evaluation.n_questions} questions ({evaluation.questions}) over {evaluation.n_paragraphs} paragraphs "
        f"({evaluation.passages}), {evaluation.embedding_model}, {evaluation.day}\n\n"
        "| measure | mean | 95 % interval |\n|---|---|---|\n"
    )
    rows = [
        f"| {name} | {value.mean:.3f} | {value.low:.3f} to {value.high:.3f} |"
        for name, value in evaluation.measures.items()
    ]
    times = f"| search, p50 / p95 | {evaluation.p50_ms:.0f} / {evaluation.p95_ms:.0f} ms | |"
    return head + "\n".join([*rows, times]) + "\n"


def save(evaluation: Evaluation, folder: Path) -> tuple[Path, Path]:
    """Write the report as JSON and Markdown; returns the two paths, named after the files and the day."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{evaluation.passages}-by-{evaluation.questions}-{evaluation.day}"
    as_json, as_text = folder / f"{stem}.json", folder / f"{stem}.md"
    as_json.write_text(json.dumps(asdict(evaluation), ensure_ascii=False, indent=2), "utf-8")
    as_text.write_text(as_markdown(evaluation), "utf-8")
    return as_json, as_text
