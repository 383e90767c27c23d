"""Any OpenAI-compatible endpoint as a LangChain chat model, with what such endpoints differ in.

Decision: the endpoint is asked to tell how many tokens it read and wrote (`stream_options`). One that refuses such a
request is asked again without, and from then on without.
Decision: each model has a client of its own, which is closed with it. LangChain keeps those of equal settings for ever,
and what it forgets of them leaves connections open, of which Python warns.
"""

import asyncio
import logging
import weakref
from collections.abc import AsyncIterator
from typing import Any

from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGenerationChunk
from langchain_openai import ChatOpenAI
from openai import AsyncOpenAI, BadRequestError, Timeout, UnprocessableEntityError
from pydantic import Field, PrivateAttr

from index.errors import ChatModelError
from qa.breaker import CircuitBreaker

log = logging.getLogger(__name__)

CONNECT_S = 5.0  # as the client of OpenAI has it by itself


class EndpointChatModel(ChatOpenAI):
    """A chat model behind an endpoint. Its asynchronous stream is whole, or it raises. For one event loop.

    Attributes:
        breaker: what counts its failures (qa/chat_models.py), None where nothing does.

    Raises:
        ChatModelError: the stream ended before the endpoint said that it was done.
    """

    breaker: CircuitBreaker | None = Field(default=None, exclude=True)
    _asks_for_usage: bool = PrivateAttr(default=True)
    _loops: list[asyncio.AbstractEventLoop] = PrivateAttr(default_factory=list)  # none before the first request

    async def _astream(
        self,
        messages: list[BaseMessage],
        *args: Any,  # noqa: ANN401 - of LangChain
        **kwargs: Any,  # noqa: ANN401 - of LangChain
    ) -> AsyncIterator[ChatGenerationChunk]:
        if not self._loops:
            self._loops.append(asyncio.get_running_loop())
            weakref.finalize(self, _close, self.root_async_client, self._loops[0]).atexit = False
        if self._asks_for_usage:
            try:
                async for chunk in self._whole(messages, *args, **kwargs, stream_usage=True):
                    yield chunk
                return
            except (BadRequestError, UnprocessableEntityError) as exc:
                log.info("the endpoint refused a request (%d); it may not know stream_options", exc.status_code)
        async for chunk in self._whole(messages, *args, **kwargs, stream_usage=False):
            self._asks_for_usage = False
            yield chunk

    async def _whole(
        self,
        *args: Any,  # noqa: ANN401 - of LangChain
        **kwargs: Any,  # noqa: ANN401 - of LangChain
    ) -> AsyncIterator[ChatGenerationChunk]:
        is_done = False
        async for chunk in super()._astream(*args, **kwargs):
            is_done = is_done or bool((chunk.generation_info or {}).get("finish_reason"))
            yield chunk
        if not is_done:
            raise ChatModelError("the stream of the chat model broke off; see the log of the model's server")


def timeouts(read_s: float) -> Timeout:
    """How long the client waits: a short time for a connection, `read_s` seconds for each next word."""
    return Timeout(read_s, connect=min(CONNECT_S, read_s))


def _close(client: AsyncOpenAI, loop: asyncio.AbstractEventLoop) -> None:
    """Close the connections on the loop that opened them; not waited for, as any thread may collect garbage."""
    if loop.is_running():
        asyncio.run_coroutine_threadsafe(client.close(), loop)
