"""Language models as LangChain chat models: the embedded one, or any OpenAI-compatible endpoint.

Decision: an answer asks an endpoint once at a time. Hedging, a second request while the first is waited for, would make
a busy server busier. What fails is asked again by the client of OpenAI (OTVET_CHAT_RETRIES), after a pause that grows
or that the server names in Retry-After, and within the time of the answer; what fails again and again is left alone
for a while (qa/breaker.py). The embedded model has neither: it is of this process.
"""

import logging
import re
from collections.abc import Generator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGeneration, LLMResult
from langchain_core.runnables import RunnableConfig
from pydantic import SecretStr, ValidationError

from index.errors import AnswerStoppedError, ChatModelError
from index.text import Language
from qa.breaker import CircuitBreaker
from qa.embedded import EmbeddedChatModel, answer_grammar
from qa.model_files import embedded_path, is_pulled
from qa.records import Tokens
from qa.settings import EMBEDDED_CHAT_MODEL, NO_CHAT_MODEL, AnswerSettings
from qa.stopping import check_wanted, pulled

log = logging.getLogger(__name__)

OLLAMA_PORT = 11434
IDENTIFIER = re.compile(r"[\w.-]{1,60}")  # such as "exceed_context_size_error"


def make_chat_model(settings: AnswerSettings, *, cache_dir: Path) -> BaseChatModel | None:
    """The chat model that the settings name; None where they name none or its weights were not fetched.

    Nothing is contacted or loaded yet. That weights are missing is logged.
    """
    if settings.chat_model == NO_CHAT_MODEL:
        return None
    if settings.chat_model == EMBEDDED_CHAT_MODEL:
        return _embedded(settings, cache_dir)
    from qa.endpoint import EndpointChatModel, timeouts

    breaker = None
    if settings.chat_breaker_failures:
        breaker = CircuitBreaker(settings.chat_breaker_failures, settings.chat_breaker_s)
    # The client insists on some key, even where the server asks for none.
    return EndpointChatModel(
        model=settings.chat_model,
        base_url=settings.chat_base_url,
        api_key=settings.chat_api_key or SecretStr("none"),
        temperature=0,
        timeout=timeouts(settings.chat_timeout_s),
        stream_chunk_timeout=settings.chat_timeout_s,  # LangChain's own is two minutes
        max_retries=settings.chat_retries,
        max_completion_tokens=settings.chat_max_tokens,
        extra_body=_context_size(settings),
        breaker=breaker,
    )


def embedded_gguf(settings: AnswerSettings, cache_dir: Path) -> Path | None:
    """The file of the embedded model, None where it was not fetched; one that the settings name is taken as it is."""
    if settings.chat_gguf is not None:
        return settings.chat_gguf
    return embedded_path(cache_dir) if is_pulled(cache_dir) else None


def _embedded(settings: AnswerSettings, cache_dir: Path) -> BaseChatModel | None:
    gguf = embedded_gguf(settings, cache_dir)
    if gguf is None:
        log.warning(
            "the language model was not fetched, so answers are quotes; run: otvet models pull (or set "
            "OTVET_CHAT_MODEL=none to answer by quotes without this word)"
        )
        return None
    return EmbeddedChatModel(
        gguf=gguf,
        context_tokens=settings.chat_context_tokens,
        max_tokens=settings.chat_max_tokens,
        timeout_s=settings.chat_timeout_s,
    )


def _context_size(settings: AnswerSettings) -> dict[str, Any] | None:
    """For Ollama, told by its port: how much context to hold, lest it cut the beginning of a prompt without a word.

    Ollama's OpenAI-compatible route was said to pass these fields over (ollama/ollama#5356, #7063); it then holds 4,096
    tokens by its own default, which is also ours, and prompts are kept below that (qa/prompts.py). Other servers are
    not sent fields that they may refuse.
    """
    if urlsplit(settings.chat_base_url or "").port != OLLAMA_PORT:
        return None
    return {"num_ctx": settings.chat_context_tokens, "options": {"num_ctx": settings.chat_context_tokens}}


def writing_options(model: BaseChatModel, language: Language, *, n_passages: int) -> dict[str, Any]:
    """What to tell a model beside the prompt of an answer: the embedded one is held to the form of an answer."""
    if isinstance(model, EmbeddedChatModel):
        return {"extra_body": {"grammar": answer_grammar(language, n_passages)}}
    return {}


def stream_text(
    model: BaseChatModel,
    messages: Sequence[BaseMessage],
    config: RunnableConfig,
    **options: Any,  # noqa: ANN401 - of the model
) -> Generator[str, None, None]:
    """The pieces of text that the model writes. Closing the iterator stops the model.

    Raises:
        AnswerStoppedError: it is not wanted any more (qa/stopping.py).
        ModelDownError: its server failed too often; it is not asked.
        ChatModelError: whatever goes wrong with a model: it may be anybody's, so its errors may be of any class.
    """
    check_wanted(config)  # a wait in the queue may have taken all the time, which says nothing of the server
    pieces, breaker = _pieces(model, messages, config, options), breaker_of(model)
    yield from pieces if breaker is None else breaker.guarded(pieces, speaks_of_server)


def breaker_of(model: BaseChatModel | None) -> CircuitBreaker | None:
    """The circuit breaker before a model; only one behind an endpoint has any."""
    breaker = getattr(model, "breaker", None)  # qa/endpoint.py is not loaded for this, which takes a second
    return breaker if isinstance(breaker, CircuitBreaker) else None


def check_reachable(model: BaseChatModel) -> None:
    """Raises where the model would not be asked now.

    Raises:
        ModelDownError: its server failed too often.
    """
    if (breaker := breaker_of(model)) is not None:
        breaker.check()


def speaks_of_server(exc: ChatModelError) -> bool:
    """Whether an error says that a server does not work, and not only that it refuses what it was sent."""
    status = getattr(exc.__cause__, "status_code", None)
    return not isinstance(status, int) or status >= 500 or status in (408, 429)


def _pieces(
    model: BaseChatModel, messages: Sequence[BaseMessage], config: RunnableConfig, options: dict[str, Any]
) -> Generator[str, None, None]:
    try:
        with closing(pulled(model.astream(list(messages), config, **options), config)) as chunks:
            for chunk in chunks:
                if text := str(chunk.text):
                    yield text
    except (ChatModelError, AnswerStoppedError):
        raise
    except Exception as exc:
        log.debug("the chat model failed", exc_info=True)
        raise ChatModelError(
            f"the chat model failed ({_kind_of(exc)}); check OTVET_CHAT_BASE_URL and OTVET_CHAT_MODEL"
        ) from exc


def _kind_of(exc: Exception) -> str:
    """What an error says; of one that repeats words of a server, only its status and codes.

    Such words may be the prompt, so they are for the log at DEBUG.
    """
    name = type(exc).__name__
    if not isinstance(exc, ValidationError) and not hasattr(exc, "body"):  # of openai's errors
        return f"{name}: {exc}"
    values = [getattr(exc, attribute, None) for attribute in ("status_code", "code", "type")]
    told = [str(value) for value in values if value is not None and IDENTIFIER.fullmatch(str(value))]
    return ", ".join(dict.fromkeys([name, *told]))


class TokenCounter(BaseCallbackHandler):
    """Sums up what language models read and wrote while it is among the callbacks, as far as they tell."""

    run_inline = True

    def __init__(self) -> None:
        self.tokens: Tokens | None = None

    def on_llm_end(self, response: LLMResult, **kwargs: Any) -> None:  # noqa: ANN401 - of LangChain
        """Add what a model says at the end of what it wrote."""
        for generation in (one for prompt in response.generations for one in prompt):
            usage = (
                getattr(generation.message, "usage_metadata", None) if isinstance(generation, ChatGeneration) else None
            )
            if usage is not None:
                before = self.tokens or Tokens(0, 0)
                self.tokens = Tokens(before.prompt + usage["input_tokens"], before.completion + usage["output_tokens"])
