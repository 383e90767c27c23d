"""A conversation as the browser keeps it: what was asked, what came of it. The page is drawn from it alone.

Decision: the browser holds it, sends it with every event and gets it back; the server keeps nothing. So it survives a
reload and a restart of the server, and no reader can see another's. It comes from outside like a question does: it is
checked when it is read, and all in it is shown as mere text.
"""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from qa.records import MAX_K, MAX_TURNS, Question, Turn
from ui.schemas import MAX_TURN_CHARS, AnswerOut, FiltersIn, ResponseOut, Text

MAX_EXCHANGES = MAX_TURNS  # older ones are forgotten


class _Kept(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Around(_Kept):
    """What stands before and after a quote in its article, for the reader to see it in its place."""

    before: str = Field(default="", max_length=1_000)
    after: str = Field(default="", max_length=1_000)


class Exchange(_Kept):
    """One question and what came of it.

    Attributes:
        exchange_id: tells it from all others; feedback is kept under it.
        use_dates: whether a period that the question names limits the search.
        draft: what has been shown while there is no response: quotes, then as much of the answer as is written.
        response: None while it is being answered, and where that was stopped, broke off or failed.
        is_stopped: by the reader.
        failed: why there is no response, for people.
        around: one for each citation of the response or the draft, in their order.
        generation: of the index that answered; empty while there is no response.
        liked: what the reader said of it.
    """

    exchange_id: str = Field(default_factory=lambda: uuid4().hex, pattern=r"^[0-9a-f]{32}$")
    question: Text
    asked_at: datetime = Field(default_factory=lambda: datetime.now(UTC))
    filters: FiltersIn = Field(default_factory=FiltersIn)
    use_dates: bool = True
    draft: AnswerOut | None = None
    response: ResponseOut | None = None
    is_stopped: bool = False
    failed: str = Field(default="", max_length=MAX_TURN_CHARS)
    around: list[Around] = Field(default=[], max_length=MAX_K)
    generation: str = Field(default="", max_length=100)
    liked: bool | None = None

    @property
    def is_open(self) -> bool:
        """Whether it is being answered, or was until the page or the server went away."""
        return self.response is None and not self.is_stopped and not self.failed

    @property
    def is_limited(self) -> bool:
        """Whether filters, or a period that the question names, kept articles out of the search."""
        by_period = self.response is not None and self.response.period is not None
        return by_period or self.filters != FiltersIn()

    def anew(self, **changes: Any) -> "Exchange":  # noqa: ANN401 - fields of this class
        """The same question, to be asked again."""
        asked = {"question": self.question, "filters": self.filters, "use_dates": self.use_dates}
        return Exchange(**{**asked, **changes})

    def turns(self) -> tuple[Turn, ...]:
        """What a follow-up is understood by."""
        said = self.response or self.draft
        asked = Turn("user", self.question)
        return (asked, Turn("assistant", said.text)) if said is not None else (asked,)


class Conversation(_Kept):
    """Questions and answers, oldest first.

    Attributes:
        user: who logged in to have it, None where nobody has to.
    """

    user: str | None = None
    exchanges: list[Exchange] = Field(default=[], max_length=MAX_EXCHANGES)

    @property
    def last(self) -> Exchange | None:
        """What it ends with, None where nothing was asked."""
        return self.exchanges[-1] if self.exchanges else None

    def question(self) -> Question:
        """The last question, with what came before it.

        Raises:
            QuestionError: it cannot be asked like that.
        """
        *earlier, last = self.exchanges
        turns = [turn for exchange in earlier for turn in exchange.turns()]
        return Question(
            last.question, tuple(turns[-MAX_TURNS:]), filters=last.filters.filters(), use_dates=last.use_dates
        )

    def followed_by(self, exchange: Exchange) -> "Conversation":
        """With one more exchange at its end."""
        return self.model_copy(update={"exchanges": [*self.exchanges, exchange][-MAX_EXCHANGES:]})

    def with_change(self, index: int, **changes: Any) -> "Conversation":  # noqa: ANN401 - fields of Exchange
        """With one exchange changed."""
        exchanges = list(self.exchanges)
        exchanges[index] = exchanges[index].model_copy(update=changes)
        return self.model_copy(update={"exchanges": exchanges})

    def before_last(self) -> "Conversation":
        """Without the last exchange."""
        return self.model_copy(update={"exchanges": self.exchanges[:-1]})


def read_conversation(kept: object, *, user: str | None) -> Conversation:
    """The conversation that a browser kept; an empty one where it is none, or somebody else's."""
    try:
        conversation = Conversation.model_validate(kept)
    except ValidationError:
        return Conversation(user=user)
    return conversation if conversation.user == user else Conversation(user=user)


def kept_form(conversation: Conversation) -> dict[str, Any]:
    """As the browser keeps it: plain JSON."""
    return conversation.model_dump(mode="json")
