"""Retries, timeouts and the circuit breaker before a real endpoint: who is asked, how often, what is told."""

import gc
import socket
import time
import warnings
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from apps import app_over
from fakes import HashedWordsModel, open_index
from index.errors import ModelDownError
from index.serving import Index
from model_server import CUT, HANG, Endpoint, serving
from processes import becomes
from qa.chat_models import breaker_of, make_chat_model
from qa.endpoint import CONNECT_S, EndpointChatModel, timeouts
from qa.engine import Engine, make_engine
from qa.language import MODEL_DOWN, MODEL_FAILED
from qa.records import Answer, Question
from qa.settings import AnswerSettings

TEXT = "Оркестр сыграет на площади у фонтана."
QUESTION = "Оркестр сыграет на площади у фонтана?"
CITED = ["Оркестр сыграет", " на площади [1]."]
DAY_S = 86_400.0


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    articles = [{"title": "Оркестр", "text": TEXT}, {"title": "Хор", "text": "Хор уехал на море."}]
    with closing(open_index(tmp_path_factory.mktemp("breaker"), HashedWordsModel(), articles)) as index:
        yield index


def engine_with(index: Index, url: str, **values: Any) -> Engine:
    settings = AnswerSettings(chat_model="tiny", chat_base_url=url, **values)
    return make_engine(index, HashedWordsModel(), settings, make_chat_model(settings, cache_dir=Path("nowhere")))


def notice(engine: Engine) -> str | None:
    answer = engine.chain.invoke(QUESTION)
    assert isinstance(answer, Answer)
    assert answer.text == (f"{TEXT} [1]" if answer.notice else "Оркестр сыграет на площади. [1]")
    return answer.notice


@pytest.mark.parametrize("retries", [0, 1, 3])
@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_request_that_fails_is_sent_so_often_and_no_oftener(index: Index, status: int, retries: int) -> None:
    with serving(Endpoint(status=status, headers={"Retry-After-Ms": "1"})) as endpoint:
        assert notice(engine_with(index, endpoint.url, chat_retries=retries)) == MODEL_FAILED["ru"]
    assert len(endpoint.requests) == 1 + retries


def test_what_is_of_our_own_making_is_not_sent_again(index: Index) -> None:
    with serving(Endpoint(status=401)) as endpoint:
        engine = engine_with(index, endpoint.url, chat_retries=3, chat_breaker_failures=1)
        assert [notice(engine), notice(engine)] == [MODEL_FAILED["ru"]] * 2
    assert len(endpoint.requests) == 2


def test_a_request_is_not_repeated_while_another_is_waited_for(index: Index) -> None:
    """No hedging: in all the time that a silent server has, it gets one request."""
    with serving(Endpoint([HANG])) as endpoint:
        notice(engine_with(index, endpoint.url, chat_retries=5, answer_timeout_s=3))
        assert len(endpoint.requests) == 1


def test_a_pause_that_the_server_asks_for_ends_with_the_time_of_the_answer(index: Index) -> None:
    with serving(Endpoint(status=503, headers={"Retry-After": "100"})) as endpoint:
        began = time.monotonic()
        assert notice(engine_with(index, endpoint.url, answer_timeout_s=1)) is not None
        assert time.monotonic() - began < 50
    assert len(endpoint.requests) == 1


def test_a_connection_is_waited_for_shortly_and_words_longer() -> None:
    assert (timeouts(60).connect, timeouts(60).read) == (CONNECT_S, 60)
    assert timeouts(1).connect == 1
    settings = AnswerSettings(chat_model="tiny", chat_base_url="http://127.0.0.1:1/v1", chat_timeout_s=90)
    model = make_chat_model(settings, cache_dir=Path("nowhere"))
    assert isinstance(model, EndpointChatModel)
    assert model.root_async_client.timeout == timeouts(90)


def test_a_server_that_takes_no_connection_is_given_up(index: Index) -> None:
    """Its queue of connections is full, as of a machine that hangs; the next one gets no reply at all."""
    with closing(socket.create_server(("127.0.0.1", 0), backlog=0)) as listener:
        address = listener.getsockname()
        filling = [socket.socket() for _ in range(3)]
        for one in filling:
            one.setblocking(False)
            one.connect_ex(address)
        engine = engine_with(index, f"http://127.0.0.1:{address[1]}/v1", chat_retries=0)
        began = time.monotonic()
        assert notice(engine) == MODEL_FAILED["ru"]
        assert time.monotonic() - began < 50  # the answer has 54 s for the model
        for one in filling:
            one.close()


@pytest.mark.parametrize("pieces", [[CUT], [TEXT[:10], CUT]], ids=["at once", "midway"])
def test_a_server_that_fails_again_and_again_is_asked_no_more_until_the_trial(index: Index, pieces: list[str]) -> None:
    with serving(Endpoint(pieces)) as endpoint:
        engine = engine_with(index, endpoint.url, chat_retries=0, chat_breaker_failures=2, chat_breaker_s=1)
        breaker = breaker_of(engine.chat_model)
        assert breaker is not None
        assert [notice(engine), notice(engine)] == [MODEL_FAILED["ru"]] * 2
        assert breaker.state == "open"
        endpoint.pieces = CITED
        assert becomes(lambda: breaker.state == "half-open")
        assert notice(engine) is None
        assert breaker.state == "closed"


def nowhere() -> str:
    """Where nobody listens."""
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        return f"http://127.0.0.1:{free.getsockname()[1]}/v1"


def opened(index: Index, url: str, *, open_s: float = 600) -> Engine:
    engine = engine_with(index, url, chat_retries=0, chat_breaker_failures=1, chat_breaker_s=open_s)
    assert notice(engine) == MODEL_FAILED["ru"]
    return engine


def test_an_open_circuit_gives_quotes_or_an_error_that_says_when_to_ask_again(index: Index) -> None:
    with serving(Endpoint(status=500)) as endpoint:
        engine = opened(index, endpoint.url)
        assert notice(engine) == MODEL_DOWN["ru"]
        with pytest.raises(ModelDownError) as raised:
            engine.chain.invoke(Question(QUESTION, mode="generative"))
    assert 590 <= raised.value.retry_after_s <= 600
    assert len(endpoint.requests) == 1


def test_a_clock_that_is_set_back_keeps_no_circuit_open(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = opened(index, nowhere(), open_s=0.2)
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() - DAY_S)
    breaker = breaker_of(engine.chat_model)
    assert breaker is not None
    assert becomes(lambda: breaker.state == "half-open")


def test_it_is_told_over_http(index: Index) -> None:
    engine = opened(index, nowhere())
    with TestClient(app_over(engine)) as client:
        quotes = client.post("/answer", json={"question": QUESTION}).json()
        assert quotes["notice"] == MODEL_DOWN["ru"]
        reply = client.post("/answer", json={"question": QUESTION, "mode": "generative"})
        assert (reply.status_code, reply.json()["type"]) == (503, "urn:otvet:problem:model-unavailable")
        assert 590 <= int(reply.headers["retry-after"]) <= 600
        assert "OTVET_CHAT_BASE_URL" in reply.json()["detail"]
        assert circuit(client) == {"closed": 0, "open": 1, "half-open": 0}


def circuit(client: TestClient | httpx.Client) -> dict[str, float]:
    families = text_string_to_metric_families(client.get("/metrics").text)
    [told] = [family for family in families if family.name == "otvet_model_circuit"]
    return {sample.labels["state"]: sample.value for sample in told.samples}


def test_without_an_endpoint_or_with_0_failures_there_is_no_circuit(index: Index) -> None:
    engine = engine_with(index, "http://127.0.0.1:1/v1", chat_breaker_failures=0)
    assert breaker_of(engine.chat_model) is None
    assert breaker_of(None) is None
    with TestClient(app_over(engine)) as client:
        assert "otvet_model_circuit" not in client.get("/metrics").text


def test_a_model_that_is_let_go_leaves_no_connection_open(index: Index) -> None:
    """The server keeps the connection for the next request, and Python would warn of it."""
    with serving(Endpoint(CITED, chunked=True, keeps=True)) as endpoint, warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        engine = engine_with(index, endpoint.url)
        assert notice(engine) is None
        assert becomes(lambda: endpoint.n_open == 1)
        del engine
        gc.collect()
        assert becomes(lambda: endpoint.n_open == 0)
        gc.collect()
    assert [str(one.message) for one in told if issubclass(one.category, ResourceWarning)] == []
