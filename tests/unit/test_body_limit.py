import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send

from ui.body_limit import BodyLimit

LIMIT = 10


class Sending:
    """A request that sends its body in parts, then nothing more; None is where the client goes away."""

    def __init__(self, parts: Sequence[bytes | None], *, length: str | None = None, path: str = "/answer") -> None:
        self._messages = [self._message(part, n + 1 < len(parts)) for n, part in enumerate(parts)]
        self.n_read = 0
        self.sent: list[Message] = []
        self.headers = (
            [(b"content-length", length.encode())] if length is not None else [(b"transfer-encoding", b"chunked")]
        )
        self.scope = {"type": "http", "method": "POST", "path": path, "headers": self.headers}

    @staticmethod
    def _message(part: bytes | None, more: bool) -> Message:
        return (
            {"type": "http.disconnect"} if part is None else {"type": "http.request", "body": part, "more_body": more}
        )

    async def receive(self) -> Message:
        if self.n_read == len(self._messages):
            await asyncio.sleep(3600)
        self.n_read += 1
        return self._messages[self.n_read - 1]

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    def through_limit(self, *, within_s: float = 30) -> tuple[int, str]:
        """Status and body of the response; of an application that sends back what it gets."""
        asyncio.run(BodyLimit(echo, LIMIT, within_s)(self.scope, self.receive, self.send))
        return self.sent[0]["status"], b"".join(message["body"] for message in self.sent[1:]).decode()


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    body = await Request(scope, receive).body()
    await PlainTextResponse(body)(scope, receive, send)


@pytest.mark.parametrize(
    ("parts", "length"),
    [([b"0123456789"], "10"), ([b"01234", b"56789"], None), ([b"0"] * 10 + [b""], None), ([b""], None), ([b"ab"], "2")],
)
def test_what_is_not_too_long_arrives_whole(parts: list[bytes], length: str | None) -> None:
    assert Sending(parts, length=length).through_limit() == (200, b"".join(parts).decode())


@pytest.mark.parametrize("length", ["11", "1000000000", "9" * 5000, "00011"])
def test_what_says_that_it_is_too_long_is_not_read(length: str) -> None:
    sending = Sending([b"0"], length=length)

    status, body = sending.through_limit()

    assert (status, sending.n_read) == (413, 0)
    assert json.loads(body)["type"] == "urn:otvet:problem:body-too-large"
    assert f"{LIMIT} bytes are allowed" in body
    assert len(body) < 500


def test_what_does_not_say_how_long_it_is_is_read_until_it_is_too_long() -> None:
    sending = Sending([b"0"] * 100)

    assert sending.through_limit()[0] == 413
    assert sending.n_read == LIMIT + 1


@pytest.mark.parametrize("length", ["5", "-1", "+5", "5x", "", "1e3", "0x5"])
def test_a_length_that_lies_lets_nothing_more_in(length: str) -> None:
    assert Sending([b"0" * 11], length=length).through_limit()[0] == 413


@pytest.mark.parametrize(
    ("parts", "length"), [([b"0", b"1", b"2", b""], "10"), ([b"0"] * 3 + [b""], None), ([], "10"), ([], None)]
)
def test_what_never_comes_is_not_waited_for(parts: list[bytes], length: str | None) -> None:
    sending = Sending([*parts, b""], length=length)
    sending._messages.pop()

    status, body = sending.through_limit(within_s=0.05)

    assert status == 408
    assert json.loads(body)["type"] == "urn:otvet:problem:body-too-slow"
    assert "within 0.05 s" in body
    assert (b"connection", b"close") in sending.sent[0]["headers"]


def test_the_time_is_that_of_the_whole_body() -> None:
    class Dripping(Sending):
        async def receive(self) -> Message:
            await asyncio.sleep(0.02)
            return {"type": "http.request", "body": b"", "more_body": True}

    assert Dripping([], length="5").through_limit(within_s=0.2)[0] == 408


def test_who_goes_away_gets_no_answer_and_reaches_nothing() -> None:
    reached = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        reached.append(scope)

    sending = Sending([b"0", None], length="5")
    asyncio.run(BodyLimit(app, LIMIT)(sending.scope, sending.receive, sending.send))

    assert (reached, sending.sent) == ([], [])


def test_who_goes_away_later_is_told_to_the_application() -> None:
    got: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        got.extend([await receive(), await receive()])

    sending = Sending([b"0", b"1", None])
    sending._messages[1]["more_body"] = False
    asyncio.run(BodyLimit(app, LIMIT)(sending.scope, sending.receive, sending.send))

    assert got == [{"type": "http.request", "body": b"01", "more_body": False}, {"type": "http.disconnect"}]


@pytest.mark.parametrize("headers", [[], [(b"content-length", b"0")]])
def test_what_has_no_body_is_passed_on_unread(headers: list[tuple[bytes, bytes]]) -> None:
    sending = Sending([b""])
    sending.scope["headers"] = headers
    received = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        received.append(sending.n_read)
        assert receive == sending.receive

    asyncio.run(BodyLimit(app, LIMIT)(sending.scope, sending.receive, sending.send))

    assert received == [0]


@pytest.mark.parametrize(
    ("path", "status"), [("/gradio_api/upload", 200), ("/gradio_apix", 413), ("/x/gradio_api/upload", 413)]
)
def test_the_page_has_limits_of_its_own(path: str, status: int) -> None:
    assert Sending([b"0" * 100], length="100", path=path).through_limit()[0] == status


def test_a_websocket_passes() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.close"})

    sending = Sending([])
    asyncio.run(BodyLimit(app, LIMIT)({"type": "websocket", "path": "/"}, sending.receive, sending.send))

    assert sending.sent == [{"type": "websocket.close"}]
