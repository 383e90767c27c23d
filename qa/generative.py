"""Answer by a language model that reads numbered passages and cites them."""

from collections.abc import Iterator, Sequence

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.runnables import RunnableConfig

from qa.chat_models import stream_text
from qa.citations import split_markers
from qa.drafts import Claim, Draft, Evidence, NoAnswer, Quote
from qa.language import question_language
from qa.prompts import ANSWER_PROMPT, LANGUAGE_NAMES, NO_ANSWER, number_passages
from qa.records import AnswerMode, Passage, Question
from qa.sentences import SentenceRanker

TURNS_SENT = 6


class GenerativeAnswerer:
    """What the model writes; each "[n]" becomes the sentence of passage n that is nearest to the claim before it."""

    mode: AnswerMode = "generative"

    def __init__(self, model: BaseChatModel, ranker: SentenceRanker) -> None:
        self._model = model
        self._ranker = ranker

    def draft(self, question: Question, evidence: Evidence, config: RunnableConfig) -> Draft:
        """See `Answerer`."""
        passages = evidence.passages
        written = stream_text(self._model, _messages(question, passages), config)
        claim, is_blank = "", True
        for item in split_markers(_without_no_answer(written)):
            is_blank = False
            if isinstance(item, str):
                claim += item
                yield Claim(item)
            else:
                numbers = [number for number in item if 1 <= number <= len(passages)]
                yield Claim("", tuple(self._quote(claim, passages[number - 1]) for number in numbers))
                claim = ""
        if is_blank:
            yield NoAnswer()

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


def _without_no_answer(pieces: Iterator[str]) -> Iterator[str]:
    """The stream, or nothing where it begins with the model's word for "no answer" (or is blank)."""
    head = ""
    for piece in pieces:
        head = (head + piece).lstrip()
        if len(head) >= len(NO_ANSWER):
            break
    if head and not head.startswith(NO_ANSWER):
        yield head
        yield from pieces
