"""The login: a form, signed sessions, HTTP Basic for programs, and the guard before everything else that is served.

Decision: a session is a signed cookie with the user's name, the time of its end and the fingerprint of the password,
so nothing is kept on the server, and a removed user or a changed password ends it with the next request.
Decision: passwords are verified by one thread, one after the other. The event loop goes on, a flood of attempts takes
no more than one core and 64 MiB, and an attempt sees the failures of all before it.
"""

import asyncio
import binascii
import logging
import time
from base64 import b64decode
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import blake2b
from ipaddress import IPv6Address, IPv6Network, ip_address
from math import ceil
from pathlib import Path
from secrets import token_bytes, token_hex
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from filelock import FileLock
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import HTTPConnection
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from index.errors import UsersError
from ui.languages import language_of
from ui.login_page import PAGE_POLICY, Trouble, going_on_page, login_page
from ui.settings import Settings
from ui.throttle import MAX_REMEMBERED, Seconds, Throttle
from ui.users import MAX_NAME_CHARS, User, Users, folded, write_private

log = logging.getLogger(__name__)

COOKIE = "otvet_session"
KEY_FILE = "session.key"
N_KEY_DIGITS = 64
USER = "otvet_user"  # where the guard puts the user in the scope of a request
OPEN = {
    ("GET", "/login"),
    ("HEAD", "/login"),
    ("POST", "/login"),
    ("POST", "/logout"),
    ("GET", "/health"),
    ("GET", "/ready"),
}
WITH_TOKEN = {("POST", "/index/rebuild"), ("DELETE", "/index/rebuild")}  # these check OTVET_ADMIN_TOKEN themselves
SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}

BASIC_VERIFIED_S = 60
MAX_FORM_BYTES = 16_384
MAX_NEXT_CHARS = 2000

NOT_LOGGED_IN = "a login is needed; open /login in a browser, or send name and password by HTTP Basic"
WRONG = "the name or the password is wrong; correct the header Authorization"
ELSEWHERE = "this was sent by a page of another site; open Otvet itself and do it there"


@dataclass(frozen=True, slots=True)
class Denied:
    """An attempt that failed; `wait_s` is 0 if it was wrong, else how long until one is looked at again."""

    wait_s: int = 0


def add_login(app: FastAPI, settings: Settings, *, clock: Seconds = time.time) -> None:
    """Let only those in who are in the file of OTVET_USERS; without that setting, do nothing.

    May be called before or after other routes, mounts and middleware are added; it comes before all of them.

    Args:
        app: The application.
        settings: Its settings; `users`, `session_hours` and `data_dir` matter.
        clock: Seconds since 1970; sessions and waits are measured by it.

    Raises:
        UsersError: the file of users or the key of the sessions cannot be read.
    """
    if settings.users is None:
        return
    users = Users(settings.users)
    users.require()
    session_s = settings.session_hours * 3600
    gate = _Gate(users, session_s=session_s, clock=clock)
    app.router.routes[:0] = [
        Route("/login", gate.show_form, methods=["GET"]),
        Route("/login", gate.take_form, methods=["POST"]),
        Route("/logout", gate.log_out, methods=["POST"]),
    ]
    app.add_middleware(_Guard, gate=gate)
    app.add_middleware(_Sessions, key=session_key(settings.data_dir), max_age_s=ceil(session_s))


def current_user(connection: Mapping[str, Any]) -> User | None:
    """Who sent this: of a request, a websocket or a scope. None where no login is asked for."""
    user = connection.get(USER)
    return user if isinstance(user, User) else None


def session_key(data_dir: Path) -> str:
    """The key that signs sessions, made at first use; a restart keeps it, and so the sessions.

    Raises:
        UsersError: it cannot be read or written.
    """
    path = data_dir / KEY_FILE
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(f"{KEY_FILE}.lock")):
            if not path.exists():
                write_private(path, token_hex(N_KEY_DIGITS // 2) + "\n")
        key = path.read_bytes().strip().decode("ascii")
    except (OSError, UnicodeDecodeError) as exc:
        raise UsersError(f"cannot read the key of the sessions {str(path)!r}: {exc}; mend or delete it") from exc
    if len(key) < N_KEY_DIGITS:
        raise UsersError(f"the key of the sessions {str(path)!r} is too short; delete it, and a new one is made")
    return key


def local_path(text: str) -> str:
    """The text if it is a path on this server whatever browser reads it, else "/"."""
    is_local = text.startswith("/") and not text.startswith("//") and "\\" not in text and text.isprintable()
    return text if is_local and len(text) <= MAX_NEXT_CHARS else "/"


class _Gate:
    """Knows who is logged in, and logs in and out."""

    def __init__(self, users: Users, *, session_s: float, clock: Seconds) -> None:
        self._users = users
        self._session_s = session_s
        self._clock = clock
        self._throttle = Throttle(clock)
        self._verifier = ThreadPoolExecutor(1, thread_name_prefix="login")
        self._secret = token_bytes(32)
        self._verified: dict[bytes, tuple[str, str | None, float]] = {}  # by header: name, fingerprint, until when

    async def user(self, connection: HTTPConnection) -> User | Denied | None:
        """Who sent this; None where it says nothing of that, or its session has ended."""
        user = self._session_user(connection)
        scheme, _, given = connection.headers.get("authorization", "").partition(" ")
        if user is not None or scheme.lower() != "basic":
            return user
        return self._known(given) or await self._verify(self._check_basic, given, _address(connection))

    async def show_form(self, request: Request) -> Response:
        """GET /login."""
        language, next_path = language_of(request), local_path(request.query_params.get("next", "/"))
        if self._session_user(request) is not None:
            return RedirectResponse(next_path, 303)
        if request.headers.get("sec-fetch-site") == "cross-site":  # a link elsewhere: browsers hold back the cookie
            return _html(going_on_page(language, next_path=next_path))
        return _html(login_page(language, next_path=next_path))

    async def take_form(self, request: Request) -> Response:
        """POST /login."""
        fields = await _fields(request)
        name, next_path = fields.get("name", ""), local_path(fields.get("next", "/"))
        user = await self._verify(self._check, name, fields.get("password", ""), _address(request))
        if isinstance(user, Denied):
            trouble: Trouble = "slowed" if user.wait_s else "wrong"
            page = login_page(language_of(request), next_path=next_path, name=name, trouble=trouble, wait_s=user.wait_s)
            return _html(page, *_status(user))
        request.session.clear()
        request.session.update(
            name=user.name, mark=self._users.fingerprint(user.name), ends=self._clock() + self._session_s
        )
        return RedirectResponse(next_path, 303)

    async def log_out(self, request: Request) -> Response:
        """POST /logout."""
        request.session.clear()
        return RedirectResponse("/login", 303)

    async def _verify(self, check: Callable[..., User | Denied], *given: str) -> User | Denied:
        return await asyncio.get_running_loop().run_in_executor(self._verifier, check, *given)

    def _check(self, name: str, password: str, address: str) -> User | Denied:
        by_name, by_address = f"name {folded(name)[:MAX_NAME_CHARS]}", f"address {address}"
        if wait_s := self._throttle.wait_s(by_name, by_address):
            return Denied(wait_s)
        user = self._users.check(name, password)
        if user is None:
            self._throttle.failed(by_name, by_address)
            log.warning("a login failed, from %r", address)
            return Denied()
        self._throttle.forget(by_name)
        return user

    def _check_basic(self, given: str, address: str) -> User | Denied:
        if known := self._known(given):  # another request was first
            return known
        try:
            name, _, password = b64decode(given).decode().partition(":")
        except (binascii.Error, ValueError):
            return Denied()
        user = self._check(name, password, address)
        if isinstance(user, User):
            while len(self._verified) >= MAX_REMEMBERED:
                del self._verified[next(iter(self._verified))]
            until = self._clock() + BASIC_VERIFIED_S
            self._verified[self._digest(given)] = (user.name, self._users.fingerprint(user.name), until)
        return user

    def _known(self, given: str) -> User | None:
        """The user of a header that was verified within the last minute and still holds."""
        name, mark, until = self._verified.get(self._digest(given), ("", None, 0.0))
        return self._user(name, mark) if self._clock() < until else None

    def _digest(self, given: str) -> bytes:
        return blake2b(given.encode("latin-1", "replace"), key=self._secret).digest()

    def _session_user(self, connection: HTTPConnection) -> User | None:
        match connection.session:
            case {"name": str(name), "mark": str(mark), "ends": float(ends)} if self._clock() < ends:
                return self._user(name, mark)
        return None

    def _user(self, name: str, mark: str | None) -> User | None:
        return self._users.get(name) if mark is not None and mark == self._users.fingerprint(name) else None


class _Guard:
    """Lets nothing through without a login but what is open. Pure ASGI, so that a stream stays a stream."""

    def __init__(self, app: ASGIApp, gate: _Gate) -> None:
        self._app = app
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = await self._refusal(HTTPConnection(scope)) if scope["type"] in ("http", "websocket") else None
        if refusal is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await WebSocketClose(1008, NOT_LOGGED_IN)(scope, receive, send)
        else:
            await refusal(scope, receive, send)

    async def _refusal(self, connection: HTTPConnection) -> Response | None:
        if _comes_from_elsewhere(connection):
            return JSONResponse({"detail": ELSEWHERE}, 403)
        if _is_open(connection):
            return None
        user = await self._gate.user(connection)
        if isinstance(user, User):
            connection.scope[USER] = user
            return None
        return _to_login(connection) if user is None else _wrong_basic(user)


class _Sessions:
    """Starlette's sessions; over HTTPS the cookie is never sent without it."""

    def __init__(self, app: ASGIApp, key: str, max_age_s: int) -> None:
        self._plain, self._secure = (
            SessionMiddleware(app, key, COOKIE, max_age=max_age_s, same_site="strict", https_only=https_only)
            for https_only in (False, True)
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        sessions = self._secure if scope.get("scheme") in ("https", "wss") else self._plain
        await sessions(scope, receive, send)


def _is_open(connection: HTTPConnection) -> bool:
    asked = (connection.get("method", ""), connection["path"])
    has_token = connection.headers.get("authorization", "").lower().startswith("bearer ")
    return asked in OPEN or (asked in WITH_TOKEN and has_token)


def _comes_from_elsewhere(connection: HTTPConnection) -> bool:
    """Whether a page of another site, or another port, makes a browser change something. Programs tell neither."""
    if connection.get("method") in SAFE_METHODS:
        return False
    site, origin = connection.headers.get("sec-fetch-site"), connection.headers.get("origin")
    if site is not None or origin is None:
        return site not in (None, "same-origin", "none")
    try:
        return urlsplit(origin).netloc != connection.headers.get("host")
    except ValueError:
        return True


def _to_login(connection: HTTPConnection) -> Response:
    if connection.get("method") != "GET" or "text/html" not in connection.headers.get("accept", ""):
        return JSONResponse({"detail": NOT_LOGGED_IN}, 401)  # a WWW-Authenticate makes browsers open their own window
    query = connection["query_string"].decode("latin-1")
    path = local_path(quote(connection["path"]) + (f"?{query}" if query else ""))
    return RedirectResponse("/login" if path == "/" else f"/login?{urlencode({'next': path})}", 303)


def _wrong_basic(denied: Denied) -> Response:
    slowed = f"there were too many failed logins; try again in {denied.wait_s} s"
    return JSONResponse({"detail": slowed if denied.wait_s else WRONG}, *_status(denied))


def _status(denied: Denied) -> tuple[int, dict[str, str]]:
    return (429, {"Retry-After": str(denied.wait_s)}) if denied.wait_s else (401, {})


def _html(page: str, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    own = {"Content-Security-Policy": PAGE_POLICY, "Cache-Control": "no-store", "Referrer-Policy": "same-origin"}
    return HTMLResponse(page, status, {**own, **(headers or {})})


def _address(connection: HTTPConnection) -> str:
    """Whose failures are counted together: an IPv4 address, or the network that one household has in IPv6."""
    host = connection.client.host if connection.client else ""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if isinstance(address, IPv6Address) and address.ipv4_mapped is None:
        return str(IPv6Network((int(address) >> 64 << 64, 64)))
    return str(address)


async def _fields(request: Request) -> dict[str, str]:
    """The fields of a form; empty where it cannot be read."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM_BYTES:
            raise HTTPException(413, f"the form is longer than {MAX_FORM_BYTES} bytes; send name and password only")
    try:
        return dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True, max_num_fields=10))
    except ValueError:
        return {}
