"""How the server logs: lines for people or one JSON object a line, each with the id of its request.

Decision: OTVET_LOG_LEVEL is for Otvet's own loggers and uvicorn's. All other packages are heard from `warning` on, as
what they tell at `debug` and `info` holds prompts and so questions and articles.
Decision: in text, whatever a client sends cannot look like a line of its own: characters that are not printable are
escaped, and the lines of a traceback are indented.
"""

import logging
from collections.abc import Callable
from typing import Any

from pythonjsonlogger.json import JsonFormatter
from starlette.types import ASGIApp, Receive, Scope, Send

from qa.records import Answer, Refusal
from ui.asking import Asked
from ui.outcomes import error_type, kind_of, mode_of, stages_ms
from ui.requests import Ended, answer_and_tell, request_id
from ui.scopes import current_caller
from ui.settings import ServerSettings

OWN = ("index", "qa", "ui", "uvicorn", "uvicorn.error")  # the last has a level of its own once a server was set up
TEXT = "%(levelname)s %(name)s%(request)s: %(message)s"
FIELDS = {"levelname": "level", "name": "logger", "message": "message", "request_id": "request_id"}
INDENT = "\n    "

access_log = logging.getLogger("ui.access_log")
question_log = logging.getLogger("ui.question_log")


def set_up_logs(settings: ServerSettings) -> None:
    """Let the process log to its standard error as the settings say; what was set up before ends.

    Uvicorn has to be given `log_config=None` and `log_level=None`, else it sets up its own.
    """
    handler = logging.StreamHandler()
    if settings.log_format == "json":
        handler.addFilter(_add_request_id)
        handler.setFormatter(JsonFormatter(list(FIELDS), rename_fields=FIELDS, timestamp="time"))
    else:
        handler.setFormatter(_TextFormatter(TEXT))
    level = settings.log_level.upper()
    logging.basicConfig(level=max(logging.WARNING, logging.getLevelName(level)), handlers=[handler], force=True)
    for name in OWN:
        logging.getLogger(name).setLevel(level)
    logging.captureWarnings(settings.log_format == "json")  # so that every line is JSON


def log_asked(*, with_text: bool) -> Callable[[Asked], None]:
    """What logs a line, at `info`, for each question that is over.

    Args:
        with_text: whether it tells what was asked.
    """

    def tell(asked: Asked) -> None:
        if not question_log.isEnabledFor(logging.INFO):
            return
        fields = _fields(asked)
        if with_text:
            fields["question"] = asked.question.text
        words = ", ".join(f"{name} {value!r}" for name, value in fields.items())
        question_log.info("a question is over: %s", words, extra=fields)

    return tell


class AccessLog:
    """Middleware that logs a line, at `info`, for each request when its response has ended.

    Belongs inside of `RequestIds`. What follows "?" is not told, as it may hold what somebody searches for. Pure ASGI,
    so that a stream stays a stream.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request and log it."""
        if scope["type"] != "http" or not access_log.isEnabledFor(logging.INFO):
            await self._app(scope, receive, send)
            return
        await answer_and_tell(self._app, scope, receive, send, lambda ended: _log_access(scope, ended))


def _log_access(scope: Scope, ended: Ended) -> None:
    caller, client = current_caller(scope), scope.get("client")
    fields = {
        "method": scope["method"],
        "path": scope["path"],
        "status": ended.status,
        "ms": round(1000 * ended.seconds, 1),
        "n_bytes": ended.n_bytes,
        "client": client[0] if client else None,
        "caller": caller.name if caller else None,
    }
    access_log.info(
        "%(method)s %(path)s %(status)d, %(n_bytes)d bytes in %(ms).1f ms, %(client)s %(caller)s", fields, extra=fields
    )


def _fields(asked: Asked) -> dict[str, Any]:
    """What is told of a question; not its text."""
    outcome = asked.outcome
    fields: dict[str, Any] = {"door": asked.door, "outcome": kind_of(asked), "ms": round(1000 * asked.seconds, 1)}
    match outcome:
        case Answer():
            fields["mode"] = mode_of(asked)
        case Refusal():
            fields["reason"] = str(outcome.reason)
        case Exception():
            fields["error"] = error_type(outcome)
    if isinstance(outcome, Answer | Refusal):
        if outcome.tokens is not None:
            fields["tokens"] = {"prompt": outcome.tokens.prompt, "completion": outcome.tokens.completion}
        fields |= {"generation": outcome.generation, "stages_ms": stages_ms(asked)}
    return fields


def _add_request_id(record: logging.LogRecord) -> bool:
    record.request_id = request_id()
    return True


class _TextFormatter(logging.Formatter):
    """Writes each record so that only its first line looks like one."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - named by logging
        given = request_id()
        record.request = f" [{given}]" if given else ""
        return escaped(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: ANN401, N802 - as logging has it
        lines = super().formatException(ei).split("\n")
        return "    " + INDENT.join(map(escaped, lines))


def escaped(text: str) -> str:
    """The text with all that is not printable, ends of lines for example, as Python writes it in a literal."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
