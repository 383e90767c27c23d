"""Questions that the page offers to begin with, of those that the articles can answer."""

from index.errors import OtvetError
from qa.engine import Engine
from qa.records import Answer, Question

EXAMPLES = (
    "What did Maduro ask Iran for?",
    "Что Мадуро просил у Ирана?",
    "Что открыл «Ростех» в Венесуэле?",
    "How many people were killed by the strikes?",
)


class AnsweredExamples:
    """Which of the example questions the articles can answer, looked up once for each generation of the index."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._known: tuple[str, list[str]] = ("", [])

    def answered(self) -> list[str]:
        """Those that are answered by quotes; none where the index cannot be read."""
        try:
            with self._engine.index.lease() as generation:
                name = generation.name
            if self._known[0] != name:
                self._known = (name, [example for example in EXAMPLES if self._is_answered(example)])
        except OtvetError:
            return []
        return self._known[1]

    def _is_answered(self, question: str) -> bool:
        return isinstance(self._engine.chain.invoke(Question(question, mode="extractive")), Answer)
