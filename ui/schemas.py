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
    RefusalReason,
    Response,
    Source,
    Tokens,
    Turn,
)

MAX_TURN_CHARS = 20_000
MAX_IDS = 1_000
NOT_BLANK = r"\S"  # for readers of the schema
ISO_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _only_iso_text(value: object) -> object:
    """Nothing but YYYY-MM-DD: pydantic would also take seconds since 1970, and times of day."""
    if value is None or (isinstance(value, str) and ISO_DAY.fullmatch(value)):
        return value
    raise PydanticCustomError("day", "Input should be a day as YYYY-MM-DD")


def _whole(value: object) -> object:
    """JSON has one kind of number, and so 5.0 is 5; but no text is, and no truth."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Day = Annotated[date | None, BeforeValidator(_only_iso_text, json_schema_input_type=date | None)]
Range = Field(strict=True, ge=1, le=MAX_K)
Count = Annotated[int, Range, BeforeValidator(_whole, json_schema_input_type=Annotated[int, Range])]
Switch = Annotated[bool, Field(strict=True)]
Id = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Text = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_QUESTION_CHARS),
    Field(json_schema_extra={"pattern": NOT_BLANK}),
]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid")


class FiltersIn(_In):
    """Which articles may be looked at."""

    published_from: Day = Field(default=None, description="First day, YYYY-MM-DD, included.", examples=["2025-10-01"])
    published_to: Day = Field(default=None, description="Last day, YYYY-MM-DD, included.", examples=["2025-10-31"])
    publisher: str | None = Field(
        default=None,
        max_length=500,
        description="Exact name of the publisher, letter for letter.",
        examples=["Вестник"],
    )
    language: str | None = Field(
        default=None, max_length=20, description="ISO 639-1 code of the articles' language.", examples=["ru"]
    )
    article_ids: list[Id] | None = Field(
        default=None,
        max_length=MAX_IDS,
        description="Only these articles; null for all. Ids that no article has are no error.",
        examples=[["17e9bb12db920b17"]],
    )

    def filters(self) -> Filters:
        """As the index takes them."""
        ids = tuple(self.article_ids) if self.article_ids is not None else None
        return Filters(self.published_from, self.published_to, self.publisher or None, self.language or None, ids)


class TurnIn(_In):
    """One message of the conversation before the question."""

    role: Literal["user", "assistant"] = Field(description="Who said it.", examples=["user"])
    content: str = Field(
        max_length=MAX_TURN_CHARS, description="What was said.", examples=["What did Maduro ask Iran for?"]
    )


class QuestionIn(FiltersIn):
    """A question, what came before it, and how to answer."""

    question: Text = Field(description="In Russian or English.", examples=["What did Maduro ask Iran for?"])
    history: list[TurnIn] = Field(
        default=[], max_length=MAX_TURNS, description="What was said before, oldest first.", examples=[[]]
    )
    k: Count | None = Field(default=None, description="Chunks to retrieve, from 1; null for OTVET_K.", examples=[5])
    mode: Mode = Field(
        default="auto",
        description="`extractive`: by quotes; `generative`: by the language model; `auto`: by that where there is one.",
        examples=["auto"],
    )
    use_dates: Switch = Field(
        default=True,
        description="Let a period that the question names limit the days of publication.",
        examples=[True],
    )

    def to_question(self) -> Question:
        """As the chain takes it."""
        history = tuple(Turn(turn.role, turn.content) for turn in self.history)
        return Question(self.question, history, self.k, self.mode, self.filters(), self.use_dates)


class QueryIn(FiltersIn):
    """A query for `/search`."""

    query: Text = Field(description="Words or a question, in Russian or English.", examples=["договор о партнёрстве"])
    k: Count = Field(default=10, description="Most hits to return, from 1.", examples=[10])


class PageIn(FiltersIn):
    """Which of the articles that pass the filters to list."""

    offset: int = Field(default=0, ge=0, le=10**9, description="Articles to pass over.", examples=[0])
    limit: int = Field(default=100, ge=1, le=1000, description="Most articles to return.", examples=[100])


class SourceOut(BaseModel):
    """The article behind a citation."""

    article_id: str = Field(description="Names the article; GET /articles/{article_id}.", examples=["17e9bb12db920b17"])
    title: str = Field(description="Its headline.", examples=["Паром снова ходит"])
    published_at: date | None = Field(
        description="Day of publication, YYYY-MM-DD; null where unknown.", examples=["2025-10-31"]
    )
    publisher: str | None = Field(description="Who published it; null where unknown.", examples=["Вестник"])
    url: str | None = Field(description="Of the original; null where unknown.", examples=["https://news.example.org/1"])
    language: str = Field(description="ISO 639-1 code of the article's language.", examples=["ru"])


class SliceOut(SourceOut):
    """Characters `start` to `end` of an article's text."""

    start: int = Field(description="First character, counted from 0 in Unicode code points.", examples=[0])
    end: int = Field(description="The character after the last one, counted as `start` is.", examples=[70])


class CitationOut(SliceOut):
    """An exact quote: characters `start` to `end` of the article's text."""

    marker: int = Field(description="n of the [n] in the text, from 1.", examples=[1])
    quote: str = Field(description="Word for word as in the article.", examples=["Паром ходит по вторникам."])
    score: float = Field(description="Of its passage, 0 to 1, higher is better.", examples=[0.87])


class PeriodOut(BaseModel):
    """Days of publication that the search kept to, because the question names them."""

    published_from: date | None = Field(description="First day, included; null for no bound.", examples=["2025-10-01"])
    published_to: date | None = Field(description="Last day, included; null for no bound.", examples=["2025-10-31"])
    words: str = Field(description="The words of the question that named them.", examples=["в октябре 2025 года"])


class DisagreementOut(BaseModel):
    """Two citations that tell of one thing and differ in a number or a date."""

    markers: tuple[int, int] = Field(description="Of the two citations, from 1.", examples=[[1, 2]])
    words: tuple[str, str] = Field(
        description="What each of them says, word for word.", examples=[["12 человек", "15 человек"]]
    )


class TokensOut(BaseModel):
    """What the language model read and wrote."""

    prompt: int = Field(description="Tokens that it read.", examples=[512])
    completion: int = Field(description="Tokens that it wrote.", examples=[48])


class _ResponseOut(BaseModel):
    """What answers and refusals have in common."""

    text: str = Field(description="For people, in `language`.", examples=["Паром ходит по вторникам. [1]"])
    language: str = Field(description="ISO 639-1 code of the text's language.", examples=["ru"])
    period: PeriodOut | None = Field(description="The days that the question limited the search to; null for none.")
    query: str | None = Field(
        description="A follow-up as it was searched for; null for a question as typed.",
        examples=["Когда ходит паром?"],
    )
    generation: str = Field(default="", description="Of the index that answered.", examples=["g-0001"])
    tokens: TokensOut | None = Field(
        default=None, description="Null where no language model wrote, or it does not tell."
    )
    timings_ms: dict[str, float] = Field(
        description="Milliseconds by stage, and in `total`.", examples=[{"retrieve": 18.4, "total": 31.2}]
    )


class AnswerOut(_ResponseOut):
    """An answer; each [n] in its text has its citation."""

    kind: Literal["answer"] = Field(default="answer", description="Tells answers from refusals.")
    mode: AnswerMode = Field(
        description="How: by quotes, by the language model, or as talk that needs no article.", examples=["extractive"]
    )
    citations: list[CitationOut] = Field(description="In the order of their markers.")
    notice: str | None = Field(
        description="What a reader should know of how it was found or written; null for nothing.", examples=[None]
    )
    disagreements: list[DisagreementOut] = Field(description="Where the articles that are cited differ.")


class RefusalOut(_ResponseOut):
    """The articles hold no answer; `nearest` are those that come nearest."""

    kind: Literal["refusal"] = Field(default="refusal", description="Tells refusals from answers.")
    reason: RefusalReason = Field(
        description="Why: nothing found, nothing relevant, or nothing that states it.", examples=["not_relevant"]
    )
    nearest: list[SourceOut] = Field(description="Articles that come nearest, the nearest first.")


ResponseOut = Annotated[AnswerOut | RefusalOut, Field(discriminator="kind")]


class LegsOut(BaseModel):
    """What each leg of the search says of a chunk."""

    cosine: float = Field(description="Of the query with the chunk, -1 to 1.", examples=[0.86])
    sentence: float = Field(description="The highest one with a sentence of the chunk, -1 to 1.", examples=[0.88])
    share: float = Field(description="Of the query's words, by weight, that the chunk holds, 0 to 1.", examples=[0.7])
    max_sim: float = Field(
        description="How near the chunk's words come to the query's on average, -1 to 1.", examples=[0.6]
    )


class RepeatOut(SliceOut):
    """A chunk of another article that tells the same in nearly the same words."""

    text: str = Field(description="The chunk, word for word.", examples=["Паром ходит по вторникам."])


class HitOut(RepeatOut):
    """A chunk that was found."""

    rank: int = Field(description="Place among the hits; 1 is the best.", examples=[1])
    score: float = Field(description="How likely it answers, 0 to 1, higher is better.", examples=[0.87])
    legs: LegsOut | None = Field(description="What each leg of the search says of it; null where it was not asked.")
    repeats: list[RepeatOut] = Field(description="Chunks of other articles that tell the same.")


class HitsOut(BaseModel):
    """What a search found, best first."""

    hits: list[HitOut] = Field(description="Best first, at most `k`.")


class ArticleHead(SourceOut):
    """An article without its text."""

    authors: list[str] = Field(description="As the article names them.", examples=[["Анна Иванова"]])
    source: str = Field(description="Its file, as seen from the corpus.", examples=["2025/ferry.md"])
    n_chars: int = Field(description="Length of its text, in characters.", examples=[1840])


class ArticleOut(ArticleHead):
    """An article."""

    text: str = Field(description="What citations count the characters of.", examples=["Паром ходит по вторникам."])


class ArticlesOut(BaseModel):
    """A page of articles, newest first, and how many there are in all."""

    n_articles: int = Field(description="Articles that pass the filters, in all.", examples=[2])
    articles: list[ArticleHead] = Field(description="Newest first.")


class HealthOut(BaseModel):
    """The process answers."""

    status: Literal["ok"] = Field(default="ok", description="Always this.")


class ReadyOut(BaseModel):
    """Everything is loaded."""

    status: Literal["ready"] = Field(default="ready", description="Always this.")
    generation: str = Field(description="That serves.", examples=["g-0001"])
    n_articles: int = Field(description="Articles that are indexed.", examples=[2])


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
        generation=answer.generation,
        tokens=_tokens_out(answer.tokens),
        timings_ms=answer.timings_ms,
    )


def _refusal_out(refusal: Refusal) -> RefusalOut:
    return RefusalOut(
        reason=refusal.reason,
        text=refusal.text,
        language=refusal.language,
        nearest=[SourceOut(**_source_fields(source)) for source in refusal.nearest],
        period=_period_out(refusal.period),
        query=refusal.query,
        generation=refusal.generation,
        tokens=_tokens_out(refusal.tokens),
        timings_ms=refusal.timings_ms,
    )


def _tokens_out(tokens: Tokens | None) -> TokensOut | None:
    return TokensOut(**asdict(tokens)) if tokens else None


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
