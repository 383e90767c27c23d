"""The model's server fails in every way: there are quotes in time, and the model again once its server is mended."""

import logging
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from itertools import cycle, repeat
from pathlib import Path
from typing import Any

import pytest

from fakes import HashedWordsModel, open_index
from index.serving import Index
from model_server import CUT, HANG, Endpoint, serving
from qa.chain import AnswerChain
from qa.chat_models import make_chat_model
from qa.engine import make_engine
from qa.language import MODEL_FAILED, MODEL_SLOW
from qa.records import Answer, Mode, Question
from qa.settings import AnswerSettings

TEXT = "Оркестр сыграет на площади у фонтана."
QUESTION = "Оркестр сыграет на площади у фонтана?"
CITED = ["Оркестр сыграет", " на площади [1]."]
BEGUN = ["Оркестр сыграет на площади [1]. И ещё", " сыграет"]
SHORT_S = 1.0  # what an answer may take where the server hangs for ever
PATIENCE_S = 30.0  # far less than the server would keep one waiting
DAY_S = 86_400.0
BOTH = pytest.mark.parametrize("mode", ["auto", "generative"])


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    articles = [{"title": "Оркестр", "text": TEXT}, {"title": "Хор", "text": "Хор уехал на море."}]
    with closing(open_index(tmp_path_factory.mktemp("faults"), HashedWordsModel(), articles)) as index:
        yield index


def chain_with(index: Index, url: str, **values: Any) -> AnswerChain:
    settings = AnswerSettings(chat_model="tiny", chat_base_url=url, **values)
    return make_engine(index, HashedWordsModel(), settings, make_chat_model(settings, cache_dir=Path("nowhere"))).chain


def assert_quotes(response: object, notices: dict[Any, str]) -> None:
    assert isinstance(response, Answer)
    assert (response.mode, response.text) == ("extractive", f"{TEXT} [1]")
    assert response.notice == notices["ru"]


def assert_written(response: object) -> None:
    assert isinstance(response, Answer)
    assert (response.mode, response.text, response.notice) == ("generative", "Оркестр сыграет на площади. [1]", None)


def assert_told_without_texts(caplog: pytest.LogCaptureFixture) -> None:
    assert "answering by quotes" in caplog.text
    assert not [word for word in ("Оркестр", "фонтана", "u0444") if word in caplog.text]


def mend(endpoint: Endpoint) -> None:
    endpoint.status, endpoint.body, endpoint.pieces = 200, None, CITED


FAILING: dict[str, Callable[[], Endpoint]] = {
    "is cut": lambda: Endpoint([*BEGUN, CUT]),
    "is cut between chunks": lambda: Endpoint([*BEGUN, CUT], chunked=True),
    "is cut at once": lambda: Endpoint([CUT], chunked=True),
    "is empty": lambda: Endpoint(body=[]),
    "is done without a word": lambda: Endpoint(body=[b"data: [DONE]\n\n"]),
    "is no JSON": lambda: Endpoint(body=[b"data: {not json\n\n"]),
    "is JSON of another kind": lambda: Endpoint(body=[b'data: {"answer": 42}\n\ndata: [DONE]\n\n']),
    "is JSON of wrong types": lambda: Endpoint(body=[b'data: {"choices": "many"}\n\n']),
    "has wrong types within": lambda: Endpoint(
        body=['data: {"choices": [{"index": 0, "delta": {"content": {"Оркестр": 1}}}]}\n\n'.encode()]
    ),
    "is a page": lambda: Endpoint(body=["<html>Оркестр</html>".encode()] * 50),
    "is bytes": lambda: Endpoint(body=[bytes(range(256)) * 50]),
    "tells an error": lambda: Endpoint(body=['data: {"error": {"message": "Оркестр", "code": 7}}\n\n'.encode()]),
    "has status 400": lambda: Endpoint(status=400, error="{prompt}"),
    "has status 401": lambda: Endpoint(status=401, error="{prompt}"),
    "has status 429": lambda: Endpoint(status=429, error="{prompt}"),
    "has status 500": lambda: Endpoint(status=500, error="{prompt}"),
    "has status 503": lambda: Endpoint(status=503, error="{prompt}"),
}


@BOTH
@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")  # of openai's client, at wrong types
@pytest.mark.parametrize("make", FAILING.values(), ids=FAILING.keys())
def test_a_stream_that_fails_gives_way_to_quotes(
    index: Index, make: Callable[[], Endpoint], mode: Mode, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(make()) as endpoint, caplog.at_level(logging.INFO):
        chain = chain_with(index, endpoint.url)
        assert_quotes(chain.invoke(Question(QUESTION, mode=mode)), MODEL_FAILED)
        assert_told_without_texts(caplog)
        mend(endpoint)
        assert_written(chain.invoke(Question(QUESTION, mode=mode)))


def comments() -> Iterator[bytes]:
    yield b'data: {"choices": []}\n\n'
    while True:
        time.sleep(0.01)
        yield b": wait\n\n"


ENDLESS: dict[str, Callable[[], Endpoint]] = {
    "hangs at once": lambda: Endpoint([HANG]),
    "hangs in the middle": lambda: Endpoint([*BEGUN, HANG], chunked=True),
    "says nothing for ever": lambda: Endpoint(body=comments()),
    "writes nothing for ever": lambda: Endpoint(repeat("")),
    "writes a sentence for ever": lambda: Endpoint(repeat("и ещё ")),
}


@BOTH
@pytest.mark.parametrize("make", ENDLESS.values(), ids=ENDLESS.keys())
def test_a_stream_that_does_not_end_gives_way_to_quotes_in_time(
    index: Index, make: Callable[[], Endpoint], mode: Mode, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(make()) as endpoint, caplog.at_level(logging.INFO):
        engine_chain = chain_with(index, endpoint.url, answer_timeout_s=SHORT_S)
        began = time.monotonic()
        assert_quotes(engine_chain.invoke(Question(QUESTION, mode=mode)), MODEL_SLOW)
        assert time.monotonic() - began < PATIENCE_S
        assert_told_without_texts(caplog)
    with serving(Endpoint(CITED), port=port_of(endpoint.url)):
        assert_written_soon(engine_chain, mode)


def assert_written_soon(chain: AnswerChain, mode: Mode) -> None:
    """A busy machine may take more than the little time that an answer has here; a later one is in time."""
    until = time.monotonic() + PATIENCE_S
    while True:
        response = chain.invoke(Question(QUESTION, mode=mode))
        assert isinstance(response, Answer)
        if response.mode == "generative" or time.monotonic() > until:
            assert_written(response)
            return


def port_of(url: str) -> int:
    return int(url.removesuffix("/v1").rpartition(":")[2])


@BOTH
def test_a_server_that_comes_back_writes_again(index: Index, mode: Mode, caplog: pytest.LogCaptureFixture) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    chain = chain_with(index, f"http://127.0.0.1:{port}/v1")
    with caplog.at_level(logging.INFO):
        assert_quotes(chain.invoke(Question(QUESTION, mode=mode)), MODEL_FAILED)
    assert_told_without_texts(caplog)
    with serving(Endpoint(CITED), port=port):
        assert_written(chain.invoke(Question(QUESTION, mode=mode)))


@pytest.mark.parametrize("jumps_s", [[DAY_S], [-DAY_S], [0.0, DAY_S, -DAY_S]], ids=["on", "back", "to and fro"])
def test_a_clock_that_jumps_changes_nothing(
    index: Index, monkeypatch: pytest.MonkeyPatch, jumps_s: Iterable[float]
) -> None:
    """Neither does the answer end early, nor does the deadline come late."""
    now, jumps = time.time, cycle(jumps_s)
    with serving(Endpoint(CITED)) as endpoint:
        chain = chain_with(index, endpoint.url)
        assert_written(chain.invoke(QUESTION))
        monkeypatch.setattr(time, "time", lambda: now() + next(jumps))
        assert_written(chain.invoke(QUESTION))
    with serving(Endpoint([HANG])) as endpoint:
        began = time.monotonic()
        assert_quotes(chain_with(index, endpoint.url, answer_timeout_s=SHORT_S).invoke(QUESTION), MODEL_SLOW)
        assert 0.9 * SHORT_S <= time.monotonic() - began < PATIENCE_S
