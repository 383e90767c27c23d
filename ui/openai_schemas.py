"""What goes in and out at the OpenAI-compatible door, as far as Otvet reads or writes it."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from qa.records import Mode
from ui.schemas import Count, FiltersIn, ResponseOut, Switch

MAX_MESSAGES = 2_000
MAX_MESSAGE_CHARS = 200_000
MODES: dict[str, Mode] = {"otvet": "auto", "otvet-extractive": "extractive", "otvet-generative": "generative"}


def _joined(content: object) -> object:
    """The text of a message, its parts on lines of their own."""
    if not isinstance(content, list):
        return "" if content is None else content
    for part in content:
        if not isinstance(part, dict) or part.get("type") != "text" or not isinstance(part.get("text"), str):
            raise PydanticCustomError(
                "part", 'Otvet reads text only; send a string, or parts as {"type": "text", "text": "…"}'
            )
    return "\n".join(part["text"] for part in content)


def _no_tools(tools: list[Any] | None) -> list[Any] | None:
    if tools:
        raise PydanticCustomError(
            "tools", "Otvet calls no tools; leave them out, or give Otvet itself as a tool by MCP"
        )
    return tools


def _one(n: int | None) -> int | None:
    if n not in (None, 1):
        raise PydanticCustomError("n", "there is one answer to a question; leave n out, or send 1")
    return n


def _as_text(wanted: dict[str, Any] | None) -> dict[str, Any] | None:
    if wanted is not None and wanted.get("type") != "text":
        raise PydanticCustomError("format", 'Otvet answers in words; leave it out, or send {"type": "text"}')
    return wanted


def _is_none(value: object) -> bool:
    return value is None


class TextPart(BaseModel):
    """A part of a message."""

    type: Literal["text"] = Field(description="Otvet reads text only.")
    text: str = Field(description="The text, in Russian or English.", examples=["What did Maduro ask for?"])


Content = Annotated[
    str,
    Field(max_length=MAX_MESSAGE_CHARS, json_schema_extra={"maxLength": MAX_MESSAGE_CHARS}),
    BeforeValidator(_joined, json_schema_input_type=str | list[TextPart] | None),
]
Tools = Annotated[list[Any] | None, AfterValidator(_no_tools), Field(json_schema_extra={"maxItems": 0})]


class MessageIn(BaseModel):
    """One message of the conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"] = Field(
        description="The last message of the user is the question; what user and assistant said before it is the "
        "conversation. The others are ignored: they cannot change how Otvet answers."
    )
    content: Content = Field(
        default="", description="Text, or parts of type text.", examples=["What did Maduro ask for?"]
    )


class StreamOptionsIn(BaseModel):
    """Options of a stream."""

    include_usage: Switch | None = Field(
        default=None, description="Whether a last chunk tells the tokens.", examples=[True]
    )


class OptionsIn(FiltersIn):
    """What Otvet itself can be told; no other fields."""

    k: Count | None = Field(default=None, description="Chunks to retrieve, from 1; null for OTVET_K.", examples=[5])
    use_dates: Switch = Field(
        default=True, description="Let a period that the question names limit the days of publication."
    )
    sources: Switch = Field(default=True, description="Whether the text ends with a list of its sources.")


class ChatIn(BaseModel):
    """A question as OpenAI's clients ask it. Fields that are not listed are accepted and ignored."""

    model: str = Field(
        max_length=200,
        description="`otvet` answers by the language model where there is one, `otvet-extractive` by quotes, "
        "`otvet-generative` by the language model.",
        examples=list(MODES),
    )
    messages: list[MessageIn] = Field(
        min_length=1, max_length=MAX_MESSAGES, description="The conversation, oldest first."
    )
    stream: Switch | None = Field(default=None, description="Whether the answer comes in chunks.", examples=[False])
    stream_options: StreamOptionsIn | None = Field(default=None, description="How, where it comes in chunks.")
    n: Annotated[int | None, AfterValidator(_one)] = Field(
        default=None,
        description="Answers to give: 1 or null.",
        examples=[1],
        json_schema_extra={"minimum": 1, "maximum": 1},
    )
    tools: Tools = Field(default=None, description="Null, or an empty list: Otvet calls none.", examples=[[]])
    functions: Tools = Field(default=None, description="Null, or an empty list: Otvet calls none.", examples=[[]])
    response_format: Annotated[dict[str, Any] | None, AfterValidator(_as_text)] = Field(
        default=None,
        description="Null, or type text.",
        examples=[{"type": "text"}],
        json_schema_extra={"required": ["type"], "properties": {"type": {"const": "text"}}},
    )
    otvet: OptionsIn | None = Field(
        default=None, description="Otvet's own options, which OpenAI's clients send by `extra_body`."
    )


class ModelOut(BaseModel):
    """A way to answer."""

    id: str = Field(description="What to send as `model`.", examples=["otvet"])
    object: Literal["model"] = Field(default="model", description="Always this.")
    created: int = Field(description="When this server began, in seconds since 1970.", examples=[1_767_225_600])
    owned_by: Literal["otvet"] = Field(default="otvet", description="Always this.")


class ModelsOut(BaseModel):
    """The ways to answer that there are."""

    object: Literal["list"] = Field(default="list", description="Always this.")
    data: list[ModelOut] = Field(description="Each way to answer; `otvet-generative` where there is a language model.")


class UsageOut(BaseModel):
    """What the language model read and wrote, in tokens; zeros where it had no part, or does not tell."""

    prompt_tokens: int = Field(ge=0, description="Tokens that it read.", examples=[912])
    completion_tokens: int = Field(ge=0, description="Tokens that it wrote.", examples=[48])
    total_tokens: int = Field(ge=0, description="Tokens of both.", examples=[960])


class MessageOut(BaseModel):
    """The answer, or the refusal."""

    role: Literal["assistant"] = Field(default="assistant", description="Always this.")
    content: str = Field(
        description="The text with its markers and, unless told otherwise, a list of its sources.",
        examples=["Maduro asked Iran for GPS jammers. [1]\n\nSources:\n1. …"],
    )
    refusal: None = Field(default=None, description="Always null; `otvet.kind` tells a refusal.")


class ChoiceOut(BaseModel):
    """The one answer."""

    index: Literal[0] = Field(default=0, description="Place of the answer, from 0; there is but one.")
    message: MessageOut = Field(description="The answer, or the refusal.")
    finish_reason: Literal["stop"] = Field(default="stop", description="Always this.")
    logprobs: None = Field(default=None, description="Always null.")


class CompletionOut(BaseModel):
    """A whole answer."""

    id: str = Field(description="Names the answer.", examples=["chatcmpl-6b0c1d0e9d5a4c6f"])
    object: Literal["chat.completion"] = Field(default="chat.completion", description="Always this.")
    created: int = Field(description="When it was asked for, in seconds since 1970.", examples=[1_767_225_600])
    model: str = Field(description="The `model` that was asked.", examples=["otvet"])
    choices: list[ChoiceOut] = Field(description="One answer.")
    usage: UsageOut = Field(description="What the language model read and wrote.")
    otvet: ResponseOut = Field(description="The same object as that of `POST /answer`, citations included.")


class PieceOut(BaseModel):
    """What a chunk adds to the message."""

    role: Literal["assistant"] | None = Field(default=None, exclude_if=_is_none, description="In the first chunk only.")
    content: str | None = Field(
        default=None, exclude_if=_is_none, description="The next piece of the text.", examples=["Maduro asked "]
    )


class ChunkChoiceOut(BaseModel):
    """What a chunk adds to the one answer."""

    index: Literal[0] = Field(default=0, description="Place of the answer, from 0; there is but one.")
    delta: PieceOut = Field(description="What is added to the message.")
    finish_reason: Literal["stop"] | None = Field(default=None, description="In the chunk that ends the text.")


class ChunkOut(BaseModel):
    """A piece of an answer."""

    id: str = Field(description="Names the answer, the same in all chunks.", examples=["chatcmpl-6b0c1d0e9d5a4c6f"])
    object: Literal["chat.completion.chunk"] = Field(default="chat.completion.chunk", description="Always this.")
    created: int = Field(description="In seconds since 1970, the same in all chunks.", examples=[1_767_225_600])
    model: str = Field(description="The `model` that was asked.", examples=["otvet"])
    choices: list[ChunkChoiceOut] = Field(description="What is added; empty in the chunk with the tokens.")
    usage: UsageOut | None = Field(
        default=None, exclude_if=_is_none, description="In the last chunk only, where it was asked for."
    )
    otvet: ResponseOut | None = Field(
        default=None, exclude_if=_is_none, description="In the chunk with the `finish_reason` only."
    )


class OpenAIErrorBody(BaseModel):
    """What went wrong."""

    message: str = Field(description="What, which value, and what to do.", examples=["messages is missing"])
    type: str = Field(description="The kind of error, as OpenAI names them.", examples=["invalid_request_error"])
    param: str | None = Field(description="The field that it is about, where there is one.", examples=["messages"])
    code: str | None = Field(description="Names the problem; stays the same.", examples=["invalid_request"])


class OpenAIErrorOut(BaseModel):
    """An error as OpenAI's clients know it."""

    error: OpenAIErrorBody = Field(description="What went wrong.")
