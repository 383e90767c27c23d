"""The events of `POST /answer/stream`: their names and what each of them tells."""

from dataclasses import asdict
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from qa.records import Answer, CitationFound, Event, Passage, PassagesFound, QuotesFound, Refusal, Restarted, TextDelta
from ui.event_stream import AsJson
from ui.problems import ProblemOut
from ui.schemas import AnswerOut, CitationOut, RefusalOut, SliceOut, response_out

NAME = "Names the event; what follows `event:`."
DATA = "What it tells, as JSON in one line; what follows `data:`."


class PassageOut(SliceOut):
    """A passage that the answer is made from: characters `start` to `end` of the article's text."""

    text: str = Field(description="The passage.", examples=["Мадуро попросил у Ирана глушители сигнала GPS."])
    score: float = Field(ge=0, le=1, description="How likely it answers, 0 to 1, higher is better.", examples=[0.93])


class PassagesOut(BaseModel):
    """What was found."""

    passages: list[PassageOut] = Field(description="Best first; empty where no article passes the filters.")


class DeltaOut(BaseModel):
    """The next piece of the text."""

    text: str = Field(
        description="All pieces since the last `restart` joined are the text of the answer.",
        examples=["Maduro asked Iran for GPS jammers. [1]"],
    )


class NothingOut(BaseModel):
    """Nothing: the name of the event says it."""


class PassagesEvent(BaseModel):
    """First: what the answer will be made from. Not there for greetings and questions about Otvet."""

    event: Literal["passages"] = Field(default="passages", description=NAME)
    data: Annotated[PassagesOut, AsJson()] = Field(description=DATA)


class QuotesEvent(BaseModel):
    """An answer by quotes to show while the language model is still reading; its own answer takes its place."""

    event: Literal["quotes"] = Field(default="quotes", description=NAME)
    data: Annotated[AnswerOut, AsJson()] = Field(description=DATA)


class CitationEvent(BaseModel):
    """A citation, before the delta that holds its marker."""

    event: Literal["citation"] = Field(default="citation", description=NAME)
    data: Annotated[CitationOut, AsJson()] = Field(description=DATA)


class DeltaEvent(BaseModel):
    """The next piece of the text; markers are never cut in two."""

    event: Literal["delta"] = Field(default="delta", description=NAME)
    data: Annotated[DeltaOut, AsJson()] = Field(description=DATA)


class RestartEvent(BaseModel):
    """Deltas and citations so far are void: the language model failed, and what follows takes their place."""

    event: Literal["restart"] = Field(default="restart", description=NAME)
    data: Annotated[NothingOut, AsJson()] = Field(description=DATA)


class AnswerEvent(BaseModel):
    """The answer, the same object as that of `POST /answer`."""

    event: Literal["answer"] = Field(default="answer", description=NAME)
    data: Annotated[AnswerOut, AsJson()] = Field(description=DATA)


class RefusalEvent(BaseModel):
    """The articles hold no answer; the same object as that of `POST /answer`."""

    event: Literal["refusal"] = Field(default="refusal", description=NAME)
    data: Annotated[RefusalOut, AsJson()] = Field(description=DATA)


class ErrorEvent(BaseModel):
    """There will be no answer: something went wrong after the first event."""

    event: Literal["error"] = Field(default="error", description=NAME)
    data: Annotated[ProblemOut, AsJson()] = Field(description=DATA)


class DoneEvent(BaseModel):
    """Last: nothing follows. A stream that ends without it was cut off."""

    event: Literal["done"] = Field(default="done", description=NAME)
    data: Annotated[NothingOut, AsJson()] = Field(description=DATA)


StreamEvent = (
    PassagesEvent
    | QuotesEvent
    | CitationEvent
    | DeltaEvent
    | RestartEvent
    | AnswerEvent
    | RefusalEvent
    | ErrorEvent
    | DoneEvent
)
StreamEventOut = Annotated[StreamEvent, Field(discriminator="event")]


def event_out(event: Event) -> StreamEvent:
    """An event of the chain as it is sent."""
    match event:
        case PassagesFound(passages):
            return PassagesEvent(data=PassagesOut(passages=[_passage_out(passage) for passage in passages]))
        case QuotesFound(answer):
            return QuotesEvent(data=_answer_out(answer))
        case CitationFound():
            return CitationEvent(data=_citation_out(event))
        case TextDelta(text):
            return DeltaEvent(data=DeltaOut(text=text))
        case Restarted():
            return RestartEvent(data=NothingOut())
        case Answer():
            return AnswerEvent(data=_answer_out(event))
        case Refusal():
            return RefusalEvent(data=_refusal_out(event))


def _passage_out(passage: Passage) -> PassageOut:
    place: dict[str, Any] = {"text": passage.text, "start": passage.start, "end": passage.end}
    return PassageOut(**asdict(passage.source), **place, score=passage.score)


def _answer_out(answer: Answer) -> AnswerOut:
    out = response_out(answer)
    assert isinstance(out, AnswerOut)
    return out


def _refusal_out(refusal: Refusal) -> RefusalOut:
    out = response_out(refusal)
    assert isinstance(out, RefusalOut)
    return out


def _citation_out(found: CitationFound) -> CitationOut:
    fields = asdict(found.citation)
    return CitationOut(**fields.pop("source"), **fields)
