"""Measures the whole search on a file of passages and questions with known answers, in SQuAD format.

Every paragraph becomes one article of a throw-away index. A second file may ask the same questions, joined by their
ids, in another language; so cross-lingual search is measured too.
"""

import json
import random
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import numpy as np

from index.clock import Clock
from index.embedding import EmbeddingModel
from index.errors import QuestionError
from index.rebuild import build_index
from index.records import Filters, Hit, Progress
from index.reranking import DEPTH, Reranker, load_reranker, rerank
from index.search import HybridSearch
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
    """Paragraphs, and questions that each one of them answers.

    Attributes:
        articles: number of the article that each paragraph is from.
    """

    paragraphs: tuple[str, ...]
    questions: tuple[AskedQuestion, ...]
    articles: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was measured.

    Attributes:
        measures: mean and interval by name.
        reranker: its name, None without one.
        times_ms: median and 95th percentile of the milliseconds of each stage of the search and of their "total".
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
    paragraphs, asked, articles = _read_squad(passages)
    if questions is not None:
        places = {question.question_id: question.paragraph for question in asked}
        _, others, _ = _read_squad(questions)
        asked = [
            AskedQuestion(other.question_id, other.text, places[other.question_id])
            for other in others
            if other.question_id in places
        ]
    if not asked:
        raise QuestionError(f"{str(passages)!r} and {str(questions)!r} share no question id; give parallel files")
    if sample is not None and sample < len(asked):
        asked = random.Random(seed).sample(asked, sample)
    return Collection(tuple(paragraphs), tuple(asked), tuple(articles))


def _read_squad(path: Path) -> tuple[list[str], list[AskedQuestion], list[int]]:
    """Paragraphs, questions, and the number of each paragraph's article."""
    paragraphs: list[str] = []
    questions: list[AskedQuestion] = []
    articles: list[int] = []
    try:
        for number, article in enumerate(json.loads(path.read_text("utf-8"))["data"]):
            for paragraph in article["paragraphs"]:
                for asked in paragraph["qas"]:
                    questions.append(AskedQuestion(str(asked["id"]), str(asked["question"]), len(paragraphs)))
                paragraphs.append(str(paragraph["context"]))
                articles.append(number)
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise QuestionError(
            f"cannot read {str(path)!r} as SQuAD ({exc!r}); it is JSON: data, paragraphs, context, qas, id, question"
        ) from exc
    return paragraphs, questions, articles


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
    reranker = load_reranker(settings.reranker) if settings.reranker else None
    with throw_away_index(collection, model=model, settings=settings, progress=progress) as (index, places):
        asking = _Asking(HybridSearch(index, model), reranker, places)
        ranks, times = asking.ask_all(collection, progress)
    return Evaluation(
        day=date.today().isoformat(),
        passages=names[0],
        questions=names[1],
        embedding_model=model.name,
        n_paragraphs=len(collection.paragraphs),
        n_questions=len(collection.questions),
        measures={name: bootstrap([measure(rank) for rank in ranks]) for name, measure in MEASURES.items()},
        reranker=settings.reranker,
        times_ms={stage: _percentiles([one[stage] for one in times]) for stage in times[0]},
    )


@contextmanager
def throw_away_index(
    collection: Collection, *, model: EmbeddingModel, settings: IndexSettings, progress: Progress | None = None
) -> Iterator[tuple[Index, dict[str, int]]]:
    """An index of one article a paragraph, and the number of each paragraph by the source of its article."""
    with tempfile.TemporaryDirectory(prefix="otvet-evaluate-") as scratch:
        table = Path(scratch) / "paragraphs.jsonl"
        rows = (json.dumps({"text": text}, ensure_ascii=False) for text in collection.paragraphs)
        table.write_text("\n".join(rows), "utf-8")
        own = settings.model_copy(update={"data_dir": Path(scratch)})
        build_index([table], settings=own, model=model, progress=progress)
        places = {f"{table.name}:{number}": number - 1 for number in range(1, len(collection.paragraphs) + 1)}
        with closing(Index(own, model)) as index:
            yield index, places


@dataclass(frozen=True, slots=True)
class _Asking:
    search: HybridSearch
    reranker: Reranker | None
    places: Mapping[str, int]

    def ask_all(
        self, collection: Collection, progress: Progress | None
    ) -> tuple[list[int | None], list[dict[str, float]]]:
        """Rank of the right paragraph and milliseconds by stage, for each question; chunks count for their article."""
        tell = progress or (lambda stage, done, total: None)
        ranks: list[int | None] = []
        times: list[dict[str, float]] = []
        self._ask(collection.questions[0].text)  # warms the model up; not measured
        for n_asked, question in enumerate(collection.questions, start=1):
            hits, times_ms = self._ask(question.text)
            found = list(dict.fromkeys(self.places[hit.article.source] for hit in hits))[:K]
            ranks.append(first_rank([str(place) for place in found], str(question.paragraph)))
            times.append(times_ms)
            tell("ask", n_asked, len(collection.questions))
        return ranks, times

    def _ask(self, question: str) -> tuple[list[Hit], dict[str, float]]:
        clock = Clock()
        hits = self.search.timed_search(question, k=3 * K, filters=Filters(), clock=clock)
        if self.reranker is not None:
            hits = [*rerank(hits[:DEPTH], question, self.reranker), *hits[DEPTH:]]
            clock.lap("rerank")
        return hits, clock.timings_ms()


def _percentiles(times_ms: Sequence[float]) -> tuple[float, float]:
    p50_ms, p95_ms = np.percentile(times_ms, [50, 95])
    return round(float(p50_ms), 1), round(float(p95_ms), 1)


def as_markdown(evaluation: Evaluation) -> str:
    """The report as a Markdown table, with what was measured on which day above it."""
    reranker = f", reranker {evaluation.reranker}" if evaluation.reranker else ""
    head = (
        f"{evaluation.n_questions} questions ({evaluation.questions}) over {evaluation.n_paragraphs} paragraphs "
        f"({evaluation.passages}), {evaluation.embedding_model}{reranker}, {evaluation.day}\n\n"
        "| measure | mean | 95 % interval |\n|---|---|---|\n"
    )
    rows = [
        f"| {name} | {value.mean:.3f} | {value.low:.3f} to {value.high:.3f} |"
        for name, value in evaluation.measures.items()
    ]
    times = [
        f"| {stage}, p50 / p95 | {p50:.1f} / {p95:.1f} ms | |" for stage, (p50, p95) in evaluation.times_ms.items()
    ]
    return head + "\n".join([*rows, *times]) + "\n"


def save(evaluation: Evaluation, folder: Path) -> tuple[Path, Path]:
    """Write the report as JSON and Markdown; returns the two paths, named after the files and the day."""
    folder.mkdir(parents=True, exist_ok=True)
    reranker = f"-{Path(evaluation.reranker).name}" if evaluation.reranker else ""
    stem = f"{evaluation.passages}-by-{evaluation.questions}-{evaluation.n_questions}{reranker}-{evaluation.day}"
    as_json, as_text = folder / f"{stem}.json", folder / f"{stem}.md"
    as_json.write_text(json.dumps(asdict(evaluation), ensure_ascii=False, indent=2), "utf-8")
    as_text.write_text(as_markdown(evaluation), "utf-8")
    return as_json, as_text
