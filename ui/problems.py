"""Errors as they leave the server: problem details (RFC 9457), each with a `type` that stays what it is.

One table says what each kind is called and which status it has; routes, middleware, streams and the other doors make
their errors from it.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from reprlib import Repr
from typing import Any, NamedTuple

from pydantic import BaseModel, Field
from starlette.responses import Response

from index.errors import (
    AnswerStoppedError,
    AnswerTimeoutError,
    ChatModelError,
    IndexLockedError,
    IndexStateError,
    ModelBusyError,
    ModelDownError,
    NotReadyError,
    OtvetError,
    OverloadedError,
    QuestionError,
)
from ui.requests import request_id

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
URN = "urn:otvet:problem:"
N_REASONS = 5  # how many things that are wrong with one request are told
RETRY_SOON_S = 5
SHORT = Repr()
SHORT.maxstring = SHORT.maxother = 80


class _Kind(NamedTuple):
    name: str
    status: int
    title: str


class Kind(_Kind, Enum):
    """What can go wrong, by the name in its `type`."""

    INVALID = _Kind("invalid-request", 422, "The request cannot be used")
    TOO_LARGE = _Kind("body-too-large", 413, "The body is too long")
    SLOW = _Kind("body-too-slow", 408, "The body did not arrive in time")
    UNAUTHENTICATED = _Kind("unauthenticated", 401, "A login or a token is needed")
    FORBIDDEN = _Kind("forbidden", 403, "Not allowed")
    NOT_FOUND = _Kind("not-found", 404, "Not there")
    METHOD = _Kind("method-not-allowed", 405, "The method does not fit the path")
    HOST = _Kind("unknown-host", 400, "The host is not a name of this server")
    CONFLICT = _Kind("conflict", 409, "Something else is going on")
    RATE = _Kind("rate-limited", 429, "Too many requests")
    INTERNAL = _Kind("internal-error", 500, "Something went wrong here")
    NOT_READY = _Kind("not-ready", 503, "Not everything is loaded")
    INDEX = _Kind("index-unavailable", 503, "The index cannot be read")
    MODEL = _Kind("model-unavailable", 503, "The language model cannot answer")
    BUSY = _Kind("overloaded", 503, "Too much is being asked")
    TIMEOUT = _Kind("timeout", 504, "The answer took too long")


class ProblemOut(BaseModel):
    """What went wrong (RFC 9457)."""

    type: str = Field(description="Names the kind of problem; stays the same.", examples=[f"{URN}invalid-request"])
    title: str = Field(description="The kind in words.", examples=["The request cannot be used"])
    status: int = Field(description="The HTTP status.", examples=[422])
    detail: str = Field(description="What, which value, and what to do.", examples=["question is missing"])
    request_id: str = Field(
        description="Also in the header X-Request-ID and in the server's log.",
        examples=["6b0c1d0e9d5a4c6f"],
    )


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that went wrong.

    Attributes:
        detail: what, which value, what to do next.
        headers: of the response, such as Retry-After.
    """

    kind: Kind
    detail: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def out(self) -> ProblemOut:
        """As it is sent, with the id of the request that is being answered."""
        return ProblemOut(
            type=URN + self.kind.value.name,
            title=self.kind.value.title,
            status=self.kind.value.status,
            detail=self.detail,
            request_id=request_id(),
        )

    def response(self) -> Response:
        """As an HTTP response."""
        body = json.dumps(self.out().model_dump(), ensure_ascii=False)
        return Response(body, self.kind.value.status, dict(self.headers), MEDIA_TYPE)


# The first that fits counts.
KINDS: tuple[tuple[type[OtvetError], Kind], ...] = (
    (QuestionError, Kind.INVALID),
    (ModelBusyError, Kind.BUSY),
    (OverloadedError, Kind.BUSY),
    (AnswerStoppedError, Kind.BUSY),  # nobody reads it, unless the server is what was stopped
    (NotReadyError, Kind.NOT_READY),
    (AnswerTimeoutError, Kind.TIMEOUT),
    (IndexLockedError, Kind.CONFLICT),
    (IndexStateError, Kind.INDEX),
    (ChatModelError, Kind.MODEL),
    (OtvetError, Kind.INTERNAL),
)
LOGGED = (Kind.INDEX, Kind.MODEL, Kind.INTERNAL)


def problem_of(exc: BaseException) -> Problem:
    """The problem that an error is. What nobody foresaw is logged and told without its words."""
    if not isinstance(exc, OtvetError):
        log.error("unexpected: %s", exc, exc_info=exc)
        return Problem(Kind.INTERNAL, "the server's log tells more under this request_id; try again, or report it")
    kind = next(kind for cls, kind in KINDS if isinstance(exc, cls))
    if kind in LOGGED:
        log.error("%s", exc)
    detail = "the server is being stopped; ask again" if isinstance(exc, AnswerStoppedError) else str(exc)
    retry_after_s = exc.retry_after_s if isinstance(exc, ModelBusyError | ModelDownError) else RETRY_SOON_S
    return Problem(kind, detail, {"Retry-After": str(retry_after_s)} if kind.value.status == 503 else {})


def invalid_fields(errors: list[Any]) -> Problem:
    """What pydantic finds wrong, each as "field, value, what is allowed"."""
    return Problem(Kind.INVALID, "; ".join(map(_reason, errors[:N_REASONS])))


def _reason(error: dict[str, Any]) -> str:
    place = ".".join(str(part) for part in error["loc"][1:]) or "body"
    match error["type"]:
        case "json_invalid":
            return f"the body is no JSON: {error['ctx']['error']} at character {place}"
        case "missing":
            return f"{place} is missing"
        case "extra_forbidden":
            allowed = "there is no such field; /docs shows those that there are"
        case "model_attributes_type":
            allowed = "Input should be a JSON object, sent as application/json"
        case _:
            allowed = error["msg"]
    return f"{place} is {SHORT.repr(error['input'])}: {allowed}"
