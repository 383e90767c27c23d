"""The one way to ask: within a time, observed, stopped by whoever goes away; and the thread that it runs in."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from contextlib import aclosing
from threading import Barrier, Event
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.errors import AnswerStoppedError
from processes import becomes
from ui.asking import in_thread

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
