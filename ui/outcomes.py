"""What became of a question, in the few words that metrics, logs and spans share."""

from typing import Literal

from qa.records import Answer, Refusal
from ui.asking import Asked

OutcomeKind = Literal["answer", "refusal", "error", "stopped"]
TOTAL = "total"  # of the timings of an answer, beside those of its stages


def kind_of(asked: Asked) -> OutcomeKind:
    """What became of it; "stopped" where whoever asked went away."""
    match asked.outcome:
        case Answer():
            return "answer"
        case Refusal():
            return "refusal"
        case None:
            return "stopped"
        case _:
            return "error"


def mode_of(asked: Asked) -> str:
    """How it was answered; "" where there is no answer."""
    return asked.outcome.mode if isinstance(asked.outcome, Answer) else ""


def stages_ms(asked: Asked) -> dict[str, float]:
    """Milliseconds of each stage, in the order in which they were; none where there is no response."""
    if not isinstance(asked.outcome, Answer | Refusal):
        return {}
    return {stage: ms for stage, ms in asked.outcome.timings_ms.items() if stage != TOTAL}


def error_type(exc: Exception) -> str:
    """The name of an error's class."""
    return type(exc).__name__
