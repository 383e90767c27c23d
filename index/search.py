"""From a query to ranked hits: a dense leg and a keyword leg, fused.

Decision: the fused score is the chunk's cosine plus `LEXICAL_WEIGHT` times the share of the query's weight that the
keyword leg finds in the chunk (index/lexical.py). Reciprocal ranks or z-scores count the keyword leg for much even
where it has nothing to say, which ruins English questions over Russian articles; a share near 0 leaves them alone.
Measured on 2026-11-22 on 120 Russian paragraphs of XQuAD, 612 questions, recall@1 / MRR by weight:

    weight     0               0.1             0.2             0.3
    Russian    0.904 / 0.942   0.933 / 0.962   0.935 / 0.963   0.941 / 0.966
    English    0.840 / 0.904   0.846 / 0.909   0.845 / 0.908   0.846 / 0.909

These come from a script over whole paragraphs, not from `otvet evaluate`, and the weight was chosen on the questions
it is shown for; no question was held out. 0.2 is taken: beyond it little is gained, and questions of that collection
share more words with their paragraphs than those of real readers do.
"""

from typing import Protocol

import numpy as np

from index.embedding import EmbeddingModel, Vectors
from index.errors import IndexDamagedError
from index.lexical import Scores
from index.records import Chunk, Filters, Hit
from index.serving import Generation, Index
from index.store import ChunkMatch

LEXICAL_WEIGHT = 0.2
MIN_CANDIDATES = 30  # of each leg


class Search(Protocol):
    """Finds the chunks that speak of a query. Implementations are safe to call from several threads at once."""

    def search(self, query: str, *, k: int, filters: Filters) -> list[Hit]:
        """At most `k` hits among the articles that pass `filters`, best first, ranked from 1.

        Scores are in [0, 1], higher is better; ties are broken by article id and offset, so that the same query gives
        the same list. Fewer than `k` where there are not so many; none is no error.
        """
        ...


class HybridSearch:
    """Search by meaning and by words. The score is described at the top of this file; it is cut at 1."""

    def __init__(self, index: Index, model: EmbeddingModel) -> None:
        self._index = index
        self._model = model

    def search(self, query: str, *, k: int, filters: Filters) -> list[Hit]:
        """See `Search`."""
        vector = self._model.encode_query(query)
        with self._index.lease() as generation:
            return _hits(generation, _ranked(generation, query, vector, k, filters)[:k])


def _ranked(generation: Generation, query: str, vector: Vectors, k: int, filters: Filters) -> list[ChunkMatch]:
    """The candidates of both legs with their fused scores, best first."""
    n_candidates = max(k, MIN_CANDIDATES)
    shares = generation.lexical.scores(query)
    dense = generation.chunks.query(vector, k=n_candidates, filters=filters)
    rows = _best_rows(generation, shares, n_candidates, filters) - {match.row for match in dense}
    lexical = generation.chunks.cosines(vector, generation.lexical.ids_of(sorted(rows)))
    fused = [
        match._replace(score=min(1.0, match.score + LEXICAL_WEIGHT * float(shares[match.row])))
        for match in (*dense, *lexical)
    ]
    return sorted(fused, key=lambda match: (-match.score, match.article_id, match.start))


def _best_rows(generation: Generation, shares: Scores, n: int, filters: Filters) -> set[int]:
    """Rows of the `n` chunks with the highest shares above 0, among those that pass the filters."""
    if filters != Filters():
        shares = np.where(generation.lexical.rows_of(generation.articles.ids(filters)), shares, 0)
    best = np.argpartition(shares, -n)[-n:] if n < len(shares) else np.arange(len(shares))
    return {int(row) for row in best if shares[row] > 0}


def _hits(generation: Generation, matches: list[ChunkMatch]) -> list[Hit]:
    ids = list(dict.fromkeys(match.article_id for match in matches))
    articles = {article.article_id: article for article in generation.articles.get_many(ids)}
    if len(articles) < len(ids):
        lost = sorted(set(ids) - set(articles))
        raise IndexDamagedError(f"chunks of the articles {lost} have no article in {generation.name}; run: otvet index")
    return [
        Hit(rank, match.score, _chunk(match, articles[match.article_id].text), articles[match.article_id])
        for rank, match in enumerate(matches, start=1)
    ]


def _chunk(match: ChunkMatch, text: str) -> Chunk:
    return Chunk(match.article_id, match.start, match.end, text[match.start : match.end])
