"""From a question to an answer or a refusal, on one screen: understand, retrieve, gate, answer, verify.

`AnswerChain` is a LangChain Runnable: `invoke` and `ainvoke` give the response, `stream` and `astream` the events that
lead to it, the last of which holds the same response. Compose it like any other: `make_question | chain | show`.
"""

import logging
import time
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, cast

from langchain_core.callbacks import CallbackManagerForChainRun
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import merge_configs, run_in_executor

from index.clock import Clock
from index.errors import ChatModelError, ModelBusyError, ModelDownError, QuestionError
from index.records import Article
from index.text import Language
from qa.chat_models import TokenCounter
from qa.citations import Citations
from qa.dates import Period, named_period
from qa.drafts import Answerer, Evidence, NoAnswer
from qa.follow_ups import Rewriter
from qa.gate import RefusalTest, refusal_reason
from qa.language import MODEL_BUSY, MODEL_DOWN, MODEL_FAILED, MODEL_SLOW, REFUSALS, WIDENED, answer_language
from qa.passages import passages_of
from qa.records import (
    Answer,
    AnswerMode,
    Citation,
    Event,
    Passage,
    PassagesFound,
    Question,
    QuotesFound,
    Refusal,
    RefusalReason,
    Response,
    Restarted,
    TextDelta,
)
from qa.sentences import SentenceRanker
from qa.settings import ANSWER_TIMEOUT_S, MODEL_SHARE
from qa.small_talk import small_talk
from qa.stopping import ModelSlowError, with_model_until

log = logging.getLogger(__name__)

N_RANKED = 3  # passages whose sentences are ranked
N_NEAREST = 3  # articles that a refusal names


@dataclass(frozen=True, slots=True)
class Course:
    """What all steps to one response share.

    Attributes:
        config: of LangChain; with the time at which the language model is given up, and with `tokens` among its
            callbacks.
        generation: of the index that answers.
    """

    question: Question
    config: RunnableConfig
    generation: str
    clock: Clock
    tokens: TokenCounter


@dataclass(frozen=True, slots=True)
class Found:
    """What was found for a question.

    Attributes:
        query: what was searched for: the question, made to stand alone.
        period: the days of publication that the search kept to because the question names them.
        given_up: such days, when what was published then did not answer and all days were searched.
    """

    query: str
    passages: tuple[Passage, ...]
    period: Period | None
    given_up: Period | None = None

    def notice(self, question: Question) -> str | None:
        """What a reader must know of the search."""
        if self.given_up is None:
            return None
        return WIDENED[answer_language(question)].format(words=self.given_up.words)

    def told_query(self, question: Question) -> str | None:
        """The query, where it is not the question as typed."""
        return self.query if self.query != question.text else None


class AnswerChain(Runnable[Question | str, Event]):
    """Answers questions. Safe to call from several threads at once.

    Args:
        retriever: gives documents with the metadata that `OtvetRetriever` describes.
        rewriter: makes questions of a conversation stand alone.
        ranker: ranks the sentences of passages.
        find_article: the stored article of an id; every quote is compared with it.
        extractive: answers by quoting; also when the other one fails.
        generative: answers by a language model, None where there is none.
        gate: decides whether the passages can answer at all.
        pinned: has all steps of an answer see one and the same state of what they read (`index.serving.Index.pinned`).
        today: tells the day that "yesterday" and «в октябре» in a question count from.
        generation: names the state of what is read; called in the midst of what `pinned` holds together.
        model_timeout_s: seconds from the beginning of an answer after which the language model is given up and there
            are quotes, unless the config names a time (qa/stopping.py).
    """

    def __init__(
        self,
        *,
        retriever: BaseRetriever,
        rewriter: Rewriter,
        ranker: SentenceRanker,
        find_article: Callable[[str], Article | None],
        extractive: Answerer,
        generative: Answerer | None = None,
        gate: RefusalTest = refusal_reason,
        pinned: Callable[[Iterator[Event]], Iterator[Event]] = iter,
        today: Callable[[], date] = date.today,
        generation: Callable[[], str] = str,
        model_timeout_s: float = MODEL_SHARE * ANSWER_TIMEOUT_S,
    ) -> None:
        self._retriever = retriever
        self._rewriter = rewriter
        self._ranker = ranker
        self._find_article = find_article
        self._extractive = extractive
        self._generative = generative
        self._gate = gate
        self._pinned = pinned
        self._today = today
        self._generation = generation
        self._model_timeout_s = model_timeout_s

    def invoke(self, input: Question | str, config: RunnableConfig | None = None, **kwargs: object) -> Response:
        """The response to a question.

        Raises:
            QuestionError: the question asks for a mode that is not there, or is not usable.
            ModelBusyError: the question asks for the language model, and too many wait for that already.
            ModelDownError: the question asks for the language model, whose server fails and is not asked for a while.
            IndexStateError: the index cannot be read.
        """
        return cast("Response", self._call_with_config(self._respond, input, config))

    def stream(self, input: Question | str, config: RunnableConfig | None = None, **kwargs: object) -> Iterator[Event]:
        """What happens on the way to the response, and at last the response itself. Raises like `invoke`.

        After a `Restarted`, texts and citations so far are void. Closing the iterator stops the work, a language model
        included.
        """
        yield from self._transform_stream_with_config(iter([input]), self._respond_in_steps, config)

    async def astream(
        self, input: Question | str, config: RunnableConfig | None = None, **kwargs: object
    ) -> AsyncIterator[Event]:
        """Like `stream`; the work is done in threads."""
        events = self.stream(input, config)
        while (event := await run_in_executor(config, next, events, None)) is not None:
            yield event

    def _respond(
        self, question: Question | str, run_manager: CallbackManagerForChainRun, config: RunnableConfig
    ) -> Event:
        *_, response = self._events(question, config)
        return response

    def _respond_in_steps(
        self, questions: Iterator[Question | str], run_manager: CallbackManagerForChainRun, config: RunnableConfig
    ) -> Iterator[Event]:
        for question in questions:
            yield from self._events(question, config)

    def _events(self, asked: Question | str, config: RunnableConfig) -> Iterator[Event]:
        question = Question(asked) if isinstance(asked, str) else asked
        return self._pinned(self._steps(question, config))

    def _steps(self, question: Question, config: RunnableConfig) -> Iterator[Event]:
        answerer = self._answerer_for(question)
        course = self._begun(question, config)
        reply = small_talk(question.text)
        if reply is not None:
            yield TextDelta(reply)
            yield _small_answer(reply, course)
            return
        query = self._rewriter.standalone(question, course.config)
        course.clock.lap("understand")
        found = self._find(course, query)
        course.clock.lap("retrieve")
        yield PassagesFound(found.passages)
        reason = self._gate(query, found.passages)
        if reason is not None:
            yield _refusal(reason, course, found)
            return
        sentences = self._ranker.for_query(query, found.passages[:N_RANKED])
        course.clock.lap("rank")
        yield from self._answer(course, found, Evidence(query, found.passages, sentences), answerer)

    def _begun(self, question: Question, config: RunnableConfig) -> Course:
        clock, tokens = Clock(), TokenCounter()
        bounded = with_model_until(config, time.monotonic() + self._model_timeout_s)
        counted = merge_configs(bounded, {"callbacks": [tokens]})
        return Course(question, counted, self._generation(), clock, tokens)

    def _find(self, course: Course, query: str) -> Found:
        """Passages of the time that the question names; of all times where those cannot answer it."""
        question = course.question
        limited = question.filters.published_from or question.filters.published_to
        period = None if limited or not question.use_dates else named_period(query, today=self._today())
        passages = self._retrieve(course, query, period)
        if period is None or self._gate(query, passages) is None:
            return Found(query, passages, period)
        return Found(query, self._retrieve(course, query, None), None, given_up=period)

    def _retrieve(self, course: Course, query: str, period: Period | None) -> tuple[Passage, ...]:
        filters = course.question.filters
        if period is not None:
            filters = replace(filters, published_from=period.first, published_to=period.last)
        options: dict[str, Any] = {"k": course.question.k, "filters": filters}
        return passages_of(self._retriever.invoke(query, course.config, **options), self._find_article)

    def _answerer_for(self, question: Question) -> Answerer:
        if question.mode == "extractive" or (question.mode == "auto" and self._generative is None):
            return self._extractive
        if self._generative is None:
            raise QuestionError(
                "mode 'generative' needs a language model; run otvet models pull, or set OTVET_CHAT_MODEL and "
                "OTVET_CHAT_BASE_URL, or ask with mode 'extractive'"
            )
        return self._generative

    def _answer(self, course: Course, found: Found, evidence: Evidence, answerer: Answerer) -> Iterator[Event]:
        """The answer of `answerer`; before that of a language model, and where it fails, the quotes."""
        if answerer is self._extractive:
            quotes = yield from self._verified(course, found, evidence, answerer)
            yield quotes or _refusal(RefusalReason.NOT_RELEVANT, course, found)
            return
        events, quotes = _drained(self._verified(course, found, evidence, self._extractive))
        if isinstance(quotes, Answer):
            yield QuotesFound(quotes)
        notices = MODEL_FAILED
        try:
            response = yield from self._verified(course, found, evidence, answerer)
        except ChatModelError as exc:
            if isinstance(exc, ModelBusyError | ModelDownError) and course.question.mode == "generative":
                raise
            log.warning("answering by quotes: %s", exc)
            response, notices = None, _notices_of(exc)
        if response is None:
            course.clock.lap(answerer.mode)
            yield Restarted()
            yield from events
            response = _in_its_place(quotes, course, notices)
        yield response or _refusal(RefusalReason.NOT_RELEVANT, course, found)

    def _verified(
        self, course: Course, found: Found, evidence: Evidence, answerer: Answerer
    ) -> Generator[Event, None, Response | None]:
        """Streams what `answerer` drafts, each quote checked; returns None where not one quote stands."""
        citations = Citations(self._find_article)
        for item in answerer.draft(course.question, evidence, course.config):
            if isinstance(item, NoAnswer):
                course.clock.lap(answerer.mode)
                return _refusal(RefusalReason.NOT_STATED, course, found)
            yield from citations.events(item)
        course.clock.lap(answerer.mode)
        if not citations.found:
            return None
        return Answer(
            text=citations.text,
            language=_text_language(course.question, answerer.mode, citations.found),
            mode=answerer.mode,
            citations=citations.found,
            notice=found.notice(course.question),
            period=found.period,
            query=found.told_query(course.question),
            disagreements=citations.disagreements,
            timings_ms=course.clock.timings_ms(),
            generation=course.generation,
            tokens=course.tokens.tokens,
        )


def _drained(events: Generator[Event, None, Response | None]) -> tuple[list[Event], Response | None]:
    """All that a generator yields, and what it returns."""
    drained: list[Event] = []
    while True:
        try:
            drained.append(next(events))
        except StopIteration as stop:
            return drained, stop.value


def _small_answer(reply: str, course: Course) -> Answer:
    return Answer(
        text=reply,
        language=answer_language(course.question),
        mode="conversation",
        citations=(),
        timings_ms=course.clock.timings_ms(),
        generation=course.generation,
    )


def _notices_of(exc: ChatModelError) -> dict[Language, str]:
    if isinstance(exc, ModelBusyError):
        return MODEL_BUSY
    if isinstance(exc, ModelDownError):
        return MODEL_DOWN
    return MODEL_SLOW if isinstance(exc, ModelSlowError) else MODEL_FAILED


def _in_its_place(quotes: Response | None, course: Course, notices: dict[Language, str]) -> Response | None:
    """The quotes as the response where a language model gave none."""
    if not isinstance(quotes, Answer):
        return quotes
    notice = " ".join(filter(None, (notices[answer_language(course.question)], quotes.notice)))
    return replace(quotes, notice=notice, timings_ms=course.clock.timings_ms(), tokens=course.tokens.tokens)


def _text_language(question: Question, mode: AnswerMode, citations: Sequence[Citation]) -> str:
    """A model was held to the question's language; quotes speak their article's."""
    return citations[0].source.language if mode == "extractive" else answer_language(question)


def _refusal(reason: RefusalReason, course: Course, found: Found) -> Refusal:
    language = answer_language(course.question)
    nearest = list(dict.fromkeys(passage.source for passage in found.passages))
    return Refusal(
        reason=reason,
        text=REFUSALS[reason, language],
        language=language,
        nearest=tuple(nearest[:N_NEAREST]),
        period=found.period,
        query=found.told_query(course.question),
        tokens=course.tokens.tokens,
        timings_ms=course.clock.timings_ms(),
        generation=course.generation,
    )
