"""Any OpenAI-compatible endpoint as a LangChain chat model, with what such endpoints differ in.

Decision: the endpoint is asked to tell how many tokens it read and wrote (`stream_options`). One that refuses such a
request is asked again without, and from then on without.
"""

import logging
from collections.abc import AsyncIterator
from typing import Any

from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGenerationChunk
from langchain_openai import ChatOpenAI
from openai import BadRequestError, UnprocessableEntityError
from pydantic import PrivateAttr

from index.errors import ChatModelError

log = logging.getLogger(__name__)


class EndpointChatModel(ChatOpenAI):
    """A chat model behind an endpoint. Its asynchronous stream is whole, or it raises.

    Raises:
        ChatModelError: the stream ended before the endpoint said that it was done.
    """

    _asks_for_usage: bool = PrivateAttr(default=True)

    async def _astream(
        self,
        messages: list[BaseMessage],
        *args: Any,  # noqa: ANN401 - of LangChain
        **kwargs: Any,  # noqa: ANN401 - of LangChain
    ) -> AsyncIterator[ChatGenerationChunk]:
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
