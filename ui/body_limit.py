"""How long a body may be, and how long it may take to arrive.

Decision: the body is read here, as a whole, before anything else looks at it. FastAPI holds all of it anyway, and so
what lies about its length, or comes in drops, ends here instead of in the middle of a route.
Decision: after a refusal the connection ends, as the rest of the body would be taken for what it is not, or never come.
"""

import asyncio

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ui.error_handlers import told
from ui.problems import Kind, Problem

GRADIO_PATH = "/gradio_api/"  # ui/gradio_guard.py has limits for what the page sends
WITHIN_S = 30.0
CLOSE = {"Connection": "close"}


class BodyLimit:
    """Middleware that answers 413 to a body that is too long, and 408 to one that takes too long.

    Args:
        app: what is guarded.
        max_bytes: of a body.
        within_s: seconds that a body may take.
    """

    def __init__(self, app: ASGIApp, max_bytes: int, within_s: float = WITHIN_S) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._within_s = within_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what has no body or a whole one; refuse the others. Who goes away while sending gets no answer."""
        if scope["type"] != "http" or scope["path"].startswith(GRADIO_PATH) or not _has_body(Headers(scope=scope)):
            await self._app(scope, receive, send)
            return
        try:
            body = await self._body(Headers(scope=scope), receive)
        except ClientDisconnect:
            return
        if isinstance(body, Problem):
            await told(scope["path"], body)(scope, receive, send)
        else:
            await self._app(scope, replaying(body, receive), send)

    async def _body(self, headers: Headers, receive: Receive) -> bytes | Problem:
        declared = headers.get("content-length", "")
        if declared.isdecimal() and int(declared[:20]) > self._max_bytes:
            return self._too_long(f"{declared[:20]} bytes")
        try:
            async with asyncio.timeout(self._within_s):
                body = await read_body(receive, self._max_bytes)
        except TimeoutError:
            detail = (
                f"the body was not there within {self._within_s:g} s; send it faster, or as long as Content-Length says"
            )
            return Problem(Kind.SLOW, detail, CLOSE)
        return self._too_long("longer") if body is None else body

    def _too_long(self, length: str) -> Problem:
        allowed = f"{self._max_bytes} bytes are allowed; send less, or set OTVET_MAX_BODY_BYTES and restart the server"
        return Problem(Kind.TOO_LARGE, f"the body is {length}; {allowed}", CLOSE)


async def read_body(receive: Receive, max_bytes: int) -> bytes | None:
    """All of the body; None as soon as it is too long.

    Raises:
        ClientDisconnect: the client went away before its end.
    """
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        if len(body) > max_bytes:
            return None
        if not message.get("more_body", False):
            return bytes(body)


def replaying(body: bytes, receive: Receive) -> Receive:
    """Gives the body that was read already, then what comes."""
    waiting = [body]

    async def replay() -> Message:
        return {"type": "http.request", "body": waiting.pop(), "more_body": False} if waiting else await receive()

    return replay


def _has_body(headers: Headers) -> bool:
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"
