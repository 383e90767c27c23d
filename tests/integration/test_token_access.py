"""Tokens before the real application: which route takes which, and what wrong ones are told."""

import asyncio
import base64
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.responses import PlainTextResponse
from starlette.testclient import TestClient

from apps import app_over
from index.errors import TokensError
from qa.engine import Engine
from ui.callers import open_callers
from ui.login import add_login
from ui.scopes import ASK_AND_READ, NOTHING, Scope, needed_scope
from ui.sessions import COOKIE
from ui.settings import Settings
from ui.tokens import Tokens
from ui.users import Users

ASK, READ, ADMIN = (frozenset({scope}) for scope in (Scope.ASK, Scope.READ, Scope.ADMIN))
HELD = {"ask": ASK, "read": READ, "admin": ADMIN, "both": ASK_AND_READ}
QUESTION = {"question": "What did Maduro ask Iran for?"}
NUMBERS = count()
BROWSER = {"accept": "text/html"}
WRONG_TOKENS = [
    b"",
    b" ",
    b"otvet_",
    b"otvet_" + b"A" * 43,
    b"bot",
    "ключ".encode(),
    b"\xff\xfe\x80",
    b"a" * 60_000,
    b"null",
    b"None",
]


@dataclass
class Place:
    """The application with tokens; `given` are these by name."""

    app: FastAPI
    tokens: Tokens
    given: dict[str, str]

    def client(self, name: str | None = None, **headers: str) -> TestClient:
        """One that sends the token of this name, from an address of its own."""
        own = {"authorization": f"Bearer {self.given[name]}"} if name else {}
        address = (f"client {next(NUMBERS)}", 1)
        return TestClient(self.app, follow_redirects=False, client=address, headers={**own, **headers})


@pytest.fixture(scope="module")
def kept_place(sample_engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("tokens")
    tokens = Tokens(folder / "tokens.json")
    given = {name: tokens.add(name, scopes) for name, scopes in HELD.items()}
    app = app_over(sample_engine, Settings(api_tokens=tokens.path, data_dir=folder / "data"))
    return Place(app, tokens, given)


@pytest.fixture
def place(kept_place: Place) -> Iterator[Place]:
    """What a test does to the tokens is undone after it."""
    before = kept_place.tokens.path.read_bytes()
    yield kept_place
    kept_place.tokens.path.write_bytes(before)


def bearer(token: str | bytes, scheme: bytes = b"Bearer") -> Any:
    """A header with bytes as they are; clients take it, but say so to no type checker."""
    return {"authorization": scheme + b" " + (token if isinstance(token, bytes) else token.encode())}


# --- every route

EXPECTED: dict[str, frozenset[Scope]] = {
    "/answer": ASK,
    "/answer/stream": ASK,
    "/v1/chat/completions": ASK,
    "/v1/models": ASK,
    "/v1/models/{model}": ASK,
    "/search": READ,
    "/articles": READ,
    "/articles/{article_id}": READ,
    "/read/{article_id}": READ,
    "/index": READ,
    "/metrics": READ,
    "/docs": READ,
    "/docs/oauth2-redirect": READ,
    "/openapi.json": READ,
    "/static-offline-docs": READ,
    "/index/rebuild": ADMIN,
    "/mcp": ASK_AND_READ,
    "/mcp/": ASK_AND_READ,
    "": ASK_AND_READ,  # where the page is mounted
}
OPEN = {
    ("GET", "/health"),
    ("GET", "/ready"),
    ("GET", "/login"),
    ("HEAD", "/login"),
    ("POST", "/login"),
    ("POST", "/logout"),
}


def own_routes(routes: Any) -> Iterator[tuple[str, str]]:
    """Method and path of all routes of the application itself, but those that only say 404 or 405 (ui/openapi.py)."""
    for route in routes:
        if getattr(route, "name", "") == "refuse":
            continue
        if hasattr(inner := getattr(route, "original_router", None), "routes"):
            yield from own_routes(inner.routes)
            continue
        for method in sorted(getattr(route, "methods", None) or {"GET"}):
            yield method, route.path


def test_every_route_needs_what_is_written_down_here(place: Place) -> None:
    """A new route fails here until somebody has said what it needs."""
    routes = set(own_routes(place.app.routes))
    assert {("POST", "/answer"), ("DELETE", "/index/rebuild"), ("GET", "/docs"), ("GET", "")} <= routes
    by_path = {path: needed_scope(method, path) for method, path in routes if (method, path) not in OPEN}
    assert by_path == {path: EXPECTED.get(path, "say in EXPECTED what this needs") for path in by_path}
    assert {needed_scope(*one) for one in OPEN} == {NOTHING}


def test_nothing_but_what_is_open_answers_without_a_token(place: Place) -> None:
    for method, path in sorted(set(own_routes(place.app.routes)) - OPEN):
        reply = place.client().request(method, path.replace("{", "").replace("}", "") or "/")
        assert reply.status_code == 401, (method, path)


# --- some routes, every token

ASKED: list[tuple[str, str, Any, frozenset[Scope]]] = [
    ("POST", "/answer", QUESTION, ASK),
    ("POST", "/search", {"query": "Maduro"}, READ),
    ("GET", "/articles", None, READ),
    ("GET", "/index", None, READ),
    ("GET", "/docs", None, READ),
    ("GET", "/openapi.json", None, READ),
    ("GET", "/", None, ASK_AND_READ),
    ("GET", "/config", None, ASK_AND_READ),
    ("GET", "/theme.css", None, ASK_AND_READ),
    ("DELETE", "/index/rebuild", None, ADMIN),
]


@pytest.mark.parametrize(("method", "path", "body", "needed"), ASKED, ids=[f"{m} {p}" for m, p, *_ in ASKED])
def test_a_token_opens_what_its_scopes_say_and_nothing_else(
    place: Place, method: str, path: str, body: Any, needed: frozenset[Scope]
) -> None:
    for name, scopes in HELD.items():
        reply = place.client(name).request(method, path, json=body)
        if needed <= scopes:
            assert reply.status_code in (200, 409), (name, reply.text)  # 409: there is nothing to cancel
            continue
        assert reply.status_code == 403, name
        detail = reply.json()["detail"]
        assert f"this needs the scope {' and '.join(sorted(needed))}; 'token:{name}' has " in detail
        assert detail.endswith(" and ".join(sorted(scopes)))


@pytest.mark.parametrize(("method", "path", "body", "needed"), ASKED, ids=[f"{m} {p}" for m, p, *_ in ASKED])
def test_no_token_and_wrong_ones_open_nothing(
    place: Place, method: str, path: str, body: Any, needed: frozenset[Scope]
) -> None:
    for headers in ({}, bearer(b"otvet_" + b"A" * 43)):
        reply = place.client().request(method, path, json=body, headers=headers)
        assert reply.status_code == 401
        is_page = path in ("/", "/config", "/theme.css")
        assert reply.headers.get("www-authenticate") == (None if is_page else "Bearer")
        assert "Authorization" in reply.json()["detail"]


def test_odd_paths_open_no_more(place: Place) -> None:
    for path in (
        "//index/rebuild",
        "/answer/%2e%2e/index/rebuild",
        "/index//rebuild",
        "/index/rebuild/",
        "/%2e/index/rebuild",
        "/index/rebuild%2f",
        "/index%2frebuild",
    ):
        for name in ("ask", "read", "both"):
            reply = place.client(name).post(f"http://testserver{path}")
            assert reply.status_code == 403, (path, name, reply.status_code)
    for path in ("//articles", "/gradio_api/file/x/%2e%2e/%2e%2e/%2e%2e/answer", "/x/%2e%2e/articles", "//"):
        for name in ("ask", "read", "admin"):
            assert place.client(name).get(f"http://testserver{path}").status_code == 403, (path, name)


# --- forms of the header


@pytest.mark.parametrize("scheme", [b"Bearer", b"bearer", b"BEARER", b"beArer", b"Bearer ", b"Bearer  "])
def test_the_scheme_is_read_in_any_case(place: Place, scheme: bytes) -> None:
    assert place.client().get("/index", headers=bearer(place.given["read"], scheme)).status_code == 200


@pytest.mark.parametrize("token", WRONG_TOKENS, ids=lambda token: repr(token)[:20])
def test_wrong_tokens_are_told(place: Place, token: bytes) -> None:
    reply = place.client().get("/index", headers=bearer(token))
    assert reply.status_code == 401
    assert reply.headers["www-authenticate"] == "Bearer"
    for word in ("the token is wrong", "otvet tokens add"):
        assert word in reply.json()["detail"]


@pytest.mark.parametrize(
    "form", ["{}", "Token {}", "Bearer{}", "Bearer:{}", "Digest {}", "Bearer {}, Bearer x", "Bearer x {}"]
)
def test_other_forms_are_none(place: Place, form: str) -> None:
    client = place.client()
    given = form.format(place.given["read"])
    assert client.get("/index", headers={"authorization": given}).status_code == 401
    assert client.get("/index", params={"token": place.given["read"]}).status_code == 401


def test_basic_takes_a_token_with_its_name(place: Place) -> None:
    for name, status in (("read", 200), ("READ", 200), ("admin", 401), ("token:read", 401), ("", 401)):
        reply = place.client().get("/index", auth=(name, place.given["read"]))
        assert reply.status_code == status, name


# --- while the server runs


def test_a_token_is_taken_as_soon_as_it_is_made_and_refused_as_soon_as_it_is_removed(place: Place) -> None:
    token = place.tokens.add("новый", READ)
    client = place.client()
    assert client.get("/index", headers=bearer(token)).status_code == 200
    assert client.get("/index", auth=("новый".encode(), token.encode())).status_code == 200
    place.tokens.remove("новый")
    assert client.get("/index", headers=bearer(token)).status_code == 401
    assert place.client().get("/index", auth=("новый".encode(), token.encode())).status_code == 401
    place.tokens.add("новый", READ)  # another one of that name
    assert client.get("/index", headers=bearer(token)).status_code == 401


def test_a_broken_file_lets_nobody_in_until_it_is_mended(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    sound = place.tokens.path.read_bytes()
    with caplog.at_level(logging.ERROR):
        place.tokens.path.write_text("{")
        assert [place.client("read").get("/index").status_code for _ in range(2)] == [401, 401]
        assert place.client().get("/health").status_code == 200
    assert [record.name for record in caplog.records] == ["ui.entries"]
    place.tokens.path.write_bytes(sound)
    assert place.client("read").get("/index").status_code == 200


def test_a_server_without_its_file_does_not_start(sample_engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(TokensError, match="none.json.*otvet tokens add NAME"):
        app_over(sample_engine, Settings(api_tokens=tmp_path / "none.json"))


# --- the page


def log_in(client: TestClient, name: str, password: str) -> Any:
    return client.post("/login", data={"name": name, "password": password, "next": "/docs"})


def test_one_logs_in_by_the_name_of_a_token_and_the_token(place: Place) -> None:
    token = place.tokens.add("Бот", ASK_AND_READ)
    client = place.client(**BROWSER)
    assert client.get("/").headers["location"] == "/login"
    form = client.get("/login").text
    assert "With a token: its name, and the token as the password." in form
    assert "С\u00a0токеном" in client.get("/login", headers={"accept-language": "ru"}).text
    for name, password in (("Бот", place.given["both"]), ("both", token), ("Бот", ""), ("token:Бот", token)):
        assert log_in(place.client(**BROWSER), name, password).status_code in (401, 429), name
    entered = log_in(client, "бот", token)
    assert (entered.status_code, entered.headers["location"]) == (303, "/docs")
    assert token not in str(base64.b64decode(client.cookies[COOKIE].split(".")[0] + "=="))
    assert client.get("/").status_code == 200
    assert client.get("/config").json()["username"] == "token:Бот"
    assert client.post("/answer", json=QUESTION).json()["kind"] == "answer"
    assert client.post("/index/rebuild").status_code == 403
    place.tokens.remove("Бот")
    assert client.get("/").status_code == 303
    place.tokens.add("Бот", ASK_AND_READ)
    assert client.get("/").status_code == 303


def test_a_token_that_may_do_less_sees_no_page(place: Place) -> None:
    client = place.client(**BROWSER)
    assert log_in(client, "ask", place.given["ask"]).status_code == 303
    assert client.get("/").status_code == 403
    assert client.post("/answer", json=QUESTION).status_code == 200


def test_a_right_token_counts_before_a_session_and_a_wrong_one_after_it(place: Place) -> None:
    client = place.client()
    log_in(client, "both", place.given["both"])
    assert client.delete("/index/rebuild").status_code == 403
    assert client.delete("/index/rebuild", headers=bearer(place.given["admin"])).status_code == 409
    assert client.get("/index", headers=bearer("a-wrong-one")).status_code == 200
    assert client.get("/index", headers=bearer(place.given["ask"])).status_code == 403


def test_a_token_is_not_the_user_of_its_name(sample_engine: Engine, tmp_path: Path) -> None:
    users, tokens = Users(tmp_path / "users.json"), Tokens(tmp_path / "tokens.json")
    users.add("anna", "correct horse", is_admin=True)
    token = tokens.add("anna", ASK_AND_READ)
    app = app_over(sample_engine, Settings(users=users.path, api_tokens=tokens.path, data_dir=tmp_path / "data"))
    by_token, by_password = TestClient(app), TestClient(app)
    log_in(by_token, "anna", token)
    log_in(by_password, "anna", "correct horse")
    assert [client.get("/config").json()["username"] for client in (by_token, by_password)] == ["token:anna", "anna"]
    assert [client.delete("/index/rebuild").status_code for client in (by_token, by_password)] == [403, 409]
    users.remove("anna")
    assert [client.get("/config").status_code for client in (by_token, by_password)] == [200, 401]


# --- many wrong ones


class Clock:
    """Stands still until it is moved."""

    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def test_wrong_tokens_slow_down_who_sends_them_and_nobody_who_sends_a_right_one(tmp_path: Path) -> None:
    tokens, clock = Tokens(tmp_path / "tokens.json"), Clock()
    token = tokens.add("bot", ASK_AND_READ)
    app, settings = FastAPI(), Settings(api_tokens=tokens.path, data_dir=tmp_path / "data")
    app.get("/index")(lambda: PlainTextResponse("in"))
    add_login(app, settings, open_callers(settings), clock=clock)

    def ask(given: str, address: str = "10.0.0.1") -> tuple[int, str | None]:
        reply = TestClient(app, client=(address, 1)).get("/index", headers=bearer(given))
        return reply.status_code, reply.headers.get("retry-after")

    assert [ask("wrong") for _ in range(5)] == [(401, None)] * 3 + [(429, "1")] * 2
    assert ask(token) == (200, None)
    assert ask("wrong", "10.0.0.2") == (401, None)
    clock.now += 1
    assert [ask("wrong"), ask("wrong")] == [(401, None), (429, "2")]
    assert log_in(TestClient(app, client=("10.0.0.1", 1), follow_redirects=False), "bot", token).status_code == 303


def test_logins_that_failed_do_not_keep_a_right_token_out(place: Place) -> None:
    client = TestClient(place.app, client=("10.0.0.9", 1), follow_redirects=False)
    assert [log_in(client, "ask", "a wrong one").status_code for _ in range(4)] == [401, 401, 401, 429]
    assert client.get("/index", headers=bearer(place.given["read"])).status_code == 200
    assert log_in(client, "ask", place.given["ask"]).status_code == 303


def test_no_log_and_no_reply_tells_a_token(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    client = TestClient(place.app, client=("10.0.0.10", 1))
    almost = place.given["read"][:-1]
    with caplog.at_level(logging.DEBUG):
        reply = client.get("/index", headers=bearer(almost))
        client.get("/index", headers=bearer(place.given["read"]))
    assert almost not in reply.text
    own = [record.getMessage() for record in caplog.records if record.name.startswith("ui.")]
    assert not [line for line in own if almost in line]
    assert "a wrong token was sent, from '10.0.0.10'" in own


def test_a_websocket_needs_the_scopes_of_the_page(place: Place) -> None:
    """Gradio has none; driven by hand."""
    sent: list[Any] = []

    async def connect(token: str) -> None:
        async def receive() -> Any:
            return {"type": "websocket.connect"}

        async def send(message: Any) -> None:
            sent.append(message)

        headers = [(b"authorization", f"Bearer {token}".encode()), (b"host", b"testserver")]
        scope = {
            "type": "websocket",
            "path": "/socket",
            "raw_path": b"/socket",
            "query_string": b"",
            "headers": headers,
        }
        await place.app({**scope, "scheme": "ws", "client": ("a", 1), "subprotocols": []}, receive, send)

    asyncio.run(connect(place.given["ask"]))
    assert [(message["type"], message["code"]) for message in sent] == [("websocket.close", 1008)]
