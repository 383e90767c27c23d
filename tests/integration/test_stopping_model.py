"""The real embedded language model is stopped: whoever asked is free at once, and the model works on nothing more.

It answers one at a time, so that a short answer would wait for what had not been stopped. That is told by the processor
time of this process, which the model is a part of: other work on the machine makes it no longer.
"""

import asyncio
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from langchain_core.messages import HumanMessage

from fakes import Stop
from index.embedding import EmbeddingModel
from index.errors import AnswerStoppedError
from index.serving import Index
from index.settings import IndexSettings
from places import CACHE_DIR
from qa.chat_models import make_chat_model, stream_text
from qa.embedded import EmbeddedChatModel
from qa.engine import Engine, make_engine
from qa.settings import AnswerSettings
from qa.stopping import stopping_config
from ui.answering import answer_last
from ui.asking import Asker, in_thread
from ui.conversation import Conversation, Exchange

# On two cores (2026-11-26): reading LONG takes 90 CPU seconds, counting as far as COUNT asks even more; what was
# stopped and the short answer after it took 2 together.
LONG = "cat " * 3_000
COUNT = "Count from 1 to 500."
MOST_CPU_S = 20.0
MOST_WALL_S = 1.0


@pytest.fixture(scope="module")
def chat_model(chat_gguf: Path) -> EmbeddedChatModel:
    made = make_chat_model(AnswerSettings(chat_timeout_s=300), cache_dir=CACHE_DIR)
    assert isinstance(made, EmbeddedChatModel)
    return made


@pytest.fixture
def loaded(chat_model: EmbeddedChatModel) -> EmbeddedChatModel:
    assert short_answer(chat_model)
    return chat_model


@pytest.fixture(scope="module")
def engine(sample_settings: IndexSettings, model: EmbeddingModel, chat_model: EmbeddedChatModel) -> Iterator[Engine]:
    with closing(Index(sample_settings, model)) as index:
        yield make_engine(index, model, AnswerSettings(), chat_model)


def short_answer(model: EmbeddedChatModel) -> str:
    return "".join(stream_text(model, [HumanMessage("Name a fruit.")], {}, max_completion_tokens=4))


def pieces_of(model: EmbeddedChatModel, question: str, stop: Stop) -> Iterator[str]:
    return stream_text(model, [HumanMessage(question)], stopping_config(stop), max_completion_tokens=900)


def stop_reading(model: EmbeddedChatModel, stop: Stop) -> None:
    pieces = pieces_of(model, LONG, stop)
    with pytest.raises(AnswerStoppedError):
        next(pieces)


def stop_writing(model: EmbeddedChatModel, stop: Stop) -> None:
    pieces = pieces_of(model, COUNT, stop)
    assert next(pieces)
    stop.at = time.monotonic() + 0.7
    with pytest.raises(AnswerStoppedError):
        list(pieces)


def test_a_stop_while_the_model_is_loaded(chat_model: EmbeddedChatModel) -> None:
    """If no other test had it loaded before. xllamacpp lets no other thread run meanwhile, so the stop comes after."""
    began = time.process_time()
    stop_reading(chat_model, Stop(0.3))
    assert short_answer(chat_model)
    assert time.process_time() - began < MOST_CPU_S


def test_a_stop_while_the_prompt_is_read(loaded: EmbeddedChatModel) -> None:
    stop = Stop(0.7)
    stop_reading(loaded, stop)
    assert time.monotonic() - stop.at < MOST_WALL_S
    began = time.process_time()
    assert short_answer(loaded)
    assert time.process_time() - began < MOST_CPU_S


def test_a_stop_while_it_writes(loaded: EmbeddedChatModel) -> None:
    stop = Stop()
    stop_writing(loaded, stop)
    assert time.monotonic() - stop.at < MOST_WALL_S
    began = time.process_time()
    assert short_answer(loaded)
    assert time.process_time() - began < MOST_CPU_S


def test_after_a_stop_the_model_rests(loaded: EmbeddedChatModel) -> None:
    stop_writing(loaded, Stop())
    began = time.process_time()
    while (used := time.process_time() - began) < MOST_CPU_S:
        time.sleep(0.5)
        if time.process_time() - began - used < 0.05:
            return
    pytest.fail(f"still at work after {used:.1f} CPU seconds")


def test_a_reader_who_leaves_the_page_stops_the_model(engine: Engine, loaded: EmbeddedChatModel) -> None:
    conversation = Conversation(exchanges=[Exchange(question="What did Maduro ask Iran for?")])

    async def left_while_it_writes() -> float:
        steps = in_thread(lambda is_stopped: answer_last(Asker(engine), conversation, is_stopped))
        async for step in steps:
            if step.stage is not None and step.stage.name == "writing":
                break
        await asyncio.sleep(0.3)
        began = time.monotonic()
        await steps.aclose()  # type: ignore[attr-defined]
        return time.monotonic() - began

    assert asyncio.run(left_while_it_writes()) < MOST_WALL_S
    began = time.process_time()
    assert short_answer(loaded)
    assert time.process_time() - began < MOST_CPU_S
