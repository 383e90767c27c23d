"""The OpenAPI document, and routes that say which methods a path takes."""

from collections import defaultdict
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ui.openai_api import OPENAI_PREFIX
from ui.problems import MEDIA_TYPE, Kind, ProblemOut

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY")
# What any request may end with; routes name more.
EVERYWHERE = (Kind.HOST, Kind.UNAUTHENTICATED, Kind.FORBIDDEN, Kind.TOO_LARGE, Kind.INVALID, Kind.RATE, Kind.INTERNAL)


def problems(*kinds: Kind) -> dict[int | str, dict[str, Any]]:
    """What a route may end with, for its `responses`: these and what any may end with."""
    told: dict[int | str, dict[str, Any]] = {}
    for kind in (*kinds, *EVERYWHERE):
        told.setdefault(kind.value.status, {"model": ProblemOut, "description": f"{kind.value.title}."})
    return told


def describe(app: FastAPI) -> None:
    """Have the document say that problems are sent as what they are."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            found = get_openapi(
                title=app.title,
                version=app.version,
                description=app.description,
                routes=app.routes,
                tags=app.openapi_tags,
            )
            for path, operations in found["paths"].items():
                if not path.startswith(OPENAI_PREFIX):
                    _rename(operations)
            app.openapi_schema = found
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]  # how FastAPI's documentation does it


def _rename(operations: dict[str, Any]) -> None:
    for operation in operations.values():
        for status, told in operation["responses"].items():
            if int(status) >= 400 and "application/json" in told.get("content", {}):
                told["content"] = {MEDIA_TYPE: told["content"]["application/json"]}


def add_method_routes(app: FastAPI) -> None:
    """Answer 405 where a path is known and the method is not; else the page, mounted at "/", would say 404.

    To be called when all routes are there and the page is not.
    """
    taken = defaultdict[str, set[str]](set)
    for route in app.routes:
        if isinstance(route, APIRoute):
            taken[route.path] |= set(route.methods or ())
    for path, methods in taken.items():
        app.router.routes.append(_refusing(path, methods))


def _refusing(path: str, methods: set[str]) -> Route:
    async def refuse(request: Request) -> Response:
        raise HTTPException(405, headers={"Allow": ", ".join(sorted(methods))})

    return Route(path, refuse, methods=[method for method in METHODS if method not in methods], include_in_schema=False)
