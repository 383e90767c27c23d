"""`POST /answer/stream` over a real socket: its events and errors, and that nothing works on for who has left."""

import asyncio
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from pydantic import TypeAdapter
from starlette.types import Message

from doors import Event, SlowChatModel, doors, doors_app, events_of
from index.embedding import EmbeddingModel
from index.errors import ChatModelError
from index.serving import Index
from index.settings import IndexSettings
from processes import becomes
from qa.chain import AnswerChain
from qa.drafts import Claim, Draft
from qa.engine import Engine, make_engine
from qa.follow_ups import RuleRewriter
from qa.records import AnswerMode
from qa.retriever import OtvetRetriever
from qa.sentences import SentenceRanker
from qa.settings import AnswerSettings
from ui.asking import Asker
from ui.event_stream import EventStream, Pieces
from ui.stream_schemas import StreamEventOut

QUESTION = "Что Мадуро просил у Ирана?"
FOLLOW_UP = "А у России?"
HISTORY = [{"role": "user", "content": QUESTION}, {"role": "assistant", "content": "Глушители GPS. [1]"}]
WRITTEN = [
    "Мадуро попросил у Ирана глушители ",
    "сигнала GPS. [",
    "1] Также он обратился к Рос",
    "сии. [1] И к Китаю. [2]",
]
FOREVER_S = 60.0  # as long as a model here takes where nobody stops it
MARKER = re.compile(r"\[(\d+)\]")
MARKER_BEGUN = re.compile(r"\[\d*$")


@pytest.fixture(scope="module")
def index(sample_settings: IndexSettings, model: EmbeddingModel) -> Iterator[Index]:
    index = Index(sample_settings, model)
    yield index
    index.close()


@pytest.fixture
def written_by(index: Index, model: EmbeddingModel) -> Callable[..., Engine]:
    """Makes an engine whose language model writes these replies."""

    def make(*replies: list[Any]) -> Engine:
        return make_engine(index, model, AnswerSettings(), SlowChatModel(replies=list(replies)))

    return make


@pytest.fixture(scope="module")
def quotes_door(sample_engine: Engine) -> Iterator[str]:
    with doors(sample_engine) as (address, _):
        yield address


def streamed(address: str, question: str = QUESTION, **asked: Any) -> list[Event]:
    with streaming(address, question, **asked) as response:
        assert response.status_code == 200, response.read()
        return list(events_of(response.iter_bytes()))


@contextmanager
def streaming(address: str, question: str = QUESTION, **asked: Any) -> Iterator[httpx.Response]:
    body = {"question": question, **asked}
    with httpx.stream("POST", f"{address}/answer/stream", json=body, timeout=30) as response:
        yield response


def answered(address: str, question: str = QUESTION, **asked: Any) -> dict[str, Any]:
    response = httpx.post(f"{address}/answer", json={"question": question, **asked}, timeout=30)
    assert response.status_code == 200, response.text
    return dict(response.json())


def names(events: Sequence[Event]) -> list[str | None]:
    return [event.name for event in events]


def untimed(out: dict[str, Any]) -> dict[str, Any]:
    return {**out, "timings_ms": None}


def check(events: Sequence[Event]) -> dict[str, Any]:
    """What every stream promises; returns the object that it ends with."""
    for event in events:
        TypeAdapter(StreamEventOut).validate_python(event._asdict() | {"event": event.name})
    *_, final, done = events
    assert final.name in ("answer", "refusal", "error")
    assert done == Event("done", {})
    assert sum(name in ("answer", "refusal", "error", "done") for name in names(events)) == 2
    if final.name == "answer":
        check_text(events, final.data)
    return dict(final.data)


def check_text(events: Sequence[Event], answer: dict[str, Any]) -> None:
    """The pieces make the text; each citation comes before its marker is complete, and no marker is cut."""
    last_restart = max((n for n, event in enumerate(events) if event.name == "restart"), default=-1)
    valid = events[last_restart + 1 :]
    assert "".join(event.data["text"] for event in valid if event.name == "delta") == answer["text"]
    assert [event.data for event in valid if event.name == "citation"] == answer["citations"]
    text, known = "", set[int]()
    for event in valid:
        if event.name == "citation":
            known.add(event.data["marker"])
        elif event.name == "delta":
            text += event.data["text"]
            assert set(map(int, MARKER.findall(text))) <= known
            assert not MARKER_BEGUN.search(text)


# --- what comes


def test_an_answer_by_quotes(quotes_door: str) -> None:
    events = streamed(quotes_door)
    final = check(events)
    assert names(events)[0] == "passages"
    assert names(events)[-2:] == ["answer", "done"]
    assert "quotes" not in names(events)
    assert untimed(final) == untimed(answered(quotes_door))


def test_passages_are_slices_of_their_articles(quotes_door: str) -> None:
    found, *_ = streamed(quotes_door)
    scores = [passage["score"] for passage in found.data["passages"]]
    assert len(scores) > 1
    assert scores == sorted(scores, reverse=True)
    for passage in found.data["passages"]:
        article = httpx.get(f"{quotes_door}/articles/{passage['article_id']}").json()
        assert article["text"][passage["start"] : passage["end"]] == passage["text"]
        assert (article["title"], article["published_at"]) == (passage["title"], passage["published_at"])


def test_an_answer_by_the_language_model(written_by: Callable[..., Engine]) -> None:
    with doors(written_by(WRITTEN, WRITTEN)) as (address, _):
        events = streamed(address)
        final = check(events)
        assert names(events)[:2] == ["passages", "quotes"]
        assert events[1].data["mode"] == "extractive"
        assert (final["mode"], len(final["citations"])) == ("generative", 3)
        assert names(events).count("delta") == 3
        assert untimed(final) == untimed(answered(address))


def test_a_refusal(quotes_door: str) -> None:
    events = streamed(quotes_door, "Как приготовить борщ?")
    assert names(events) == ["passages", "refusal", "done"]
    assert untimed(check(events)) == untimed(answered(quotes_door, "Как приготовить борщ?"))


def test_small_talk_has_no_passages(quotes_door: str) -> None:
    events = streamed(quotes_door, "Привет!")
    assert names(events) == ["delta", "answer", "done"]
    assert check(events)["mode"] == "conversation"


def test_a_follow_up(quotes_door: str) -> None:
    final = check(streamed(quotes_door, FOLLOW_UP, history=HISTORY))
    assert final["query"] not in (None, FOLLOW_UP)
    assert untimed(final) == untimed(answered(quotes_door, FOLLOW_UP, history=HISTORY))


def test_filters_are_kept_to(quotes_door: str) -> None:
    events = streamed(quotes_door, publisher="Otvet sample")
    check(events)
    assert {passage["publisher"] for passage in events[0].data["passages"]} == {"Otvet sample"}


def test_a_model_that_fails_in_the_middle_begins_anew_with_quotes(written_by: Callable[..., Engine]) -> None:
    with doors(written_by([*WRITTEN[:3], ChatModelError("gone")])) as (address, _):
        events = streamed(address)
    final = check(events)
    assert names(events).index("delta") < names(events).index("restart") < names(events).index("answer")
    assert final["mode"] == "extractive"
    assert final["notice"]


def test_a_comment_comes_while_the_model_reads(written_by: Callable[..., Engine]) -> None:
    with doors(written_by([0.5, *WRITTEN]), heartbeat_s=0.05) as (address, _):
        with streaming(address) as response:
            content = b"".join(response.iter_bytes())
    waiting = content[content.index(b"event: quotes") : content.index(b"event: delta")]
    assert waiting.count(b"\n\n: ping\n\n") >= 3
    check(list(events_of(iter([content]))))


def test_nobody_is_to_keep_or_collect_events(quotes_door: str) -> None:
    with streaming(quotes_door) as response:
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["x-accel-buffering"] == "no"


# --- what goes wrong


class Breaking:
    """An `Answerer` that fails after its first claim."""

    mode: AnswerMode = "extractive"

    def draft(self, question: Any, evidence: Any, config: Any) -> Draft:
        yield Claim("Иран", ())
        raise RuntimeError("secret words")


def test_an_error_in_the_middle_is_an_event(sample_engine: Engine, index: Index, model: EmbeddingModel) -> None:
    chain = AnswerChain(
        retriever=OtvetRetriever(search=sample_engine.search),
        rewriter=RuleRewriter(),
        ranker=SentenceRanker(model, index),
        find_article=index.article,
        extractive=Breaking(),
    )
    with doors(Engine(index, sample_engine.search, chain)) as (address, _), streaming(address) as response:
        events = list(events_of(response.iter_bytes()))
    assert names(events) == ["passages", "delta", "error", "done"]
    problem = check(events)
    assert (problem["type"], problem["status"]) == ("urn:otvet:problem:internal-error", 500)
    assert problem["request_id"] == response.headers["x-request-id"]
    assert "secret" not in str(problem)


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"question": ""}', b'{"question": "Where?", "more": 1}', b"\xff"])
def test_a_bad_body_is_refused_before_the_stream(quotes_door: str, body: bytes) -> None:
    url, headers = f"{quotes_door}/answer/stream", {"content-type": "application/json"}
    response = httpx.post(url, content=body, headers=headers)
    assert (response.status_code, response.json()["type"]) == (422, "urn:otvet:problem:invalid-request")


def test_what_fails_before_the_first_event_is_an_http_error(quotes_door: str) -> None:
    with streaming(quotes_door, mode="generative") as response:
        problem = httpx.Response(200, content=response.read()).json()
    assert (response.status_code, problem["status"]) == (422, 422)
    assert response.headers["content-type"] == "application/problem+json"
    assert "otvet models pull" in problem["detail"]


def test_no_first_event_in_time_is_a_timeout(written_by: Callable[..., Engine]) -> None:
    with doors(written_by([FOREVER_S]), timeout_s=0.01) as (address, asker):
        with streaming(address, FOLLOW_UP, history=HISTORY) as response:
            problem = httpx.Response(200, content=response.read()).json()
        assert (response.status_code, problem["type"]) == (504, "urn:otvet:problem:timeout")
        assert becomes(lambda: asker.n_running == 0)


# --- clients that go away


def model_of(asker: Asker) -> SlowChatModel:
    model = asker.engine.chat_model
    assert isinstance(model, SlowChatModel)
    return model


def check_stopped(asker: Asker, n_calls: int = 1) -> None:
    """The language model was called and closed before its end, and nothing is at work."""
    assert len(model_of(asker).sent) == n_calls
    assert becomes(lambda: model_of(asker).n_closed_early == 1 and asker.n_running == 0)


@pytest.mark.parametrize(
    ("reply", "last_seen"),
    [([FOREVER_S], "quotes"), ([*WRITTEN[:3], FOREVER_S], "delta")],
    ids=["while it reads", "while it writes"],
)
def test_a_client_that_goes_away_stops_the_model(
    written_by: Callable[..., Engine], reply: list[Any], last_seen: str
) -> None:
    with doors(written_by(reply)) as (address, asker):
        with streaming(address) as response:
            for event in events_of(response.iter_bytes()):
                if event.name == last_seen:
                    assert becomes(lambda: bool(model_of(asker).sent))
                    assert asker.n_running == 1
                    break
        check_stopped(asker)


@pytest.mark.parametrize("path", ["/answer", "/answer/stream"])
def test_a_client_that_goes_away_before_the_first_event(written_by: Callable[..., Engine], path: str) -> None:
    """The language model is still making the question stand alone."""
    with doors(written_by([FOREVER_S])) as (address, asker):
        body = {"question": FOLLOW_UP, "history": HISTORY}
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(address + path, json=body, timeout=2)
        check_stopped(asker)


def test_a_client_that_takes_nothing_is_gone() -> None:
    closed = []

    async def pieces() -> Pieces:
        try:
            while True:
                yield b": much\n\n"
        finally:
            closed.append(True)

    async def receive() -> Message:
        await asyncio.sleep(FOREVER_S)
        raise AssertionError("the client stays")

    async def send(message: Message) -> None:
        if message["type"] == "http.response.body":
            await asyncio.sleep(FOREVER_S)

    async def answer() -> None:
        stream = EventStream(pieces(), refused=lambda _: stream, broken_off=lambda _: b"", send_s=0.05)
        await asyncio.wait_for(stream({"type": "http"}, receive, send), 10)

    asyncio.run(answer())
    assert closed == [True]


# --- what the documentation says


def test_every_event_is_documented(sample_engine: Engine) -> None:
    document = doors_app(Asker(sample_engine, timeout_s=1)).openapi()
    schemas = document["components"]["schemas"]
    content = document["paths"]["/answer/stream"]["post"]["responses"]["200"]["content"]
    assert list(content) == ["text/event-stream"]
    schema = content["text/event-stream"]["schema"]
    assert schema["type"] == "object"
    documented = {name: ref.rsplit("/", 1)[1] for name, ref in schema["discriminator"]["mapping"].items()}
    told = ["passages", "quotes", "citation", "delta", "restart", "answer", "refusal", "error", "done"]
    assert list(documented) == told
    for name, event in documented.items():
        data = schemas[event]["properties"]["data"]
        assert (data["type"], data["contentMediaType"]) == ("string", "application/json"), name
        assert data["contentSchema"]["$ref"].rsplit("/", 1)[1] in schemas
        assert schemas[event]["description"]
    assert all(ref.rsplit("/", 1)[1] in schemas for ref in refs(document))


def refs(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        yield from (ref for inner in value.values() for ref in refs(inner))
    elif isinstance(value, list):
        yield from (ref for inner in value for ref in refs(inner))
