"""The doors that programs ask at, over an engine of a test's own; and a chat model that takes its time."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from fastapi import FastAPI
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk
from openai._streaming import SSEDecoder

from apps import listening
from fakes import ScriptedChatModel
from qa.engine import Engine
from ui.answer_stream import make_stream_router
from ui.api import make_router
from ui.asking import Asker
from ui.error_handlers import add_error_handlers
from ui.openai_api import make_openai_router
from ui.requests import RequestIds


class SlowChatModel(ScriptedChatModel):
    """Like its parent; a piece that is a number is waited for, in seconds, and can be cancelled meanwhile."""

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        self._sent.append(messages)
        finished = False
        try:
            for piece in self.replies.pop(0):
                if isinstance(piece, Exception):
                    raise piece
                if isinstance(piece, float):
                    await asyncio.sleep(piece)
                else:
                    yield ChatGenerationChunk(message=AIMessageChunk(content=piece))
            finished = True
        finally:
            self._closed.append(not finished)


class Event(NamedTuple):
    """A server-sent event as a client sees it."""

    name: str | None
    data: Any


def doors_app(asker: Asker, *, heartbeat_s: float = 15.0) -> FastAPI:
    """`/answer`, `/answer/stream` and `/v1` alone, with the errors of the real application."""
    app = FastAPI()
    app.include_router(make_router(asker))
    app.include_router(make_stream_router(asker, heartbeat_s=heartbeat_s))
    app.include_router(make_openai_router(asker, heartbeat_s=heartbeat_s))
    add_error_handlers(app)
    app.add_middleware(RequestIds)
    return app


@contextmanager
def doors(engine: Engine, *, timeout_s: float = 60.0, heartbeat_s: float = 15.0) -> Iterator[tuple[str, Asker]]:
    """These doors on a free port: their address, and what answers behind them."""
    asker = Asker(engine, timeout_s=timeout_s)
    with listening(lambda: doors_app(asker, heartbeat_s=heartbeat_s)) as address:
        yield address, asker


def events_of(pieces: Iterator[bytes]) -> Iterator[Event]:
    """The events in bytes, read by the decoder of OpenAI's client."""
    for event in SSEDecoder().iter_bytes(pieces):
        yield Event(event.event, json.loads(event.data))
