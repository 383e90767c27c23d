"""From a query to ranked hits: meaning and words, fused.

Decision: both legs name candidates, and every candidate is then judged by all: the chunk's cosine, its best sentence's,
the share of the query's words that it holds, and how near its words come to the query's (index/fusion.py). Ranks and
z-scores of the legs are not used, as they count the keyword leg for much even where it has nothing to say, which ruins
English questions over Russian articles.
"""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from index.answerability import ALIKE, PlainQuestions, ahead_of
from index.clock import Clock
from index.embedding import EmbeddingModel, Vectors
from index.encoding import Encoding
from index.errors import IndexDamagedError
from index.expansion import expand
from index.fusion import Floats, evidence, scores
from index.generation import Generation
from index.lexical import Scores
from index.records import Article, Chunk, Filters, Hit, Legs
from index.repeats import NEARLY, Shingles, is_repeat, shingles
from index.rows import Mask
from index.serving import Index
from index.text import question_language
from index.vectors import Rows

MIN_CANDIDATES = 50  # of each leg; so many of them all are judged by their words too
MORE = 4  # times as many, where repeats leave too few
MOST_CANDIDATES = 3200


class Search(Protocol):
    """Finds the chunks that speak of a query. Implementations are safe to call from several threads at once."""

    def search(self, query: str, *, k: int, filters: Filters) -> list[Hit]:
        """At most `k` hits among the articles that pass `filters`, best first, ranked from 1.

        Scores are in [0, 1], higher is better; among equal ones the newer article comes first, then the one with the
        lower id and offset, so that the same query gives the same list. A chunk that repeats the words of a better one
        is among the `repeats` of that hit. Fewer than `k` where there are not so many; none is no error.
        """
        ...


class HybridSearch:
    """Search by meaning and by words. What a score means is told in index/fusion.py."""

    def __init__(self, index: Index, model: EmbeddingModel) -> None:
        self._index = index
        self._model = model
        self._plain = PlainQuestions(model)

    def search(self, query: str, *, k: int, filters: Filters) -> list[Hit]:
        """See `Search`."""
        return self.timed_search(query, k=k, filters=filters, clock=Clock())

    def timed_search(self, query: str, *, k: int, filters: Filters, clock: Clock) -> list[Hit]:
        """Like `search`; `clock` is told of the stages "embed", "words", "candidates" and "judge"."""
        query = unicodedata.normalize("NFC", query)  # as articles are stored
        encoding = self._model.encode_query(query)
        clock.lap("embed")
        with self._index.lease() as generation:
            shares = generation.lexical.shares(
                expand(query, encoding, words=generation.words, lexical=generation.lexical)
            )
            clock.lap("words")
            mask = None if filters == Filters() else generation.mask(filters)
            n, n_most = max(k, MIN_CANDIDATES), _n_passing(generation, mask)
            while True:
                rows = _candidates(generation, encoding.vector, shares, n, mask)
                clock.lap("candidates")
                judged = _judge(generation, query, encoding, rows, shares, n)
                hits = _hits(generation, judged, k, self._plain.nearness(query, encoding))
                clock.lap("judge")
                if len(hits) == k or n >= min(n_most, MOST_CANDIDATES):
                    return hits
                n *= MORE


def _n_passing(generation: Generation, mask: Mask | None) -> int:
    return generation.manifest.n_chunks if mask is None else int(np.count_nonzero(mask))


def _candidates(generation: Generation, vector: Vectors, shares: Scores, n: int, mask: Mask | None) -> Rows:
    """Rows of the `n` chunks that are best by meaning and of the `n` that are best by words."""
    if mask is None:
        dense = generation.chunks.nearest(vector, k=n)
    else:
        dense = generation.vectors.nearest(vector, k=n, mask=mask)
        shares = np.where(mask, shares, 0)
    lexical = np.argpartition(shares, -n)[-n:] if n < len(shares) else np.arange(len(shares))
    return np.union1d(dense, lexical[shares[lexical] > 0])


@dataclass(frozen=True, slots=True)
class _Judged:
    """Candidates, best first: their rows, scores, evidence, and the legs that it is made from, (n, 4)."""

    rows: Rows
    scores: Floats
    evidence: Floats
    legs: Floats


def _judge(generation: Generation, query: str, encoding: Encoding, rows: Rows, shares: Scores, n: int) -> _Judged:
    """The `n` best of the candidates, in order."""
    vectors, columns = generation.vectors, generation.columns
    cosines, sentences = vectors.cosines(encoding.vector, rows), vectors.best_sentences(encoding.vector, rows)
    best = np.argsort(-evidence(cosines, sentences, shares[rows]), kind="stable")[:n]
    rows, cosines, sentences, shares = rows[best], cosines[best], sentences[best], shares[rows[best]]
    max_sims = generation.late.max_sims(generation.words.states(query, encoding), rows)
    positions = vectors.articles[rows]
    same_script = columns.is_cyrillic[positions] == (question_language(query) == "ru")
    together = evidence(cosines, sentences, shares, max_sims)
    found = scores(together, same_script=same_script)
    ids, days = [columns.article_ids[one] for one in positions], columns.days[positions]
    order = sorted(range(len(rows)), key=lambda at: (-found[at], -days[at], ids[at], rows[at]))
    legs = np.stack([cosines, sentences, shares, max_sims], axis=1)
    return _Judged(rows[order], found[order], together[order], legs[order])


def _hits(generation: Generation, judged: _Judged, k: int, plain: float) -> list[Hit]:
    """The best `k`, each with those that repeat it."""
    passages = _Passages(generation, judged.rows, k)

    def hit(at: int, rank: int, repeats: tuple[Hit, ...] = ()) -> Hit:
        cosine, sentence, share, max_sim = judged.legs[at].tolist()
        legs = Legs(cosine, sentence, share, max_sim, plain, ahead_of(judged.evidence, at, passages.unlike))
        return Hit(rank, float(judged.scores[at]), passages.chunk(at), passages.article(at), legs, repeats)

    return [
        hit(first, rank, tuple(hit(at, rank) for at in repeats))
        for rank, (first, *repeats) in enumerate(passages.groups(k), start=1)
    ]


class _Passages:
    """Candidates in their order, read when they are needed."""

    def __init__(self, generation: Generation, rows: Rows, k: int) -> None:
        self._generation = generation
        self._rows = rows.tolist()
        self._vectors = generation.vectors.vectors(rows)
        self._positions = generation.vectors.articles[rows]
        self._alike: dict[int, Mask] = {}
        self._articles: dict[str, Article] = {}
        self._read(range(min(k, len(rows))))  # at once; most likely, no more are needed
        self._shingles: dict[int, Shingles] = {}

    def groups(self, k: int) -> list[list[int]]:
        """The first `k` candidates that repeat no earlier one, each followed by those that repeat it."""
        groups: list[list[int]] = []
        for at in range(len(self._rows)):
            group = next((one for one in groups if self._is_repeat(one[0], at)), None)
            if group is not None:
                group.append(at)
            elif len(groups) < k:
                groups.append([at])
        return groups

    def _is_repeat(self, one: int, other: int) -> bool:
        if one not in self._alike:
            self._alike[one] = self._vectors @ self._vectors[one] >= NEARLY
        return bool(self._alike[one][other]) and is_repeat(self._shingles_of(one), self._shingles_of(other))

    def unlike(self, at: int) -> Mask:
        """Which candidates are of another article than one of them and about something else, (n,)."""
        is_other = self._positions != self._positions[at]
        return np.asarray((self._vectors @ self._vectors[at] < ALIKE) & is_other)

    def _shingles_of(self, at: int) -> Shingles:
        if at not in self._shingles:
            self._shingles[at] = shingles(self.chunk(at).text)
        return self._shingles[at]

    def chunk(self, at: int) -> Chunk:
        place, article = self._generation.vectors.place(self._rows[at]), self.article(at)
        return Chunk(article.article_id, place.start, place.end, article.text[place.start : place.end])

    def article(self, at: int) -> Article:
        article_id = self._article_id(at)
        if article_id not in self._articles:
            self._read([at])
        if article_id not in self._articles:
            raise IndexDamagedError(f"article {article_id!r} is lost in {self._generation.name}; run: otvet index")
        return self._articles[article_id]

    def _read(self, some: Iterable[int]) -> None:
        found = self._generation.articles.get_many(list({self._article_id(at) for at in some}))
        self._articles |= {article.article_id: article for article in found}

    def _article_id(self, at: int) -> str:
        return self._generation.columns.article_ids[int(self._positions[at])]
