"""One answer object everywhere: the same questions through every door, their citations compared one by one."""

import asyncio
import json
import re
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from mcp import Client
from openai import OpenAI
from playwright.sync_api import Page

from index.embedding import EmbeddingModel
from index.serving import Index
from index.settings import IndexSettings
from model_server import Endpoint
from model_server import serving as serving_model
from pages import ask, ready
from processes import OTVET, environment
from qa.chat_models import make_chat_model
from qa.engine import Engine, make_engine
from qa.records import Answer, Question, Refusal, Turn
from qa.settings import AnswerSettings
from ui.schemas import response_out

IRAN = "What did Maduro ask Iran for?"
QUESTIONS = (IRAN, "Что Мадуро просил у Ирана?", "Как приготовить борщ?", "Привет!")
WRITTEN = ["Maduro asked Iran for drones and GPS jammers [1]. ", "He wrote a letter [2]."]
MARKER = re.compile(r"\[(\d+)\]")


class Told(NamedTuple):
    """What a door told: the kind, the text, and of each citation its marker and place, or of a refusal the articles."""

    kind: str
    text: str
    places: list[tuple[Any, ...]]


def told(body: dict[str, Any]) -> Told:
    if body["kind"] == "refusal":
        return Told("refusal", body["text"], [(source["article_id"],) for source in body["nearest"]])
    places = [(one["marker"], one["article_id"], one["start"], one["end"], one["quote"]) for one in body["citations"]]
    return Told("answer", body["text"], places)


def by_python(engine: Engine, question: str) -> Told:
    return told(response_out(engine.chain.invoke(question)).model_dump(mode="json"))


def by_answer(url: str, question: str) -> Told:
    return told(httpx.post(f"{url}/answer", json={"question": question}, timeout=60, trust_env=False).json())


def by_stream(url: str, question: str) -> Told:
    """The last object; the events before it must say the same."""
    body, text, citations = {}, "", []
    with httpx.stream(
        "POST", f"{url}/answer/stream", json={"question": question}, timeout=60, trust_env=False
    ) as response:
        for block in response.read().decode().split("\n\n"):
            fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line and line[0] != ":")
            data = json.loads(fields.get("data", "null"))
            match fields.get("event"):
                case "delta":
                    text += data["text"]
                case "citation":
                    citations.append(data)
                case "restart":
                    text, citations = "", []
                case "answer" | "refusal":
                    body = data
    if body["kind"] == "answer":
        assert (text, citations) == (body["text"], body["citations"])
    return told(body)


def by_openai(url: str, question: str, *, stream: bool) -> Told:
    messages: Any = [{"role": "user", "content": question}]
    with OpenAI(base_url=f"{url}/v1", api_key="none", http_client=httpx.Client(trust_env=False)) as client:
        options: Any = {"model": "otvet", "messages": messages, "extra_body": {"otvet": {"sources": False}}}
        if not stream:
            completion = client.chat.completions.create(**options)
            content, extra = completion.choices[0].message.content, completion.model_extra
        else:
            content, extra = "", None
            for chunk in client.chat.completions.create(**options, stream=True):
                content += "".join(choice.delta.content or "" for choice in chunk.choices)
                extra = chunk.model_extra or extra
    assert extra is not None
    found = told(extra["otvet"])
    assert content == found.text
    return found


def by_mcp(url: str, question: str) -> Told:
    async def call() -> Any:
        async with Client(f"{url}/mcp") as client:
            return await client.call_tool("answer", {"question": question})

    with ThreadPoolExecutor(1) as thread:  # the browser's loop runs in this one
        structured = thread.submit(lambda: asyncio.run(call())).result(60).structured_content
    return told(structured.get("result", structured))


def by_terminal(env: dict[str, str], question: str) -> Told:
    done = subprocess.run(
        [OTVET, "ask", "--json", question], env=env, capture_output=True, text=True, timeout=120, check=True
    )
    return told(json.loads(done.stdout))


def by_page(page: Page, question: str, expected: Told) -> Told:
    """What the page shows: of an answer its markers, and of each card its place in the article and its quote."""
    answer = ask(page, question)
    if expected.kind == "refusal":
        assert "otvet-refusal" in (answer.get_attribute("class") or "")
        assert expected.text in answer.inner_text()
        return expected
    assert MARKER.findall(answer.inner_text()) == MARKER.findall(expected.text)
    places = []
    for card in page.locator(".otvet-panel.is-chosen .otvet-card").all():
        address = urlsplit(card.locator("a[href*='/read/']").first.get_attribute("href") or "")
        span = parse_qs(address.query)
        marker = int(card.inner_text().split()[0])
        quote = card.locator(".otvet-quote").inner_text()
        places.append((marker, address.path.rsplit("/", 1)[-1], int(span["start"][0]), int(span["end"][0]), quote))
    whole = [
        (*place[:4], known[4] if known[4] in place[4] else place[4])
        for place, known in zip(places, expected.places, strict=True)
    ]
    return Told("answer", expected.text, whole)


@pytest.fixture(scope="module", params=["extractive", "generative"])
def doors(
    request: pytest.FixtureRequest, sample_settings: IndexSettings, model: EmbeddingModel
) -> Iterator[tuple[Engine, dict[str, str]]]:
    """An engine, and the environment in which the terminal has the same one."""
    with serving_model(Endpoint(WRITTEN)) as endpoint, closing(Index(sample_settings, model)) as index:
        written = {"chat_model": "tiny", "chat_base_url": endpoint.url} if request.param == "generative" else {}
        settings = AnswerSettings(**{"chat_model": "none", **written})
        chat_model = make_chat_model(settings, cache_dir=Path("nowhere"))
        engine = make_engine(index, model, settings, chat_model)
        env = environment(
            sample_settings.data_dir, **{f"OTVET_{name.upper()}": value for name, value in written.items()}
        )
        yield engine, env


def test_every_door_tells_the_same(
    doors: tuple[Engine, dict[str, str]],
    serve: Callable[..., AbstractContextManager[str]],
    open_page: Callable[..., Page],
) -> None:
    engine, env = doors
    with serve(engine) as url:
        kinds = set()
        for question in QUESTIONS:
            expected = by_python(engine, question)
            kinds.add((expected.kind, bool(expected.places)))
            assert by_answer(url, question) == expected
            assert by_stream(url, question) == expected
            assert by_openai(url, question, stream=False) == expected
            assert by_openai(url, question, stream=True) == expected
            assert by_mcp(url, question) == expected
            assert by_terminal(env, question) == expected
            page = open_page(url)
            ready(page)
            assert by_page(page, question, expected) == expected
            page.context.close()
        assert kinds == {("answer", True), ("answer", False), ("refusal", True)}


def test_a_follow_up_is_the_same_at_every_door_that_has_a_history(
    doors: tuple[Engine, dict[str, str]], serve: Callable[..., AbstractContextManager[str]]
) -> None:
    engine, _ = doors
    history = [{"role": "user", "content": IRAN}, {"role": "assistant", "content": "Drones [1]."}]
    follow_up = "And when was that?"
    turns = tuple(Turn(one["role"], one["content"]) for one in history)  # type: ignore[arg-type]
    response = engine.chain.invoke(Question(follow_up, turns))
    assert isinstance(response, Answer | Refusal)
    expected = told(response_out(response).model_dump(mode="json"))
    with serve(engine) as url:
        body = {"question": follow_up, "history": history}
        assert told(httpx.post(f"{url}/answer", json=body, timeout=60, trust_env=False).json()) == expected
        with OpenAI(base_url=f"{url}/v1", api_key="none", http_client=httpx.Client(trust_env=False)) as client:
            messages: Any = [*history, {"role": "user", "content": follow_up}]
            completion = client.chat.completions.create(model="otvet", messages=messages)
            assert completion.model_extra is not None
            assert told(completion.model_extra["otvet"]) == expected
