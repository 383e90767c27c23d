"""The OpenAI-compatible door: `POST /v1/chat/completions` and `GET /v1/models`, for clients that speak nothing else.

Decision: text that was sent cannot be taken back there. Where the language model fails after its first sentence, the
stream ends with the error `answer_broke_off`, rather than with quotes behind a text whose markers mean others.
"""

import json
import time
from collections.abc import Iterator
from contextlib import aclosing
from typing import Annotated, Any
from uuid import uuid4

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from qa.records import Answer, Question, Refusal, Restarted, TextDelta
from ui.asking import Asker
from ui.event_stream import HEARTBEAT_S, EventStream, Pieces, event_bytes
from ui.openai_answers import Completion, question_of
from ui.openai_schemas import MODES, ChatIn, CompletionOut, ModelOut, ModelsOut, OpenAIErrorBody, OpenAIErrorOut
from ui.problems import Kind, Problem, invalid_fields
from ui.requests import while_connected

OPENAI_PREFIX = "/v1/"
DONE = b"data: [DONE]\n\n"
TYPES = {400: "invalid_request_error", 401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
BROKE_OFF = OpenAIErrorOut(
    error=OpenAIErrorBody(
        message="the language model failed in the middle of the answer, so what came of it is void; ask again, or ask "
        "the model 'otvet-extractive'",
        type="server_error",
        param=None,
        code="answer_broke_off",
    )
)
CHAT = """\
For OpenAI's clients: the last message of the user is answered from the articles, with the messages before it as the
conversation. The text has its markers and ends with a list of its sources; the field `otvet` holds the same object as
`POST /answer`, citations included, and is in the last chunk of a stream. With `stream` the answer comes as server-sent
events, each the JSON of a `chat.completion.chunk`, and then `[DONE]`; an event with the field `error` ends it, too.
A client that goes away stops the work, the language model included.
"""
EVENTS = {
    "schema": {
        "type": "object",
        "required": ["data"],
        "properties": {
            "data": {"type": "string", "description": "A `chat.completion.chunk` or an error as JSON, or [DONE]."}
        },
    }
}
ERRORS: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": OpenAIErrorOut, "description": "The request cannot be used, or may not be made."},
    "5XX": {"model": OpenAIErrorOut, "description": "It cannot be answered now."},
}


def make_openai_router(asker: Asker, *, heartbeat_s: float = HEARTBEAT_S) -> APIRouter:
    """The routes.

    Args:
        asker: what answers.
        heartbeat_s: seconds of a stream without an event after which there is a comment.
    """
    router = APIRouter(prefix=OPENAI_PREFIX.rstrip("/"), tags=["OpenAI"], responses=ERRORS)
    began = int(time.time())

    @router.post(
        "/chat/completions",
        summary="Answer a question, as OpenAI does",
        description=CHAT,
        response_model=CompletionOut,
        responses={200: {"content": {EventStream.media_type: EVENTS}}},
    )
    async def chat(request: Request, asked: ChatIn) -> CompletionOut | Response:
        if asked.model not in MODES:
            return _no_model(asked.model, list(MODES))
        question = question_of(asked)
        completion = Completion(asked, f"chatcmpl-{uuid4().hex}", int(time.time()))
        if asked.stream:
            with_usage = bool(asked.stream_options and asked.stream_options.include_usage)
            pieces = _pieces(asker, question, completion, with_usage=with_usage)
            return EventStream(pieces, refused=openai_error, broken_off=_broken_off, heartbeat_s=heartbeat_s)
        return completion.whole(await while_connected(request, asker.respond(question, "openai")))

    @router.get("/models", summary="The ways to answer, as OpenAI lists models")
    async def models() -> ModelsOut:
        """Those that can answer here: `otvet-generative` only where there is a language model."""
        return ModelsOut(data=[ModelOut(id=name, created=began) for name in _names(asker)])

    @router.get("/models/{model}", summary="One way to answer, as OpenAI tells of a model", response_model=ModelOut)
    async def model(
        model: Annotated[str, Path(description="Its id, as GET /v1/models gives it.", examples=["otvet"])],
    ) -> ModelOut | Response:
        """Whether this one can answer here; 404 where it cannot."""
        return ModelOut(id=model, created=began) if model in _names(asker) else _no_model(model, _names(asker))

    return router


def _names(asker: Asker) -> list[str]:
    """The models that can answer here."""
    return [name for name, mode in MODES.items() if mode != "generative" or asker.engine.chat_model is not None]


def _no_model(name: str, names: list[str]) -> Response:
    told = f"there is no model {name[:200]!r}; give one of {', '.join(names)}"
    return openai_error(Problem(Kind.NOT_FOUND, told), param="model", code="model_not_found")


async def _pieces(asker: Asker, question: Question, completion: Completion, *, with_usage: bool) -> Pieces:
    """The chunks as they come. What was sent is always the beginning of the whole text."""
    sent: str | None = None
    async with aclosing(asker.stream(question, "openai")) as events:
        async for event in events:
            if sent is None:
                sent = ""
                yield event_bytes(completion.first())
            match event:
                case TextDelta(text):
                    sent += text
                    yield event_bytes(completion.piece(text))
                case Restarted() if sent:
                    yield event_bytes(BROKE_OFF)
                    return
                case Answer() | Refusal():
                    for piece in _ending(completion, event, sent, with_usage=with_usage):
                        yield piece


def _ending(completion: Completion, response: Answer | Refusal, sent: str, *, with_usage: bool) -> Iterator[bytes]:
    content = completion.content(response)
    if not content.startswith(sent):
        yield event_bytes(BROKE_OFF)
        return
    if rest := content[len(sent) :]:
        yield event_bytes(completion.piece(rest))
    yield event_bytes(completion.last(response))
    if with_usage:
        yield event_bytes(completion.usage(response))
    yield DONE


def _broken_off(problem: Problem) -> bytes:
    return event_bytes(_error_out(problem))


def openai_error(problem: Problem, *, param: str | None = None, code: str | None = None) -> Response:
    """A problem as OpenAI's clients know errors; they take 400 for a request that cannot be used.

    Args:
        problem: what went wrong.
        param: the field that it is about.
        code: names it; by default after the kind of the problem.
    """
    out = _error_out(problem, param=param, code=code)
    return Response(json.dumps(out.model_dump()), _status(problem), dict(problem.headers), "application/json")


def openai_invalid(errors: list[Any]) -> Response:
    """What pydantic finds wrong with a request, as OpenAI's clients know errors; `param` is the first field of it."""
    place = ".".join(str(part) for part in errors[0]["loc"][1:])
    return openai_error(invalid_fields(errors), param=place or None)


def _status(problem: Problem) -> int:
    status = problem.kind.value.status
    return 400 if status == Kind.INVALID.value.status else status


def _error_out(problem: Problem, *, param: str | None = None, code: str | None = None) -> OpenAIErrorOut:
    status = _status(problem)
    kind = TYPES.get(status, TYPES[400] if status < 500 else "server_error")
    named = code or problem.kind.value.name.replace("-", "_")
    return OpenAIErrorOut(error=OpenAIErrorBody(message=problem.detail, type=kind, param=param, code=named))
