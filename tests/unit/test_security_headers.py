import asyncio
from collections.abc import Mapping

import pytest
from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send

from ui.headers import DATA_POLICY, PAGE_POLICY, SecurityHeaders
from ui.problems import Kind, Problem


def headers_of(response: Response) -> Mapping[str, str]:
    return TestClient(SecurityHeaders(response)).get("/").headers


def test_whatever_is_answered_has_them() -> None:
    for response in (HTMLResponse("<p>"), JSONResponse({}), Response(status_code=500), Response(status_code=304)):
        headers = headers_of(response)
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["x-frame-options"] == "SAMEORIGIN"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "geolocation=()" in headers["permissions-policy"]


@pytest.mark.parametrize(
    "response",
    [
        JSONResponse({"text": "<script>alert(1)</script>"}),
        Problem(Kind.RATE, "wait").response(),
        Response("data: 1\n\n", media_type="text/event-stream"),
        Response("{}", headers={"Content-Type": "Application/JSON; charset=utf-8"}),
    ],
)
def test_data_may_do_nothing_in_a_browser_and_is_not_kept(response: Response) -> None:
    headers = headers_of(response)

    assert headers["content-security-policy"] == DATA_POLICY == "default-src 'none'; frame-ancestors 'none'"
    assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "response", [HTMLResponse("<p>"), PlainTextResponse("a"), Response("a", media_type="text/javascript")]
)
def test_a_page_may_ask_this_server_only(response: Response) -> None:
    headers = headers_of(response)

    assert headers["content-security-policy"] == PAGE_POLICY
    assert "cache-control" not in headers
    sources = {word for part in PAGE_POLICY.split(";") for word in part.split()[1:]}
    assert sources == {"'self'", "'unsafe-inline'", "'unsafe-eval'", "'none'", "data:", "blob:"}


def test_a_route_may_say_otherwise() -> None:
    own = {"Content-Security-Policy": "sandbox", "Cache-Control": "max-age=60", "Referrer-Policy": "no-referrer"}

    headers = headers_of(JSONResponse({}, headers=own))

    assert {name: headers[name] for name in own} == own


def test_a_stream_stays_a_stream() -> None:
    order = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        for n in range(3):
            order.append(f"made {n}")
            await send({"type": "http.response.body", "body": b"data", "more_body": n < 2})

    async def send(message: Message) -> None:
        order.append(f"sent {message['type']}")

    async def receive() -> Message:
        return {}

    asyncio.run(SecurityHeaders(app)({"type": "http"}, receive, send))

    body = "sent http.response.body"
    assert order == ["sent http.response.start", "made 0", body, "made 1", body, "made 2", body]


def test_a_response_without_headers_gets_them_and_a_websocket_is_left_alone() -> None:
    sent: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(
            {"type": "http.response.start", "status": 200} if scope["type"] == "http" else {"type": "websocket.accept"}
        )

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {}

    for kind in ("http", "websocket"):
        asyncio.run(SecurityHeaders(app)({"type": kind}, receive, send))

    assert Headers(scope=sent[0])["x-content-type-options"] == "nosniff"
    assert sent[1] == {"type": "websocket.accept"}
