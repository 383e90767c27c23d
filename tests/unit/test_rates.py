import asyncio
import json
from math import ceil
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.responses import PlainTextResponse
from starlette.types import Message

from ui.rates import Allowances, RateLimit, is_counted
from ui.scopes import CALLER, Caller
from ui.throttle import MAX_REMEMBERED

ELSEWHERE = "192.0.2.1"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Server:
    """The limit before an application that answers 200, by a clock of its own."""

    def __init__(self, per_minute: int) -> None:
        self.clock = Clock()
        self._app = RateLimit(PlainTextResponse("reached"), per_minute, self.clock)
        self.headers: dict[str, str] = {}
        self.body = ""

    def status(self, client: str | None = ELSEWHERE, *, path: str = "/answer", caller: str = "", **headers: str) -> int:
        sent: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request"}

        async def send(message: Message) -> None:
            sent.append(message)

        scope: dict[str, Any] = {
            "type": "http",
            "path": path,
            "client": client and (client, 1),
            "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
        }
        if caller:
            scope[CALLER] = Caller(caller, frozenset())
        asyncio.run(self._app(scope, receive, send))
        self.headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        self.body = sent[1]["body"].decode()
        return sent[0]["status"]


def test_what_is_more_than_a_minutes_requests_waits_until_one_comes_free() -> None:
    server = Server(4)

    assert [server.status() for _ in range(6)] == [200] * 4 + [429] * 2
    assert server.headers["retry-after"] == "15"
    assert json.loads(server.body)["type"] == "urn:otvet:problem:rate-limited"
    assert "more than 4 requests a minute; try again in 15 s" in server.body

    server.clock.now += 14.5
    assert server.status() == 429
    assert server.headers["retry-after"] == "1"
    server.clock.now += 1
    assert [server.status(), server.status()] == [200, 429]
    server.clock.now += 3600  # what was not used long ago is not kept
    assert [server.status() for _ in range(5)] == [200] * 4 + [429]


def test_who_waits_as_long_as_told_gets_in() -> None:
    server = Server(7)
    for _ in range(50):
        while server.status() == 200:
            pass
        server.clock.now += int(server.headers["retry-after"])
        assert server.status() == 200


@pytest.mark.parametrize("per_minute", [1, 7, 300, 1_000_000])
def test_a_minute_has_as_many_as_it_is_said(per_minute: int) -> None:
    allowances = Allowances(per_minute, Clock())
    n_tried = min(per_minute, 1000)

    assert [allowances.take("a") for _ in range(n_tried)] == [0] * n_tried
    if n_tried == per_minute:
        assert allowances.take("a") == ceil(60 / per_minute)


@example(per_minute=1, pauses_s=[1.0284357408112008, 0.0])
@given(st.integers(1, 20), st.lists(st.floats(0, 30), max_size=200))
def test_never_more_than_a_minutes_worth_and_what_came_free(per_minute: int, pauses_s: list[float]) -> None:
    clock = Clock()
    allowances = Allowances(per_minute, clock)
    began, n_allowed = clock.now, 0
    for pause_s in pauses_s:
        clock.now += pause_s
        wait_s = allowances.take("a")
        assert 0 <= wait_s <= 60
        n_allowed += wait_s == 0
        assert n_allowed <= per_minute + (clock.now - began) * per_minute / 60 + 1e-6


def test_each_has_its_own() -> None:
    server = Server(1)

    assert [server.status("192.0.2.1"), server.status("192.0.2.2")] == [200, 200]
    assert [server.status(caller="anna"), server.status(caller="token:bot"), server.status(caller="anna")] == [
        200,
        200,
        429,
    ]


def test_a_name_counts_instead_of_its_addresses() -> None:
    server = Server(1)

    assert [server.status("192.0.2.1", caller="anna"), server.status("192.0.2.2", caller="anna")] == [200, 429]
    assert server.status("192.0.2.1") == 200  # who has no name is somebody else


def test_a_household_of_ipv6_counts_as_one() -> None:
    server = Server(1)

    assert [
        server.status("2001:db8:1:2::1"),
        server.status("2001:db8:1:2:ffff::9"),
        server.status("2001:db8:1:3::1"),
    ] == [
        200,
        429,
        200,
    ]


def test_an_address_is_one_in_either_form() -> None:
    server = Server(1)

    assert [server.status("192.0.2.1"), server.status("::ffff:192.0.2.1"), server.status("::ffff:192.0.2.2")] == [
        200,
        429,
        200,
    ]


@pytest.mark.parametrize("client", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
def test_who_is_on_this_machine_has_no_limit_without_a_name(client: str) -> None:
    server = Server(1)

    assert [server.status(client) for _ in range(3)] == [200] * 3
    assert [server.status(client, caller="anna") for _ in range(2)] == [200, 429]


@pytest.mark.parametrize("header", ["x_forwarded_for", "forwarded"])
def test_who_comes_through_a_proxy_is_not_on_this_machine_whatever_is_said(header: str) -> None:
    server = Server(1)

    assert [server.status("127.0.0.1", **{header: "127.0.0.1"}) for _ in range(2)] == [200, 429]


@pytest.mark.parametrize("client", [None, "", "nonsense", "testclient", "1.2.3.4:80"])
def test_what_is_no_address_counts_as_it_is(client: str | None) -> None:
    server = Server(1)

    assert [server.status(client), server.status(client)] == [200, 429]


@pytest.mark.parametrize(
    "path",
    [
        "/answer",
        "/answer/",
        "/answer/stream",
        "/search",
        "/articles",
        "/articles/a",
        "/read/a",
        "/index",
        "/index/rebuild",
        "/v1/models",
        "/v1/chat/completions",
        "/mcp",
        "/mcp/",
        "/gradio_api/queue/join",
        "/gradio_api/call/v2/ask",
    ],
)
def test_what_makes_work_is_counted(path: str) -> None:
    server = Server(1)

    assert is_counted(path)
    assert [server.status(path=path), server.status(path=path)] == [200, 429]


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/health",
        "/ready",
        "/metrics",
        "/login",
        "/docs",
        "/openapi.json",
        "/assets/index.js",
        "/theme.css",
        "/gradio_api/heartbeat/1",
        "/gradio_api/queue/data",
        "/gradio_api/run/predict",
        "/answers",
        "/indexes",
    ],
)
def test_what_watches_and_the_files_of_the_page_are_not(path: str) -> None:
    server = Server(1)

    assert not is_counted(path)
    assert [server.status(path=path) for _ in range(3)] == [200] * 3


def test_a_flood_of_addresses_is_not_remembered_for_ever_and_lets_nobody_else_wait() -> None:
    allowances = Allowances(2, Clock())
    for n in range(3 * MAX_REMEMBERED):
        assert allowances.take(f"address {n}") == 0

    assert len(allowances._whole_at) == MAX_REMEMBERED
    assert allowances.take("anna") == 0


def test_who_sends_all_the_time_is_not_forgotten_in_a_flood() -> None:
    allowances = Allowances(2, Clock())
    assert [allowances.take("bot"), allowances.take("bot")] == [0, 0]
    for n in range(3 * MAX_REMEMBERED):
        allowances.take(f"address {n}")
        if n % 1000 == 0:
            assert allowances.take("bot") == 30


def test_the_clock_of_the_day_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    allowances = Allowances(2)
    assert [allowances.take("a") for _ in range(3)] == [0, 0, 30]
    for day in (0.0, 4e9):
        monkeypatch.setattr("time.time", lambda now=day: now)
        assert allowances.take("a") == 30
    monkeypatch.undo()
    assert allowances.take("a") == 30


def test_websockets_and_the_start_of_the_server_pass() -> None:
    types = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        types.append(scope["type"])

    async def nothing() -> Message:
        return {}

    async def ignore(message: Message) -> None:
        pass

    limit = RateLimit(app, 1, Clock())
    for kind in ("lifespan", "websocket", "websocket"):
        asyncio.run(limit({"type": kind, "path": "/answer", "headers": []}, nothing, ignore))

    assert types == ["lifespan", "websocket", "websocket"]
