"""The routes that Gradio brings along, tried by a program that means no good, over the real application."""

import asyncio
import json
import re
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from starlette.routing import Mount
from starlette.testclient import TestClient

from apps import app_over
from fakes import HashedWordsModel, open_index
from index.serving import Index
from qa.engine import make_engine
from qa.settings import AnswerSettings
from ui.chat_tab import ChatTab
from ui.conversation import Conversation, Exchange, kept_form
from ui.gradio_guard import GradioGuard
from ui.settings import Settings

SECRET = "Тайна старого фонтана"
TEXT = "Оркестр сыграет на площади у фонтана."
OWN_FRAME = re.compile(r'File "[^"]*/(?:ui|qa|index)/\w+\.py", line \d+, in \w+')
OUTSIDE = "evil.example"
PASSWD = {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}
REMOTE = {"path": f"http://{OUTSIDE}/a.txt", "url": f"http://{OUTSIDE}/a.txt", "meta": {"_type": "gradio.FileData"}}
# Gradio's queue sets an option, and gives an argument, that the newest pandas warns of.


def deep(depth: int) -> Any:
    value: Any = "end"
    for n in range(depth):
        value = [value] if n % 2 else {"exchanges": value}
    return value


FORGED: dict[str, Any] = {
    "nothing": None,
    "list": ["a", ["b"], {}],
    "number": 10**400,
    "float": -1e308,
    "boolean": True,
    "long": "я" * 100_000,
    "deep": deep(200),
    "surrogate": "\ud800",
    "null": "\0\u202e\ufeff",
    "object": {"__type__": "update", "value": "<b>", "visible": True},
    "file object": {"path": "/etc/passwd", "orig_name": "a.txt", "meta": {}},
    "remote object": {"path": f"http://{OUTSIDE}/x", "url": f"http://{OUTSIDE}/x"},
    "conversation": {"user": None, "exchanges": [{"question": "?", "response": {"kind": "answer", "text": 1}}] * 3},
    "exchanges": {"user": "root", "exchanges": "all"},
}


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    articles = [{"title": "Оркестр", "text": TEXT, "publisher": "Вестник", "published_at": "2025-01-02"}]
    with closing(open_index(tmp_path_factory.mktemp("doors"), HashedWordsModel(), articles)) as index:
        yield index


def client_over(index: Index, folder: Path, **chosen: Any) -> TestClient:
    engine = make_engine(index, HashedWordsModel(), AnswerSettings(chat_model="none"))
    corpus = folder / "corpus"
    corpus.mkdir(exist_ok=True)
    settings = Settings(data_dir=folder / "data", corpus=corpus, **chosen)
    return TestClient(app_over(engine, settings), raise_server_exceptions=False, follow_redirects=False)


@pytest.fixture(scope="module")
def client(index: Index, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    folder = tmp_path_factory.mktemp("client")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(folder / "gradio"))
        with client_over(index, folder, uploads=True) as client:
            yield client


@pytest.fixture(autouse=True)
def outside(monkeypatch: pytest.MonkeyPatch) -> Iterator[set[str]]:
    """The hosts that are looked up or connected to; at the end there must be none but this machine."""
    met: set[str] = set()
    look_up, connect = socket.getaddrinfo, socket.socket.connect

    def looking_up(host: Any, *args: Any, **kwargs: Any) -> Any:
        met.add(str(host))
        if host not in ("127.0.0.1", "localhost"):
            raise socket.gaierror("no look-ups in tests")
        return look_up(host, *args, **kwargs)

    def connecting(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX:
            met.add(address[0])
            if address[0] != "127.0.0.1":
                raise OSError("no connections in tests")
        connect(self, address)

    monkeypatch.setattr(socket, "getaddrinfo", looking_up)
    monkeypatch.setattr(socket.socket, "connect", connecting)
    yield met
    assert met <= {"127.0.0.1", "localhost"}


def dependencies(client: TestClient) -> list[dict[str, Any]]:
    config: dict[str, Any] = client.get("/config").json()
    return [one for one in config["dependencies"] if one["backend_fn"]]


def send(client: TestClient, path: str, body: dict[str, Any]) -> Any:
    """As JSON with half pairs and huge numbers in it, which clients refuse to write."""
    return client.post(path, content=json.dumps(body).encode(), headers={"content-type": "application/json"})


def stream(client: TestClient, session: str, limit: int = 200_000) -> str:
    """What the queue tells a session, to its end."""
    return client.get("/gradio_api/queue/data", params={"session_hash": session}).text[:limit]


def test_nothing_of_the_page_is_in_the_public_api(client: TestClient) -> None:
    info = client.get("/gradio_api/info").json()
    assert info["named_endpoints"] == {}
    assert info["unnamed_endpoints"] == {}
    assert {one["api_visibility"] for one in dependencies(client)} <= {"private", "undocumented"}
    schema = client.get("/gradio_api/openapi.json").json()
    names = [name for name in vars(ChatTab) if name.startswith("_") and not name.startswith("__")]
    assert not [path for path in schema.get("paths", {}) for name in names if path.rstrip("/").endswith(name)]


@pytest.mark.parametrize("name", FORGED)
def test_forged_events_are_no_fault_of_ours(client: TestClient, capsys: pytest.CaptureFixture[str], name: str) -> None:
    faults = []
    for one in dependencies(client):
        for event_data in (None, FORGED[name]):
            session = f"{name} {one['id']} {event_data is None}"
            body = {
                "fn_index": one["id"],
                "data": [FORGED[name]] * len(one["inputs"]),
                "event_data": event_data,
                "session_hash": session,
            }
            capsys.readouterr()
            path = "/gradio_api/queue/join" if one["queue"] else "/gradio_api/run/predict"
            response = send(client, path, body)
            if one["queue"] and response.status_code == 200:
                stream(client, session)
            told = capsys.readouterr().err
            if own := OWN_FRAME.findall(told):
                faults.append(f"{one['id']} {one['targets']}: {own[-1]}: {told.strip().splitlines()[-1][:150]}")
            assert "root:x:0" not in response.text
    assert "\n".join(sorted(set(faults))) == ""


@pytest.mark.parametrize("value", [PASSWD, REMOTE], ids=["passwd", "remote"])
@pytest.mark.parametrize("nest", [lambda value: value, lambda value: [{"a": value}]], ids=["plain", "nested"])
def test_events_that_name_files_are_refused(client: TestClient, value: Any, nest: Any) -> None:
    for one in dependencies(client):
        body = {"fn_index": one["id"], "data": [nest(value)], "event_data": nest(value), "session_hash": "files"}
        for path in ("/gradio_api/run/predict", "/gradio_api/queue/join", "/gradio_api/api/predict"):
            assert send(client, path, body).status_code == 403, (one["id"], path)


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "//etc/passwd",
        "/proc/self/environ",
        "../../etc/passwd",
        "..%2f..%2f..%2fetc%2fpasswd",
        "%2e%2e/%2e%2e/etc/passwd",
        "file:///etc/passwd",
        "pyproject.toml",
        "ui/page.py",
        str(Path(__file__)),
        "DATA/feedback.sqlite3",
        "DATA/CURRENT",
        "CORPUS/secret.txt",
    ],
)
def test_no_file_of_the_server_is_given_out(client: TestClient, index: Index, path: str) -> None:
    for route in ("/gradio_api/file=", "/gradio_api/file/", "/file=", "/static/", "/assets/", "/svelte/"):
        for target in (path, f"{path}%00"):
            response = client.get(f"{route}{target}")
            assert response.status_code in (400, 403, 404, 422), (route, target)
            assert "root:x:0" not in response.text


@pytest.mark.parametrize(
    "path",
    [
        f"/gradio_api/file=http://{OUTSIDE}/a.txt",
        f"/gradio_api/file=https://{OUTSIDE}/a.txt",
        f"/gradio_api/file=HTTP://{OUTSIDE}/a.txt",
        f"/gradio_api/file=http:%2f%2f{OUTSIDE}%2fa.txt",
        f"/gradio_api/file=http%3A%2F%2F{OUTSIDE}/a.txt",
        "/gradio_api/file=http://198.51.100.1/latest/meta-data",
        "/gradio_api/file=http://127.0.0.1:1/",
        f"/gradio_api/proxy=https://{OUTSIDE}/a.txt",
        f"/gradio_api/proxy=https://{OUTSIDE.replace('.', '-')}.hf.space/a.txt",
        "/gradio_api/run-history/buckets",
        "/gradio_api/run-history/records?bucket_id=a/b",
        "/gradio_api/custom_component/1/client/component/index.js",
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_server_fetches_nothing_for_anybody(client: TestClient, outside: set[str], path: str, method: str) -> None:
    response = client.request(method, path, headers={"authorization": "Bearer hf_of-somebody"})
    assert response.status_code >= 400
    assert outside == set()


@pytest.mark.parametrize(
    "route", ["/gradio_api/upload", "/gradio_api/process_recording", "/gradio_api/component_server"]
)
def test_uploads_are_refused_where_there_is_no_administrator(client: TestClient, route: str) -> None:
    files = [("files", ("evil.html", b"<script>alert(1)</script>", "text/html"))]
    for cookies in ({}, {"otvet_session": "0" * 64}, {"otvet_upload": "0" * 64}):
        client.cookies.clear()
        client.cookies.update(cookies)
        assert client.post(route, files=files).status_code == 403
        twice = [("content-type", "application/json"), ("content-type", "multipart/form-data; boundary=x")]
        body = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.txt"\r\n\r\nx\r\n--x--\r\n'
        assert client.post(route, content=body, headers=twice).status_code >= 400
    client.cookies.clear()


def test_a_body_of_too_many_bytes_is_refused(client: TestClient) -> None:
    headers = {"content-type": "application/json"}
    assert client.post("/gradio_api/run/predict", content=b"[" * 20_000_001, headers=headers).status_code == 413


def asked(question: str) -> dict[str, Any]:
    return kept_form(Conversation(exchanges=[Exchange(question=question)]))


def test_an_answer_reaches_the_session_that_asked_and_no_other(client: TestClient) -> None:
    [answering, *_] = [one for one in dependencies(client) if one["queue"]]
    body = {"fn_index": answering["id"], "data": [asked(SECRET)], "session_hash": "abcdefghij0"}
    assert send(client, "/gradio_api/queue/join", body).status_code == 200
    guesses = ["", "abcdefghij", "abcdefghij1", "ABCDEFGHIJ0", "*", "%", "abcdefghij0 ", "null", "undefined"]
    for guess in guesses:
        assert SECRET not in stream(client, guess)
    told = stream(client, "abcdefghij0")
    assert SECRET in json.dumps(json.loads(f"[{','.join(re.findall('data: (.*)', told))}]"), ensure_ascii=False)


def test_nothing_of_a_conversation_stays_on_the_server(client: TestClient) -> None:
    [answering, *_] = [one for one in dependencies(client) if one["queue"]]
    body = {"fn_index": answering["id"], "data": [asked(SECRET)], "session_hash": "owner"}
    send(client, "/gradio_api/queue/join", body)
    stream(client, "owner")
    for one in dependencies(client):
        if not one["queue"]:
            empty = {"fn_index": one["id"], "data": [None] * len(one["inputs"]), "session_hash": "owner"}
            assert SECRET not in send(client, "/gradio_api/run/predict", empty).json().__repr__()
    for path in (
        "/gradio_api/deep_link?session_hash=owner",
        "/config",
        "/monitoring/summary",
        "/gradio_api/queue/status",
    ):
        assert SECRET not in client.get(path).text


def test_a_conversation_of_another_person_is_not_taken(client: TestClient) -> None:
    conversation = Conversation(user="анна", exchanges=[Exchange(question=SECRET)])
    components = client.get("/config").json()["components"]
    (kept,) = (component["id"] for component in components if component["type"] == "browserstate")
    reading = [one for one in dependencies(client) if one["inputs"][:1] == [kept]]
    assert len(reading) > 8
    for one in reading:
        data = [kept_form(conversation)] + [None] * (len(one["inputs"]) - 1)
        body = {"fn_index": one["id"], "data": data[: len(one["inputs"])], "session_hash": "thief"}
        if one["queue"]:
            send(client, "/gradio_api/queue/join", body)
            assert SECRET not in stream(client, "thief").encode().decode("unicode-escape")
            continue
        response = send(client, "/gradio_api/run/predict", body)
        assert response.status_code != 200 or SECRET not in repr(response.json())  # errors repeat what was sent


def test_with_users_every_route_of_gradio_asks_for_a_login(index: Index, tmp_path: Path) -> None:
    users = tmp_path / "users.json"
    hashed = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("correct horse")
    entry = {"name": "анна", "is_admin": True, "password": hashed}
    users.write_text(json.dumps({"version": 1, "users": [entry]}), encoding="utf-8")
    with client_over(index, tmp_path, users=users) as client:
        paths = sorted(set(_paths(client.app)))
        assert len(paths) > 80
        assert {"/config", "/gradio_api/queue/join", "/gradio_api/upload", "/assets/x", "/theme.css"} <= set(paths)
        open_paths = {"/login", "/logout", "/health", "/ready"}
        for path in paths:
            for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"):
                response = client.request(method, path)
                is_open = path in open_paths and method != "OPTIONS"
                assert is_open or response.status_code == 401, (method, path, response.status_code)
        for path in ("/gradio_api/../config", "//config", "/login/../config", "/login%2f..%2fconfig", "/login;/config"):
            assert client.get(path).status_code in (401, 404), path


def _paths(app: Any) -> Iterator[str]:
    """Every path of an application and of what is mounted on it, with something in its places."""
    for route in app.routes:
        path = getattr(route, "path", "")
        if path:
            yield re.sub(r"\{[^}]*\}", "x", path)
        mounted = route.app if isinstance(route, Mount) else getattr(route, "original_router", None)
        if hasattr(mounted, "routes"):
            yield from (f"{path.rstrip('/')}{inner}" for inner in _paths(mounted))


@pytest.mark.parametrize("host", ["192.168.1.5:7860", "[::1]:7860", "testserver", "localhost:7860"])
@pytest.mark.parametrize("path", ["/", "/config", "/gradio_api/info"])
def test_no_page_of_another_site_reads_what_gradio_answers(client: TestClient, host: str, path: str) -> None:
    elsewhere = {"host": host, "origin": f"https://{OUTSIDE}"}
    response = client.get(path, headers=elsewhere)
    assert response.status_code == 200
    before = client.options(path, headers={**elsewhere, "access-control-request-method": "POST"})
    for one in (response, before):
        assert not [name for name in one.headers if name.startswith("access-control")], one.headers


def test_an_event_that_does_not_arrive_is_refused() -> None:
    async def hang() -> Any:
        await asyncio.sleep(3600)

    async def send(message: Any) -> None:
        sent.append(message)

    async def unreached(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("half an event came through")

    sent: list[Any] = []
    scope = {"type": "http", "method": "POST", "path": "/gradio_api/queue/join", "headers": []}
    asyncio.run(GradioGuard(unreached, may_upload=lambda request: False, within_s=0.05)(scope, hang, send))
    assert sent[0]["status"] == 408
    assert (b"connection", b"close") in sent[0]["headers"]
