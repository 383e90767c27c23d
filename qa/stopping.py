"""How an answer is stopped from outside while a step of it is at work: the language model's, which takes seconds.

A generator that is at work cannot be closed by another thread. So whoever asks gives a function along in LangChain's
config, and a time at which the model has to be done; `pulled` looks at both while it waits for the model. What the
model writes is pulled from its asynchronous stream, as only that can be cancelled while it waits for the first token.

Decision: times are of `time.monotonic`, so that no change of the machine's clock ends or prolongs an answer.
"""

import asyncio
import math
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator
from concurrent.futures import Future, wait
from functools import cache
from threading import Lock, Thread
from typing import Any, TypeVar

from langchain_core.runnables import RunnableConfig

from index.errors import AnswerStoppedError, ChatModelError

KEY = "otvet_is_stopped"
MODEL_UNTIL = "otvet_model_until"
LOOK_EVERY_S = 0.1
CLOSE_S = 5  # what closing a stream may take
_making_loop = Lock()  # `cache` alone would make a loop for each of the threads that ask first

T = TypeVar("T")


class ModelSlowError(ChatModelError):
    """The language model was not done in time."""


def stopping_config(is_stopped: Callable[[], bool], *, model_until: float | None = None) -> RunnableConfig:
    """Give this to `AnswerChain.stream`; soon after `is_stopped` becomes true, it raises AnswerStoppedError.

    Args:
        is_stopped: asked ten times a second while the language model is waited for.
        model_until: when the language model is given up, in seconds of `time.monotonic`; then there are quotes. Without
            one the chain has a limit of its own.
    """
    options: dict[str, Any] = {KEY: is_stopped}
    return {"configurable": options if model_until is None else {**options, MODEL_UNTIL: model_until}}


def with_model_until(config: RunnableConfig, until: float) -> RunnableConfig:
    """The config with a time at which the language model is given up, unless it has one."""
    return {**config, "configurable": {MODEL_UNTIL: until, **(config.get("configurable") or {})}}


def check_wanted(config: RunnableConfig) -> None:
    """Raises once the model's words are of no use any more.

    Raises:
        AnswerStoppedError: whoever asked does not want the answer.
        ModelSlowError: the time of the language model is over.
    """
    options: dict[str, Any] = config.get("configurable") or {}
    is_stopped = options.get(KEY)
    if is_stopped is not None and is_stopped():
        raise AnswerStoppedError("the answer was stopped by whoever asked")
    if time.monotonic() >= options.get(MODEL_UNTIL, math.inf):
        raise ModelSlowError("the language model was not done in time; raise OTVET_ANSWER_TIMEOUT_S, or ask it less")


def pulled(items: AsyncIterator[T], config: RunnableConfig) -> Generator[T, None, None]:
    """The items of an asynchronous iterator, each asked for when it is wanted; closing this one closes that one.

    Raises:
        AnswerStoppedError: the answer is not wanted any more; looked at ten times a second.
        ModelSlowError: the time of the language model is over; looked at as often.
    """
    pulling: Future[T | None] | None = None
    try:
        while True:
            check_wanted(config)
            pulling = _run(lambda: anext(items, None))
            item = _waited(pulling, config)
            pulling = None
            if item is None:
                return
            yield item
    finally:
        if (pulling is None or not pulling.cancel()) and isinstance(items, AsyncGenerator):
            _run(items.aclose).result(CLOSE_S)


def _waited(pulling: "Future[T]", config: RunnableConfig) -> T:
    while True:
        check_wanted(config)
        wait([pulling], timeout=LOOK_EVERY_S)
        if pulling.done():
            return pulling.result()


def _run(work: Callable[[], Awaitable[T]]) -> "Future[T]":
    async def done() -> T:
        return await work()

    with _making_loop:
        loop = _loop()
    return asyncio.run_coroutine_threadsafe(done(), loop)


@cache
def _loop() -> asyncio.AbstractEventLoop:
    """One loop for all, as the connections of an asynchronous client belong to the loop that opened them."""
    loop = asyncio.new_event_loop()
    Thread(target=loop.run_forever, name="models", daemon=True).start()
    return loop
