"""What goes in and out over HTTP and `--json`: pydantic models of the values in qa/records.py."""

import re
from dataclasses import asdict
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

from index.records import Article, Filters, Hit
from qa.dates import Period
from qa.records import (
    MAX_K,
    MAX_QUESTION_CHARS,
    MAX_TURNS,
    Answer,
    AnswerMode,
    Citation,
    Mode,
    Question,
    Refusal,
    Response,
    Source,
    Turn,
)

MAX_TURN_CHARS = 20_000
MAX_IDS = 1_000
ISO_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _only_iso_text(value: object) -> object:
    """Nothing but YYYY-MM-DD: pydantic would also take seconds since 1970, and times of day."""
    if value is None or (isinstance(value, str) and ISO_DAY.fullmatch(value)):
        return value
    raise PydanticCustomError("day", "Input should be a day as YYYY-MM-DD")


Day = Annotated[date | None, BeforeValidator(_only_iso_text, json_schema_input_type=str | None)]
Count = Annotated[int, Field(strict=True, ge=1, le=MAX_K)]
Id = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_QUESTION_CHARS)]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid")


class FiltersIn(_In):
    """Which articles may be looked at."""

    published_from: Day = Field(default=None, description="First day, YYYY-MM-DD, included.", examples=["2025-10-01"])
    published_to: Day = Field(default=None, description="Last day, YYYY-MM-DD, included.", examples=["2025-10-31"])
    publisher: str | None = Field(default=None, max_length=500, description="Exact name of the publisher.")
    language: str | None = Field(
        default=None, max_length=20, description="ISO 639-1 code of the articles' language.", examples=["ru"]
    )
    article_ids: list[Id] | None = Field(
        default=None, max_length=MAX_IDS, description="Only these articles; null for all."
    )

    def filters(self) -> Filters:
        """As the index takes them."""
        ids = tuple(self.article_ids) if self.article_ids is not None else None
        return Filters(self.published_from, self.published_to, self.publisher or None, self.language or None, ids)


class TurnIn(_In):
    """One message of the conversation before the question."""

    role: Literal["user", "assistant"]
    content: str = Field(max_length=MAX_TURN_CHARS)


class QuestionIn(FiltersIn):
    """A question, what came before it, and how to answer."""

    question: Text = Field(description="In Russian or English.", examples=["What did Maduro ask Iran for?"])
    history: list[TurnIn] = Field(default=[], max_length=MAX_TURNS, description="Oldest first.")
    k: Count | None = Field(default=None, description="Chunks to retrieve.")
    mode: Mode = Field(default="auto", description="By quotes, by the language model, or by the one that is there.")
    use_dates: bool = Field(
        default=True, description="Let a period that the question names limit the days of publication."
    )

    def to_question(self) -> Question:
        """As the chain takes it."""
        history = tuple(Turn(turn.role, turn.content) for turn in self.history)
        return Question(self.question, history, self.k, self.mode, self.filters(), self.use_dates)


class QueryIn(FiltersIn):
    """A query for `/search`."""

    query: Text = Field(examples=["договор о партнёрстве"])
    k: Count = Field(default=10, description="Most hits to return.")


class PageIn(FiltersIn):
    """Which of the articles that pass the filters to list."""

    offset: int = Field(default=0, ge=0, le=10**9, description="Articles to pass over.")
    limit: int = Field(default=100, ge=1, le=1000, description="Most articles to return.")


class SourceOut(BaseModel):
    """The article behind a citation."""

    article_id: str
    title: str
    published_at: date | None
    publisher: str | None
    url: str | None
    language: str = Field(description="ISO 639-1 code of the article's language.")


class CitationOut(SourceOut):
    """An exact quote: characters `start` to `end` of the article's text."""

    marker: int = Field(description="n of the [n] in the text, from 1.")
    quote: str
    start: int
    end: int
    score: float = Field(description="Of the passage, 0 to 1, higher is better.")


class PeriodOut(BaseModel):
    """Days of publication that the search kept to, because the question names them; null for no bound."""

    published_from: date | None
    published_to: date | None
    words: str = Field(description="The words of the question that named them.")


class DisagreementOut(BaseModel):
    """Two citations that tell of one thing and differ in a number or a date."""

    markers: tuple[int, int]
    words: tuple[str, str] = Field(description="What each of them says, word for word.")


class AnswerOut(BaseModel):
    """An answer; each [n] in its text has its citation."""

    kind: Literal["answer"] = "answer"
    text: str
    language: str
    mode: AnswerMode = Field(description="How: by quotes, by the language model, or as talk that needs no article.")
    citations: list[CitationOut]
    notice: str | None = Field(description="What a reader should know of how it was found or written.")
    period: PeriodOut | None
    query: str | None = Field(description="A follow-up as it was searched for; null for a question as typed.")
    disagreements: list[DisagreementOut]
    timings_ms: dict[str, float]


class RefusalOut(BaseModel):
    """The articles hold no answer; `nearest` are those that come nearest."""

    kind: Literal["refusal"] = "refusal"
    reason: str
    text: str
    language: str
    nearest: list[SourceOut]
    period: PeriodOut | None
    query: str | None
    timings_ms: dict[str, float]


ResponseOut = Annotated[AnswerOut | RefusalOut, Field(discriminator="kind")]


class LegsOut(BaseModel):
    """What each leg of the search says of a chunk."""

    cosine: float = Field(description="Of the query with the chunk, -1 to 1.")
    sentence: float = Field(description="The highest one with a sentence of the chunk, -1 to 1.")
    share: float = Field(description="Of the query's words, by weight, that the chunk holds, 0 to 1.")
    max_sim: float = Field(description="How near the chunk's words come to the query's on average, -1 to 1.")


class RepeatOut(SourceOut):
    """A chunk of another article that tells the same in nearly the same words."""

    text: str
    start: int
    end: int


class HitOut(RepeatOut):
    """A chunk that was found."""

    rank: int
    score: float = Field(description="How likely it answers, 0 to 1, higher is better.")
    legs: LegsOut | None
    repeats: list[RepeatOut]


class HitsOut(BaseModel):
    """What a search found, best first."""

    hits: list[HitOut]


class ArticleHead(SourceOut):
    """An article without its text."""

    authors: list[str]
    source: str
    n_chars: int


class ArticleOut(ArticleHead):
    """An article."""

    text: str


class ArticlesOut(BaseModel):
    """A page of articles, newest first, and how many there are in all."""

    n_articles: int
    articles: list[ArticleHead]


def response_out(response: Response) -> AnswerOut | RefusalOut:
    """The one object that every door gives out."""
    if isinstance(response, Answer):
        return _answer_out(response)
    return _refusal_out(response)


def hit_out(hit: Hit) -> HitOut:
    """A hit as `/search` gives it."""
    legs = LegsOut(**asdict(hit.legs)) if hit.legs else None
    repeats = [RepeatOut(**_place_fields(repeat)) for repeat in hit.repeats]
    return HitOut(**_place_fields(hit), rank=hit.rank, score=hit.score, legs=legs, repeats=repeats)


def _place_fields(hit: Hit) -> dict[str, Any]:
    chunk = hit.chunk
    return {**_source_fields(hit.article), "text": chunk.text, "start": chunk.start, "end": chunk.end}


def article_head(article: Article) -> ArticleHead:
    """An article as a list shows it."""
    return ArticleHead(**_article_fields(article))


def article_out(article: Article) -> ArticleOut:
    """An article, whole."""
    return ArticleOut(**_article_fields(article), text=article.text)


def _answer_out(answer: Answer) -> AnswerOut:
    return AnswerOut(
        text=answer.text,
        language=answer.language,
        mode=answer.mode,
        citations=[_citation_out(citation) for citation in answer.citations],
        notice=answer.notice,
        period=_period_out(answer.period),
        query=answer.query,
        disagreements=[DisagreementOut(**asdict(found)) for found in answer.disagreements],
        timings_ms=answer.timings_ms,
    )


def _refusal_out(refusal: Refusal) -> RefusalOut:
    return RefusalOut(
        reason=refusal.reason.value,
        text=refusal.text,
        language=refusal.language,
        nearest=[SourceOut(**_source_fields(source)) for source in refusal.nearest],
        period=_period_out(refusal.period),
        query=refusal.query,
        timings_ms=refusal.timings_ms,
    )


def _period_out(period: Period | None) -> PeriodOut | None:
    return PeriodOut(published_from=period.first, published_to=period.last, words=period.words) if period else None


def _citation_out(citation: Citation) -> CitationOut:
    return CitationOut(
        **_source_fields(citation.source),
        marker=citation.marker,
        quote=citation.quote,
        start=citation.start,
        end=citation.end,
        score=citation.score,
    )


def _source_fields(source: Source | Article) -> dict[str, Any]:
    names = ("article_id", "title", "published_at", "publisher", "url", "language")
    return {name: getattr(source, name) for name in names}


def _article_fields(article: Article) -> dict[str, Any]:
    more = {"authors": list(article.authors), "source": article.source}
    return {**_source_fields(article), **more, "n_chars": len(article.text)}
