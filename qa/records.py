"""The values between a question and its answer. Immutable; the doors only render them."""

import re
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Literal, get_args

from index.errors import QuestionError
from index.records import Filters, Legs
from index.text import Language
from qa.dates import Period

MAX_QUESTION_CHARS = 2_000
MAX_K = 50
MAX_TURNS = 50
SURROGATE = re.compile(r"[\ud800-\udfff]")  # what a broken byte in a terminal's arguments becomes; no model reads it

Mode = Literal["auto", "extractive", "generative"]
"""How to answer: "extractive" by quotes, "generative" by a language model, "auto" by the model where there is one."""

AnswerMode = Literal["extractive", "generative", "conversation"]
"""How it was answered; "conversation": a greeting or a question about Otvet, answered with no article in it."""


class RefusalReason(StrEnum):
    """Why there is no answer."""

    NO_ARTICLES = "no_articles"  # no article passes the filters
    NOT_RELEVANT = "not_relevant"  # what was found does not speak of the question
    NOT_STATED = "not_stated"  # the passages were read, by the language model as a rule, and hold no answer


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of the conversation so far."""

    role: Literal["user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked, and how.

    Attributes:
        text: 1 to 2,000 characters that are not all white space; no half of a surrogate pair.
        history: the conversation before it, oldest first, at most 50 turns.
        k: how many chunks to retrieve, 1 to 50; None for the setting.
        use_dates: whether a period named in the question limits the days of publication (qa/dates.py).

    Raises:
        QuestionError: a value is out of its bounds.
    """

    text: str
    history: tuple[Turn, ...] = ()
    k: int | None = None
    mode: Mode = "auto"
    filters: Filters = field(default_factory=Filters)
    use_dates: bool = True

    def __post_init__(self) -> None:
        if not self.text.strip():
            raise QuestionError(f"the question {self.text!r} is empty; ask something")
        if len(self.text) > MAX_QUESTION_CHARS:
            raise QuestionError(
                f"the question has {len(self.text)} characters, more than {MAX_QUESTION_CHARS}; shorten it"
            )
        if SURROGATE.search(self.text):
            raise QuestionError(f"the question {self.text!r} holds broken characters; send it as UTF-8")
        if self.mode not in get_args(Mode):
            raise QuestionError(f"the mode is {self.mode!r}; give one of {', '.join(get_args(Mode))}")
        if self.k is not None and not 1 <= self.k <= MAX_K:
            raise QuestionError(f"k is {self.k!r}; give a number from 1 to {MAX_K}")
        if len(self.history) > MAX_TURNS:
            raise QuestionError(f"the history has {len(self.history)} turns, more than {MAX_TURNS}; send the last ones")


@dataclass(frozen=True, slots=True)
class Source:
    """What a reader is told of the article behind a passage or a citation."""

    article_id: str
    title: str
    published_at: date | None
    publisher: str | None
    url: str | None
    language: str


@dataclass(frozen=True, slots=True)
class Passage:
    """A slice of an article as a reader or a model sees it: characters `start` to `end` of the article's text.

    Attributes:
        score: how likely it answers, in [0, 1]; see index/fusion.py.
        repeats: passages that tell it again in nearly the same words.
        legs: what the search says of its best chunk; None where it says nothing but the score.
    """

    source: Source
    start: int
    end: int
    text: str
    score: float
    repeats: tuple["Passage", ...] = ()
    legs: Legs | None = None


@dataclass(frozen=True, slots=True)
class Citation:
    """Where an answer has it from: `article.text[start:end] == quote` was checked.

    Attributes:
        marker: n of the "[n]" in the answer's text, from 1.
        score: of the passage, in [0, 1], higher is better.
    """

    marker: int
    source: Source
    quote: str
    start: int
    end: int
    score: float


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Two citations that tell of one thing and differ in a number or a date.

    Attributes:
        markers: of the two citations.
        words: what each of them says, word for word.
    """

    markers: tuple[int, int]
    words: tuple[str, str]


@dataclass(frozen=True, slots=True)
class Tokens:
    """How much a language model read (`prompt`) and wrote (`completion`) for an answer, all its tries together."""

    prompt: int
    completion: int


@dataclass(frozen=True, slots=True)
class Answer:
    """A text in which every "[n]" has its citation; one without citations only in mode "conversation".

    Attributes:
        language: of the text; an extractive answer speaks the language of the article it quotes.
        notice: what a reader should know of how it was found or written, for people; else None.
        period: the days of publication that the question named and that the search kept to; None for all.
        query: what was searched for, where that is not the question as typed: a follow-up made to stand alone.
        disagreements: where the articles that are cited differ.
        timings_ms: milliseconds by stage.
        generation: of the index that answered; "" where the chain was not told how to name it.
        tokens: of the language model, also where nothing that it wrote stands; None where none wrote or it does not
            tell.
    """

    text: str
    language: str
    mode: AnswerMode
    citations: tuple[Citation, ...]
    notice: str | None = None
    period: Period | None = None
    query: str | None = None
    disagreements: tuple[Disagreement, ...] = ()
    timings_ms: dict[str, float] = field(default_factory=dict)
    generation: str = ""
    tokens: Tokens | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """The corpus has no answer. A value, worded in the question's language, with the nearest articles.

    Attributes:
        generation: of the index that answered; "" where the chain was not told how to name it.
    """

    reason: RefusalReason
    text: str
    language: Language
    nearest: tuple[Source, ...]
    period: Period | None = None
    query: str | None = None
    tokens: Tokens | None = None
    timings_ms: dict[str, float] = field(default_factory=dict)
    generation: str = ""


Response = Answer | Refusal


@dataclass(frozen=True, slots=True)
class PassagesFound:
    """First event of a stream: what the answer will be made from."""

    passages: tuple[Passage, ...]


@dataclass(frozen=True, slots=True)
class QuotesFound:
    """The answer by quotes, whole and checked, while a language model is still reading; its own answer replaces it."""

    answer: Answer


@dataclass(frozen=True, slots=True)
class TextDelta:
    """The next piece of the answer's text. All pieces joined are `Answer.text`."""

    text: str


@dataclass(frozen=True, slots=True)
class CitationFound:
    """A citation, before or with the piece of text that holds its marker."""

    citation: Citation


@dataclass(frozen=True, slots=True)
class Restarted:
    """The text so far is void (the language model failed); what follows replaces it."""


Event = PassagesFound | QuotesFound | TextDelta | CitationFound | Restarted | Response
"""What a stream yields; the response is the last."""
