"""Asks questions with known answers of the search alone, and notes at which rank the right paragraph comes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from index.clock import Clock
from index.records import Filters, Hit, Progress
from index.reranking import DEPTH, Reranker, rerank
from index.search import HybridSearch
from qa.metrics import Estimate, bootstrap, first_rank, ndcg_at, percentiles, recall_at, reciprocal_rank
from qa.squad import Collection

K = 10
MEASURES: Mapping[str, Callable[[int | None], float]] = {
    "recall@1": lambda rank: recall_at(rank, 1),
    "recall@5": lambda rank: recall_at(rank, 5),
    "recall@10": lambda rank: recall_at(rank, 10),
    "MRR@10": reciprocal_rank,
    "nDCG@10": lambda rank: ndcg_at(rank, 10),
}


@dataclass(frozen=True, slots=True)
class RetrievalEvaluation:
    """What was measured of the search.

    Attributes:
        measures: mean and interval by name.
        times_ms: median and 95th percentile of the milliseconds of each stage and of their "total".
    """

    measures: dict[str, Estimate]
    times_ms: dict[str, tuple[float, float]]


def evaluate_retrieval(
    collection: Collection,
    search: HybridSearch,
    *,
    article_ids: Sequence[str],
    reranker: Reranker | None = None,
    progress: Progress | None = None,
) -> RetrievalEvaluation:
    """Search for every question, once.

    Args:
        collection: paragraphs and questions, at least one.
        search: over an index of the paragraphs.
        article_ids: of each paragraph, in their order.
        reranker: looks again at the best hits.
        progress: told (stage "ask", done, total).
    """
    ranks, times = _Asking(search, reranker, article_ids).ask_all(collection, progress)
    return RetrievalEvaluation(
        measures={name: bootstrap([measure(rank) for rank in ranks]) for name, measure in MEASURES.items()},
        times_ms={stage: percentiles([one[stage] for one in times]) for stage in times[0]},
    )


@dataclass(frozen=True, slots=True)
class _Asking:
    search: HybridSearch
    reranker: Reranker | None
    article_ids: Sequence[str]

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
            found = list(dict.fromkeys(hit.article.article_id for hit in hits))[:K]
            ranks.append(first_rank(found, self.article_ids[question.paragraph]))
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
