"""The OpenAPI document, and routes that say which methods a path takes and that nothing is there."""

from collections import defaultdict
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ui.openai_api import OPENAI_PREFIX
from ui.problems import MEDIA_TYPE, Kind, ProblemOut
from ui.scopes import NOTHING, RULES, needed_scope

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY")
# What any request may end with; routes name more.
EVERYWHERE = (
    Kind.HOST,
    Kind.UNAUTHENTICATED,
    Kind.FORBIDDEN,
    Kind.SLOW,
    Kind.TOO_LARGE,
    Kind.INVALID,
    Kind.RATE,
    Kind.INTERNAL,
)
BEARER = "HTTPBearer"  # what FastAPI calls the scheme of ui/api.py
REQUEST_ID = {
    "description": "Names the request, also in the server's log: what the client sent in this header, or a new one.",
    "required": True,
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$", "examples": ["6b0c1d0e9d5a4c6f"]},
}
RETRY_AFTER = {
    "description": "Seconds after which to try again.",
    "required": True,
    "schema": {"type": "integer", "minimum": 1, "examples": [5]},
}
RETRIED = ("429", "503")


def problems(*kinds: Kind) -> dict[int | str, dict[str, Any]]:
    """What a route may end with, for its `responses`: these and what any may end with."""
    sentences = defaultdict[int, list[str]](list)
    for kind in (*kinds, *EVERYWHERE):
        sentences[kind.value.status].append(f"{kind.value.title} (`{kind.value.name}`).")
    return {status: {"model": ProblemOut, "description": " ".join(told)} for status, told in sentences.items()}


def describe(app: FastAPI, *, is_login_asked: bool = False) -> None:
    """Have the document say what all routes have in common: problems, headers, and who may ask.

    Args:
        app: its routes may still be added.
        is_login_asked: whether a token or a login is needed; a token may be sent either way.
    """

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app, is_login_asked=is_login_asked)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]  # how FastAPI's documentation does it


def _document(app: FastAPI, *, is_login_asked: bool) -> dict[str, Any]:
    found = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes, tags=app.openapi_tags
    )
    for path, operations in found["paths"].items():
        for method, operation in operations.items():
            if needed_scope(method.upper(), path) != NOTHING:
                operation.setdefault("security", [{BEARER: []}] if is_login_asked else [{}, {BEARER: []}])
            for status, response in operation["responses"].items():
                _complete(status, response, is_problem=status >= "400" and not path.startswith(OPENAI_PREFIX))
    return found


def _complete(status: str, response: dict[str, Any], *, is_problem: bool) -> None:
    response["headers"] = {"X-Request-ID": REQUEST_ID} | ({"Retry-After": RETRY_AFTER} if status in RETRIED else {})
    if is_problem and "application/json" in response.get("content", {}):
        response["content"] = {MEDIA_TYPE: response["content"]["application/json"]}


def add_method_routes(app: FastAPI) -> None:
    """Answer 405 where a path is known and the method is not, and 404 below the paths that programs ask.

    The page, mounted at "/", would say 404 to both, in words of its own. To be called when all routes are there and the
    page is not.
    """
    taken = defaultdict[str, set[str]](set)
    for route in iter_route_contexts(app.routes):
        if route.path and route.methods:
            taken[route.path] |= route.methods
    app.router.routes += [_other_methods(path, methods) for path, methods in taken.items()]
    app.router.routes += [_nothing_at(path) for rule, _ in RULES for path in (rule, f"{rule}/{{rest:path}}")]


def _other_methods(path: str, methods: set[str]) -> Route:
    async def refuse(request: Request) -> Response:
        raise HTTPException(405, headers={"Allow": ", ".join(sorted(methods))})

    return Route(path, refuse, methods=[method for method in METHODS if method not in methods], include_in_schema=False)


def _nothing_at(path: str) -> Route:
    async def refuse(request: Request) -> Response:
        raise HTTPException(404)

    return Route(path, refuse, methods=METHODS, include_in_schema=False)
