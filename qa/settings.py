"""Settings of the answers: how much is retrieved, when to refuse, which language model writes."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

NO_CHAT_MODEL = "none"


class AnswerSettings(BaseModel):
    """How questions are answered. Without a chat model, by quoting."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    k: int = Field(default=5, ge=1, le=50, description="Chunks retrieved for a question that does not say.")
    chat_model: str = Field(
        default=NO_CHAT_MODEL, min_length=1, description="Name of the chat model; `none` answers by quoting only."
    )
    chat_base_url: str | None = Field(
        default=None,
        pattern=r"^https?://",
        description="OpenAI-compatible endpoint, for example http://127.0.0.1:11434/v1.",
    )
    chat_api_key: SecretStr | None = Field(default=None, description="Its key, where it asks for one.")
    chat_timeout_s: float = Field(default=60, gt=0, le=3600, description="Longest wait for the chat model, in seconds.")
    chat_max_tokens: int = Field(default=300, ge=16, le=4096, description="Longest answer it may write, in tokens.")

    @model_validator(mode="after")
    def _names_an_endpoint(self) -> Self:
        if self.chat_model != NO_CHAT_MODEL and self.chat_base_url is None:
            raise ValueError(f"chat_model is {self.chat_model!r}, but chat_base_url names no endpoint; set it too")
        return self

    @property
    def has_chat_model(self) -> bool:
        """Whether answers can be written by a language model."""
        return self.chat_model != NO_CHAT_MODEL and self.chat_base_url is not None
