"""`POST /answer/stream`: an answer as it comes about. Its events are in ui/stream_schemas.py."""

from contextlib import aclosing
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from qa.records import Question
from ui.asking import Asker
from ui.event_stream import HEARTBEAT_S, EventStream, Pieces, event_bytes
from ui.openapi import problems
from ui.problems import MEDIA_TYPE, Kind, Problem
from ui.schemas import QuestionIn
from ui.stream_schemas import DoneEvent, ErrorEvent, NothingOut, StreamEvent, StreamEventOut, event_out

EXAMPLE = """\
    event: passages
    data: {"passages": [{"article_id": "…", "title": "…", "text": "…", "start": 512, "end": 558, "score": 0.93, …}, …]}

    event: citation
    data: {"article_id": "…", "title": "…", "marker": 1, "quote": "…", "start": 512, "end": 558, "score": 0.93, …}

    event: delta
    data: {"text": "Maduro asked Iran for GPS jammers. [1]"}

    event: answer
    data: {"kind": "answer", "text": "Maduro asked Iran for GPS jammers. [1]", "citations": […], …}

    event: done
    data: {}
"""
DESCRIPTION = f"""\
Like `POST /answer`, as server-sent events. Their order: `passages`; `quotes`, where a language model takes its time;
`citation` and `delta` as the text grows; exactly one of `answer`, `refusal` and `error`; `done`. After a `restart`
deltas and citations so far are void. The data of an event is JSON in one line.

{EXAMPLE}
Lines that begin with a colon are comments, sent every {HEARTBEAT_S:g} s while there is nothing to tell. What fails
before the first event is an HTTP error. A client that goes away stops the work, the language model included.
"""
PROBLEM = {"content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemOut"}}}}  # that of ErrorEvent
RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "model": StreamEventOut,
        "description": "The events, one after the other; the schema is that of one event.",
        "content": {EventStream.media_type: {"schema": {"type": "object"}}},  # FastAPI says "string" otherwise
    },
    **{
        status: {**PROBLEM, "description": told["description"]}
        for status, told in problems(Kind.INDEX, Kind.TIMEOUT).items()
    },
}


def make_stream_router(asker: Asker, *, heartbeat_s: float = HEARTBEAT_S) -> APIRouter:
    """The route.

    Args:
        asker: what answers.
        heartbeat_s: seconds without an event after which there is a comment.
    """
    router = APIRouter()

    @router.post(
        "/answer/stream",
        summary="Answer a question, step by step",
        description=DESCRIPTION,
        status_code=200,
        response_class=EventStream,
        responses=RESPONSES,
    )
    async def stream(asked: QuestionIn) -> Response:
        pieces = _pieces(asker, asked.to_question())
        return EventStream(pieces, refused=Problem.response, broken_off=_broken_off, heartbeat_s=heartbeat_s)

    return router


async def _pieces(asker: Asker, question: Question) -> Pieces:
    async with aclosing(asker.stream(question, "stream")) as events:
        async for event in events:
            yield _bytes(event_out(event))
    yield _bytes(DoneEvent(data=NothingOut()))


def _broken_off(problem: Problem) -> bytes:
    return _bytes(ErrorEvent(data=problem.out())) + _bytes(DoneEvent(data=NothingOut()))


def _bytes(event: StreamEvent) -> bytes:
    return event_bytes(event.data, name=event.event)
