"""The OpenAI-compatible door, asked by the real `openai` package and by LangChain over a real socket."""

import asyncio
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import openai
import pytest
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI
from pydantic import SecretStr, ValidationError

from doors import SlowChatModel, doors
from index.embedding import EmbeddingModel
from index.errors import ChatModelError
from index.serving import Index
from index.settings import IndexSettings
from processes import becomes
from qa.engine import Engine, make_engine
from qa.settings import AnswerSettings
from ui.openai_api import openai_invalid
from ui.openai_schemas import ChatIn

QUESTION = "Что Мадуро просил у Ирана?"
FOLLOW_UP = "А у России?"
BORSCHT = "Как приготовить борщ?"
WRITTEN = [
    "Мадуро попросил у Ирана глушители ",
    "сигнала GPS. [",
    "1] Также он обратился к Рос",
    "сии. [1] И к Китаю. [2]",
]
FOREVER_S = 60.0
HEADING = "\n\nИсточники:\n"
NEAREST = "\n\nБлижайшие статьи:\n"
Doors = Callable[..., Engine]


@pytest.fixture(scope="module")
def index(sample_settings: IndexSettings, model: EmbeddingModel) -> Iterator[Index]:
    index = Index(sample_settings, model)
    yield index
    index.close()


@pytest.fixture
def written_by(index: Index, model: EmbeddingModel) -> Doors:
    """Makes an engine whose language model writes these replies."""

    def make(*replies: list[Any]) -> Engine:
        return make_engine(index, model, AnswerSettings(), SlowChatModel(replies=list(replies)))

    return make


@pytest.fixture(scope="module")
def address(sample_engine: Engine) -> Iterator[str]:
    with doors(sample_engine) as (address, _):
        yield address


@pytest.fixture
def client(address: str) -> Iterator[openai.OpenAI]:
    with client_of(address) as client:
        yield client


def client_of(address: str, **options: Any) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0, timeout=30, **options)


def asked(text: str, *before: str) -> Any:
    """Messages of user and assistant in turn."""
    return [{"role": "assistant" if n % 2 else "user", "content": said} for n, said in enumerate((*before, text))]


def chat(client: openai.OpenAI, text: str = QUESTION, *before: str, **options: Any) -> Any:
    return client.chat.completions.create(**{"model": "otvet", "messages": asked(text, *before), **options})


def chunks_of(client: openai.OpenAI, text: str = QUESTION, **options: Any) -> list[Any]:
    return list(chat(client, text, stream=True, **options))


def content_of(chunks: list[Any]) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def answered(address: str, question: str = QUESTION, **asked: Any) -> dict[str, Any]:
    response = httpx.post(f"{address}/answer", json={"question": question, **asked}, timeout=30)
    assert response.status_code == 200, response.text
    return untimed(response.json())


def untimed(out: Any) -> dict[str, Any]:
    assert out["timings_ms"]
    return {**out, "timings_ms": None}


# --- answers


def test_a_whole_answer(client: openai.OpenAI, address: str) -> None:
    completion = chat(client)
    (choice,) = completion.choices
    out = untimed(completion.otvet)
    assert (completion.object, completion.model, choice.finish_reason) == ("chat.completion", "otvet", "stop")
    assert completion.id.startswith("chatcmpl-")
    assert (choice.message.role, choice.message.refusal) == ("assistant", None)
    assert out == answered(address)
    text, listed = choice.message.content.split(HEADING)
    assert text == out["text"]
    assert re.findall(r"^\[(\d+)\]", listed, re.MULTILINE) == [str(one["marker"]) for one in out["citations"]]
    for citation in out["citations"]:
        assert citation["title"] in listed
        assert "\n".join(f"> {line}" for line in citation["quote"].split("\n")) in listed


def test_an_answer_in_chunks_is_the_same(client: openai.OpenAI) -> None:
    whole, chunks = chat(client), chunks_of(client)
    assert content_of(chunks) == whole.choices[0].message.content
    assert [chunk.choices[0].delta.role for chunk in chunks] == ["assistant", *[None] * (len(chunks) - 1)]
    assert [chunk.choices[0].finish_reason for chunk in chunks] == [*[None] * (len(chunks) - 1), "stop"]
    assert len({(chunk.id, chunk.created, chunk.model) for chunk in chunks}) == 1
    assert [hasattr(chunk, "otvet") for chunk in chunks] == [*[False] * (len(chunks) - 1), True]
    assert untimed(chunks[-1].otvet) == untimed(whole.otvet)


def test_a_language_model_is_heard_sentence_by_sentence(written_by: Doors) -> None:
    with doors(written_by(WRITTEN, WRITTEN, WRITTEN)) as (address, _), client_of(address) as client:
        chunks, whole = chunks_of(client, model="otvet-generative"), chat(client, model="otvet-generative")
        answer = answered(address, mode="generative")
    assert content_of(chunks) == whole.choices[0].message.content
    pieces = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices[0].delta.content]
    assert len(pieces) == 4  # three sentences and the list
    assert "".join(pieces[:3]) == answer["text"]
    assert answer == untimed(whole.otvet) == untimed(chunks[-1].otvet)
    assert whole.otvet["mode"] == "generative"


def test_the_list_of_sources_can_be_left_out(client: openai.OpenAI) -> None:
    options: Any = {"extra_body": {"otvet": {"sources": False}}}
    whole = chat(client, **options)
    assert whole.choices[0].message.content == whole.otvet["text"]
    assert content_of(chunks_of(client, **options)) == whole.otvet["text"]


def test_a_refusal_names_what_is_near(client: openai.OpenAI, address: str) -> None:
    whole = chat(client, BORSCHT)
    assert untimed(whole.otvet) == answered(address, BORSCHT)
    text, listed = whole.choices[0].message.content.split(NEAREST)
    assert text == whole.otvet["text"]
    assert [title for title in (near["title"] for near in whole.otvet["nearest"]) if title in listed]
    assert whole.choices[0].finish_reason == "stop"
    assert content_of(chunks_of(client, BORSCHT)) == whole.choices[0].message.content


def test_small_talk_has_no_list(client: openai.OpenAI) -> None:
    whole = chat(client, "Привет!")
    assert whole.choices[0].message.content == whole.otvet["text"]


def test_filters_and_options(client: openai.OpenAI, address: str) -> None:
    options: Any = {"publisher": "Otvet sample", "published_from": "2025-10-31", "k": 3, "use_dates": False}
    whole = chat(client, "Что делает флот США у Венесуэлы?", extra_body={"otvet": options})
    assert untimed(whole.otvet) == answered(address, "Что делает флот США у Венесуэлы?", **options)
    none = chat(client, extra_body={"otvet": {"article_ids": []}})
    assert none.otvet["reason"] == "no_articles"


def test_models_are_modes(written_by: Doors) -> None:
    with doors(written_by(WRITTEN)) as (address, _), client_of(address) as client:
        assert chat(client, model="otvet-extractive").otvet["mode"] == "extractive"
        assert chat(client, model="otvet-generative").otvet["mode"] == "generative"


def test_what_clients_send_besides_changes_nothing(client: openai.OpenAI) -> None:
    plain = chat(client)
    full = chat(
        client,
        temperature=0.7,
        top_p=0.9,
        max_tokens=5,
        max_completion_tokens=5,
        stop=["Иран"],
        user="u1",
        seed=7,
        n=1,
        tools=[],
        presence_penalty=1,
        logit_bias={"50256": -100},
        response_format={"type": "text"},
        metadata={"a": "b"},
        reasoning_effort="low",
    )
    assert full.choices == plain.choices


def test_parts_of_text_are_taken(client: openai.OpenAI) -> None:
    messages: Any = [{"role": "user", "content": [{"type": "text", "text": QUESTION}]}]
    assert chat(client, messages=messages).choices == chat(client).choices


def test_system_messages_change_nothing(client: openai.OpenAI) -> None:
    system = {"role": "system", "content": "Answer in French, without sources. " * 1_000}
    messages: Any = [system, {"role": "developer", "content": "Be rude."}, *asked(QUESTION), system]
    assert chat(client, messages=messages).choices == chat(client).choices


# --- conversations


def test_a_follow_up(client: openai.OpenAI, address: str) -> None:
    """As a front end sends it: with the whole content of the first answer, which ends with its sources."""
    first = chat(client)
    content, text = first.choices[0].message.content, first.otvet["text"]
    second = chat(client, FOLLOW_UP, QUESTION, content)
    history = [{"role": "user", "content": QUESTION}, {"role": "assistant", "content": text}]
    assert second.otvet["query"] not in (None, FOLLOW_UP)
    assert untimed(second.otvet) == answered(address, FOLLOW_UP, history=history)


def test_sources_are_no_part_of_what_was_said(written_by: Doors) -> None:
    with doors(written_by(WRITTEN, ["Что Мадуро просил у России?"], WRITTEN)) as (address, asker):
        with client_of(address) as client:
            content = chat(client).choices[0].message.content
            chat(client, FOLLOW_UP, QUESTION, content)
        model = asker.engine.chat_model
    assert isinstance(model, SlowChatModel)
    rewriting = str(model.sent[1])
    assert "глушители сигнала GPS" in rewriting
    assert HEADING.strip() in content
    assert HEADING.strip() not in rewriting


def test_of_a_long_conversation_the_last_turns_are_read(client: openai.OpenAI) -> None:
    before = ["Кто такой Трамп?", "Президент."] * 100 + ["много " * 10_000, "Слишком."] + [QUESTION, "GPS [1]."]
    long, short = chat(client, FOLLOW_UP, *before), chat(client, FOLLOW_UP, QUESTION, "GPS [1].")
    assert untimed(long.otvet) == untimed(short.otvet)


def test_what_the_assistant_said_last_is_not_the_question(client: openai.OpenAI) -> None:
    messages = [*asked(QUESTION), {"role": "assistant", "content": "Мадуро"}]
    assert chat(client, messages=messages).choices == chat(client).choices


# --- tokens


def test_usage_is_told(client: openai.OpenAI) -> None:
    usage = chat(client).usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (0, 0, 0)


def test_usage_of_a_stream_is_told_on_request(client: openai.OpenAI) -> None:
    assert all(chunk.usage is None for chunk in chunks_of(client))
    *chunks, last = chunks_of(client, stream_options={"include_usage": True})
    assert (last.choices, last.usage.total_tokens) == ([], 0)
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert all(chunk.usage is None for chunk in chunks)


# --- models


def test_models_without_a_language_model(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["otvet", "otvet-extractive"]
    model = client.models.retrieve("otvet")
    assert (model.object, model.owned_by) == ("model", "otvet")
    assert model.created > 1_700_000_000


def test_models_with_a_language_model(written_by: Doors) -> None:
    with doors(written_by()) as (address, _), client_of(address) as client:
        assert [model.id for model in client.models.list()] == ["otvet", "otvet-extractive", "otvet-generative"]


# --- errors


@pytest.mark.parametrize("stream", [False, True])
def test_unknown_models(client: openai.OpenAI, stream: bool) -> None:
    with pytest.raises(openai.NotFoundError) as raised:
        chat(client, model="gpt-4o", stream=stream)
    assert (raised.value.code, raised.value.param) == ("model_not_found", "model")
    assert "'gpt-4o'" in raised.value.message
    assert "otvet-extractive" in raised.value.message
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-4o")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "system", "content": "Hi"}]}, "'user'"),
        ({"messages": [{"role": "wizard", "content": "Hi"}]}, "messages.0.role"),
        ({"messages": asked("")}, "empty"),
        ({"messages": asked(" \n")}, "empty"),
        ({"messages": asked("Где? " * 1_000)}, "2000"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages.0.content"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]}, "reads text only"),
        ({"n": 2}, "one answer"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "calls no tools"),
        ({"response_format": {"type": "json_object"}}, "in words"),
        ({"model": "otvet-generative"}, "otvet models pull"),
        ({"extra_body": {"otvet": {"k": 0}}}, "otvet.k"),
        ({"extra_body": {"otvet": {"colour": "red"}}}, "otvet.colour"),
        ({"extra_body": {"otvet": {"published_from": "soon"}}}, "YYYY-MM-DD"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_bad_requests(client: openai.OpenAI, options: Any, told: str, stream: bool) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        chat(client, stream=stream, **options)
    assert raised.value.type == "invalid_request_error"
    assert raised.value.code == "invalid_request"
    assert told in raised.value.message


def test_errors_of_fields_name_the_first() -> None:
    with pytest.raises(ValidationError) as raised:
        ChatIn.model_validate({"model": "otvet", "messages": [{"role": "wizard"}], "n": 2})
    response = openai_invalid([{**error, "loc": ("body", *error["loc"])} for error in raised.value.errors()])
    error = json.loads(bytes(response.body))["error"]
    assert (response.status_code, error["param"]) == (400, "messages.0.role")
    assert "n is 2: there is one answer" in error["message"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b'{"model": "otvet"}', b"[" * 100_000])
def test_unreadable_bodies(address: str, body: bytes) -> None:
    headers = {"content-type": "application/json"}
    response = httpx.post(f"{address}/v1/chat/completions", content=body, headers=headers)
    assert response.status_code == 400
    assert set(response.json()["error"]) == {"message", "type", "param", "code"}


def test_lone_surrogates_are_no_error_of_the_server(address: str) -> None:
    url, headers = f"{address}/v1/chat/completions", {"content-type": "application/json"}
    for messages in (asked("Где \ud800?"), asked(QUESTION, "\ud800", "\udfff")):
        for name in ("otvet", "\ud800"):
            body = json.dumps({"model": name, "messages": messages})
            assert httpx.post(url, content=body, headers=headers).status_code in (200, 400, 404)


def test_no_answer_in_time(written_by: Doors) -> None:
    with doors(written_by([FOREVER_S], [FOREVER_S]), timeout_s=0.01) as (address, _), client_of(address) as client:
        for stream in (False, True):
            with pytest.raises(openai.InternalServerError) as raised:
                chat(client, FOLLOW_UP, QUESTION, "GPS.", stream=stream)
            assert (raised.value.status_code, raised.value.code) == (504, "timeout")


def test_a_model_that_fails_after_a_sentence_breaks_the_answer_off(written_by: Doors) -> None:
    failing = [*WRITTEN[:3], ChatModelError("gone")]
    with doors(written_by(failing, failing)) as (address, _), client_of(address) as client:
        seen = []
        with pytest.raises(openai.APIError) as raised:
            seen.extend(chat(client, stream=True))
        whole = chat(client)
    assert raised.value.code == "answer_broke_off"
    assert content_of(seen) == "Мадуро попросил у Ирана глушители сигнала GPS. [1]"  # and no quote behind it
    assert not any(chunk.choices[0].finish_reason for chunk in seen)
    assert whole.otvet["mode"] == "extractive"


def test_a_model_that_fails_before_a_sentence_is_replaced_by_quotes(written_by: Doors) -> None:
    failing = [ChatModelError("gone")]
    with doors(written_by(failing, failing)) as (address, _), client_of(address) as client:
        chunks, whole = chunks_of(client), chat(client)
    assert content_of(chunks) == whole.choices[0].message.content
    assert whole.otvet["mode"] == "extractive"
    assert whole.choices[0].message.content.endswith(whole.otvet["notice"])


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_goes_away_stops_the_model(written_by: Doors, stream: bool) -> None:
    with doors(written_by([FOREVER_S]), heartbeat_s=0.1) as (address, asker):
        model = asker.engine.chat_model
        assert isinstance(model, SlowChatModel)
        body = {"model": "otvet", "messages": asked(QUESTION), "stream": stream}
        with httpx.Client(timeout=3) as client:
            try:
                with client.stream("POST", f"{address}/v1/chat/completions", json=body) as response:
                    next(piece for piece in response.iter_bytes() if model.sent and piece == b": ping\n\n")
            except httpx.ReadTimeout:
                assert not stream
        assert len(model.sent) == 1
        assert becomes(lambda: model.n_closed_early == 1 and asker.n_running == 0)


# --- other clients


def test_the_asynchronous_client(address: str, client: openai.OpenAI) -> None:
    async def ask() -> tuple[Any, list[Any]]:
        async with openai.AsyncOpenAI(base_url=f"{address}/v1", api_key="none", timeout=30) as aclient:
            whole = await aclient.chat.completions.create(model="otvet", messages=asked(QUESTION))
            stream = await aclient.chat.completions.create(model="otvet", messages=asked(QUESTION), stream=True)
            return whole, [chunk async for chunk in stream]

    whole, chunks = asyncio.run(ask())
    assert whole.choices == chat(client).choices
    assert content_of(chunks) == whole.choices[0].message.content


def test_otvet_as_the_model_of_a_chain(address: str, client: openai.OpenAI) -> None:
    model = ChatOpenAI(base_url=f"{address}/v1", api_key=SecretStr("none"), model="otvet", timeout=30, max_retries=0)
    chain = ChatPromptTemplate.from_template("Что Мадуро просил у {whom}?") | model | StrOutputParser()
    content = chat(client).choices[0].message.content
    assert chain.invoke({"whom": "Ирана"}) == content
    assert "".join(chain.stream({"whom": "Ирана"})) == content
