import asyncio
from typing import Any

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message

from index.errors import SettingsError
from ui.hosts import HostCheck, allowed_names

ALLOWED = ("otvet.example.org", "*.News.Example", "ответ.рф")


def sent_by(app: ASGIApp, scope: dict[str, Any]) -> list[Message]:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    return sent


def status(*hosts: str, own_host: str = "127.0.0.1") -> tuple[int, str]:
    """What a request with these headers Host is answered with."""
    headers = [(b"host", host.encode("latin-1")) for host in hosts]
    scope = {"type": "http", "method": "GET", "path": "/", "headers": headers}
    start, body = sent_by(HostCheck(PlainTextResponse("reached"), ALLOWED, own_host), scope)
    return start["status"], body["body"].decode()


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.0.0.1:7860",
        "10.1.2.3:80",
        "[::1]",
        "[::1]:7860",
        "[2001:DB8::1]:1",
        "[::ffff:127.0.0.1]",
        "localhost",
        "LOCALHOST:7860",
        "localhost.",
        "localhost.:7860",
        "localhost:",
        "otvet.example.org",
        "Otvet.Example.ORG:443",
        "a.news.example",
        "a.b.news.example.:8080",
        "xn--b1aedpn.xn--p1ai",
    ],
)
def test_addresses_and_known_names_pass(host: str) -> None:
    if host.startswith("xn--"):
        host = "ответ.рф".encode("idna").decode()

    assert status(host) == (200, "reached")


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:7860",
        "news.example",  # only what is below it
        "evilnews.example",
        "otvet.example.org.evil.example",
        "evil-otvet.example.org",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "127.0.0.1.nip.io",
        "127.1",  # a name to us, whatever a browser makes of it
        "0x7f000001",
        "2130706433",
        "0177.0.0.1",
        "256.0.0.1",
        "*.news.example",
        "*",
    ],
)
def test_other_names_are_refused(host: str) -> None:
    code, body = status(host)

    assert code == 400
    assert "reached" not in body
    assert '"urn:otvet:problem:unknown-host"' in body


def test_a_refusal_names_the_host_and_the_setting() -> None:
    body = status("evil.example:1")[1]

    assert "'evil.example' is not known" in body
    assert "OTVET_ALLOWED_HOSTS" in body


@pytest.mark.parametrize(
    "host",
    [
        "",
        " ",
        ":80",
        ".",
        "localhost..",
        ".localhost",
        "local host",
        "localhost:80:80",
        "localhost:http",
        "localhost:123456",
        "user@localhost",
        "localhost@evil.example",
        "localhost/",
        "localhost#",
        "localhost\\",
        "localhost,evil.example",
        "::1",
        "[::1",
        "[]",
        "[::1]x",
        "[::1%25lo]",
        "[127.0.0.1]",
        "localhost\0",
        "localhost\n",
        "locаlhost".encode().decode("latin-1"),  # a Cyrillic а
        "a" * 100_000,
        "a." * 50_000,
        "localhost:" + "0" * 1000,
    ],
)
def test_what_is_no_host_is_refused_and_told_in_short(host: str) -> None:
    code, body = status(host)

    assert code == 400
    assert len(body) < 600


@pytest.mark.parametrize("hosts", [(), ("localhost", "localhost"), ("evil.example", "localhost")])
def test_there_is_one_header(hosts: tuple[str, ...]) -> None:
    code, body = status(*hosts)

    assert code == 400
    assert f"there are {len(hosts)} headers Host" in body


def test_the_name_that_is_listened_on_passes() -> None:
    assert status("box.lan:7860", own_host="Box.lan")[0] == 200
    assert status("box.lan:7860")[0] == 400


def test_the_name_of_the_test_client_of_starlette_is_no_exception() -> None:
    assert status("testserver")[0] == 400


def test_a_websocket_is_refused_too_and_the_start_of_the_server_is_not() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "reached"})

    check = HostCheck(app, (), "127.0.0.1")
    socket = {"type": "websocket", "path": "/", "headers": [(b"host", b"evil.example")]}

    assert sent_by(check, socket)[0] == {**sent_by(check, socket)[0], "type": "websocket.http.response.start"}
    assert sent_by(check, {"type": "lifespan"}) == [{"type": "reached"}]


def test_names_are_those_that_browsers_send() -> None:
    assert allowed_names(["Ответ.РФ", "*.Ответ.рф", "A.example."]) == (
        "ответ.рф".encode("idna").decode(),
        "*." + "ответ.рф".encode("idna").decode(),
        "a.example",
    )


@pytest.mark.parametrize(
    "name", ["https://a.example", "a.example:80", "*", "a.*", "*a.example", "a..b", "", "a b", "[::1]"]
)
def test_a_setting_that_is_no_name_is_refused_when_the_server_starts(name: str) -> None:
    with pytest.raises(SettingsError, match="OTVET_ALLOWED_HOSTS") as told:
        allowed_names([name])

    assert repr(name) in str(told.value)
