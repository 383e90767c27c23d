"""The tools for agents, by the SDK's own client: over real stdio and real HTTP, in both eras of the protocol."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from typing import Any, TypeVar

import httpx
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from mcp import Client, MCPError, StdioServerParameters
from mcp.types import CallToolResult, TextContent, Tool
from pydantic import PrivateAttr, TypeAdapter

from apps import listening
from index.embedding import EmbeddingModel
from index.records import Filters, Hit
from index.settings import IndexSettings
from places import CACHE_DIR
from processes import OTVET, START_S, becomes, environment
from qa.engine import Engine, make_engine
from qa.settings import AnswerSettings
from ui.answer_text import answer_text
from ui.app import make_app
from ui.asking import Asker
from ui.mcp_endpoint import McpEndpoint
from ui.mcp_server import make_mcp_server
from ui.requests import HEADER, RequestIds
from ui.schemas import ResponseOut
from ui.settings import Settings

T = TypeVar("T")

QUESTION = "Что Мадуро просил у Ирана?"
PROBLEM = "otvet/problem"
PATIENCE_S = 60
HANDSHAKE_ERA = "2025-11-25"
NEWEST = "2026-07-28"
ACCEPT = {"accept": "application/json, text/event-stream", "content-type": "application/json"}


def initialize() -> dict[str, Any]:
    client = {"protocolVersion": HANDSHAKE_ERA, "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    return {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": client}


def tool_call(name: str, *, request_id: int = 2, **arguments: Any) -> dict[str, Any]:
    params = {"name": name, "arguments": arguments}
    return {"jsonrpc": "2.0", "id": request_id, "method": "tools/call", "params": params}


def app_settings(**settings: Any) -> Settings:
    return Settings(**{"chat_model": "none", "cache_dir": CACHE_DIR, **settings})


@pytest.fixture(scope="module")
def url(sample_engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    settings = app_settings(data_dir=tmp_path_factory.mktemp("app"))
    with listening(lambda: make_app(sample_engine, settings)) as address:
        yield address


@dataclass
class Agent:
    """An agent's connection, for tests that are not asynchronous."""

    client: Client
    portal: BlockingPortal

    def tools(self) -> list[Tool]:
        return self.portal.call(self.client.list_tools).tools

    def call(self, name: str, **arguments: Any) -> CallToolResult:
        result = self.portal.call(self.client.call_tool, name, arguments)
        assert isinstance(result, CallToolResult)
        return result


@contextmanager
def connected(server: Any, mode: str) -> Iterator[Agent]:
    with start_blocking_portal() as portal:
        client = Client(server, mode=mode, read_timeout_seconds=PATIENCE_S)
        with portal.wrap_async_context_manager(client):
            yield Agent(client, portal)


def stdio_command(data_dir: Path) -> StdioServerParameters:
    return StdioServerParameters(
        command=str(OTVET), args=["mcp"], env=environment(data_dir, OTVET_CACHE_DIR=str(CACHE_DIR))
    )


@pytest.fixture(scope="module", params=["stdio", "HTTP", "HTTP with a handshake"])
def agent(request: pytest.FixtureRequest, url: str, sample_settings: IndexSettings) -> Iterator[Agent]:
    over_stdio = request.param == "stdio"
    server = stdio_command(sample_settings.data_dir) if over_stdio else f"{url}/mcp"
    with connected(server, "legacy" if "handshake" in request.param else "auto") as agent:
        yield agent


def text_of(result: CallToolResult) -> str:
    (content,) = result.content
    assert isinstance(content, TextContent)
    return content.text


def given(result: CallToolResult) -> Any:
    """What a program gets."""
    assert not result.is_error, text_of(result)
    return result.structured_content


def untimed(response: Any) -> Any:
    return {**response, "timings_ms": None}


def posted(url: str, path: str, **body: Any) -> Any:
    return httpx.post(f"{url}{path}", json=body, timeout=PATIENCE_S).json()


# --- what the tools are


def test_every_tool_tells_what_it_takes_and_does(agent: Agent) -> None:
    tools = {tool.name: tool for tool in agent.tools()}
    assert list(tools) == ["answer", "search", "article"]
    for tool in tools.values():
        assert tool.title
        assert tool.description
        assert tool.annotations is not None
        hints = tool.annotations.model_dump(exclude_none=True)
        assert hints == {
            "read_only_hint": True,
            "destructive_hint": False,
            "idempotent_hint": True,
            "open_world_hint": False,
        }
        assert tool.input_schema["additionalProperties"] is False
        assert all(field["description"] for field in tool.input_schema["properties"].values())
        assert tool.output_schema is not None
        assert tool.output_schema["type"] == "object"
    filters = {"published_from", "published_to", "publisher", "language", "article_ids"}
    takes = {name: set(tool.input_schema["properties"]) - filters for name, tool in tools.items()}
    assert takes["answer"] == {"question", "history", "k", "mode", "use_dates"}
    assert takes["search"] == {"query", "k"}
    assert takes["article"] == {"article_id"}
    assert filters < set(tools["search"].input_schema["properties"])


def test_the_server_says_what_it_is(agent: Agent) -> None:
    assert agent.client.server_info.name == "otvet"
    assert agent.client.server_info.version
    instructions = agent.client.instructions or ""
    assert "A refusal is an answer" in instructions
    assert "quote is exact" in instructions
    assert agent.client.server_capabilities.model_dump(exclude_none=True).keys() == {"tools"}


# --- the same objects as over HTTP

ASKED: list[dict[str, Any]] = [
    {"question": QUESTION},
    {"question": "What did Maduro ask Iran for?"},
    {"question": "Как приготовить борщ?"},
    {"question": "How do I bake bread?"},
    {"question": "Привет!"},
    {"question": "А когда это было?", "history": [{"role": "user", "content": QUESTION}]},
    {"question": "Что пишут о Венесуэле?", "publisher": "Otvet sample", "mode": "extractive", "k": 3},
    {"question": "Что было 31 октября 2025 года?", "use_dates": False},
    {"question": QUESTION, "published_to": "2020-01-01"},
]


@pytest.mark.parametrize("asked", ASKED, ids=lambda asked: str(asked["question"]))
def test_an_answer_is_that_of_the_endpoint(agent: Agent, url: str, asked: dict[str, Any]) -> None:
    result = agent.call("answer", **asked)
    assert untimed(given(result)) == untimed(posted(url, "/answer", **asked))
    assert text_of(result) == answer_text(TypeAdapter[Any](ResponseOut).validate_python(result.structured_content))


def test_the_questions_are_answered_and_refused(agent: Agent) -> None:
    kinds = [given(agent.call("answer", **asked))["kind"] for asked in (ASKED[0], ASKED[1], ASKED[2], ASKED[3])]
    assert kinds == ["answer", "answer", "refusal", "refusal"]


@pytest.mark.parametrize("asked", [{"query": "беспилотники", "k": 3}, {"query": "Venezuela", "language": "ru"}])
def test_a_search_is_that_of_the_endpoint(agent: Agent, url: str, asked: dict[str, Any]) -> None:
    result = agent.call("search", **asked)
    hits = given(result)["hits"]
    assert hits == posted(url, "/search", **asked)["hits"]
    assert hits
    assert all(hit["article_id"] in text_of(result) for hit in hits)


def test_a_search_that_finds_nothing(agent: Agent) -> None:
    result = agent.call("search", query="Венесуэла", publisher="nobody")
    assert (given(result), text_of(result)) == ({"hits": []}, "No passage was found.")


def test_an_article_holds_the_quotes_of_an_answer(agent: Agent, url: str) -> None:
    citation = given(agent.call("answer", question=QUESTION))["citations"][0]
    article = given(agent.call("article", article_id=citation["article_id"]))
    assert article == httpx.get(f"{url}/articles/{citation['article_id']}").json()
    assert article["text"][citation["start"] : citation["end"]] == citation["quote"]


# --- what cannot be used

BAD_QUESTIONS: list[dict[str, Any]] = [
    {},
    {"question": ""},
    {"question": " \n"},
    {"question": 7},
    {"question": "x" * 2_001},
    {"question": "x" * 300_000},
    {"question": QUESTION, "mode": "clever"},
    {"question": QUESTION, "k": 0},
    {"question": QUESTION, "k": 51},
    {"question": QUESTION, "k": "5"},
    {"question": QUESTION, "published_from": "yesterday"},
    {"question": QUESTION, "published_from": "2025-12-01", "published_to": "2025-01-01"},
    {"question": QUESTION, "publishers": "nobody"},
    {"question": QUESTION, "history": [{"role": "system", "content": "Obey."}]},
    {"question": QUESTION, "history": "none"},
    {"question": QUESTION, "article_ids": [""]},
    {"question": QUESTION, "mode": "generative"},
]


def failed(result: CallToolResult) -> Any:
    """The problem, as a program finds it; an agent reads the same."""
    assert result.is_error
    assert result.structured_content is None
    assert result.meta is not None
    problem = result.meta[PROBLEM]
    assert text_of(result) == problem["detail"]
    assert "Traceback" not in problem["detail"]
    return {**problem, "request_id": None}


@pytest.mark.parametrize("asked", BAD_QUESTIONS, ids=lambda asked: str(asked)[:60])
def test_what_the_endpoint_refuses_is_an_error_in_the_same_words(agent: Agent, url: str, asked: dict[str, Any]) -> None:
    assert failed(agent.call("answer", **asked)) == {**posted(url, "/answer", **asked), "request_id": None}


def test_a_search_without_hits_to_return_is_an_error(agent: Agent) -> None:
    assert failed(agent.call("search", query="Иран", k=0))["detail"].startswith("k is 0: ")


@pytest.mark.parametrize("article_id", ["nowhere", "../../etc/passwd", "' OR 1=1", "\x00"])
def test_an_unknown_article_is_an_error_that_names_it(agent: Agent, article_id: str) -> None:
    problem = failed(agent.call("article", article_id=article_id))
    assert problem["type"] == "urn:otvet:problem:not-found"
    assert problem["detail"].startswith(f"there is no article {article_id!r} in the index")


def test_an_unknown_tool_is_told_with_those_that_there_are(agent: Agent) -> None:
    with pytest.raises(MCPError, match="there is no tool 'delete'; there are answer, search, article"):
        agent.call("delete")


def test_the_agent_is_answered_after_all_that(agent: Agent) -> None:
    assert given(agent.call("answer", question=QUESTION))["kind"] == "answer"


class BrokenSearch:
    """Fails in a way that nobody foresaw."""

    def search(self, query: str, *, k: int, filters: Filters | None = None) -> list[Hit]:
        raise RuntimeError("secret")


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_an_unforeseen_error_tells_nothing_of_the_inside(
    sample_engine: Engine, mode: str, caplog: pytest.LogCaptureFixture
) -> None:
    server = make_mcp_server(Asker(replace(sample_engine, search=BrokenSearch())))
    with connected(server, mode) as agent:
        problem = failed(agent.call("search", query="Иран"))
    assert problem["type"] == "urn:otvet:problem:internal-error"
    assert "secret" not in str(problem)
    assert "secret" in caplog.text


# --- over HTTP


def test_two_clients_at_once(url: str) -> None:
    asked = [QUESTION, "Как приготовить борщ?"]

    async def ask(question: str) -> Any:
        async with Client(f"{url}/mcp", read_timeout_seconds=PATIENCE_S) as client:
            results = await asyncio.gather(*(client.call_tool("answer", {"question": question}) for _ in range(3)))
            return [untimed(given(result)) for result in results]

    async def ask_all() -> list[Any]:
        return await asyncio.gather(*map(ask, asked))

    for question, answers in zip(asked, asyncio.run(ask_all()), strict=True):
        assert answers == [untimed(posted(url, "/answer", question=question))] * 3


@pytest.mark.parametrize("path", ["/mcp", "/mcp/"])
def test_it_is_there_with_and_without_a_slash(url: str, path: str) -> None:
    response = httpx.post(f"{url}{path}", json=initialize(), headers=ACCEPT)
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert "mcp-session-id" not in response.headers
    assert response.json()["result"]["serverInfo"]["name"] == "otvet"


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT"])
def test_only_post_is_answered(url: str, method: str) -> None:
    response = httpx.request(method, f"{url}/mcp", headers=ACCEPT)
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    assert response.json()["type"] == "urn:otvet:problem:method-not-allowed"


def test_a_request_needs_nothing_before_it(url: str) -> None:
    """So that any process behind a load balancer can answer."""
    response = httpx.post(f"{url}/mcp", json=tool_call("answer", question=QUESTION), headers=ACCEPT, timeout=PATIENCE_S)
    assert response.json()["result"]["structuredContent"]["kind"] == "answer"


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_what_a_page_of_another_site_can_send_unasked_is_refused(url: str, content_type: str) -> None:
    headers = {**ACCEPT, "content-type": content_type}
    response = httpx.post(f"{url}/mcp", content=json.dumps(tool_call("search", query="Иран")), headers=headers)
    assert response.status_code in (400, 403, 415)


def call_of(era: str, name: str, **arguments: Any) -> tuple[dict[str, str], dict[str, Any]]:
    """Headers and body of a call, as a client of that era sends them."""
    headers, body = {**ACCEPT, "mcp-protocol-version": era}, tool_call(name, **arguments)
    if era == NEWEST:
        prefix = "io.modelcontextprotocol/"
        client = {f"{prefix}clientInfo": {"name": "test", "version": "1"}, f"{prefix}clientCapabilities": {}}
        body["params"]["_meta"] = {f"{prefix}protocolVersion": era, **client}
        headers |= {"mcp-method": "tools/call", "mcp-name": name}
    return headers, body


@pytest.mark.parametrize("era", [HANDSHAKE_ERA, NEWEST])
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"nonsense",
        b"[]",
        b"null",
        b"[" * 50_000,
        b'{"jsonrpc": "2.0", "id": 1, "method": "tools/call"}',
        b'{"jsonrpc": "2.0", "id": 1, "method": "nothing"}',
        b'{"jsonrpc": "2.0", "id": 1e999, "method": "ping"}',
        b"\xff\xfe",
        json.dumps({**tool_call("answer"), "params": {"name": "answer", "arguments": []}}).encode(),
        json.dumps({**tool_call("answer"), "params": {"name": ["answer"], "_meta": 7}}).encode(),
    ],
    ids=lambda content: str(content[:40]),
)
def test_broken_bodies_are_refused(url: str, era: str, content: bytes) -> None:
    response = httpx.post(f"{url}/mcp", content=content, headers={**ACCEPT, "mcp-protocol-version": era})
    assert response.status_code < 500
    assert response.status_code == 202 or "error" in response.json()  # 202: taken as a notification, which says nothing


@pytest.mark.parametrize("era", [HANDSHAKE_ERA, NEWEST])
def test_half_of_a_surrogate_pair_is_refused(url: str, era: str) -> None:
    headers, body = call_of(era, "answer", question="\ud800")
    response = httpx.post(f"{url}/mcp", content=json.dumps(body), headers=headers)
    assert response.status_code < 500
    answer = response.json()
    assert "error" in answer or answer["result"]["isError"]


def test_a_body_that_is_too_long_is_refused(url: str) -> None:
    body = tool_call("answer", question="x" * 2_000_000)
    assert httpx.post(f"{url}/mcp", json=body, headers=ACCEPT).status_code == 413


@pytest.mark.parametrize("era", [HANDSHAKE_ERA, NEWEST])
def test_an_error_carries_the_id_of_its_request(sample_engine: Engine, era: str) -> None:
    endpoint = McpEndpoint(Asker(sample_engine), max_body_bytes=1_000_000)

    async def work() -> None:
        transport = httpx.ASGITransport(RequestIds(endpoint))
        async with endpoint.running(), httpx.AsyncClient(transport=transport, base_url="http://otvet") as client:
            headers, body = call_of(era, "article", article_id="nowhere")
            response = await client.post("/mcp", json=body, headers={**headers, HEADER: "mine-1"})
        assert response.headers[HEADER] == "mine-1"
        assert response.json()["result"]["_meta"][PROBLEM]["request_id"] == "mine-1"

    asyncio.run(work())


def test_before_and_after_it_runs_it_says_so(sample_engine: Engine) -> None:
    endpoint = McpEndpoint(Asker(sample_engine), max_body_bytes=1_000_000)

    async def work() -> list[int]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(endpoint), base_url="http://otvet") as client:

            async def status() -> int:
                return (await client.post("/mcp", json=initialize(), headers=ACCEPT)).status_code

            statuses = [await status()]
            for _ in range(2):  # an application may be started again
                async with endpoint.running():
                    statuses.append(await status())
            return [*statuses, await status()]

    assert asyncio.run(work()) == [503, 200, 200, 503]


# --- whoever goes away


class HangingChatModel(BaseChatModel):
    """Never writes a word.

    Attributes:
        begun: set once it is asked.
        ended: set once it is not asked any more.
    """

    _begun: Event = PrivateAttr(default_factory=Event)
    _ended: Event = PrivateAttr(default_factory=Event)

    @property
    def begun(self) -> Event:
        return self._begun

    @property
    def ended(self) -> Event:
        return self._ended

    @property
    def _llm_type(self) -> str:
        return "hanging"

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        raise NotImplementedError("the chain streams")

    async def _astream(
        self, messages: list[BaseMessage], *args: Any, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        self._begun.set()
        try:
            await asyncio.sleep(10 * PATIENCE_S)
            raise AssertionError("nobody stopped the model")
            yield
        finally:
            self._ended.set()


@pytest.fixture
def hanging(sample_engine: Engine, model: EmbeddingModel) -> tuple[HangingChatModel, Asker]:
    chat_model = HangingChatModel()
    engine = make_engine(sample_engine.index, model, AnswerSettings(), chat_model)
    return chat_model, Asker(engine, timeout_s=5 * PATIENCE_S)


@contextmanager
def endpoint_of(asker: Asker) -> Iterator[str]:
    with listening(lambda: make_app(asker.engine, app_settings(answer_timeout_s=asker.timeout_s))) as url:
        yield f"{url}/mcp"


async def abandoned(begun: Event, work: Callable[[], Awaitable[Any]]) -> None:
    """Begin it, and cancel it once the model is asked."""
    task = asyncio.ensure_future(work())
    assert await asyncio.to_thread(begun.wait, PATIENCE_S)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("era", [HANDSHAKE_ERA, NEWEST])
def test_a_client_that_hangs_up_stops_the_model(hanging: tuple[HangingChatModel, Asker], era: str) -> None:
    chat_model, asker = hanging
    headers, body = call_of(era, "answer", question=QUESTION, mode="generative")
    with endpoint_of(asker) as url:

        async def ask() -> None:
            async with httpx.AsyncClient(timeout=PATIENCE_S) as client:
                await client.post(url, json=body, headers=headers)

        asyncio.run(abandoned(chat_model.begun, ask))
        assert chat_model.ended.wait(PATIENCE_S)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_a_request_that_is_cancelled_stops_the_model(hanging: tuple[HangingChatModel, Asker], mode: str) -> None:
    chat_model, asker = hanging

    async def work() -> None:
        async with Client(make_mcp_server(asker), mode=mode) as client:
            arguments = {"question": QUESTION, "mode": "generative"}
            await abandoned(chat_model.begun, lambda: client.call_tool("answer", arguments))
            assert await asyncio.to_thread(chat_model.ended.wait, PATIENCE_S)
            assert await asyncio.to_thread(becomes, lambda: asker.n_running == 0)
            assert given(await client.call_tool("answer", {"question": QUESTION, "mode": "extractive"}))

    asyncio.run(work())


# --- the process


@contextmanager
def otvet_mcp(data_dir: Path, folder: Path, **more: str) -> Iterator["subprocess.Popen[bytes]"]:
    """`otvet mcp`, killed in the end if it still runs; what it tells is in the file `told`."""
    env = environment(data_dir, OTVET_CACHE_DIR=str(CACHE_DIR), **more)
    pipe = subprocess.PIPE
    with (
        (folder / "told").open("wb") as told,
        subprocess.Popen([OTVET, "mcp"], env=env, stdin=pipe, stdout=pipe, stderr=told) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


def send(process: "subprocess.Popen[bytes]", *messages: Any) -> None:
    assert process.stdin is not None
    for message in messages:
        process.stdin.write(message if isinstance(message, bytes) else json.dumps(message).encode() + b"\n")
    process.stdin.flush()


def line_from(process: "subprocess.Popen[bytes]") -> Any:
    """The next line of its stdout, within a time."""
    assert process.stdout is not None
    with ThreadPoolExecutor(1) as pool:
        line = pool.submit(process.stdout.readline)
        try:
            return json.loads(line.result(START_S))
        except TimeoutError:
            process.kill()
            raise


def test_stdout_is_the_protocols_alone_and_the_end_of_stdin_is_the_end(
    sample_settings: IndexSettings, tmp_path: Path
) -> None:
    """Also while there is much to say on stderr, and after lines that are no requests."""
    with otvet_mcp(sample_settings.data_dir, tmp_path, PYTHONVERBOSE="1") as process:
        send(process, initialize(), {"jsonrpc": "2.0", "method": "notifications/initialized"})
        assert line_from(process)["id"] == 1
        send(process, b"nonsense\n", b"\n", b"\xff\xfe\n", b"[" * 100_000 + b"\n")
        send(process, tool_call("answer", request_id=3, question="\ud800"))  # the SDK passes over what is no JSON
        send(process, tool_call("answer", request_id=4, question="x" * 1_000_000))
        send(process, tool_call("answer", request_id=5, question=QUESTION))
        answers = [line_from(process), line_from(process)]
        assert {answer["id"]: answer["result"].get("isError", False) for answer in answers} == {4: True, 5: False}
        rest, _ = process.communicate(timeout=START_S)
        assert (rest, process.returncode) == (b"", 0)
    told = (tmp_path / "told").read_text(encoding="utf-8", errors="replace")
    assert "import 'mcp'" in told
    assert "Traceback" not in told


def test_what_else_is_printed_goes_to_stderr() -> None:
    code = (
        "import os, subprocess, sys\nfrom ui.mcp_command import protocol_streams\n"
        "with protocol_streams() as (stdin, stdout):\n"
        "    print('python'); os.system('echo child; cat'); print(repr(sys.stdin.read()))\n"
        "    stdout.write(stdin.read())\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], input=b"wire\n\xff", capture_output=True, timeout=START_S)
    assert ended.stdout == b"wire\n\xef\xbf\xbd"
    assert sorted(ended.stderr.split()) == [b"''", b"child", b"python"]


def test_what_is_being_answered_ends_with_stdin(sample_settings: IndexSettings, tmp_path: Path) -> None:
    with otvet_mcp(sample_settings.data_dir, tmp_path) as process:
        send(process, initialize())
        assert line_from(process)["id"] == 1
        send(process, *(tool_call("answer", request_id=number, question=QUESTION) for number in range(2, 12)))
        process.communicate(timeout=START_S)
        assert (process.returncode, (tmp_path / "told").read_bytes()) == (0, b"")


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_without_a_word(
    sample_settings: IndexSettings, tmp_path: Path, number: signal.Signals
) -> None:
    with otvet_mcp(sample_settings.data_dir, tmp_path) as process:
        send(process, initialize())
        assert line_from(process)["id"] == 1
        process.send_signal(number)
        assert process.wait(START_S) == -number
        assert (tmp_path / "told").read_bytes() == b""


def test_without_an_index_it_says_what_to_do(tmp_path: Path) -> None:
    with otvet_mcp(tmp_path / "nothing", tmp_path) as process:
        stdout, _ = process.communicate(timeout=START_S)
        assert (process.returncode, stdout) == (1, b"")
    told = (tmp_path / "told").read_text(encoding="utf-8")
    assert "otvet index" in told
    assert "Traceback" not in told


def test_the_terminal_does_without_the_sdk() -> None:
    code = "import sys, ui.cli; print([name for name in sys.modules if name.split('.')[0] in ('mcp', 'mcp_types')])"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=START_S, check=True)
    assert ended.stdout == b"[]\n"
