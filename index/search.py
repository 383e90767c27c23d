"""From a query to ranked hits."""

from typing import Protocol

from index.embedding import EmbeddingModel
from index.errors import IndexDamagedError
from index.records import Chunk, Filters, Hit
from index.serving import Generation, Index
from index.store import ChunkMatch


class Search(Protocol):
    """Finds the chunks that speak of a query. Implementations are safe to call from several threads at once."""

    def search(self, query: str, *, k: int, filters: Filters) -> list[Hit]:
        """At most `k` hits among the articles that pass `filters`, best first, ranked from 1.

        Scores are in [0, 1], higher is better; ties are broken by article id and offset, so that the same query gives
        the same list. Fewer than `k` where there are not so many; none is no error.
        """
        ...


class DenseSearch:
    """Search by the cosine between the vectors of query and chunk."""

    def __init__(self, index: Index, model: EmbeddingModel) -> None:
        self._index = index
        self._model = model

    def search(self, query: str, *, k: int, filters: Filters) -> list[Hit]:
        """See `Search`."""
        vector = self._model.encode_query(query)
        with self._index.lease() as generation:
            return _hits(generation, generation.chunks.query(vector, k=k, filters=filters))


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
