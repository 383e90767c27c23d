"""What every door asks: one way from a question to its events, within a time, observed alike."""

import asyncio
import logging
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from contextvars import copy_context
from dataclasses import dataclass
from typing import Literal, TypeVar

from index.errors import AnswerStoppedError, AnswerTimeoutError, OverloadedError
from qa.engine import Engine
from qa.records import Answer, Event, Question, Refusal, Response
from qa.settings import MODEL_SHARE
from qa.stopping import stopping_config

log = logging.getLogger(__name__)

MAX_AT_ONCE = 256  # questions, as each takes a thread
GRACE_S = 0.05  # for what is there already, however late it is fetched

Door = Literal["answer", "stream", "openai", "mcp", "page"]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Asked:
    """A question that is over.

    Attributes:
        outcome: the response, the error, or None where whoever asked went away.
        seconds: from the question to its end.
    """

    door: Door
    question: Question
    outcome: Response | Exception | None
    seconds: float


class Asker:
    """Answers the questions of all doors. Safe between threads.

    Args:
        engine: what answers.
        timeout_s: until which an answer is there.
        max_at_once: questions that are answered at once, those included that wait for the language model.
        observe: told of each question that is over; must not raise.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        timeout_s: float = 60,
        max_at_once: int = MAX_AT_ONCE,
        observe: Callable[[Asked], None] = lambda asked: None,
    ) -> None:
        self.engine = engine
        self.timeout_s = timeout_s
        self._max_at_once = max_at_once
        self._observe = observe
        self._lock = threading.Lock()
        self._n_running = 0
        self._is_stopped = False

    @property
    def n_running(self) -> int:
        """Questions that are being answered now."""
        return self._n_running

    def steps(self, question: Question, door: Door, is_stopped: Callable[[], bool] = lambda: False) -> Iterator[Event]:
        """The events of an answer, the response the last (qa/records.py). See `AnswerChain.stream`.

        Args:
            question: what is asked.
            door: where.
            is_stopped: asked again and again; once it is true, the language model is stopped, too.

        Raises:
            AnswerStoppedError: it was stopped.
            OverloadedError: as many as may be are being answered.
            OtvetError: as `AnswerChain.stream` does.
        """
        self._begin()
        yield from self._steps(question, door, is_stopped, lambda: None)

    def _steps(
        self, question: Question, door: Door, is_stopped: Callable[[], bool], why: Callable[[], Exception | None]
    ) -> Iterator[Event]:
        """The same, begun already; `why` tells the error that a stop is in truth.

        The response comes after all who observe were told of it, lest a log line come after the answer.
        """
        started = time.monotonic()
        outcome: Response | Exception | None = None
        model_until = started + MODEL_SHARE * self.timeout_s
        config = stopping_config(lambda: self._is_stopped or is_stopped(), model_until=model_until)
        try:
            for event in self.engine.chain.stream(question, config):
                if isinstance(event, Answer | Refusal):
                    outcome = event
                else:
                    yield event
        except AnswerStoppedError:
            raise
        except Exception as exc:
            outcome = exc
            raise
        except (SystemExit, KeyboardInterrupt, asyncio.CancelledError) as exc:
            # of a library; in the event loop it would end the server, or look like a client that goes away
            outcome = RuntimeError(f"the thread that answers was ended by {type(exc).__name__}")
            raise outcome from exc
        finally:
            self._end(Asked(door, question, outcome or why(), time.monotonic() - started))
        if isinstance(outcome, Answer | Refusal):
            yield outcome

    async def stream(self, question: Question, door: Door) -> AsyncGenerator[Event, None]:
        """Like `steps`, without holding up the event loop. Closing it, or cancelling, stops the work.

        Raises:
            AnswerTimeoutError: the response was not there in time.
            OtvetError: as `steps` does.
        """
        self._begin()
        until = time.monotonic() + self.timeout_s
        late = AnswerTimeoutError(
            f"there was no answer within {self.timeout_s:g} s; try again later, or ask with mode 'extractive' "
            "(OTVET_ANSWER_TIMEOUT_S sets the time)"
        )

        def why() -> Exception | None:
            return late if time.monotonic() >= until else None

        steps = in_thread(lambda is_unwanted: self._steps(question, door, is_unwanted, why))
        async with aclosing(steps) as events:
            while True:
                try:
                    event = await asyncio.wait_for(anext(events, None), max(GRACE_S, until - time.monotonic()))
                except TimeoutError:
                    if time.monotonic() < until:  # one of the chain's
                        raise
                    raise late from None
                if event is None:
                    return
                yield event

    async def respond(self, question: Question, door: Door) -> Response:
        """The response to a question. Raises like `stream`."""
        async with aclosing(self.stream(question, door)) as events:
            async for event in events:
                if isinstance(event, Answer | Refusal):
                    return event
        raise AssertionError("a chain ends with its response")

    def stop(self) -> None:
        """Stop all that is being answered, and what is asked from now on: those who ask get AnswerStoppedError."""
        self._is_stopped = True

    def _begin(self) -> None:
        with self._lock:
            if self._n_running >= self._max_at_once:
                raise OverloadedError(
                    f"{self._max_at_once} questions are being answered already; ask again in a moment"
                )
            self._n_running += 1

    def _end(self, asked: Asked) -> None:
        try:
            self._observe(asked)
        except Exception:  # whoever asked has the answer all the same
            log.exception("a question could not be counted")
        with self._lock:
            self._n_running -= 1


async def in_thread(make: Callable[[Callable[[], bool]], Iterator[T]]) -> AsyncGenerator[T, None]:
    """The items of an iterator that a thread of its own goes through, so that nothing else waits for it.

    Args:
        make: gives the iterator; it is told how to ask whether nobody wants more. That becomes true when this
            generator is closed or cancelled, at once, though the thread may be in the middle of a step.
    """
    loop = asyncio.get_running_loop()
    items: asyncio.Queue[tuple[T] | BaseException | None] = asyncio.Queue()
    unwanted = threading.Event()

    def tell(item: tuple[T] | BaseException | None) -> None:
        if not unwanted.is_set():
            loop.call_soon_threadsafe(items.put_nowait, item)

    def work() -> None:
        try:
            for item in make(unwanted.is_set):
                tell((item,))
                if unwanted.is_set():
                    return
        except BaseException as exc:
            tell(exc)
        finally:
            tell(None)

    context = copy_context()  # the request's id, for what is logged
    threading.Thread(target=lambda: context.run(work), name="answer", daemon=True).start()
    try:
        while (item := await items.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item[0]
    finally:
        unwanted.set()
