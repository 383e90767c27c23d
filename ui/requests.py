"""Which request is being answered: an id that goes into its response and into every line that is logged for it."""

import asyncio
import re
import time
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADER = "X-Request-ID"
CLIENT_GONE = 499  # nobody reads it; what access logs of proxies call a request that nobody waited for
GIVEN = re.compile(r"[A-Za-z0-9._-]{1,64}")  # what is taken over from a client; the rest could forge lines of a log

T = TypeVar("T")
_request_id: ContextVar[str] = ContextVar("request_id", default="")


def request_id() -> str:
    """The id of the request that is being answered, in its threads as well; "" outside of one."""
    return _request_id.get()


@dataclass(slots=True)
class Ended:
    """A request that is over.

    Attributes:
        status: of the response; CLIENT_GONE where there was none.
        n_bytes: of its body, as far as it was sent.
        seconds: from the request to the end of the response.
    """

    status: int = CLIENT_GONE
    n_bytes: int = 0
    seconds: float = 0


async def answer_and_tell(
    app: ASGIApp, scope: Scope, receive: Receive, send: Send, tell: Callable[[Ended], None]
) -> None:
    """Have `app` answer a request, and tell what became of it; a stream stays a stream."""
    started, ended = time.monotonic(), Ended()

    async def send_and_look(message: Message) -> None:
        if message["type"] == "http.response.start":
            ended.status = message["status"]
        ended.n_bytes += len(message.get("body", b""))
        await send(message)

    try:
        await app(scope, receive, send_and_look)
    except Exception:
        ended.status = 500 if ended.status == CLIENT_GONE else ended.status
        raise
    finally:
        ended.seconds = time.monotonic() - started
        tell(ended)


async def while_connected(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """What `work` returns; it is cancelled when the client goes away. The body of the request must have been read.

    Raises:
        ClientDisconnect: the client went away.
    """
    working, leaving = asyncio.ensure_future(work), asyncio.ensure_future(_left(request))
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return await working
    finally:
        working.cancel()
        leaving.cancel()
        await asyncio.wait((working, leaving))


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


class RequestIds:
    """Middleware that gives each request an id, or takes over the one that the client or a proxy sends."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request under its id."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(HEADER, "")
        own_id = given if GIVEN.fullmatch(given) else uuid4().hex[:16]

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[HEADER] = own_id
            await send(message)

        token = _request_id.set(own_id)
        try:
            await self._app(scope, receive, send_with_id)
        finally:
            _request_id.reset(token)
