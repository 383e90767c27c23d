"""Lines of the log: their forms, what they tell, and what nobody can make them tell."""

import asyncio
import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import ASGIApp, Receive, Scope, Send

from index.errors import IndexDamagedError
from log_lines import logged
from qa.records import Answer, Question, Refusal, RefusalReason, Tokens
from ui.asking import Asked
from ui.logs import AccessLog, escaped, log_asked
from ui.requests import RequestIds
from ui.scopes import CALLER, Caller

QUESTION = Question("Кому звонил тайный советник?")
ANSWER = Answer(
    "Секретный ответ [1].",
    "ru",
    "generative",
    (),
    timings_ms={"retrieve": 20.0, "total": 21.5},
    generation="g-0002",
    tokens=Tokens(prompt=900, completion=40),
)


@pytest.fixture
def log() -> Iterator[Callable[..., io.StringIO]]:
    """Sets the logs up; gives what is written."""
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(logged(**settings))


def asked(outcome: Any) -> Asked:
    return Asked("stream", QUESTION, outcome, 0.25)


def served(*, caller: Caller | None = None) -> TestClient:
    app = FastAPI()

    @app.get("/articles/{article_id:path}")
    def article(article_id: str) -> str:
        logging.getLogger("qa.chain").warning("looking at it")
        if article_id == "broken":
            raise RuntimeError("a fault")
        return article_id

    @app.get("/stream")
    def stream() -> StreamingResponse:
        return StreamingResponse(iter(["one", "three", "five"]))

    class Login:
        def __init__(self, app: ASGIApp) -> None:
            self._app = app

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            scope[CALLER] = caller
            await self._app(scope, receive, send)

    app.add_middleware(Login)
    app.add_middleware(AccessLog)
    app.add_middleware(RequestIds)
    return TestClient(app, raise_server_exceptions=False)


def test_text_line_tells_level_logger_and_words(log: Callable[..., io.StringIO]) -> None:
    written = log()
    logging.getLogger("index.serving").error("generation %s cannot serve", "g-0003")
    assert written.getvalue() == "ERROR index.serving: generation g-0003 cannot serve\n"


def test_json_line_has_time_and_extras(log: Callable[..., io.StringIO]) -> None:
    written = log(log_format="json")
    logging.getLogger("qa.chain").warning("слово %d", 7, extra={"n_chunks": 3})
    (line,) = written.getvalue().splitlines()
    fields = json.loads(line)
    told = datetime.fromisoformat(fields.pop("time"))
    assert told.utcoffset() == UTC.utcoffset(None)
    assert abs((datetime.now(UTC) - told).total_seconds()) < 60
    assert fields == {
        "level": "WARNING",
        "logger": "qa.chain",
        "message": "слово 7",
        "request_id": "",
        "n_chunks": 3,
    }


@pytest.mark.parametrize(
    ("level", "own", "others"),
    [("debug", "debug", "warning"), ("info", "info", "warning"), ("warning", "warning", "warning"), ("error",) * 3],
)
def test_level_is_for_own_loggers_and_uvicorn(
    log: Callable[..., io.StringIO], level: str, own: str, others: str
) -> None:
    log(log_level=level)
    for name, least in (("qa.generative", own), ("ui.app", own), ("uvicorn.error", own), ("openai", others)):
        assert logging.getLogger(name).getEffectiveLevel() == logging.getLevelName(least.upper()), name


def test_set_up_twice_logs_once(log: Callable[..., io.StringIO]) -> None:
    log()
    written = log()
    logging.getLogger("ui.app").warning("once")
    assert written.getvalue().count("once") == 1


def test_exception_is_one_line_of_json(log: Callable[..., io.StringIO]) -> None:
    written = log(log_format="json")
    _log_exception("first\nsecond")
    (line,) = written.getvalue().splitlines()
    fields = json.loads(line)
    assert fields["message"] == "it failed"
    assert "Traceback" in fields["exc_info"]
    assert "ValueError: first\nsecond" in fields["exc_info"]


def test_warning_is_one_line_of_json(log: Callable[..., io.StringIO]) -> None:
    written = log(log_format="json")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)  # catch_warnings puts back what pytest shows them by
        warnings.warn("outdated\nsince long", stacklevel=1)
    (line,) = written.getvalue().splitlines()
    assert "outdated\nsince long" in json.loads(line)["message"]


@pytest.mark.parametrize(
    "text", ["a\nERROR ui.app: forged", "a\r\nb", "a\x1b[2Jb", "a\u2028b", "a\x85b", "a\x00b", "a\u202eb"]
)
def test_no_second_line_can_be_forged_in_text(log: Callable[..., io.StringIO], text: str) -> None:
    written = log()
    logging.getLogger("ui.app").warning("of %s", text)
    (line,) = written.getvalue().splitlines()
    assert line.isprintable()
    assert line.startswith("WARNING ui.app: of a\\")


def test_traceback_cannot_forge_a_line_either(log: Callable[..., io.StringIO]) -> None:
    written = log()
    _log_exception("a\nERROR ui.app: forged\rERROR ui.app: again")
    first, *others = written.getvalue().splitlines()
    assert first == "ERROR ui.app: it failed"
    assert others[0] == "    Traceback (most recent call last):"
    assert all(line.startswith("    ") for line in others)


@given(st.text())
def test_any_text_is_one_line(text: str) -> None:
    assert escaped(text).isprintable()


def test_access_line_tells_the_request(log: Callable[..., io.StringIO]) -> None:
    written = log(log_format="json", log_level="info")
    caller = Caller("token:night", frozenset())
    response = served(caller=caller).get("/articles/a-1?query=тайна", headers={"X-Request-ID": "night-7"})
    own, access = map(json.loads, written.getvalue().splitlines())
    assert (own["logger"], own["request_id"]) == ("qa.chain", "night-7"), "also in a thread of the request"
    assert access["logger"] == "ui.access_log"
    assert access["request_id"] == response.headers["X-Request-ID"] == "night-7"
    assert (access["method"], access["path"], access["status"]) == ("GET", "/articles/a-1", 200)
    assert (access["client"], access["caller"]) == ("testclient", "token:night")
    assert access["n_bytes"] == len(response.content)
    assert access["ms"] > 0
    assert "query" not in written.getvalue()


def test_access_line_of_a_stream_comes_at_its_end(log: Callable[..., io.StringIO]) -> None:
    written = log(log_level="info")
    served().get("/stream", headers={"X-Request-ID": "s"})
    assert written.getvalue().startswith("INFO ui.access_log [s]: GET /stream 200, 12 bytes in ")


def test_access_line_of_a_fault(log: Callable[..., io.StringIO]) -> None:
    written = log(log_format="json", log_level="info")
    served().get("/articles/broken")
    assert json.loads(written.getvalue().splitlines()[-1])["status"] == 500


def test_path_cannot_forge_a_line(log: Callable[..., io.StringIO]) -> None:
    written = log(log_level="info")
    served(caller=Caller("и\nмя", frozenset())).get("/articles/a%0AERROR%20ui.app:%20forged%1B%5B2J")
    (line,) = written.getvalue().splitlines()
    assert "GET /articles/a\\nERROR ui.app: forged\\x1b[2J 404, " in line
    assert line.endswith(" ms, testclient и\\nмя")


def test_quiet_log_tells_of_no_request_and_no_question(log: Callable[..., io.StringIO]) -> None:
    written = log()
    served().get("/stream")
    log_asked(with_text=True)(asked(ANSWER))
    assert written.getvalue() == ""


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (
            ANSWER,
            {
                "outcome": "answer",
                "mode": "generative",
                "generation": "g-0002",
                "stages_ms": {"retrieve": 20.0},
                "tokens": {"prompt": 900, "completion": 40},
            },
        ),
        (
            Refusal(RefusalReason.NOT_STATED, "Секретный ответ", "ru", ()),
            {"outcome": "refusal", "reason": "not_stated", "generation": "", "stages_ms": {}},
        ),
        (IndexDamagedError("Секретный путь"), {"outcome": "error", "error": "IndexDamagedError"}),
        (None, {"outcome": "stopped"}),
    ],
)
def test_question_line_tells_what_became_of_it(
    log: Callable[..., io.StringIO], outcome: Any, expected: dict[str, Any]
) -> None:
    written = log(log_format="json", log_level="info")
    log_asked(with_text=False)(asked(outcome))
    fields = json.loads(written.getvalue())
    for name in ("time", "level", "request_id", "message"):
        del fields[name]
    assert fields == {"logger": "ui.question_log", "door": "stream", "ms": 250.0, **expected}
    for word in ("советник", "Секретный"):
        assert word not in json.dumps(json.loads(written.getvalue()), ensure_ascii=False)


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_question_is_told_on_request_only(log: Callable[..., io.StringIO], log_format: str) -> None:
    written = log(log_format=log_format, log_level="info")
    log_asked(with_text=True)(asked(ANSWER))
    text = written.getvalue() if log_format == "text" else json.loads(written.getvalue())["question"]
    assert QUESTION.text in text
    assert "Секретный" not in text
    assert len(written.getvalue().splitlines()) == 1


def _log_exception(words: str) -> None:
    try:
        raise ValueError(words)
    except ValueError:
        logging.getLogger("ui.app").exception("it failed")


def test_access_line_of_a_request_that_nobody_waited_for(log: Callable[..., io.StringIO]) -> None:
    async def leave(scope: Scope, receive: Receive, send: Send) -> None:
        """Answers nothing, as the client went away."""

    async def unused(*message: Any) -> Any:
        raise AssertionError("nothing is read or sent")

    written = log(log_format="json", log_level="info")
    scope = {"type": "http", "method": "POST", "path": "/answer", "headers": []}
    asyncio.run(AccessLog(leave)(scope, unused, unused))
    assert json.loads(written.getvalue())["status"] == 499
