"""All guards before an application of a few routes, over real sockets, by requests that no library would send."""

import http.client
import json
import logging
import socket
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from fastapi import FastAPI, Request
from starlette.responses import Response, StreamingResponse
from starlette.testclient import TestClient
from starlette.websockets import WebSocket

from apps import app_over, listening
from index.errors import SettingsError
from qa.engine import Engine
from ui.callers import open_callers
from ui.guards import add_guards, site_origins
from ui.headers import DATA_POLICY, PAGE_POLICY
from ui.metrics import Metrics
from ui.problems import problem_of
from ui.rates import is_counted
from ui.settings import Settings
from ui.users import Users

SITE = "https://news.example.org"
PASSWORD = "a long password of the tests"
WAIT_S = 20


def guarded(*, body_within_s: float = 30, **chosen: Any) -> FastAPI:
    """Routes that tell what reached them, behind all guards."""
    app = FastAPI()

    @app.api_route("/answer", methods=["GET", "POST"])
    async def answer(request: Request) -> dict[str, Any]:
        client = request.client
        return {"n_bytes": len(await request.body()), "client": client and client.host, "path": request.url.path}

    @app.get("/health")
    def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/fails")
    def fails() -> None:
        raise ZeroDivisionError

    @app.post("/answer/stream")
    async def stream() -> StreamingResponse:
        return StreamingResponse(iter(["data: 1\n\n", "data: 2\n\n"]), media_type="text/event-stream")

    @app.websocket("/socket")
    async def talk(connection: WebSocket) -> None:
        await connection.accept()
        await connection.close()

    @app.exception_handler(Exception)
    async def unexpected(request: Request, exc: Exception) -> Response:
        return problem_of(exc).response()

    settings = Settings(**chosen)
    add_guards(app, settings, open_callers(settings), Metrics(), body_within_s=body_within_s)
    return app


@contextmanager
def serving(**chosen: Any) -> Iterator[int]:
    with listening(lambda: guarded(**chosen)) as url:
        yield urlsplit(url).port or 0


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A server with a limit of 10 kB a body, open to one site, that has one name."""
    with serving(max_body_bytes=10_000, allowed_hosts=("otvet.example.org",), cors_origins=(SITE,)) as port:
        yield port


class Reply:
    """A response, read until the server closes or the body is whole."""

    def __init__(self, connection: socket.socket) -> None:
        response = http.client.HTTPResponse(connection)
        response.begin()
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.body)


def raw(port: int, *parts: bytes) -> Reply:
    """What these bytes are answered with."""
    with socket.create_connection(("127.0.0.1", port), timeout=WAIT_S) as connection:
        for part in parts:
            connection.sendall(part)
        return Reply(connection)


def ask(port: int, path: str = "/health", *, method: str = "GET", body: bytes | None = None, **headers: str) -> Reply:
    told = {"Host": "localhost", **{name.replace("_", "-"): value for name, value in headers.items()}}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in told.items())]
    lines += [f"Content-Length: {len(body)}"] if body is not None else []
    return raw(port, "\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b""))


def assert_is_guarded(reply: Reply, status: int, kind: str) -> None:
    """A refusal: a problem of this kind, with the headers of all that is answered and the id of the request."""
    assert reply.status == status
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json["type"] == f"urn:otvet:problem:{kind}"
    assert reply.headers["x-request-id"] == reply.json["request_id"] != ""
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["content-security-policy"] == DATA_POLICY
    assert reply.headers["cache-control"] == "no-store"


def test_a_page_whose_name_points_here_gets_nothing(port: int) -> None:
    for path in ("/health", "/answer", "/"):
        rebound = ask(port, path, Host=f"evil.example:{port}", Origin=f"http://evil.example:{port}")
        assert_is_guarded(rebound, 400, "unknown-host")
        assert "OTVET_ALLOWED_HOSTS" in rebound.json["detail"]


@pytest.mark.parametrize(
    "host", ["127.0.0.1:{port}", "localhost:{port}", "[::1]:{port}", "OTVET.example.org.", "192.0.2.1"]
)
def test_its_own_names_and_addresses_reach_it(port: int, host: str) -> None:
    assert ask(port, Host=host.format(port=port)).status == 200


@pytest.mark.parametrize(
    "request_head",
    [
        b"GET /health HTTP/1.1\r\n\r\n",
        b"GET /health HTTP/1.0\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost:\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: localhost\r\nhost: evil.example\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: localhost\r\n\r\n",
        b"GET http://localhost/health HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: \xd0\xb5vil\r\n\r\n",
    ],
)
def test_a_host_that_is_missing_doubled_or_wrong_is_refused(port: int, request_head: bytes) -> None:
    assert_is_guarded(raw(port, request_head), 400, "unknown-host")


def test_a_target_with_a_host_is_read_as_its_path(port: int) -> None:
    reply = raw(port, b"GET http://evil.example/answer HTTP/1.1\r\nHost: localhost\r\n\r\n")

    assert (reply.status, reply.json["path"]) == (200, "/answer")


@pytest.mark.parametrize(
    "target",
    ["//health", "/./health", "/x/../health", "/x/%2e%2e/health", "/%2fhealth", "/health%00", "/HEALTH", "/%ff", "*"],
)
def test_tricks_with_paths_reach_nothing_and_break_nothing(port: int, target: str) -> None:
    for host in ("localhost", "evil.example"):
        assert ask(port, target, Host=host).status in (400, 404)


def test_an_escaped_path_is_the_path_and_is_limited_like_it(port: int) -> None:
    assert ask(port, "/%61nswer", method="POST", body=b"0" * 10_001).status == 413


def test_a_path_does_not_pass_for_one_of_the_page(port: int) -> None:
    for path in ("/gradio_api/../answer", "/gradio_api/%2e%2e/answer", "/gradio_api/..%2fanswer"):
        assert ask(port, path, method="POST", body=b"0" * 10_001).status == 404


def test_a_websocket_for_another_host_is_refused(port: int) -> None:
    upgrade = (
        "GET /socket HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    assert raw(port, upgrade.format(host="evil.example").encode()).status == 400
    with socket.create_connection(("127.0.0.1", port), timeout=WAIT_S) as connection:
        connection.sendall(upgrade.format(host="localhost").encode())
        assert connection.recv(12) == b"HTTP/1.1 101"


def test_a_body_within_the_limit_arrives(port: int) -> None:
    assert ask(port, "/answer", method="POST", body=b"0" * 10_000).json["n_bytes"] == 10_000
    chunked = raw(port, post("Transfer-Encoding: chunked"), b"5\r\nabcde\r\n", b"1\r\nf\r\n0\r\n\r\n")
    assert chunked.json["n_bytes"] == 6


def test_a_body_that_says_that_it_is_too_long_is_refused_before_it_comes(port: int) -> None:
    reply = raw(port, post("Content-Length: 10001"))

    assert_is_guarded(reply, 413, "body-too-large")
    assert "OTVET_MAX_BODY_BYTES" in reply.json["detail"]
    assert reply.headers["connection"] == "close"


def test_who_waits_for_leave_to_send_is_told_no_at_once_or_to_go_on(port: int) -> None:
    assert raw(port, post("Content-Length: 10001", "Expect: 100-continue")).status == 413
    with socket.create_connection(("127.0.0.1", port), timeout=WAIT_S) as connection:
        connection.sendall(post("Content-Length: 3", "Expect: 100-continue"))
        assert connection.recv(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"abc")
        assert Reply(connection).json["n_bytes"] == 3


def test_chunks_are_counted(port: int) -> None:
    assert_is_guarded(raw(port, post("Transfer-Encoding: chunked"), b"2711\r\n" + b"0" * 10_001), 413, "body-too-large")


def test_a_large_body_that_is_sent_to_its_end_is_answered_too(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_S)
    try:
        connection.request("POST", "/answer", body=b"0" * 200_000, headers={"Host": "localhost"})
        assert connection.getresponse().status == 413
    finally:
        connection.close()


@pytest.mark.parametrize(
    "headers",
    [
        ("Content-Length: -1",),
        ("Content-Length: 1e1",),
        ("Content-Length:",),
        ("Content-Length: 3", "Content-Length: 4"),
        ("Content-Length: 3", "Transfer-Encoding: chunked"),
    ],
)
def test_lengths_that_cannot_be_are_refused(port: int, headers: tuple[str, ...]) -> None:
    assert raw(port, post(*headers), b"0" * 20).status == 400


def test_more_than_the_length_says_is_not_taken_for_the_body(port: int) -> None:
    reply = raw(port, post("Content-Length: 3", "Connection: close") + b"abcdef")

    assert (reply.status, reply.json["n_bytes"]) == (200, 3)


@pytest.mark.parametrize(
    "parts",
    [
        (b"Content-Length: 100\r\n\r\n", b"abc"),
        (b"Content-Length: 100\r\n\r\n",),
        (b"Transfer-Encoding: chunked\r\n\r\n", b"5\r\nab"),
        (b"Transfer-Encoding: chunked\r\n\r\n", b"5\r\nabcde\r\n"),
    ],
)
def test_a_body_that_does_not_come_is_not_waited_for(parts: tuple[bytes, ...]) -> None:
    with serving(body_within_s=0.2) as port:
        reply = raw(port, b"POST /answer HTTP/1.1\r\nHost: localhost\r\n" + parts[0], *parts[1:])

        assert_is_guarded(reply, 408, "body-too-slow")
        assert reply.headers["connection"] == "close"
        assert ask(port).status == 200


def test_many_that_never_send_their_body_keep_nobody_else_waiting(port: int) -> None:
    waiting = [socket.create_connection(("127.0.0.1", port), timeout=WAIT_S) for _ in range(100)]
    try:
        for connection in waiting:
            connection.sendall(post("Content-Length: 100") + b"a")
        assert ask(port, "/answer", method="POST", body=b"abc").json["n_bytes"] == 3
    finally:
        for connection in waiting:
            connection.close()


def test_no_site_is_let_in_by_itself() -> None:
    client = TestClient(guarded(), base_url="http://localhost")

    for reply in (
        client.get("/health", headers={"Origin": SITE}),
        client.options("/answer", headers={"Origin": SITE, "Access-Control-Request-Method": "POST"}),
        client.post("/answer", headers={"Origin": SITE}),
    ):
        assert not [name for name in reply.headers if name.startswith("access-control-")]
        assert "vary" not in reply.headers


def preflight(
    port: int, origin: str = SITE, method: str = "POST", headers: str = "authorization, content-type"
) -> Reply:
    asked = {"Access_Control_Request_Method": method, "Access_Control_Request_Headers": headers}
    return ask(port, "/answer", method="OPTIONS", Origin=origin, **asked)


def test_a_site_that_is_let_in_may_ask_with_a_token_and_without_cookies(port: int) -> None:
    allowed = preflight(port)
    assert allowed.status == 200
    assert allowed.headers["access-control-allow-origin"] == SITE
    assert allowed.headers["access-control-allow-methods"] == "GET, POST"
    assert allowed.headers["access-control-allow-headers"] == "authorization, content-type"  # what was asked for

    asked = ask(port, "/answer", method="POST", body=b"{}", Origin=SITE, Sec_Fetch_Site="cross-site")
    assert asked.status == 200
    assert asked.headers["access-control-allow-origin"] == SITE
    assert asked.headers["access-control-expose-headers"] == "X-Request-ID, Retry-After"
    assert "Origin" in asked.headers["vary"]
    assert "access-control-allow-credentials" not in {**allowed.headers, **asked.headers}


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://news.example.org", f"{SITE}.evil.example", f"{SITE}:444", "null"]
)
def test_other_sites_are_not_let_in(port: int, origin: str) -> None:
    for reply in (preflight(port, origin), ask(port, Origin=origin)):
        assert "access-control-allow-origin" not in reply.headers
    assert preflight(port, origin).status == 400


@pytest.mark.parametrize("method", ["DELETE", "PUT", "PATCH"])
def test_a_site_may_use_no_other_method(port: int, method: str) -> None:
    assert preflight(port, method=method).status == 400


def test_a_site_that_is_let_in_can_read_why_it_was_refused(port: int) -> None:
    refused = ask(port, "/answer", method="POST", body=b"0" * 10_001, Origin=SITE)

    assert (refused.status, refused.headers["access-control-allow-origin"]) == (413, SITE)


def test_what_nobody_foresaw_has_the_headers_and_the_id_too(port: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "uvicorn.error")
    reply = ask(port, "/fails", Origin=SITE, X_Request_ID="my-id")

    assert_is_guarded(reply, 500, "internal-error")
    assert reply.json["request_id"] == "my-id"
    assert reply.headers["access-control-allow-origin"] == SITE


def test_a_stream_is_passed_on(port: int) -> None:
    reply = ask(port, "/answer/stream", method="POST", body=b"{}")

    assert (reply.status, reply.body) == (200, b"data: 1\n\ndata: 2\n\n")
    assert reply.headers["content-security-policy"] == DATA_POLICY


def test_a_caller_on_this_machine_has_no_limit_and_one_by_a_proxy_has() -> None:
    with serving(rate_limit=2) as port:
        assert [ask(port, "/answer").status for _ in range(5)] == [200] * 5
        proxied = [ask(port, "/answer", X_Forwarded_For="192.0.2.7") for _ in range(3)]
        assert [reply.status for reply in proxied] == [200, 200, 429]
        assert proxied[0].json["client"] == "192.0.2.7"
        assert_is_guarded(proxied[2], 429, "rate-limited")
        assert 1 <= int(proxied[2].headers["retry-after"]) <= 30
        assert ask(port, "/answer", X_Forwarded_For="192.0.2.8").status == 200
        assert ask(port, "/health", X_Forwarded_For="192.0.2.7").status == 200


@pytest.mark.parametrize("claims", [["127.0.0.1"] * 3, ["::1"] * 3, ["a", "a", "a"], ["127.0.0.1, 127.0.0.1"] * 3])
def test_nobody_gets_out_of_the_limit_by_claiming_to_be_here(claims: list[str]) -> None:
    with serving(rate_limit=2) as port:
        assert [ask(port, "/answer", X_Forwarded_For=claim).status for claim in claims] == [200, 200, 429]


def test_what_a_client_says_of_itself_before_the_proxy_does_is_not_believed() -> None:
    with serving(rate_limit=2) as port:
        # A proxy adds the address that it sees to what came; the last one that is no proxy of ours counts.
        claims = [f"10.0.0.{n}, 192.0.2.7" for n in range(3)]
        assert [ask(port, "/answer", X_Forwarded_For=claim).status for claim in claims] == [200, 200, 429]


def test_behind_a_login_each_user_has_a_limit_and_browsers_may_ask_beforehand(tmp_path: Path) -> None:
    users = Users(tmp_path / "users.json")
    for name in ("anna", "boris"):
        users.add(name, PASSWORD)
    with serving(rate_limit=2, users=tmp_path / "users.json", cors_origins=(SITE,)) as port:
        assert preflight(port).status == 200
        assert ask(port, "/answer", Origin=SITE).status == 401
        assert [ask(port, "/answer", Authorization=basic("anna")).status for _ in range(3)] == [200, 200, 429]
        assert ask(port, "/answer", Authorization=basic("boris")).status == 200
        assert_is_guarded(ask(port, "/answer", method="POST", body=b"0" * 1_000_001), 413, "body-too-large")


def test_a_limit_of_zero_is_none() -> None:
    client = TestClient(guarded(rate_limit=0), base_url="http://localhost", client=("192.0.2.1", 1))

    assert {client.get("/answer").status_code for _ in range(400)} == {200}


@pytest.mark.parametrize(
    "site", ["news.example.org", "https://", "https://a.example/path", "ftp://a.example", "null", "*", ""]
)
def test_a_setting_that_is_no_site_is_refused_when_the_server_starts(site: str) -> None:
    with pytest.raises(SettingsError, match="OTVET_CORS_ORIGINS") as told:
        guarded(cors_origins=(site,))

    assert repr(site) in str(told.value)


def test_a_name_that_is_none_is_refused_when_the_server_starts() -> None:
    with pytest.raises(SettingsError, match="OTVET_ALLOWED_HOSTS"):
        guarded(allowed_hosts=("https://otvet.example.org",))


def test_sites_are_those_that_browsers_name() -> None:
    assert site_origins(["https://News.example/", "http://[::1]:80"]) == ("https://news.example", "http://[::1]:80")


def post(*headers: str) -> bytes:
    return "\r\n".join(["POST /answer HTTP/1.1", "Host: localhost", *headers, "", ""]).encode()


def basic(name: str) -> str:
    return f"Basic {b64encode(f'{name}:{PASSWORD}'.encode()).decode()}"


@pytest.fixture(scope="module")
def real_app(sample_engine: Engine) -> FastAPI:
    return app_over(sample_engine)


def test_every_route_of_ours_is_counted_or_named_as_free(real_app: FastAPI) -> None:
    paths = set(real_app.openapi()["paths"])

    assert {"/answer", "/health"} <= paths
    assert {path for path in paths if not is_counted(path)} <= {"/health", "/ready", "/metrics"}


def test_the_page_frames_articles_and_nobody_frames_either(real_app: FastAPI) -> None:
    client = TestClient(real_app)
    article_id = client.get("/articles").json()["articles"][0]["article_id"]

    page, article = client.get("/"), client.get(f"/read/{article_id}")

    assert page.headers["content-security-policy"] == PAGE_POLICY
    assert article.headers["content-security-policy"].startswith("default-src 'none'")
    assert {reply.headers["x-frame-options"] for reply in (page, article)} == {"SAMEORIGIN"}
    assert client.get("/docs").headers["content-security-policy"] == PAGE_POLICY


def test_the_real_application_is_guarded(real_app: FastAPI) -> None:
    client = TestClient(real_app)

    for path in ("/", "/answer", "/gradio_api/info", "/docs"):
        refused = client.get(path, headers={"Host": "evil.example"})
        assert refused.status_code == 400
        assert refused.headers["x-request-id"] == refused.json()["request_id"]
    too_long = client.post("/answer", content=b"0" * 1_000_001)
    assert too_long.status_code == 413
