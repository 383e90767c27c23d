"""Server-sent events as a response: how they look on the wire, and that nothing goes on once the client is gone.

Decision: FastAPI's own routes of events answer 200 before the first event is there, and where a client goes away while
an event waits to be sent, they leave it to the garbage collector to close what makes the events. Here the first one is
waited for, so that what fails before it is an HTTP error like any other, and the events are closed as soon as the
client goes away, not when something is next sent to it.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, suppress
from typing import Any

from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from pydantic import BaseModel, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from ui.problems import Problem, problem_of
from ui.requests import while_connected

HEARTBEAT_S = 15.0
SEND_S = 60.0  # a client that takes nothing for so long is gone
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # the latter keeps nginx from collecting events
# Ends of lines for Python and Unicode, not for server-sent events; some readers split lines as Python does.
LINE_ENDS = {ord(char): f"\\u{ord(char):04x}" for char in "\x85\u2028\u2029"}

Pieces = AsyncGenerator[bytes, None]


class AsJson:
    """Annotates a value that is documented as what stands on the wire: its JSON, as text."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The schema of the text."""
        return {"type": "string", "contentMediaType": "application/json", "contentSchema": handler(schema)}


def event_bytes(data: BaseModel, *, name: str | None = None) -> bytes:
    """One event, its data as JSON in one line.

    Args:
        data: what it tells.
        name: of the event.
    """
    line = data.model_dump_json().translate(LINE_ENDS)
    return format_sse_event(data_str=line, event=name)


class EventStream(StreamingResponse):
    """Sends events as they come, and a comment where none came for a while, so that no proxy thinks it idle.

    Args:
        pieces: whole events; closed when all are sent, and at once when the client goes away.
        refused: the response where not even the first event is there.
        broken_off: the last events where a later one is not.
        heartbeat_s: seconds without an event after which there is a comment.
        send_s: seconds that a client may take to receive an event.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        pieces: Pieces,
        *,
        refused: Callable[[Problem], Response],
        broken_off: Callable[[Problem], bytes],
        heartbeat_s: float = HEARTBEAT_S,
        send_s: float = SEND_S,
    ) -> None:
        super().__init__(pieces, headers=HEADERS)
        self._pieces = pieces
        self._refused = refused
        self._broken_off = broken_off
        self._heartbeat_s = heartbeat_s
        self._send_s = send_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send all, unless the client goes away."""
        with suppress(ClientDisconnect):
            await while_connected(Request(scope, receive), self._answer(scope, receive, send))

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self._pieces) as pieces:
            try:
                first = await anext(pieces)
            except Exception as exc:
                await self._refused(problem_of(exc))(scope, receive, send)
                return
            start = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
            await self._send(send, start)
            async with aclosing(self._body(first, pieces)) as body:
                async for piece in body:
                    await self._send(send, {"type": "http.response.body", "body": piece, "more_body": True})
            await self._send(send, {"type": "http.response.body", "body": b"", "more_body": False})

    async def _body(self, first: bytes, pieces: Pieces) -> Pieces:
        yield first
        try:
            async with aclosing(with_heartbeats(pieces, self._heartbeat_s)) as beating:
                async for piece in beating:
                    yield piece
        except Exception as exc:
            yield self._broken_off(problem_of(exc))

    async def _send(self, send: Send, message: Message) -> None:
        try:
            await asyncio.wait_for(send(message), self._send_s)
        except TimeoutError as exc:
            raise ClientDisconnect from exc


async def with_heartbeats(pieces: AsyncIterator[bytes], every_s: float) -> Pieces:
    """The pieces, and a comment each time that none came for `every_s` seconds."""
    pulling: asyncio.Future[Any] | None = None
    try:
        while True:
            pulling = asyncio.ensure_future(anext(pieces, None))
            while not (await asyncio.wait((pulling,), timeout=every_s))[0]:
                yield KEEPALIVE_COMMENT
            if (piece := pulling.result()) is None:
                return
            yield piece
    finally:
        if pulling is not None and not pulling.done():
            pulling.cancel()
            await asyncio.wait((pulling,))
