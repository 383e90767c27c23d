"""The values that pass between the floors: articles, chunks, hits, filters, and what was skipped."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from index.errors import QuestionError

Progress = Callable[[str, int, int], None]
"""Told of long work as it goes on: (stage, done, total); a total of 0 is one that is not known."""


@dataclass(frozen=True, slots=True)
class Article:
    """One article, exactly as it is stored and cited.

    Attributes:
        article_id: 16 hex digits made from the content, so equal content has one id and an edited article a new one.
        text: never blank; all offsets (chunks, citations) count characters of this string.
        language: ISO 639-1 code, for example "ru".
        source: where it came from, for people: a path inside the corpus, with ":line" for a row of a table.
    """

    article_id: str
    title: str
    text: str
    published_at: date | None
    url: str | None
    publisher: str | None
    authors: tuple[str, ...]
    language: str
    source: str

    def __post_init__(self) -> None:
        if not self.text.strip():
            raise ValueError(f"article {self.article_id!r} from {self.source!r} has no text")


@dataclass(frozen=True, slots=True)
class Chunk:
    """The indexed slice of an article: `article.text[start:end] == text`, always."""

    article_id: str
    start: int
    end: int
    text: str

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end or self.end - self.start != len(self.text):
            raise ValueError(
                f"chunk {self.chunk_id!r} spans {self.end - self.start} but holds {len(self.text)} characters"
            )

    @property
    def chunk_id(self) -> str:
        """Unique within a generation."""
        return f"{self.article_id}:{self.start}-{self.end}"


@dataclass(frozen=True, slots=True)
class Legs:
    """What a search says of a chunk: four legs that its score is made from, and what else tells whether it answers.

    Attributes:
        cosine: of the query with the chunk, in [-1, 1].
        sentence: the highest one with one of its sentences, in [-1, 1].
        share: of the query's words by weight that the chunk holds, in [0, 1).
        max_sim: how near the chunk's words come to the query's, each in its context, on average, in [-1, 1].
        plain: how near the query is to plain questions, in [-2, 1], see index/answerability.py; one for all chunks.
        ahead: by how much evidence (index/fusion.py) it is ahead of the best chunk that is unlike it, being of another
            article and about something else, in [0, 0.3]; None where too few chunks are unlike it to tell.
    """

    cosine: float
    sentence: float
    share: float
    max_sim: float
    plain: float
    ahead: float | None


@dataclass(frozen=True, slots=True)
class Hit:
    """A chunk that was found, and the article it belongs to.

    Attributes:
        rank: from 1.
        score: in [0, 1], higher is better.
        legs: None where a search has none.
        repeats: chunks that tell this one's words again, best first; each has this rank.
    """

    rank: int
    score: float
    chunk: Chunk
    article: Article
    legs: Legs | None = None
    repeats: tuple["Hit", ...] = ()


@dataclass(frozen=True, slots=True)
class Filters:
    """What articles a search may look at. `None` means any; dates include both ends.

    An article without a date passes no date filter. `language` is an ISO 639-1 code. No article passes an empty
    `article_ids`; ids that do not exist are no error.
    """

    published_from: date | None = None
    published_to: date | None = None
    publisher: str | None = None
    language: str | None = None
    article_ids: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.published_from and self.published_to and self.published_from > self.published_to:
            raise QuestionError(
                f"published_from {self.published_from} is after published_to {self.published_to}; swap the two"
            )


@dataclass(frozen=True, slots=True)
class Skipped:
    """An article that was not indexed, and why. `line` counts from 1 and is None where a whole file is meant."""

    source: str
    line: int | None
    reason: str

    def __str__(self) -> str:
        place = self.source if self.line is None else f"{self.source}:{self.line}"
        return f"{place}: {self.reason}"
