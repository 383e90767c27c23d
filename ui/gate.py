"""Who sends a request: by a session, by HTTP Basic or by a token; and how one logs in and out.

Decision: a session is a signed cookie with the caller's name, the time of its end and a fingerprint of the password or
the token, so nothing is kept on the server, and what is removed or changed there ends it with the next request.
Decision: passwords are verified by one thread, one after the other. The event loop goes on, a flood of attempts takes
no more than one core and 64 MiB, and an attempt sees the failures of all before it.
Decision: a right token passes whatever was sent before, so nobody locks a program out by wrong ones from its address.
Waits slow down who guesses; 256 random bits are not guessed.
"""

import asyncio
import binascii
import logging
from base64 import b64decode
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import blake2b
from secrets import token_bytes
from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from ui.addresses import client_network
from ui.callers import Callers
from ui.entries import MAX_NAME_CHARS, folded
from ui.languages import language_of
from ui.login_page import PAGE_POLICY, Trouble, going_on_page, login_page
from ui.scopes import Caller
from ui.throttle import MAX_REMEMBERED, Seconds, Throttle

log = logging.getLogger(__name__)

BASIC_VERIFIED_S = 60
MAX_FORM_BYTES = 16_384
MAX_WAITING, BUSY_S = 100, 5  # attempts, each of which takes a few hundredths of a second
MAX_NEXT_CHARS = 2000


@dataclass(frozen=True, slots=True)
class Denied:
    """An attempt that failed.

    Attributes:
        what: was wrong, in words.
        wait_s: seconds until an attempt is looked at again; 0 if this one was, and is wrong.
    """

    what: str
    wait_s: int = 0


WRONG_PASSWORD = "the name or the password is wrong; correct the header Authorization"
WRONG_TOKEN = "the token is wrong or was removed; correct the header Authorization, or make one by `otvet tokens add`"


class Gate:
    """Knows who sends a request, and logs in and out.

    Args:
        callers: those who may be let in.
        session_s: seconds after which a session ends.
        clock: seconds since 1970; sessions and waits are measured by it.
    """

    def __init__(self, callers: Callers, *, session_s: float, clock: Seconds) -> None:
        self._callers = callers
        self._session_s = session_s
        self._clock = clock
        self._throttle = Throttle(clock)
        self._wrong_tokens = Throttle(clock)
        self._verifier = ThreadPoolExecutor(1, thread_name_prefix="login")
        self._n_verified_now = 0
        self._secret = token_bytes(32)
        self._verified: dict[bytes, tuple[str, str | None, float]] = {}  # by header: name, fingerprint, until when

    async def caller(self, connection: HTTPConnection) -> Caller | Denied | None:
        """Who sent this; None where it says nothing of that, or its session has ended.

        A right token counts before a session, a session before anything that is wrong.
        """
        scheme, _, given = connection.headers.get("authorization", "").partition(" ")
        given, address = given.strip(), client_network(connection)
        match scheme.lower():
            case "bearer":
                return self._callers.by_token(given) or self._by_session(connection) or self._wrong_token(address)
            case "basic":
                known = self._by_session(connection) or self._known(given)
                return known or await self._verify(self._check_basic, given, address)
        return self._by_session(connection)

    async def show_form(self, request: Request) -> Response:
        """GET /login."""
        language, next_path = language_of(request), local_path(request.query_params.get("next", "/"))
        if self._by_session(request) is not None:
            return RedirectResponse(next_path, 303)
        if request.headers.get("sec-fetch-site") == "cross-site":  # a link elsewhere: browsers hold back the cookie
            return _html(going_on_page(language, next_path=next_path))
        return _html(login_page(language, next_path=next_path, takes_tokens=self._callers.have_tokens))

    async def take_form(self, request: Request) -> Response:
        """POST /login."""
        fields = await _fields(request)
        name, next_path = fields.get("name", ""), local_path(fields.get("next", "/"))
        caller = await self._verify(self._check, name, fields.get("password", ""), client_network(request))
        if isinstance(caller, Denied):
            trouble: Trouble = "slowed" if caller.wait_s else "wrong"
            page = login_page(
                language_of(request),
                next_path=next_path,
                name=name,
                trouble=trouble,
                wait_s=caller.wait_s,
                takes_tokens=self._callers.have_tokens,
            )
            return _html(page, *status_of(caller))
        request.session.clear()
        request.session.update(
            name=caller.name, mark=self._callers.fingerprint(caller.name), ends=self._clock() + self._session_s
        )
        return RedirectResponse(next_path, 303)

    async def log_out(self, request: Request) -> Response:
        """POST /logout."""
        request.session.clear()
        return RedirectResponse("/login", 303)

    async def _verify(self, check: Callable[..., Caller | Denied], *given: str) -> Caller | Denied:
        if self._n_verified_now >= MAX_WAITING:
            return Denied(f"too many log in at once; try again in {BUSY_S} s", BUSY_S)
        self._n_verified_now += 1  # by the event loop alone
        try:
            return await asyncio.get_running_loop().run_in_executor(self._verifier, check, *given)
        finally:
            self._n_verified_now -= 1

    def _check(self, name: str, password: str, address: str) -> Caller | Denied:
        if caller := self._callers.by_token(password, name=name):
            return caller
        by_name, by_address = f"name {folded(name)[:MAX_NAME_CHARS]}", f"address {address}"
        if wait_s := self._throttle.wait_s(by_name, by_address):
            return Denied(f"there were too many failed logins; try again in {wait_s} s", wait_s)
        caller = self._callers.by_password(name, password)
        if caller is None:
            self._throttle.failed(by_name, by_address)
            log.warning("a login failed, from %r", address)
            return Denied(WRONG_PASSWORD)
        self._throttle.forget(by_name)
        return caller

    def _check_basic(self, given: str, address: str) -> Caller | Denied:
        if known := self._known(given):  # another request was first
            return known
        try:
            name, _, password = b64decode(given).decode().partition(":")
        except (binascii.Error, ValueError):
            return Denied(WRONG_PASSWORD)
        caller = self._check(name, password, address)
        if isinstance(caller, Caller):
            while len(self._verified) >= MAX_REMEMBERED:
                del self._verified[next(iter(self._verified))]
            until = self._clock() + BASIC_VERIFIED_S
            self._verified[self._digest(given)] = (caller.name, self._callers.fingerprint(caller.name), until)
        return caller

    def _wrong_token(self, address: str) -> Denied:
        if wait_s := self._wrong_tokens.wait_s(address):
            return Denied(f"there were too many wrong tokens; correct yours, or try again in {wait_s} s", wait_s)
        self._wrong_tokens.failed(address)
        log.warning("a wrong token was sent, from %r", address)
        return Denied(WRONG_TOKEN)

    def _known(self, given: str) -> Caller | None:
        """The caller of a header that was verified within the last minute and still holds."""
        name, mark, until = self._verified.get(self._digest(given), ("", None, 0.0))
        return self._caller(name, mark) if self._clock() < until else None

    def _digest(self, given: str) -> bytes:
        return blake2b(given.encode("latin-1", "replace"), key=self._secret).digest()

    def _by_session(self, connection: HTTPConnection) -> Caller | None:
        match connection.session:
            case {"name": str(name), "mark": str(mark), "ends": float(ends)} if self._clock() < ends:
                return self._caller(name, mark)
        return None

    def _caller(self, name: str, mark: str | None) -> Caller | None:
        return self._callers.get(name) if mark is not None and mark == self._callers.fingerprint(name) else None


def status_of(denied: Denied) -> tuple[int, dict[str, str]]:
    """The HTTP status and the headers that tell of a failed attempt."""
    return (429, {"Retry-After": str(denied.wait_s)}) if denied.wait_s else (401, {})


def local_path(text: str) -> str:
    """The text if it is a path on this server whatever browser reads it, else "/"."""
    is_local = text.startswith("/") and not text.startswith("//") and "\\" not in text and text.isprintable()
    return text if is_local and len(text) <= MAX_NEXT_CHARS else "/"


def _html(page: str, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    own = {"Content-Security-Policy": PAGE_POLICY, "Cache-Control": "no-store", "Referrer-Policy": "same-origin"}
    return HTMLResponse(page, status, {**own, **(headers or {})})


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
