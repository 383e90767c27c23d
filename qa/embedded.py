"""The embedded language model: llama.cpp's own server in this process, spoken to like any OpenAI-compatible endpoint.

Decision: xllamacpp (MIT, prebuilt wheels, llama.cpp's server in them) rather than llama-cpp-python, which has to be
compiled. The server listens on a loopback port that the system gives and asks for a key that only this process knows.
It takes more than a gigabyte of memory, so it is started by the first answer that is written, except in `otvet serve`:
while the weights are loaded, for seconds, xllamacpp lets no other thread of this process go on.

One prompt is read at a time, others wait (qa/model_queue.py). What the fixed beginning of every prompt cost is kept
between answers (the server's prompt cache). Weights that could not be loaded are tried again by the first answer after
half a minute: a file that was mended is found, and until then nobody waits for one that was not.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from threading import Lock
from typing import Any

import httpx
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from pydantic import ConfigDict, PrivateAttr, SecretStr

from index.errors import ChatModelError
from index.machine import n_cores
from index.text import Language
from qa.prompts import MAX_SENTENCES

log = logging.getLogger(__name__)

CYRILLIC, CHINESE = "\u0400-\u04ff", "\u3000-\u9fff\uff00-\uffef"
# Of a prompt, read at once; it is looked between two of them whether anybody still waits. With 128 a reader's stop came
# through after 2 CPU seconds, with 512 and more not within 12; the prompt took as long either way (2026-11-26).
BATCH_TOKENS = 128
PROMPTS_KEPT_MIB = 256  # of memory for prompts that were read; llama.cpp's own default is 8 GiB


class EmbeddedChatModel(BaseChatModel):
    """A GGUF file as a chat model. Loaded by the first call; safe between threads.

    Attributes:
        gguf: the weights.
        context_tokens: what prompt and answer may take together.
        max_tokens: longest answer.
        timeout_s: longest wait for the next token.
        load_again_after_s: how long weights that could not be loaded are not tried again.

    Raises:
        ChatModelError: the weights cannot be loaded; at the first call.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    gguf: Path
    context_tokens: int
    max_tokens: int
    timeout_s: float
    load_again_after_s: float = 30
    _lock: Any = PrivateAttr(default_factory=Lock)
    _server: Any = PrivateAttr(default=None)
    _client: BaseChatModel | None = PrivateAttr(default=None)
    _failed: str | None = PrivateAttr(default=None)
    _failed_at: float = PrivateAttr(default=0.0)  # of time.monotonic

    @property
    def _llm_type(self) -> str:
        return "otvet-embedded"

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,  # noqa: ANN401 - of the model
    ) -> Iterator[ChatGenerationChunk]:
        yield from self._endpoint()._stream(messages, stop, run_manager, **kwargs)

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,  # noqa: ANN401 - of the model
    ) -> AsyncIterator[ChatGenerationChunk]:
        client = await asyncio.to_thread(self._endpoint)  # loading takes seconds
        async for chunk in client._astream(messages, stop, run_manager, **kwargs):
            yield chunk

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,  # noqa: ANN401 - of the model
    ) -> ChatResult:
        return self._endpoint()._generate(messages, stop, run_manager, **kwargs)

    def load(self) -> None:
        """Load the weights now. While that takes, seconds, this whole process stands still."""
        self._endpoint()

    @property
    def is_loaded(self) -> bool:
        """Whether the weights are in memory."""
        return self._client is not None

    @property
    def last_error(self) -> str | None:
        """Why the weights could not be loaded when that was last tried; None where it was not or they could."""
        return self._failed

    def _endpoint(self) -> BaseChatModel:
        """The client of the server, which is started if need be."""
        with self._lock:
            if self._client is None:
                self._client = self._load()
            return self._client

    def _load(self) -> BaseChatModel:
        if self._failed is not None and time.monotonic() < self._failed_at + self.load_again_after_s:
            raise ChatModelError(self._failed)
        key = secrets.token_urlsafe()
        try:
            self._server = _start(self.gguf, self.context_tokens, key)
        except ChatModelError as exc:
            self._failed, self._failed_at = str(exc), time.monotonic()
            raise
        self._failed = None
        return self._connect(f"{self._server.listening_address}/v1", key)

    def _connect(self, url: str, key: str) -> BaseChatModel:
        from langchain_openai import ChatOpenAI

        return ChatOpenAI(
            model=self.gguf.stem,
            base_url=url,
            api_key=SecretStr(key),
            temperature=0,
            timeout=self.timeout_s,
            stream_chunk_timeout=self.timeout_s,  # LangChain's own is two minutes
            max_retries=0,
            max_completion_tokens=self.max_tokens,
            stream_usage=True,
            http_client=httpx.Client(trust_env=False),  # a proxy of the environment has no way to this port
            http_async_client=httpx.AsyncClient(trust_env=False),
        )


def answer_grammar(language: Language, n_passages: int) -> str:
    """What an answer may look like, in llama.cpp's GBNF: a few sentences, each with the number of a passage.

    An English answer has no Cyrillic letters; no answer has Chinese ones. It cannot say that there is no answer: of 40
    questions whose answer was in the passages (2026-11-25) the default model said so of three. The gate, before it, and
    the check of what it writes, after it, tell better.
    """
    banned = CYRILLIC + CHINESE if language == "en" else CHINESE
    numbers = " | ".join(f'"{n}"' for n in range(1, n_passages + 1))
    return (
        f'root ::= sentence (" " sentence){{0,{MAX_SENTENCES - 1}}}\n'
        f'sentence ::= [^\\[\\]\\n{banned}]+ "[" ({numbers}) "]"'
    )


def _start(gguf: Path, context_tokens: int, key: str) -> Any:  # noqa: ANN401 - xllamacpp has no types
    import xllamacpp

    n_threads = n_cores()
    params = xllamacpp.CommonParams()
    params.model.path = str(gguf)
    params.n_ctx, params.n_parallel = context_tokens, 1
    params.n_batch = BATCH_TOKENS
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = n_threads
    params.cache_ram_mib = PROMPTS_KEPT_MIB
    params.api_keys = [key]
    params.ui = False
    params.verbosity = -1
    if not gguf.is_file():
        raise ChatModelError(
            f"the language model {str(gguf)!r} is not there; run otvet models pull, or OTVET_CHAT_GGUF"
        )
    try:
        return xllamacpp.Server(params)
    except RuntimeError as exc:
        raise ChatModelError(
            f"llama.cpp cannot load {str(gguf)!r} ({exc}); is it a whole GGUF file? For the default model run: "
            "otvet models pull"
        ) from exc
