"""Language models: any OpenAI-compatible endpoint, as a LangChain chat model."""

from collections.abc import Iterator, Sequence

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.runnables import RunnableConfig
from pydantic import SecretStr

from index.errors import ChatModelError
from qa.settings import AnswerSettings


def make_chat_model(settings: AnswerSettings) -> BaseChatModel | None:
    """The chat model that the settings name, None where they name none. Nothing is contacted yet."""
    if not settings.has_chat_model:
        return None
    from langchain_openai import ChatOpenAI

    # The client insists on some key, even where the server asks for none.
    return ChatOpenAI(
        model=settings.chat_model,
        base_url=settings.chat_base_url,
        api_key=settings.chat_api_key or SecretStr("none"),
        temperature=0,
        timeout=settings.chat_timeout_s,
        max_retries=1,
        max_completion_tokens=settings.chat_max_tokens,
    )


def stream_text(model: BaseChatModel, messages: Sequence[BaseMessage], config: RunnableConfig) -> Iterator[str]:
    """The pieces of text that the model writes. Closing the iterator stops the model.

    Raises:
        ChatModelError: whatever goes wrong with a model: it may be anybody's, so its errors may be of any class.
    """
    try:
        for chunk in model.stream(list(messages), config):
            if text := str(chunk.text):
                yield text
    except Exception as exc:
        raise ChatModelError(
            f"the chat model failed ({type(exc).__name__}: {exc}); check OTVET_CHAT_BASE_URL and OTVET_CHAT_MODEL"
        ) from exc
