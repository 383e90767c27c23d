"""The login, before real routes and a real Gradio page."""

import asyncio
import base64
import json
import logging
import re
import stat
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import gradio as gr
import httpx
import pytest
from argon2 import PasswordHasher
from fastapi import FastAPI, Request, WebSocket
from fastapi.responses import StreamingResponse
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from apps import app_over
from index.errors import SettingsError, UsersError
from qa.engine import Engine
from ui.callers import Callers, open_callers
from ui.gate import local_path
from ui.login import add_login
from ui.scopes import current_caller
from ui.sessions import COOKIE, KEY_FILE, session_key
from ui.settings import Settings, load_settings
from ui.throttle import Throttle
from ui.users import Users

PASSWORD = "correct horse"
OTHER_PASSWORD = "пароль: с двоеточием"
BROWSER = {"accept": "text/html,application/xhtml+xml"}
START = 1_800_000_000.0


@pytest.fixture(scope="session")
def made_users() -> str:
    """A file of two users, with hashes that are verified fast."""
    cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    users = [
        {"name": "Анна", "is_admin": True, "password": cheap.hash(PASSWORD)},
        {"name": "boris", "is_admin": False, "password": cheap.hash(OTHER_PASSWORD)},
    ]
    return json.dumps({"version": 1, "users": users}, ensure_ascii=False)


@dataclass
class Place:
    """Settings with a file of users, and a clock that stands still until it is moved."""

    settings: Settings
    users: Users
    now: float = START

    def clock(self) -> float:
        return self.now

    def client(self, *, base_url: str = "http://testserver", page: bool = False) -> TestClient:
        """A browser of its own before a server that has just started."""
        return TestClient(
            app_of(self, page=page), base_url=base_url, follow_redirects=False, client=("127.0.0.1", 1), headers=BROWSER
        )


@pytest.fixture
def place(tmp_path: Path, made_users: str) -> Place:
    path = tmp_path / "users.json"
    path.write_text(made_users, encoding="utf-8")
    return Place(Settings(users=path, data_dir=tmp_path / "data", session_hours=2), Users(path))


@pytest.fixture
def client(place: Place) -> TestClient:
    return place.client()


def app_of(place: Place, *, page: bool = False) -> FastAPI:
    """Routes as Otvet has them, the login, and a page of Gradio mounted at "/" (which takes a second) if asked for."""

    async def make() -> (
        FastAPI
    ):  # made inside an event loop: outside of one, Gradio makes loops and does not close them
        app = FastAPI()

        @app.get("/health")
        @app.get("/ready")
        def health() -> dict[str, str]:
            return {"status": "ok"}

        @app.get("/who")
        @app.post("/who")
        def who(request: Request) -> dict[str, Any]:
            user = current_caller(request)
            return {"name": user.name, "is_admin": user.is_admin} if user else {}

        @app.get("/stream")
        async def stream() -> StreamingResponse:
            async def parts() -> AsyncIterator[bytes]:
                yield b"data: first\n\n"
                await asyncio.sleep(0.05)
                yield b"data: second\n\n"

            return StreamingResponse(parts(), media_type="text/event-stream")

        @app.post("/index/rebuild")
        @app.delete("/index/rebuild")
        def rebuild() -> dict[str, str]:
            return {"rebuilt": "yes"}

        @app.websocket("/socket")
        async def socket(websocket: WebSocket) -> None:
            user = current_caller(websocket)
            await websocket.accept()
            await websocket.send_text(user.name if user else "nobody")
            await websocket.close()

        add_login(app, place.settings, open_callers(place.settings), clock=place.clock)
        if page:
            mount_page(app)
        return app

    return asyncio.run(make())


def mount_page(app: FastAPI) -> None:
    with gr.Blocks(analytics_enabled=False) as page:
        gr.Button("who").click(name_of, None, gr.Textbox(), api_name="name")
    gr.mount_gradio_app(app, page, path="/", ssr_mode=False, auth_dependency=lambda request: user_name(request) or None)


def name_of(request: gr.Request) -> str:
    return str(request.username)


def user_name(request: Request) -> str:
    user = current_caller(request)
    return user.name if user else ""


def log_in(client: TestClient, name: str = "Анна", password: str = PASSWORD, **other: Any) -> httpx.Response:
    fields = {"name": name, "password": password, "next": "/who"}
    return client.post("/login", data={**fields, **other.pop("fields", {})}, **other)


def basic(name: str, password: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


def is_in(client: TestClient) -> bool:
    response = client.get("/who")
    assert response.status_code in (200, 303)
    return response.status_code == 200


class _Alerts(HTMLParser):
    """Collects what is in elements with role=alert, and the fields of the form."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.alert, self.tags, self._inside = "", list[tuple[str, dict[str, str | None]]](), False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = dict(attrs).get("role") == "alert"

    def handle_endtag(self, tag: str) -> None:
        self._inside = False

    def handle_data(self, data: str) -> None:
        self.alert += data if self._inside else ""

    def field(self, name: str) -> dict[str, str | None]:
        [attributes] = [attributes for tag, attributes in self.tags if tag == "input" and attributes["name"] == name]
        return attributes


def test_without_the_setting_nothing_is_asked(tmp_path: Path) -> None:
    app = FastAPI()
    app.get("/who")(lambda: {"in": True})
    before = list(app.routes)
    add_login(app, Settings(data_dir=tmp_path / "data"), Callers())
    assert app.routes == before
    assert TestClient(app).get("/who").status_code == 200
    assert not (tmp_path / "data").exists()


def test_the_right_password_lets_in_and_logout_out(client: TestClient) -> None:
    assert not is_in(client)
    entered = log_in(client)
    assert (entered.status_code, entered.headers["location"]) == (303, "/who")
    assert client.get("/who").json() == {"name": "Анна", "is_admin": True}
    assert client.get("/login", params={"next": "/docs"}).headers["location"] == "/docs"
    left = client.post("/logout")
    assert (left.status_code, left.headers["location"]) == (303, "/login")
    assert not is_in(client)
    assert client.post("/logout").status_code == 303


@pytest.mark.parametrize(
    ("name", "password"), [("Анна", OTHER_PASSWORD), ("Vera", PASSWORD), ("", ""), ("a" * 9000, "b"), ("\0", "\0")]
)
def test_anything_else_does_not(client: TestClient, name: str, password: str) -> None:
    response = log_in(client, name, password)
    assert response.status_code == 401
    assert "Wrong name or password" in _Alerts(response.text).alert
    assert "set-cookie" not in response.headers
    assert not is_in(client)


@pytest.mark.parametrize("body", ["", "x", "&" * 50, "name=%FF&password=%FF", "{}"])
def test_odd_forms_are_wrong(client: TestClient, body: str) -> None:
    assert client.post("/login", content=body).status_code == 401
    assert client.post("/login", content="name=" + "x" * 20_000).status_code == 413


@pytest.mark.parametrize("page", [True, False])
def test_everything_but_login_and_health_is_closed(place: Place, page: bool) -> None:
    client = place.client(page=page)
    for path in ["/health", "/ready", "/login"]:
        assert client.get(path).status_code == 200
    assert client.head("/login").status_code == 200
    closed = [
        "/",
        "/who",
        "/docs",
        "/openapi.json",
        "/config",
        "/gradio_api/info",
        "/gradio_api/heartbeat/x",
        "/theme.css",
    ]
    closed += [
        "/login/",
        "/health/",
        "/LOGIN",
        "/logout",
        "http://testserver//login",
        "/gradio_api/file=/etc/passwd",
        "/favicon.ico",
        "/nowhere",
    ]
    for path in closed:
        assert client.get(path).status_code == 303, path
        response = client.get(path, headers={"accept": "*/*"})
        assert response.status_code == 401, path
        assert "/login" in response.json()["detail"]
        is_told = path in ("/docs", "/openapi.json")
        assert response.headers.get("www-authenticate") == ("Bearer" if is_told else None), path
    for method, path in [
        ("HEAD", "/"),
        ("POST", "/who"),
        ("PUT", "/login"),
        ("POST", "/health"),
        ("HEAD", "/health"),
        ("OPTIONS", "/who"),
        ("POST", "/gradio_api/upload"),
        ("POST", "/gradio_api/queue/join"),
        ("POST", "/index/rebuild"),
    ]:
        assert client.request(method, path).status_code == 401, path


def test_the_page_works_for_who_is_in(place: Place) -> None:
    with place.client(page=True) as client:
        log_in(client)
        page = client.get("/")
        assert page.status_code == 200
        assert "gradio" in page.text
        asset = re.search(r'src="\.?(/assets/[^"]+\.js)"', page.text)
        assert asset is not None
        assert client.get(asset[1]).status_code == 200
        assert client.get("/config").status_code == 200
        event = client.post("/gradio_api/call/name", json={"data": []}).json()["event_id"]
        with client.stream("GET", f"/gradio_api/call/name/{event}") as streamed:
            assert "\\u0410\\u043d\\u043d\\u0430" in "".join(streamed.iter_text())


def test_the_real_application_is_closed_too(place: Place, sample_engine: Engine) -> None:
    client = TestClient(app_over(sample_engine, place.settings), follow_redirects=False)
    question = {"question": "What did Maduro ask Iran for?"}
    for path in ["/", "/articles", "/index", "/docs", "/config", "/read/0", "/static/img/logo.svg"]:
        assert client.get(path).status_code == 401, path
    for path in ["/answer", "/search", "/gradio_api/queue/join", "/gradio_api/upload"]:
        assert client.post(path, json=question).status_code == 401, path
    assert client.get("/ready").json()["n_articles"] == 12
    assert client.post("/answer", json=question, headers=basic("boris", OTHER_PASSWORD)).json()["kind"] == "answer"
    assert client.post("/index/rebuild", headers={"authorization": "Bearer a-wrong-token"}).status_code == 401
    assert client.post("/index/rebuild", headers=basic("boris", OTHER_PASSWORD)).status_code == 403
    assert log_in(client).status_code == 303
    assert client.get("/", headers=BROWSER).status_code == 200
    assert client.get("/articles").json()["n_articles"] == 12
    assert client.post("/answer", json=question).status_code == 200


def test_a_stream_stays_a_stream(place: Place) -> None:
    """Driven by hand, as TestClient collects a whole reply: the first part goes out before the second is made."""
    sent: list[Any] = []

    async def ask() -> None:
        messages = iter([{"type": "http.request", "body": b"", "more_body": False}])

        async def receive() -> Any:
            for message in messages:
                return message
            await asyncio.sleep(3600)

        async def send(message: Any) -> None:
            sent.append(message)

        credentials = basic("boris", OTHER_PASSWORD)["authorization"].encode()
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": "/stream",
            "raw_path": b"/stream",
            "query_string": b"",
            "root_path": "",
            "headers": [(b"authorization", credentials)],
            "client": ("127.0.0.1", 1),
            "server": ("testserver", 80),
        }
        await app(scope, receive, send)

    app = app_of(place)
    asyncio.run(ask())
    assert [message.get("body", b"")[:11] for message in sent] == [b"", b"data: first", b"data: secon", b""]


def test_a_websocket_needs_a_login_of_the_same_origin(client: TestClient) -> None:
    with pytest.raises(WebSocketDisconnect) as caught, client.websocket_connect("/socket"):
        pass
    assert caught.value.code == 1008
    log_in(client)
    with client.websocket_connect("/socket", headers={"origin": "http://testserver"}) as socket:
        assert socket.receive_text() == "Анна"
    with (
        pytest.raises(WebSocketDisconnect),
        client.websocket_connect("/socket", headers={"origin": "http://evil.example"}),
    ):
        pass


def test_a_browser_is_sent_to_the_login_and_back(client: TestClient) -> None:
    sent = client.get("/read/статья?start=1&end=2")
    assert sent.status_code == 303
    [next_path] = parse_qs(urlsplit(sent.headers["location"]).query)["next"]
    form = _Alerts(client.get(sent.headers["location"]).text)
    assert form.field("next")["value"] == next_path
    entered = log_in(client, fields={"next": next_path})
    assert entered.headers["location"] == "/read/%D1%81%D1%82%D0%B0%D1%82%D1%8C%D1%8F?start=1&end=2"


ELSEWHERE = [
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "https://evil.example/",
    "http:evil.example",
    "javascript:alert(1)",
    "/\t/evil.example",
    "/\n/evil.example",
    "\t//evil.example",
    " //evil.example",
    "evil.example",
    "",
    "/" + "a" * 5000,
]


@pytest.mark.parametrize("target", ELSEWHERE)
def test_the_login_leads_nowhere_else(client: TestClient, target: str) -> None:
    assert local_path(target) == "/"
    assert _Alerts(client.get("/login", params={"next": target}).text).field("next")["value"] == "/"
    cross = client.get("/login", params={"next": target}, headers={"sec-fetch-site": "cross-site"})
    assert 'url=/"' in cross.text
    assert log_in(client, fields={"next": target}).headers["location"] == "/"
    assert client.get("/login", params={"next": target}).headers["location"] == "/"


def test_a_path_that_looks_like_a_host_is_not_gone_to(client: TestClient) -> None:
    assert client.get("http://testserver//evil.example/").headers["location"] == "/login"


def test_the_cookie_is_kept_from_scripts_and_other_sites(place: Place) -> None:
    attributes = {part.strip().lower() for part in log_in(place.client()).headers["set-cookie"].split(";")[1:]}
    assert attributes == {"path=/", "max-age=7200", "httponly", "samesite=strict"}
    secure = log_in(place.client(base_url="https://testserver")).headers["set-cookie"]
    assert "; secure" in secure.lower()
    assert secure.startswith(COOKIE)
    for secret in [PASSWORD, "argon2"]:
        assert secret not in str(base64.b64decode(secure.split("=", 1)[1].split(".")[0]))


def test_a_cookie_that_was_tampered_with_is_none(client: TestClient) -> None:
    log_in(client)
    good = client.cookies[COOKIE]
    for bad in ["", "null", good[:-1], "A" + good, good.split(".")[0], "ÿ", f"{good}; {COOKIE}=x"]:
        client.cookies.clear()
        response = client.get("/who", headers={"cookie": f"{COOKIE}={bad}".encode("latin-1")})
        assert response.status_code == 303, bad


def test_a_session_ends_at_its_time_however_much_it_is_used(place: Place, client: TestClient) -> None:
    log_in(client)
    for share in [0.25, 0.5, 0.75, 0.999]:
        place.now = START + share * 7200
        assert is_in(client)
    place.now = START + 7200
    assert not is_in(client)
    assert client.get("/who", headers={"accept": "*/*"}).status_code == 401
    log_in(client)
    assert is_in(client)


def test_a_restart_keeps_sessions_and_another_key_does_not(place: Place) -> None:
    client = place.client()
    log_in(client)
    again = place.client()
    again.cookies.set(COOKIE, client.cookies[COOKIE])
    assert is_in(again)
    (place.settings.data_dir / "session.key").unlink()
    third = place.client()
    third.cookies.set(COOKIE, client.cookies[COOKIE])
    assert not is_in(third)


def test_replicas_with_one_key_know_each_others_sessions(place: Place, tmp_path: Path) -> None:
    """As on two machines: each has a data directory of its own, and the files of users are the same."""

    def replica(name: str, key: str | None) -> TestClient:
        settings = Settings.model_validate(
            {"users": place.settings.users, "data_dir": tmp_path / name, "session_key": key}
        )
        return Place(settings, place.users).client()

    first, second, other, without = (
        replica(name, key) for name, key in [("a", "k" * 32), ("b", "k" * 32), ("c", "l" * 32), ("d", None)]
    )
    log_in(first)
    for client in (second, other, without):
        client.cookies.set(COOKIE, first.cookies[COOKIE])
    assert second.get("/who").json() == {"name": "Анна", "is_admin": True}
    assert [client.get("/who").status_code for client in (other, without)] == [303, 303]
    assert [(tmp_path / name / KEY_FILE).exists() for name in "abcd"] == [False, False, False, True]


@pytest.mark.parametrize("key", ["short", "k" * 31])
def test_a_key_that_is_too_short_is_told_and_not_repeated(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("OTVET_SESSION_KEY", key)
    with pytest.raises(SettingsError, match=r"'session_key' \(OTVET_SESSION_KEY\) is secret: .*at least 32") as raised:
        load_settings()
    assert key not in str(raised.value)


def test_the_key_is_private_and_made_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: session_key(tmp_path / "data"), range(16)))
    assert len(keys) == 1
    path = tmp_path / "data" / "session.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(bytes.fromhex(path.read_text())) == 32
    assert session_key(tmp_path / "other") not in keys


@pytest.mark.parametrize("content", [b"", b"short", b"\xff" * 64])
def test_a_broken_key_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "session.key").write_bytes(content)
    with pytest.raises(UsersError, match="session.key.*delete it"):
        session_key(tmp_path)


def test_a_removed_user_is_out_at_once(place: Place, client: TestClient) -> None:
    log_in(client, "boris", OTHER_PASSWORD)
    assert is_in(client)
    place.users.remove("boris")
    assert not is_in(client)
    place.users.add("boris", "another password")  # one of the same name is somebody else
    assert not is_in(client)


def test_a_changed_password_ends_sessions_elsewhere(place: Place, client: TestClient) -> None:
    log_in(client)
    headers = basic("Анна", PASSWORD)
    program = place.client()
    assert program.get("/who", headers=headers).status_code == 200
    place.users.add("Анна", "a new password")
    assert not is_in(client)
    assert program.get("/who", headers=headers).status_code == 401
    assert log_in(client, password="a new password").status_code == 303
    assert client.get("/who").json() == {"name": "Анна", "is_admin": True}


def test_a_demoted_administrator_is_none_with_the_next_request(place: Place, client: TestClient) -> None:
    log_in(client)
    text = place.users.path.read_text(encoding="utf-8")
    place.users.path.write_text(text.replace('"is_admin": true', '"is_admin": false'), encoding="utf-8")
    assert client.get("/who").json() == {"name": "Анна", "is_admin": False}


def test_a_broken_file_lets_nobody_in_until_it_is_mended(
    place: Place, client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    log_in(client)
    sound = place.users.path.read_text(encoding="utf-8")
    place.users.path.write_text("{")
    with caplog.at_level(logging.ERROR):
        assert not is_in(client)
        assert not is_in(client)
        assert log_in(client).status_code == 401
    assert [record.name for record in caplog.records] == ["ui.entries"]
    place.users.path.write_text(sound, encoding="utf-8")
    assert is_in(client)


@pytest.mark.parametrize("content", [None, "{"])
def test_a_server_without_a_sound_file_does_not_start(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "users.json"
    if content:
        path.write_text(content)
    with pytest.raises(UsersError, match="users add NAME") as caught:
        open_callers(Settings(users=path, data_dir=tmp_path / "data"))
    assert str(path) in str(caught.value)


def test_failures_slow_the_name_down_and_success_resets_it(place: Place) -> None:
    client = place.client()
    for _ in range(3):
        assert log_in(client, password="wrong password").status_code == 401
    for wait_s in [1, 2, 4]:
        for password in [PASSWORD, "wrong password", PASSWORD]:  # refused unseen, and not counted
            response = log_in(client, "АННА", password)
            assert (response.status_code, response.headers["retry-after"]) == (429, str(wait_s))
            assert f"again in {wait_s}\u00a0s" in _Alerts(response.text).alert
        place.now += wait_s
        assert log_in(client, password="wrong password").status_code == 401
    place.now += 7.5
    assert log_in(client).headers["retry-after"] == "1"
    place.now += 0.5
    assert log_in(client).status_code == 303
    assert is_in(client)


def test_failures_slow_the_address_down_whatever_the_names(place: Place) -> None:
    app = app_of(place)

    def at(address: str) -> TestClient:
        return TestClient(app, follow_redirects=False, client=(address, 1), headers=BROWSER)

    for name in ["a", "b", "c"]:
        assert log_in(at("2001:db8::1"), name).status_code == 401
    assert log_in(at("2001:db8::1")).status_code == 429
    assert log_in(at("2001:db8::2")).status_code == 429  # the same household
    assert log_in(at("2001:db8:0:1::1")).status_code == 303
    assert log_in(at("::ffff:10.0.0.1")).status_code == 303
    assert log_in(at("10.0.0.2"), "c").status_code == 401
    place.now += 1
    assert log_in(at("2001:db8::1")).status_code == 303


def test_success_resets_the_name(place: Place) -> None:
    app = app_of(place)

    def attempt(n: int, password: str) -> int:
        client = TestClient(app, follow_redirects=False, client=(f"10.0.0.{n}", 1))  # each from an address of its own
        return log_in(client, "boris", password).status_code

    for first in [0, 10]:
        assert [attempt(first + n, "wrong password") for n in range(2)] == [401, 401]
        assert attempt(first + 2, OTHER_PASSWORD) == 303
    assert [attempt(20 + n, "wrong password") for n in range(4)] == [401, 401, 401, 429]


def test_waits_double_up_to_five_minutes_and_failures_are_forgotten() -> None:
    now = [0.0]
    throttle = Throttle(lambda: now[0])
    waits = []
    for _ in range(14):
        throttle.failed("name a", "address b")
        waits.append(throttle.wait_s("name a"))
        now[0] += waits[-1]
    assert waits == [0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]
    throttle.failed("name a")
    throttle.forget("name a")
    assert throttle.wait_s("name a") == 0
    throttle.failed("address b")
    assert throttle.wait_s("name c", "address b") == 300
    now[0] += 3600
    throttle.failed("address b")
    assert throttle.wait_s("address b") == 0


def test_the_throttle_remembers_no_more_than_so_many() -> None:
    throttle = Throttle(lambda: 0.0)
    for n in range(10_050):
        for _ in range(3):
            throttle.failed(f"name {n}")
    assert throttle.wait_s("name 0") == 0
    assert throttle.wait_s("name 10049") == 1
    assert len(throttle._failures) == 10_000


def test_guesses_at_once_are_no_way_around(place: Place) -> None:
    app = app_of(place)

    def guess(n: int) -> int:
        return log_in(
            TestClient(app, follow_redirects=False, client=(f"10.0.0.{n}", 1)), password=f"guess {n}"
        ).status_code

    with ThreadPoolExecutor(12) as pool:
        statuses = sorted(pool.map(guess, range(12)))
    assert statuses == [401] * 3 + [429] * 9


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://["},
        {"origin": "http://testserver:8000"},
        {"origin": "http://testserver.evil.example"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site", "origin": "http://testserver"},
        {"sec-fetch-site": "cross-site", "origin": "http://testserver"},
    ],
)
def test_pages_of_other_sites_change_nothing(client: TestClient, headers: dict[str, str]) -> None:
    response = log_in(client, headers=headers)
    assert response.status_code == 403
    assert "another site" in response.json()["detail"]
    assert "set-cookie" not in response.headers
    log_in(client)
    for path in ["/logout", "/who", "/gradio_api/upload"]:
        assert client.post(path, headers=headers).status_code == 403
    assert is_in(client)


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://testserver"},
        {"sec-fetch-site": "same-origin", "origin": "https://behind.a.proxy"},
        {"sec-fetch-site": "none"},
    ],
)
def test_own_pages_do(client: TestClient, headers: dict[str, str]) -> None:
    assert log_in(client, headers=headers).status_code == 303
    assert client.post("/who", headers=headers).status_code == 200


def test_a_link_on_another_site_is_gone_on_with_from_here(client: TestClient) -> None:
    """The browser holds a strict cookie back from such a request, and sends it with the next one."""
    page = client.get("/login", params={"next": "/read/a?b=1&c=2"}, headers={"sec-fetch-site": "cross-site"})
    assert '<meta http-equiv="refresh" content="0; url=/read/a?b=1&amp;c=2">' in page.text
    assert "<form" not in page.text


def test_programs_send_name_and_password(place: Place) -> None:
    client = place.client()
    for name, password in [("АННА", PASSWORD), ("boris", OTHER_PASSWORD)]:
        response = client.get("/who", headers=basic(name, password))
        assert response.json()["name"] in ("Анна", "boris")
        assert "set-cookie" not in response.headers
    assert client.post("/who", headers=basic("boris", OTHER_PASSWORD)).json()["name"] == "boris"
    for header in ["Basic", "Basic x", "Basic ÿ", "Basic " + base64.b64encode(b"\xff:\xff").decode()]:
        response = client.get("/who", headers={"authorization": header.encode("latin-1")})
        assert response.status_code == 401
        assert "Authorization" in response.json()["detail"]


def test_programs_are_slowed_down_too(place: Place) -> None:
    client = place.client()
    for n in range(3):
        assert client.get("/who", headers=basic("boris", f"guess {n}")).status_code == 401
    slowed = client.get("/who", headers=basic("boris", OTHER_PASSWORD))
    assert (slowed.status_code, slowed.headers["retry-after"]) == (429, "1")
    assert "1 s" in slowed.json()["detail"]
    place.now += 1
    assert client.get("/who", headers=basic("boris", OTHER_PASSWORD)).status_code == 200


def test_a_verified_header_holds_for_a_minute(place: Place) -> None:
    """Told by the throttle: while it refuses all that is verified, what is remembered still gets in."""
    client = place.client()
    assert client.get("/who", headers=basic("boris", OTHER_PASSWORD)).status_code == 200
    for _ in range(3):
        client.get("/who", headers=basic("Анна", "a guess at it"))
    assert client.get("/who", headers=basic("Анна", PASSWORD)).status_code == 429
    assert client.get("/who", headers=basic("boris", OTHER_PASSWORD)).status_code == 200
    place.now += 60
    for n in range(6):
        client.get("/who", headers=basic(f"name {n}", PASSWORD))
    assert client.get("/who", headers=basic("boris", OTHER_PASSWORD)).status_code == 429


def test_programs_at_once_are_not_taken_for_guesses(place: Place) -> None:
    app = app_of(place)

    def ask(n: int) -> int:
        return TestClient(app).get("/who", headers=basic("boris", OTHER_PASSWORD)).status_code

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(ask, range(16))) == {200}


def test_the_loop_goes_on_while_a_password_is_verified(place: Place) -> None:
    """Twelve logins take most of a second; meanwhile another request is answered."""
    place.users.add("boris", OTHER_PASSWORD)  # as slow as it really is
    app = app_of(place)
    order: list[str] = []

    async def both() -> None:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:

            async def attempt() -> None:
                await client.post("/login", data={"name": "boris", "password": OTHER_PASSWORD})
                order.append("login")

            logins = [asyncio.create_task(attempt()) for _ in range(12)]
            await asyncio.sleep(0.01)
            assert (await client.get("/health")).status_code == 200
            order.append("health")
            await asyncio.gather(*logins)

    asyncio.run(both())
    assert order.index("health") < 6


def test_rebuilds_are_for_administrators(client: TestClient) -> None:
    for method in ("POST", "DELETE"):
        assert client.request(method, "/index/rebuild").status_code == 401
        refused = client.request(method, "/index/rebuild", headers=basic("boris", OTHER_PASSWORD))
        assert refused.status_code == 403
        assert refused.json()["detail"] == "this needs the scope admin; 'boris' has ask and read"
        assert client.request(method, "/index/rebuild", headers=basic("Анна", PASSWORD)).json() == {"rebuilt": "yes"}
    elsewhere = {**basic("Анна", PASSWORD), "origin": "http://evil.example"}
    assert client.post("/index/rebuild", headers=elsewhere).status_code == 403


@pytest.mark.parametrize("has_login", [True, False])
def test_pages_of_other_sites_change_nothing_but_where_they_are_allowed(place: Place, has_login: bool) -> None:
    """Also where nobody logs in: a browser may reach what others do not."""
    app = FastAPI()
    app.post("/answer")(lambda: {"answered": True})
    app.get("/answer")(lambda: {"answered": True})
    callers = open_callers(place.settings) if has_login else Callers()
    add_login(app, place.settings, callers, cors_origins=["https://news.example"])
    client = TestClient(app, headers=basic("boris", OTHER_PASSWORD))
    elsewhere = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}
    assert client.post("/answer").status_code == 200
    assert client.get("/answer", headers=elsewhere).status_code == 200
    assert client.post("/answer", headers=elsewhere).status_code == 403
    for site in ("cross-site", "same-site"):
        allowed = {"origin": "https://news.example", "sec-fetch-site": site}
        assert client.post("/answer", headers=allowed).status_code == 200
    for origin in ("http://news.example", "https://news.example:444", "https://a.news.example", "null"):
        assert client.post("/answer", headers={"origin": origin}).status_code == 403, origin


def test_an_allowed_site_beside_this_one_does_not_act_as_who_has_logged_in_here(place: Place) -> None:
    """Browsers send a strict cookie along with what comes from another host of the same domain."""

    def who(request: Request) -> str:
        caller = current_caller(request.scope)
        return caller.name if caller else "nobody"

    app = FastAPI()
    app.post("/answer")(who)
    app.get("/answer")(who)
    add_login(app, place.settings, open_callers(place.settings), cors_origins=["https://news.example.org"])
    client = TestClient(app, follow_redirects=False)
    assert log_in(client).status_code == 303
    own = {"origin": "http://testserver", "sec-fetch-site": "same-origin"}
    beside = {"origin": "https://news.example.org", "sec-fetch-site": "same-site"}
    assert client.post("/answer", headers=own).json() == "Анна"
    for method in ("GET", "POST"):
        assert client.request(method, "/answer", headers=beside).status_code == 401, method
        with_login = {**beside, **basic("boris", OTHER_PASSWORD)}
        assert client.request(method, "/answer", headers=with_login).json() == "boris", method


XSS = ['"><script>alert(1)</script>', "' onfocus=alert(1) autofocus x='", "<img src=x onerror=alert(1)>", "&quot;>"]


@pytest.mark.parametrize("text", XSS)
def test_what_was_typed_is_text(client: TestClient, text: str) -> None:
    before = [tag for tag, _ in _Alerts(log_in(client, "x").text).tags]
    form = _Alerts(log_in(client, text, fields={"next": f"/{text}"}).text)
    assert form.field("name")["value"] == text
    assert form.field("next")["value"] == f"/{text}"
    assert [tag for tag, _ in form.tags] == before
    assert not [name for _, attributes in form.tags for name in attributes if name.startswith("on")]


def test_the_form_is_made_for_people_and_password_managers(client: TestClient) -> None:
    response = client.get("/login")
    form = _Alerts(response.text)
    assert (form.field("name")["autocomplete"], form.field("password")["autocomplete"]) == (
        "username",
        "current-password",
    )
    assert "autofocus" in form.field("name")
    assert form.alert == ""
    failed = _Alerts(log_in(client, "boris", "wrong password").text)
    assert "autofocus" in failed.field("password")
    assert "value" not in failed.field("password")
    assert failed.field("password")["aria-describedby"] == "trouble"
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "script" not in policy
    assert response.headers["cache-control"] == "no-store"
    assert not re.search(r"https?://", response.text)


def test_the_form_speaks_russian_to_russian_browsers(client: TestClient) -> None:
    russian = {"accept-language": "ru-RU,ru;q=0.9,en;q=0.8"}
    assert '<html lang="ru">' in client.get("/login", headers=russian).text
    assert "Неверное имя или пароль" in log_in(client, "x", headers=russian).text
    for _ in range(2):
        log_in(client, "x")
    assert "через 1\u00a0с" in log_in(client, "x", headers=russian).text
    assert '<html lang="en">' in client.get("/login").text


def test_no_log_tells_a_name_or_a_password(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        log_in(client, "typed here by mistake", "wrong password")
        client.get("/who", headers=basic("boris", "wrong password"))
    own = [record.getMessage() for record in caplog.records if record.name.startswith("ui.")]
    assert own == ["a login failed, from '127.0.0.1'"] * 2


def test_the_verifier_is_one_thread(place: Place) -> None:
    client = place.client()
    log_in(client)
    log_in(client)
    names = [thread.name for thread in threading.enumerate() if thread.name.startswith("login")]
    assert set(names) == {"login_0"}


def test_a_flood_of_logins_is_told_to_wait_and_ends(place: Place) -> None:
    async def work() -> None:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            asked = [client.get("/who", headers=basic(f"nobody {number}", "wrong")) for number in range(150)]
            replies = await asyncio.gather(*asked)
            told = [reply for reply in replies if "too many log in at once" in reply.text]
            assert len(told) == 50
            assert {(reply.status_code, reply.headers["retry-after"]) for reply in told} == {(429, "5")}
            place.now += 3600
            assert (await client.get("/who", headers=basic("Анна", PASSWORD))).json()["name"] == "Анна"

    app = app_of(place)
    asyncio.run(work())
