"""Stopping a model from outside: items come in order, and an end of any kind ends the source, too."""

import asyncio
import gc
import threading
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from threading import Event
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, HumanMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from pydantic import PrivateAttr

from fakes import ScriptedChatModel, Stop
from index.errors import AnswerStoppedError, ChatModelError
from qa.chat_models import stream_text
from qa.stopping import ModelSlowError, _loop, check_wanted, pulled, stopping_config, with_model_until

SOON_S = 0.5
PATIENCE_S = 10.0


class Source:
    """Numbers from an asynchronous generator.

    Args:
        n: how many come before it waits for ever; None for a generator that ends after three.

    Attributes:
        ended: set once the generator is over, in whichever way.
        loop: in which it runs.
    """

    def __init__(self, n: int | None = None) -> None:
        self.n = n
        self.ended = Event()
        self.loop: asyncio.AbstractEventLoop | None = None

    async def items(self) -> AsyncIterator[int]:
        self.loop = asyncio.get_running_loop()
        try:
            for number in range(3 if self.n is None else self.n):
                yield number  # ready at once, so that it may come with the stop
            if self.n is not None:
                await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.01)  # as a model closes its connection, which only its own loop can do
            assert asyncio.get_running_loop() is self.loop
            self.ended.set()

    def n_tasks(self) -> int:
        """Tasks of the loop that are not done, once there has been time to end them."""
        assert self.loop is not None
        until = time.monotonic() + PATIENCE_S
        while (tasks := asyncio.all_tasks(self.loop)) and time.monotonic() < until:
            time.sleep(0.01)
        return len(tasks)


# --- items


@settings(deadline=None)
@given(st.lists(st.integers()))
def test_items_come_in_their_order(numbers: list[int]) -> None:
    async def items() -> AsyncIterator[int]:
        for n, number in enumerate(numbers):
            await asyncio.sleep(0.001 * (n == 1))
            yield number

    assert list(pulled(items(), {})) == numbers
    assert list(pulled(items(), stopping_config(lambda: False))) == numbers


def test_an_item_is_asked_for_only_when_it_is_wanted() -> None:
    asked: list[int] = []

    async def items() -> AsyncIterator[int]:
        for number in range(3):
            asked.append(number)
            yield number

    with closing(pulled(items(), {})) as numbers:
        assert asked == []
        assert next(numbers) == 0
        time.sleep(0.05)
        assert asked == [0]


@pytest.mark.parametrize("error", [ValueError("broken"), ChatModelError("gone"), TimeoutError("late")])
def test_an_error_comes_through_after_the_items_before_it(error: Exception) -> None:
    source = Source()

    async def items() -> AsyncIterator[int]:
        async for number in source.items():
            yield number
        raise error

    got: list[int] = []
    with pytest.raises(type(error)) as caught:
        got.extend(pulled(items(), {}))
    assert str(caught.value) == str(error)
    assert got == [0, 1, 2]
    assert source.n_tasks() == 0


def test_any_asynchronous_iterator_will_do() -> None:
    class Numbers:
        def __init__(self) -> None:
            self.left = [1, 2]

        def __aiter__(self) -> "Numbers":
            return self

        async def __anext__(self) -> int:
            if not self.left:
                raise StopAsyncIteration
            return self.left.pop(0)

    assert list(pulled(Numbers(), {})) == [1, 2]
    with closing(pulled(Numbers(), {})) as numbers:
        assert next(numbers) == 1


# --- ends


def test_closing_closes_the_source_before_it_returns() -> None:
    source = Source()
    numbers = pulled(source.items(), {})
    assert next(numbers) == 0
    assert not source.ended.is_set()
    numbers.close()
    assert source.ended.is_set()
    assert source.n_tasks() == 0


def test_what_was_never_begun_is_closed_without_a_word() -> None:
    source = Source()
    pulled(source.items(), {}).close()
    gc.collect()
    assert source.loop is None


def test_a_stop_wherever_the_source_is_ends_it() -> None:
    """It may be between two items, about to be asked for one, or already waiting."""
    for n in range(40):
        source, stop = Source(2), Event()
        numbers = pulled(source.items(), stopping_config(stop.is_set))
        assert next(numbers) == 0
        threading.Timer(n / 20_000, stop.set).start()
        with pytest.raises(AnswerStoppedError):
            list(numbers)
        assert source.ended.wait(PATIENCE_S)
    assert source.n_tasks() == 0


def test_what_nobody_holds_any_more_is_closed() -> None:
    source = Source()
    numbers = pulled(source.items(), {})
    assert next(numbers) == 0
    del numbers
    gc.collect()
    assert source.ended.wait(PATIENCE_S)


@pytest.mark.parametrize("n_before", [0, 1, 3])
def test_a_stop_comes_through_while_an_item_is_waited_for(n_before: int) -> None:
    source, got = Source(n_before), list[int]()
    began = time.monotonic()
    with pytest.raises(AnswerStoppedError):
        got.extend(pulled(source.items(), stopping_config(Stop(0.25))))
    assert 0.25 <= time.monotonic() - began < 0.25 + SOON_S
    assert got == list(range(n_before))
    assert source.ended.wait(PATIENCE_S)
    assert source.n_tasks() == 0


@pytest.mark.parametrize("after_s", [0.0, 0.05])
def test_a_stop_before_the_next_item_was_begun_ends_the_source(after_s: float) -> None:
    """The loop is busy, so the source stands at the item before. It can be closed in its loop only."""
    source, stop = Source(), Stop()
    numbers = pulled(source.items(), stopping_config(stop))
    assert next(numbers) == 0
    assert source.loop is not None
    source.loop.call_soon_threadsafe(time.sleep, 0.3)
    stop.at = time.monotonic() + after_s
    with suppress(AnswerStoppedError):
        next(numbers)
    del numbers
    gc.collect()
    assert source.ended.wait(PATIENCE_S)
    assert source.n_tasks() == 0


def test_what_is_not_wanted_from_the_start_gives_nothing() -> None:
    source = Source()
    with pytest.raises(AnswerStoppedError):
        next(pulled(source.items(), stopping_config(lambda: True)))
    gc.collect()
    if source.loop is not None:
        assert source.n_tasks() == 0


def test_after_a_stop_there_is_nothing_more() -> None:
    numbers = pulled(Source(0).items(), stopping_config(lambda: True))
    with pytest.raises(AnswerStoppedError):
        next(numbers)
    assert list(numbers) == []


# --- deadlines


def never() -> bool:
    return False


@pytest.mark.parametrize("n_before", [0, 1, 3])
def test_a_deadline_comes_through_while_an_item_is_waited_for(n_before: int) -> None:
    source, got = Source(n_before), list[int]()
    until = time.monotonic() + 0.25
    with pytest.raises(ModelSlowError, match="OTVET_ANSWER_TIMEOUT_S"):
        got.extend(pulled(source.items(), stopping_config(never, model_until=until)))
    assert until <= time.monotonic() < until + PATIENCE_S
    assert got == list(range(n_before))
    assert source.ended.wait(PATIENCE_S)
    assert source.n_tasks() == 0


def test_a_deadline_ends_items_that_come_without_end() -> None:
    async def items() -> AsyncIterator[int]:
        while True:
            yield 1

    with pytest.raises(ModelSlowError):
        list(pulled(items(), with_model_until({}, time.monotonic() + 0.2)))


def test_a_deadline_that_is_not_reached_changes_nothing() -> None:
    config = stopping_config(never, model_until=time.monotonic() + 60)
    assert list(pulled(Source().items(), config)) == [0, 1, 2]


def test_a_stop_is_told_before_a_deadline() -> None:
    with pytest.raises(AnswerStoppedError):
        check_wanted(stopping_config(lambda: True, model_until=0))
    with pytest.raises(ModelSlowError):
        check_wanted(stopping_config(never, model_until=0))


def test_a_deadline_is_added_only_where_there_is_none() -> None:
    with pytest.raises(ModelSlowError):
        check_wanted(with_model_until({"tags": ["kept"]}, 0))
    with pytest.raises(ModelSlowError):
        check_wanted(with_model_until(stopping_config(never), 0))
    with pytest.raises(AnswerStoppedError):
        check_wanted(with_model_until(stopping_config(lambda: True), 0))
    check_wanted(with_model_until(stopping_config(never, model_until=time.monotonic() + 60), 0))
    assert with_model_until({"tags": ["kept"]}, 0)["tags"] == ["kept"]


# --- many at once


def test_threads_do_not_wait_for_each_other() -> None:
    """While one waits for ever, others get all of theirs, from one loop."""
    stop = Event()
    waiting = [Source(1) for _ in range(4)]

    def wait_for_ever(source: Source) -> list[int]:
        got = []
        with suppress(AnswerStoppedError):
            for number in pulled(source.items(), stopping_config(stop.is_set)):
                got.append(number)
        return got

    async def numbers(first: int) -> AsyncIterator[int]:
        for number in range(first, first + 20):
            await asyncio.sleep(0.001)
            yield number

    with ThreadPoolExecutor(12) as threads:
        held = [threads.submit(wait_for_ever, source) for source in waiting]
        quick = [threads.submit(lambda n: list(pulled(numbers(n), {})), 100 * n) for n in range(8)]
        assert [one.result(PATIENCE_S) for one in quick] == [list(range(100 * n, 100 * n + 20)) for n in range(8)]
        assert not any(one.done() for one in held)
        stop.set()
        assert [one.result(PATIENCE_S) for one in held] == [[0]] * 4
    assert all(source.ended.wait(PATIENCE_S) for source in waiting)
    assert len({source.loop for source in waiting}) == 1
    assert waiting[0].n_tasks() == 0


def test_one_stop_leaves_the_others() -> None:
    stopped, other = Source(1), Source()
    with pytest.raises(AnswerStoppedError):
        list(pulled(stopped.items(), stopping_config(Stop(0.1))))
    assert list(pulled(other.items(), stopping_config(lambda: False))) == [0, 1, 2]


# --- models


class StuckModel(BaseChatModel):
    """Has nothing but a synchronous stream, which writes a word and then is stuck until it is let go."""

    _go: Event = PrivateAttr(default_factory=Event)
    _ended: Event = PrivateAttr(default_factory=Event)

    @property
    def _llm_type(self) -> str:
        return "stuck"

    def _generate(self, *args: Any, **kwargs: Any) -> ChatResult:
        raise NotImplementedError("the chain streams")

    def _stream(self, *args: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        try:
            yield ChatGenerationChunk(message=AIMessageChunk(content="one "))
            self._go.wait(PATIENCE_S)
            yield ChatGenerationChunk(message=AIMessageChunk(content="two"))
        finally:
            self._ended.set()


ASKED = [HumanMessage("Count.")]


def test_a_model_that_has_only_a_synchronous_stream_is_pulled_like_any() -> None:
    model = ScriptedChatModel(replies=[["one ", "", "two"], ["one ", ChatModelError("gone")], ["one ", "two"]])
    assert list(stream_text(model, ASKED, {})) == ["one ", "two"]
    with pytest.raises(ChatModelError, match="gone"):
        list(stream_text(model, ASKED, {}))
    pieces = stream_text(model, ASKED, {})
    assert next(pieces) == "one "
    pieces.close()
    until = time.monotonic() + PATIENCE_S
    while model.n_closed_early < 2 and time.monotonic() < until:
        gc.collect()
        time.sleep(0.01)
    assert model.n_closed_early == 2  # with the one that broke


def test_a_stop_does_not_wait_for_a_synchronous_model() -> None:
    """What it is stuck in cannot be broken off, but its reader goes."""
    model, stop = StuckModel(), Event()
    pieces = stream_text(model, ASKED, stopping_config(stop.is_set))
    assert next(pieces) == "one "
    threading.Timer(0.15, stop.set).start()
    began = time.monotonic()
    with pytest.raises(AnswerStoppedError):
        next(pieces)
    assert time.monotonic() - began < 0.15 + SOON_S
    assert not model._ended.is_set()
    model._go.set()
    assert model._ended.wait(PATIENCE_S)


def test_threads_that_ask_first_share_one_loop() -> None:
    """Else a client's connections would belong to a loop that the next answer does not run in."""
    for _ in range(20):
        _loop.cache_clear()
        sources, at_once = [Source() for _ in range(8)], threading.Barrier(8)

        def read(source: Source, at_once: threading.Barrier = at_once) -> list[int]:
            at_once.wait(PATIENCE_S)
            return list(pulled(source.items(), {}))

        with ThreadPoolExecutor(8) as threads:
            assert list(threads.map(read, sources)) == [[0, 1, 2]] * 8
        assert len({source.loop for source in sources}) == 1
