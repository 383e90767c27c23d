"""What an answerer hands over before anything is checked: text, and the quotes that the text rests on."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from langchain_core.runnables import RunnableConfig

from qa.records import AnswerMode, Passage, Question
from qa.sentences import Sentence


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was found for a question: passages and the sentences of the foremost of them, both best first.

    Attributes:
        query: what was searched for: the question, made to stand alone.
    """

    query: str
    passages: tuple[Passage, ...]
    sentences: tuple[Sentence, ...]


@dataclass(frozen=True, slots=True)
class Quote:
    """Characters `start` to `end` of the article behind `passage`; at least one, all within the passage."""

    passage: Passage
    start: int
    end: int

    def __post_init__(self) -> None:
        if not self.passage.start <= self.start < self.end <= self.passage.end:
            raise ValueError(
                f"a quote of {self.start} to {self.end} is no part of its passage, "
                f"{self.passage.start} to {self.passage.end}"
            )

    @property
    def text(self) -> str:
        """The words of the passage."""
        return self.passage.text[self.start - self.passage.start : self.end - self.passage.start]


@dataclass(frozen=True, slots=True)
class Difference:
    """Two quotes of one thing that differ in a number or a date; `words` says what each states, word for word."""

    quotes: tuple[Quote, Quote]
    words: tuple[str, str]


@dataclass(frozen=True, slots=True)
class Claim:
    """A piece of text, and the quotes that it rests on. Pieces of text without any may be of any size.

    Attributes:
        difference: how this claim's quote differs from one before it.
    """

    text: str
    quotes: tuple[Quote, ...] = ()
    difference: Difference | None = None


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """The passages do not hold the answer. Comes alone or not at all."""


Draft = Iterator[Claim | NoAnswer]


class Answerer(Protocol):
    """Makes a draft from evidence.

    Numbers, "[n]", are no business of an answerer: the chain gives them out when it has checked the quotes.
    Implementations are safe to call from several threads at once. Closing the iterator stops the work.
    """

    mode: AnswerMode

    def draft(self, question: Question, evidence: Evidence, config: RunnableConfig) -> Draft:
        """Claims in reading order, or one `NoAnswer`.

        Raises:
            ChatModelError: a language model failed; what was yielded before is void.
        """
        ...
