"""Answer by a language model that reads numbered passages and cites them."""

from collections.abc import Iterator, Sequence
from itertools import chain

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.runnables import RunnableConfig

from index.text import question_language
from qa.chat_models import stream_text
from qa.citations import split_markers
from qa.corroboration import Corroborator
from qa.drafts import Claim, Draft, Evidence, NoAnswer, Quote
from qa.prompts import ANSWER_PROMPT, LANGUAGE_NAMES, NO_ANSWER, number_passages
from qa.records import AnswerMode, Passage, Question
from qa.sentences import SentenceRanker

TURNS_SENT = 6


class GenerativeAnswerer:
    """What the model writes; each "[n]" becomes the sentence of passage n that is nearest to the claim before it.

    A marker that opens the text is taken to belong to the question.
    """

    mode: AnswerMode = "generative"

    def __init__(self, model: BaseChatModel, ranker: SentenceRanker, corroborator: Corroborator) -> None:
        self._model = model
        self._ranker = ranker
        self._corroborator = corroborator

    def draft(self, question: Question, evidence: Evidence, config: RunnableConfig) -> Draft:
        """See `Answerer`."""
        passages = evidence.passages
        written = stream_text(self._model, _messages(question, passages), config)
        head = _head(written)
        if head.startswith(NO_ANSWER):
            yield NoAnswer()
            return
        claim, unmarked = question.text, ""
        for item in split_markers(chain([head], written)):
            if isinstance(item, str):
                unmarked += item
                yield Claim(item)
            else:
                if any(map(str.isalnum, unmarked)):  # else the marker belongs to the same claim as the one before it
                    claim, unmarked = unmarked, ""
                numbers = [number for number in item if 1 <= number <= len(passages)]
                quotes = [self._quote(claim, passages[number - 1]) for number in numbers]
                yield from self._cited(quotes, passages)

    def _cited(self, quotes: Sequence[Quote], passages: Sequence[Passage]) -> Iterator[Claim]:
        """The quotes, and those of other articles that say the same or otherwise."""
        found = [self._corroborator.corroborate(quote, passages) for quote in quotes]
        yield Claim("", (*quotes, *(other for one in found for other in one.same)))
        for difference in (one.difference for one in found if one.difference is not None):
            yield Claim("", (difference.quotes[1],), difference)

    def _quote(self, claim: str, passage: Passage) -> Quote:
        sentence = self._ranker.for_claim(claim, passage)
        return Quote(passage, sentence.start, sentence.end)


def _messages(question: Question, passages: Sequence[Passage]) -> list[BaseMessage]:
    history: list[BaseMessage] = [
        HumanMessage(turn.content) if turn.role == "user" else AIMessage(turn.content)
        for turn in question.history[-TURNS_SENT:]
    ]
    values = {
        "history": history,
        "passages": number_passages(passages),
        "question": question.text,
        "language": LANGUAGE_NAMES[question_language(question.text)],
    }
    return ANSWER_PROMPT.invoke(values).to_messages()


def _head(pieces: Iterator[str]) -> str:
    """The beginning of the stream, taken from it: enough to see whether it is the model's word for "no answer"."""
    head = ""
    for piece in pieces:
        head = (head + piece).lstrip()
        if len(head) >= len(NO_ANSWER):
            break
    return head
