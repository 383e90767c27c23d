"""The one way to ask: within a time, observed, stopped by whoever goes away; and the thread that it runs in."""

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from contextlib import aclosing
from threading import Barrier, Event
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.runnables import RunnableConfig

from index.errors import AnswerStoppedError, AnswerTimeoutError, OverloadedError, QuestionError
from processes import becomes
from qa.engine import Engine
from qa.records import Answer, Question, TextDelta
from qa.records import Event as ChainEvent
from qa.stopping import check_wanted
from ui.asking import Asked, Asker, in_thread

PATIENCE_S = 10.0

# --- in a thread


def n_threads() -> int:
    return sum(thread.name == "answer" for thread in threading.enumerate())


def run(work: Coroutine[Any, Any, Any]) -> Any:
    """What it returns; nothing that it began may be left."""
    result = asyncio.run(asyncio.wait_for(work, PATIENCE_S))
    assert becomes(lambda: n_threads() == 0)
    return result


def items_of(make: Callable[[Callable[[], bool]], Iterator[Any]]) -> AsyncGenerator[Any, None]:
    return cast("AsyncGenerator[Any, None]", in_thread(make))


class Held:
    """An iterator that stops after its first item until it is let go on.

    Attributes:
        is_stopped: what it was told to ask.
        ended: set once it is over.
    """

    def __init__(self) -> None:
        self.go, self.waiting, self.ended = Event(), Event(), Event()
        self.is_stopped: Callable[[], bool] = lambda: False
        self.n_given = 0

    def make(self, is_stopped: Callable[[], bool]) -> Iterator[int]:
        self.is_stopped = is_stopped
        try:
            for number in range(100):
                self.n_given += 1
                yield number
                self.waiting.set()
                self.go.wait(PATIENCE_S)
        finally:
            self.ended.set()


@settings(deadline=None)
@given(st.lists(st.none() | st.integers() | st.just(ValueError("a value like any"))))
def test_items_come_in_their_order(values: list[Any]) -> None:
    async def work() -> list[Any]:
        return [item async for item in in_thread(lambda is_stopped: iter(values))]

    assert asyncio.run(work()) == values


class OddError(BaseException):
    """What no `except Exception` catches."""


@pytest.mark.parametrize("error", [ValueError("broken"), AnswerStoppedError("stopped"), OddError(), TimeoutError()])
@pytest.mark.parametrize("n_before", [0, 2])
def test_an_error_comes_after_the_items_before_it(error: BaseException, n_before: int) -> None:
    def make(is_stopped: Callable[[], bool]) -> Iterator[int]:
        yield from range(n_before)
        raise error

    async def work() -> list[int]:
        got = []
        items = items_of(make)
        for _ in range(n_before):
            got.append(await anext(items))
        with pytest.raises(type(error)) as caught:
            await anext(items)
        assert caught.value is error
        return got

    assert run(work()) == list(range(n_before))


def test_an_iterator_that_cannot_be_made_is_an_error() -> None:
    def make(is_stopped: Callable[[], bool]) -> Iterator[int]:
        raise ValueError("broken")

    async def work() -> None:
        with pytest.raises(ValueError, match="broken"):
            await anext(items_of(make))

    run(work())


def test_nothing_runs_before_the_first_item_is_asked_for() -> None:
    held = Held()

    async def work() -> None:
        items = items_of(held.make)
        await asyncio.sleep(0.02)
        assert (held.n_given, n_threads()) == (0, 0)
        await items.aclose()

    run(work())


def test_closing_tells_at_once_though_a_step_is_at_work() -> None:
    held = Held()

    async def work() -> None:
        async with aclosing(items_of(held.make)) as items:
            assert await anext(items) == 0
            assert await asyncio.to_thread(held.waiting.wait, PATIENCE_S)
            assert not held.is_stopped()
        assert held.is_stopped()
        assert not held.ended.is_set()
        held.go.set()
        assert await asyncio.to_thread(held.ended.wait, PATIENCE_S)

    run(work())
    assert held.n_given <= 2


def test_a_cancelled_wait_tells_at_once() -> None:
    held = Held()

    async def consume() -> None:
        async for _ in in_thread(held.make):
            pass

    async def work() -> None:
        task = asyncio.create_task(consume())
        assert await asyncio.to_thread(held.waiting.wait, PATIENCE_S)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled()
        assert await asyncio.to_thread(becomes, held.is_stopped)
        held.go.set()

    run(work())
    assert held.ended.is_set()


def test_a_loop_that_is_gone_does_no_harm_to_the_thread() -> None:
    """A server that ends does not wait for answers; an error in the thread would fail this test."""
    held = Held()

    async def work() -> None:
        items = items_of(held.make)
        assert await anext(items) == 0

    asyncio.run(work())
    assert held.is_stopped()
    held.go.set()
    assert held.ended.wait(PATIENCE_S)
    assert becomes(lambda: n_threads() == 0)


def test_many_at_once_do_not_wait_for_each_other() -> None:
    """All are in the middle of a step at the same time, and the loop goes on meanwhile."""
    n = 40
    together = Barrier(n + 1)

    def make(is_stopped: Callable[[], bool]) -> Iterator[str]:
        yield "begun"
        together.wait(PATIENCE_S)
        yield "ended"

    async def consume() -> list[str]:
        return [item async for item in in_thread(make)]

    async def work() -> list[list[str]]:
        tasks = [asyncio.create_task(consume()) for _ in range(n)]
        while together.n_waiting < n:
            await asyncio.sleep(0.001)
        assert n_threads() == n
        together.wait()
        return await asyncio.gather(*tasks)

    assert run(work()) == [["begun", "ended"]] * n


# --- who asks


class Chain:
    """Tells prepared events, each after so many seconds; records what it was asked."""

    def __init__(self, *events: ChainEvent | BaseException, wait_s: float = 0) -> None:
        self.events, self.wait_s = events, wait_s
        self.n_asked = 0

    def stream(self, question: Question, config: RunnableConfig) -> Iterator[ChainEvent]:
        self.n_asked += 1
        for event in self.events:
            time.sleep(self.wait_s)
            if isinstance(event, BaseException):
                raise event
            yield event


QUESTION = Question("Мост закрыли?")
ANSWER = Answer("Мост закрыли. [1]", "ru", "extractive", ())


def asker_over(chain: Chain, told: list[Asked], **options: Any) -> Asker:
    return Asker(cast("Engine", SimpleNamespace(chain=chain)), observe=told.append, **options)


async def all_of(asker: Asker, pause_s: float = 0) -> list[ChainEvent]:
    events = []
    async for event in asker.stream(QUESTION, "stream"):
        events.append(event)
        await asyncio.sleep(pause_s)
    return events


def test_who_observes_is_told_before_the_response_goes_out() -> None:
    told: list[Asked] = []
    steps = asker_over(Chain(TextDelta("Мост"), ANSWER), told).steps(QUESTION, "answer")
    assert (next(steps), told) == (TextDelta("Мост"), [])
    assert next(steps) == ANSWER
    assert [(one.door, one.question, one.outcome) for one in told] == [("answer", QUESTION, ANSWER)]


def test_a_question_that_takes_too_long_is_given_up_and_counted_as_that() -> None:
    told: list[Asked] = []
    asker = asker_over(Chain(TextDelta("Мост"), ANSWER, wait_s=0.4), told, timeout_s=0.2)
    with pytest.raises(AnswerTimeoutError, match=r"0\.2 s.*OTVET_ANSWER_TIMEOUT_S"):
        asyncio.run(all_of(asker))
    assert becomes(lambda: [type(one.outcome) for one in told] == [AnswerTimeoutError])
    assert becomes(lambda: asker.n_running == 0)


def test_a_slow_reader_gets_the_answer_that_was_there_in_time() -> None:
    asker = asker_over(Chain(TextDelta("Мост"), TextDelta(" закрыли."), ANSWER), [], timeout_s=0.3)
    assert asyncio.run(all_of(asker, pause_s=0.25))[-1] == ANSWER


def test_more_questions_than_there_may_be_are_refused_at_once() -> None:
    chain = Chain(TextDelta("Мост"), ANSWER)
    asker = asker_over(chain, [], max_at_once=2)
    held = [asker.steps(QUESTION, "answer") for _ in range(2)]
    for steps in held:
        next(steps)
    with pytest.raises(OverloadedError, match="2 questions"):
        asyncio.run(all_of(asker))
    with pytest.raises(OverloadedError):
        next(asker.steps(QUESTION, "page"))
    assert chain.n_asked == 2
    for steps in held:
        assert list(steps) == [ANSWER]
    assert asker.n_running == 0
    assert asyncio.run(all_of(asker))[-1] == ANSWER


@pytest.mark.parametrize("error", [QuestionError("no"), ValueError("broken"), SystemExit(3)])
def test_an_error_frees_the_place_and_is_told(error: BaseException) -> None:
    told: list[Asked] = []
    asker = asker_over(Chain(TextDelta("Мост"), error), told)
    with pytest.raises(type(error) if isinstance(error, Exception) else RuntimeError):
        asyncio.run(all_of(asker))
    assert isinstance(told[0].outcome, Exception)
    assert asker.n_running == 0


def test_stopping_reaches_every_question() -> None:
    def stream(question: Question, config: RunnableConfig) -> Iterator[ChainEvent]:
        yield TextDelta("Мост")
        check_wanted(config)

    asker = asker_over(cast("Chain", SimpleNamespace(stream=stream)), [])
    steps = asker.steps(QUESTION, "answer")
    next(steps)
    asker.stop()
    with pytest.raises(AnswerStoppedError):
        next(steps)
