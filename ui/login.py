"""The guard before everything that is served: a login where one is asked for, and no orders from pages of other sites.

Who sends a request is found out in ui/gate.py; what that one may do stands in ui/scopes.py.
"""

import time
from collections.abc import Mapping, Sequence
from math import ceil
from urllib.parse import quote, urlencode, urlsplit

from fastapi import FastAPI
from fastapi.responses import RedirectResponse, Response
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from ui.callers import Callers
from ui.error_handlers import told
from ui.gate import Denied, Gate, local_path, status_of
from ui.problems import Kind, Problem
from ui.scopes import CALLER, is_for_programs, names, needed_scope
from ui.sessions import Sessions, signing_key
from ui.settings import Settings
from ui.throttle import Seconds

SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}

NOT_LOGGED_IN = (
    "a login is needed; open /login in a browser, send a token as the header Authorization: Bearer TOKEN, or name and"
    " password by HTTP Basic"
)
SOCKET_REFUSED = "not allowed, or not logged in"
ELSEWHERE = "this was sent by a page of another site; open Otvet itself and do it there"


def add_login(
    app: FastAPI,
    settings: Settings,
    callers: Callers,
    *,
    cors_origins: Sequence[str] = (),
    clock: Seconds = time.time,
) -> None:
    """Let only those in who are known, where there are any; and nobody by way of a page of another site.

    May be called before or after other routes, mounts and middleware are added; it comes before all of them.

    Args:
        app: The application.
        settings: Its settings; `session_hours`, `session_key` and `data_dir` matter.
        callers: Those who may be let in.
        cors_origins: Sites whose pages may send what they like, each as a browser names it in Origin.
        clock: Seconds since 1970; sessions and waits are measured by it.

    Raises:
        UsersError: the key of the sessions cannot be read.
    """
    if callers.are_asked:
        session_s = settings.session_hours * 3600
        gate = Gate(callers, session_s=session_s, clock=clock)
        app.router.routes[:0] = [
            Route("/login", gate.show_form, methods=["GET"]),
            Route("/login", gate.take_form, methods=["POST"]),
            Route("/logout", gate.log_out, methods=["POST"]),
        ]
        app.add_middleware(_Guard, gate=gate)
        app.add_middleware(Sessions, key=signing_key(settings), max_age_s=ceil(session_s))
    app.add_middleware(_OwnPages, origins=frozenset(cors_origins))


class _OwnPages:
    """Lets no page of another site change anything, as browsers send cookies and addresses that are let in along.

    Of pages that may, those on a host beside this one would bring the cookie, too; it does not count.
    """

    def __init__(self, app: ASGIApp, origins: frozenset[str]) -> None:
        self._app = app
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._app
        if scope["type"] in ("http", "websocket") and _comes_from_elsewhere(HTTPConnection(scope)):
            if Headers(scope=scope).get("origin") in self._origins:
                scope["headers"] = [header for header in scope["headers"] if header[0] != b"cookie"]
            elif scope.get("method") not in SAFE_METHODS:
                app = _refused(_denied(scope["path"], Kind.FORBIDDEN, ELSEWHERE), scope)
        await app(scope, receive, send)


class _Guard:
    """Lets nobody do what the caller may not. Pure ASGI, so that a stream stays a stream."""

    def __init__(self, app: ASGIApp, gate: Gate) -> None:
        self._app = app
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = await self._refusal(HTTPConnection(scope)) if scope["type"] in ("http", "websocket") else None
        await (self._app if refusal is None else _refused(refusal, scope))(scope, receive, send)

    async def _refusal(self, connection: HTTPConnection) -> Response | None:
        needed = needed_scope(connection.get("method", ""), connection["path"])
        if not needed:
            return None
        caller = await self._gate.caller(connection)
        if caller is None:
            return _to_login(connection)
        if isinstance(caller, Denied):
            status, headers = status_of(caller)
            kind = Kind.RATE if caller.wait_s else Kind.UNAUTHENTICATED
            return _denied(connection["path"], kind, caller.what, {**headers, **_challenge(connection, status)})
        if not needed <= caller.scopes:
            detail = f"this needs the scope {names(needed)}; {caller.name!r} has {names(caller.scopes)}"
            return _denied(connection["path"], Kind.FORBIDDEN, detail)
        connection.scope[CALLER] = caller
        return None


def _refused(response: Response, scope: Scope) -> ASGIApp:
    """A refusal, for a websocket in the form that it knows."""
    return WebSocketClose(1008, SOCKET_REFUSED) if scope["type"] == "websocket" else response


def _comes_from_elsewhere(connection: HTTPConnection) -> bool:
    """Whether a page of another site, or another port, makes a browser send this. Programs tell neither."""
    site, origin = connection.headers.get("sec-fetch-site"), connection.headers.get("origin")
    if site is not None or origin is None:
        return site not in (None, "same-origin", "none")
    try:
        return urlsplit(origin).netloc != connection.headers.get("host")
    except ValueError:
        return True


def _to_login(connection: HTTPConnection) -> Response:
    if connection.get("method") != "GET" or "text/html" not in connection.headers.get("accept", ""):
        return _denied(connection["path"], Kind.UNAUTHENTICATED, NOT_LOGGED_IN, _challenge(connection, 401))
    query = connection["query_string"].decode("latin-1")
    path = local_path(quote(connection["path"]) + (f"?{query}" if query else ""))
    return RedirectResponse("/login" if path == "/" else f"/login?{urlencode({'next': path})}", 303)


def _challenge(connection: HTTPConnection, status: int) -> dict[str, str]:
    """What a program is told to send. Not on the page: some browsers would open a window of their own."""
    is_told = status == 401 and is_for_programs(connection["path"])
    return {"WWW-Authenticate": "Bearer"} if is_told else {}


def _denied(path: str, kind: Kind, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    return told(path, Problem(kind, detail, headers or {}))
