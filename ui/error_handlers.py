"""Which problem a request ends with: the application's handlers of errors."""

from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from index.errors import OtvetError
from ui.openai_api import OPENAI_PREFIX, openai_error, openai_invalid
from ui.problems import Kind, Problem, invalid_fields, problem_of
from ui.requests import CLIENT_GONE

BY_STATUS = {kind.value.status: kind for kind in reversed(Kind)}


def add_error_handlers(app: FastAPI) -> None:
    """Every error as problem details, and below `/v1/` in the form that OpenAI's clients know."""

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, exc: RequestValidationError) -> Response:
        errors = list(exc.errors())
        is_openai = request.url.path.startswith(OPENAI_PREFIX)
        return openai_invalid(errors) if is_openai else invalid_fields(errors).response()

    @app.exception_handler(HTTPException)
    async def refused(request: Request, exc: HTTPException) -> Response:
        return told(request.url.path, _problem_of_http(request, exc))

    @app.exception_handler(ClientDisconnect)
    async def gone(request: Request, exc: ClientDisconnect) -> Response:
        return Response(status_code=CLIENT_GONE)

    @app.exception_handler(OtvetError)
    async def failed(request: Request, exc: OtvetError) -> Response:
        return told(request.url.path, problem_of(exc))

    @app.exception_handler(Exception)
    async def unexpected(request: Request, exc: Exception) -> Response:
        return told(request.url.path, problem_of(exc))


def told(path: str, problem: Problem) -> Response:
    """A problem as those who ask at this path know errors."""
    return openai_error(problem) if path.startswith(OPENAI_PREFIX) else problem.response()


def _problem_of_http(request: Request, exc: HTTPException) -> Problem:
    headers = dict(exc.headers or {})
    match exc.status_code:
        case HTTPStatus.BAD_REQUEST:  # how FastAPI says that it cannot read the body
            return Problem(Kind.INVALID, "the body cannot be read; send JSON in UTF-8, not deeply nested")
        case HTTPStatus.NOT_FOUND if exc.detail == HTTPStatus.NOT_FOUND.phrase:
            return Problem(Kind.NOT_FOUND, f"there is nothing at {request.url.path!r}; /docs shows what there is")
        case HTTPStatus.METHOD_NOT_ALLOWED:
            allowed = headers.get("Allow") or headers.get("allow") or "other methods"
            return Problem(
                Kind.METHOD, f"{request.method} does not fit {request.url.path!r}; it takes {allowed}", headers
            )
    kind = BY_STATUS.get(exc.status_code, Kind.INTERNAL if exc.status_code >= 500 else Kind.INVALID)
    return Problem(kind, exc.detail, headers)
