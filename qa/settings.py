"""Settings of the answers: how much is retrieved, which language model writes, how much it reads."""

from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

NO_CHAT_MODEL = "none"
EMBEDDED_CHAT_MODEL = "embedded"
ANSWER_TIMEOUT_S = 60.0
MODEL_SHARE = 0.9  # of that time; the rest is for the quotes, which take less than a second, and a busy machine


class AnswerSettings(BaseModel):
    """How questions are answered: by the embedded language model, another one, or by quoting."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    k: int = Field(default=5, ge=1, le=50, description="Chunks retrieved for a question that does not say.")
    chat_model: str = Field(
        default=EMBEDDED_CHAT_MODEL,
        min_length=1,
        description="Name of the chat model at OTVET_CHAT_BASE_URL; `embedded` runs one in this process, `none` "
        "answers by quoting only.",
    )
    chat_gguf: Path | None = Field(
        default=None, description="GGUF file that the embedded model is; without it, what `otvet models pull` fetched."
    )
    chat_base_url: str | None = Field(
        default=None,
        pattern=r"^https?://",
        description="OpenAI-compatible endpoint, for example http://127.0.0.1:11434/v1.",
    )
    chat_api_key: SecretStr | None = Field(default=None, description="Its key, where it asks for one.")
    chat_timeout_s: float = Field(default=60, gt=0, le=3600, description="Longest wait for the chat model, in seconds.")
    chat_retries: int = Field(
        default=1,
        ge=0,
        le=5,
        description="How often a request that the endpoint of the chat model fails is sent again, after a pause and "
        "within the time of the answer.",
    )
    chat_breaker_failures: int = Field(
        default=5,
        ge=0,
        le=1000,
        description="Failures in a row after which the endpoint is not asked for a while; 0 for never.",
    )
    chat_breaker_s: float = Field(
        default=30, gt=0, le=3600, description="For how long, in seconds; then one question is a trial."
    )
    chat_max_tokens: int = Field(default=200, ge=16, le=4096, description="Longest answer it may write, in tokens.")
    chat_context_tokens: int = Field(
        default=4096, ge=2048, le=1_048_576, description="Tokens that a prompt and its answer may take together."
    )
    chat_evidence_tokens: int = Field(
        default=600,
        ge=100,
        le=1_048_576,
        description="Most tokens of the articles that the model is shown; more takes longer to read.",
    )

    chat_parallel: int | None = Field(
        default=None,
        ge=1,
        le=64,
        description="Answers that the language model writes at once; by default 1 for the embedded one, 8 for an "
        "endpoint.",
    )
    chat_queue: int = Field(
        default=8,
        ge=0,
        le=1000,
        description="Questions that may wait for the language model; more are answered by quotes, or with 503 where "
        "they ask for the model.",
    )
    answer_timeout_s: float = Field(
        default=ANSWER_TIMEOUT_S,
        gt=0,
        le=3600,
        description="Seconds until which an answer is there: the language model has nine tenths of it, then there are "
        "quotes.",
    )

    @property
    def model_timeout_s(self) -> float:
        """Seconds from the beginning of an answer until which the language model may be at work on it."""
        return MODEL_SHARE * self.answer_timeout_s

    @model_validator(mode="after")
    def _names_an_endpoint(self) -> Self:
        if self.chat_model not in (NO_CHAT_MODEL, EMBEDDED_CHAT_MODEL) and self.chat_base_url is None:
            raise ValueError(f"chat_model is {self.chat_model!r}, but chat_base_url names no endpoint; set it too")
        if self.chat_model == EMBEDDED_CHAT_MODEL and self.chat_base_url is not None:
            raise ValueError(f"chat_base_url is {self.chat_base_url!r}, but no chat_model is named; set it too")
        return self
