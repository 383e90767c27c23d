"""Between OpenAI's chats and Otvet's questions and answers. Pure functions.

Decision: a list of sources at the end of a text begins with a heading that no answer has, so that it can be taken away
again when a chat front end sends the conversation back; else the titles of an answer would be read as its names.
"""

import re
from itertools import takewhile
from typing import Any

from index.errors import QuestionError
from index.text import Language
from qa.records import MAX_TURNS, Question, Response, Turn
from ui.answer_text import WORDS, source_list
from ui.openai_schemas import (
    MODES,
    ChatIn,
    ChoiceOut,
    ChunkChoiceOut,
    ChunkOut,
    CompletionOut,
    MessageOut,
    OptionsIn,
    PieceOut,
    UsageOut,
)
from ui.render import remarks
from ui.schemas import MAX_TURN_CHARS, AnswerOut, RefusalOut, response_out

ANY_HEADING = "|".join(heading for headings in WORDS.values() for heading in headings.values())
LISTED = re.compile(rf"\n\n(?:{ANY_HEADING})\n(?:\[1\]|-) .*\Z", re.DOTALL)


def question_of(asked: ChatIn) -> Question:
    """The last message of the user, with those of user and assistant before it, as many of the last as Otvet reads.

    Raises:
        QuestionError: there is none, or it is not usable.
    """
    said = [message for message in asked.messages if message.role in ("user", "assistant")]
    while said and said[-1].role == "assistant":
        said.pop()
    if not said:
        raise QuestionError("messages has none with the role 'user'; the last one of those is the question")
    options = asked.otvet or OptionsIn()
    turns = [
        Turn("user", one.content) if one.role == "user" else Turn("assistant", unlisted(one.content)) for one in said
    ]
    return Question(
        turns[-1].content.strip(),
        _last_turns(turns[:-1]),
        options.k,
        MODES[asked.model],
        options.filters(),
        options.use_dates,
    )


def _last_turns(turns: list[Turn]) -> tuple[Turn, ...]:
    kept = takewhile(lambda turn: len(turn.content) <= MAX_TURN_CHARS, reversed(turns[-MAX_TURNS:]))
    return tuple(kept)[::-1]


def content_of(out: AnswerOut | RefusalOut, *, sources: bool) -> str:
    """The text of a response and, with `sources`, what it rests on and what a reader should know of it.

    The list comes before the remarks, so that both go when it is taken away.
    """
    language: Language = "ru" if out.language == "ru" else "en"
    tail = [source_list(out), *remarks(out, language)] if sources else []
    return "\n\n".join(filter(None, [out.text, *tail]))


def unlisted(content: str) -> str:
    """A text without the list of sources that `content_of` put at its end."""
    return LISTED.sub("", content)


def usage_of(response: Response) -> UsageOut:
    """The tokens that a response took."""
    tokens = response.tokens
    prompt, completion = (tokens.prompt, tokens.completion) if tokens is not None else (0, 0)
    return UsageOut(prompt_tokens=prompt, completion_tokens=completion, total_tokens=prompt + completion)


class Completion:
    """One answer in OpenAI's form, whole or in chunks.

    Args:
        asked: what it answers.
        completion_id: its id, the same in all chunks.
        created: when, in seconds since 1970.
    """

    def __init__(self, asked: ChatIn, completion_id: str, created: int) -> None:
        self._asked = asked
        self._head: dict[str, Any] = {"id": completion_id, "created": created, "model": asked.model}

    def content(self, response: Response) -> str:
        """The whole text."""
        return content_of(response_out(response), sources=(self._asked.otvet or OptionsIn()).sources)

    def whole(self, response: Response) -> CompletionOut:
        """All in one."""
        choice = ChoiceOut(message=MessageOut(content=self.content(response)))
        out = response_out(response)
        return CompletionOut(**self._head, choices=[choice], usage=usage_of(response), otvet=out)

    def first(self) -> ChunkOut:
        """The chunk that begins the message."""
        return self._chunk(ChunkChoiceOut(delta=PieceOut(role="assistant", content="")))

    def piece(self, text: str) -> ChunkOut:
        """The chunk of a piece of the text."""
        return self._chunk(ChunkChoiceOut(delta=PieceOut(content=text)))

    def last(self, response: Response) -> ChunkOut:
        """The chunk that ends the message."""
        chunk = self._chunk(ChunkChoiceOut(delta=PieceOut(), finish_reason="stop"))
        return chunk.model_copy(update={"otvet": response_out(response)})

    def usage(self, response: Response) -> ChunkOut:
        """The chunk of the tokens, which has no choices."""
        return self._chunk().model_copy(update={"usage": usage_of(response)})

    def _chunk(self, *choices: ChunkChoiceOut) -> ChunkOut:
        return ChunkOut(**self._head, choices=list(choices))
