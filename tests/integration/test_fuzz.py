"""Bodies that no client means to send, to every route that takes one: no 5xx, and a problem with the request's id.

By Starlette's client for breadth; over a real socket for what no client would send.
"""

import gzip
import json
import re
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from apps import app_over, listening
from qa.engine import Engine

pytestmark = pytest.mark.long

WAIT_S = 20
QUESTION = "Что Мадуро просил у Ирана?"
DEEP = 100_000
# A body that is fine, as text, where %s stands for a JSON value; and one with a number.
TEMPLATES = {
    "/answer": '{"question": %s}',
    "/answer/stream": '{"question": %s}',
    "/search": '{"query": %s}',
    "/v1/chat/completions": '{"model": "otvet", "messages": [{"role": "user", "content": %s}]}',
    "/mcp": '{"jsonrpc": "2.0", "id": 1, "method": "tools/call", '
    '"params": {"name": "search", "arguments": {"query": %s}}}',
    "/index/rebuild": "%s",
}
COUNTS = {
    "/answer": '{"question": "Мадуро?", "k": %s}',
    "/answer/stream": '{"question": "Мадуро?", "k": %s}',
    "/search": '{"query": "Мадуро", "k": %s}',
    "/v1/chat/completions": '{"model": "otvet", "otvet": {"k": %s}, '
    '"messages": [{"role": "user", "content": "Мадуро?"}]}',
    "/mcp": '{"jsonrpc": "2.0", "id": %s, "method": "ping"}',
    "/index/rebuild": "%s",
}
VALUES = {
    "infinite": "1e999",
    "minus infinite": "-1e999",
    "100,000 digits": "9" * 100_000,
    "a fraction of 100,000 digits": "0." + "3" * 100_000,
    "an exponent of 100,000 digits": "1e" + "9" * 100_000,
    "NaN": "NaN",
    "Infinity": "Infinity",
    "-Infinity": "-Infinity",
    "minus zero": "-0",
    "beyond 64 bits": str(2**64),
    "a whole fraction": "5.0",
    "hexadecimal": "0x10",
    "leading zeros": "007",
    "null": "null",
    "true": "true",
    "an empty text": '""',
    "white space": '" \\u00a0\\u2003\\n"',
    "NUL escaped": '"a\\u0000b"',
    "NUL raw": '"a\x00b"',
    "controls raw": '"a\x01\x1b\x7f\nb"',
    "half of a pair, escaped": '"\\ud800"',
    "the other half, escaped": '"\\udc00 \\udfff"',
    "a pair the wrong way round": '"\\udc00\\ud800"',
    "a broken escape": '"\\u12"',
    "not characters": '"\\uffff\\ufffe\\ufdd0"',
    "right to left": '"\\u202e\\u2066\\u200f"',
    "10,000 accents": json.dumps("а" + "\u0301" * 10_000),
    "a flag of tags": '"\U000e0067\U000e007f"',
    "an empty object": "{}",
    "an empty list": "[]",
    "an operator": '{"$gt": ""}',
    "lists in lists": "[" * DEEP + "]" * DEEP,
    "objects in objects": '{"a":' * DEEP + "1" + "}" * DEEP,
    "lists that do not end": "[" * DEEP,
    "objects that do not end": '{"a":' * DEEP,
    "a name of 100,000 letters": json.dumps({"a" * 100_000: 1}),
    "10,000 names": json.dumps({f"name {n}": n for n in range(10_000)}),
    "names of objects": '{"__proto__": {"x": 1}, "__class__": "x", "__init__": {"__globals__": {}}}',
    "a comment": "1 /* one */",
    "a comma too many": "[1,]",
    "single quotes": "'a'",
}
PLAIN = json.dumps(QUESTION, ensure_ascii=False)
RAW = {
    "nothing": b"",
    "white space": b" \r\n\t ",
    "no JSON": b"question=What",
    "only half of it": b'{"question": "Wh',
    "a text": b'"question"',
    "a list": b'[{"question": "What?"}]',
    "a number": b"1",
    "null": b"null",
    "invalid UTF-8": b'{"question": "\xff\xfe\x80"}',
    "an overlong slash": b'{"question": "\xc0\xaf\xe0\x80\xaf"}',
    "half of a pair, raw": b'{"question": "\xed\xa0\x80"}',
    "a letter cut in two": b'{"question": "\xd0"}',
    "a name that is no UTF-8": b'{"\xff": 1}',
    "UTF-16": f'{{"question": {PLAIN}}}'.encode("utf-16"),
    "UTF-16 without a mark": f'{{"question": {PLAIN}}}'.encode("utf-16-be"),
    "UTF-32": f'{{"question": {PLAIN}}}'.encode("utf-32"),
    "a mark before UTF-8": f'{{"question": {PLAIN}}}'.encode("utf-8-sig"),
    "CP1251": f'{{"question": {PLAIN}}}'.encode("cp1251"),
    "one name twice": b'{"question": "What?", "question": "Who?", "query": "a", "query": "b"}',
    "two documents": b'{"question": "What?"}{"question": "Who?"}',
    "NUL behind it": b'{"question": "What?"}\x00',
    "NUL alone": b"\x00" * 1000,
    "gzip": gzip.compress(b'{"question": "What?"}'),
}
CONTENT_TYPES = (
    *("", "text/plain", "application/xml", "application/octet-stream", "application/x-www-form-urlencoded"),
    *(
        "multipart/form-data",
        "multipart/form-data; boundary=x",
        "application/json; charset=utf-16",
        "application/jsonp",
    ),
    *("application/json, text/plain", "json", "a" * 5000, "application/merge-patch+json", "*/*", ";", "application/"),
)
ROUTES = tuple(TEMPLATES)

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=()), max_size=50),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=20), inner, max_size=4),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def app(sample_engine: Engine) -> FastAPI:
    return app_over(sample_engine)


@pytest.fixture(scope="module")
def client(app: FastAPI) -> Iterator[TestClient]:
    """Gets what a client over a network would get: a 500 instead of the server's own exception."""
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def sent(client: TestClient, path: str, body: bytes, **headers: str) -> httpx.Response:
    """What is answered; whatever it is, it is no 5xx, and an error is told as this route tells errors."""
    own = {"content-type": "application/json", "accept": "application/json, text/event-stream", **headers}
    response = client.post(path, content=body, headers=own)
    assert response.status_code < 500, response.text[:500]
    assert response.headers["x-request-id"] != ""
    assert "Traceback" not in response.text
    assert '.py"' not in response.text
    if response.status_code >= 400:
        check_error(path, response)
    return response


def check_error(path: str, response: httpx.Response) -> None:
    if path == "/mcp" and response.headers.get("content-type") != "application/problem+json":
        told = response.text  # in the words of the SDK, as JSON-RPC wants them where it is that
        assert "error" in told or told == "Invalid Content-Type header"
        return
    told = response.json()
    if path.startswith("/v1/"):
        assert told["error"]["message"]
        assert told["error"]["type"]
    else:
        assert response.headers["content-type"] == "application/problem+json"
        assert told["request_id"] == response.headers["x-request-id"]
        assert told["status"] == response.status_code
        assert told["detail"]
    assert len(response.content) < 5000, "what was sent is not sent back whole"


@pytest.fixture(autouse=True)
def _still_answers(client: TestClient) -> Iterator[None]:
    """After all that, a question is answered as ever."""
    yield
    response = client.post("/answer", json={"question": QUESTION})
    assert response.status_code == 200
    assert response.json()["citations"]


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("templates", [TEMPLATES, COUNTS], ids=["text", "number"])
def test_values_that_no_client_means(client: TestClient, path: str, templates: dict[str, str]) -> None:
    for value in VALUES.values():
        sent(client, path, (templates[path] % value).encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize("path", ROUTES)
def test_bodies_that_are_no_json_or_not_in_utf_8(client: TestClient, path: str) -> None:
    for body in RAW.values():
        sent(client, path, body)


@pytest.mark.parametrize("path", ROUTES)
def test_content_types_that_are_wrong(client: TestClient, path: str) -> None:
    body = (TEMPLATES[path] % PLAIN).encode()
    for content_type in CONTENT_TYPES:
        sent(client, path, body, **{"content-type": content_type})


@pytest.mark.parametrize("path", ["/answer", "/answer/stream", "/search", "/v1/chat/completions"])
@pytest.mark.parametrize("content_type", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_what_a_page_of_another_site_could_send_unasked_is_not_read(
    client: TestClient, path: str, content_type: str
) -> None:
    body = (TEMPLATES[path] % PLAIN).encode()
    assert sent(client, path, body, **{"content-type": content_type}).status_code in (400, 422)


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "zstd", "gzip, gzip", "identity", "nonsense"])
def test_content_encodings_are_not_undone(client: TestClient, path: str, encoding: str) -> None:
    body = (TEMPLATES[path] % PLAIN).encode()
    sent(client, path, body, **{"content-encoding": encoding})
    bomb = gzip.compress(b" " * 20_000_000)
    sent(client, path, bomb, **{"content-encoding": encoding})


@pytest.mark.parametrize("path", ROUTES)
def test_bodies_cut_off_anywhere(client: TestClient, path: str) -> None:
    body = (TEMPLATES[path] % PLAIN).encode()
    for end in range(0, len(body), 7):
        sent(client, path, body[:end])


@pytest.mark.parametrize("path", ROUTES)
def test_any_json(client: TestClient, path: str) -> None:
    @settings(max_examples=40, deadline=None, derandomize=True, database=None)
    @given(whole=json_values, part=json_values, name=st.sampled_from(["k", "history", "mode", "publisher", "otvet"]))
    def check(whole: Any, part: Any, name: str) -> None:
        sent(client, path, json.dumps(whole).encode())
        sent(client, path, (TEMPLATES[path] % json.dumps(part)).encode())
        inside = (TEMPLATES[path] % PLAIN).replace("{", f'{{"{name}": {json.dumps(part)}, ', 1)
        sent(client, path, inside.encode())

    check()


HEAD = b"POST /answer HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
MALFORMED = {
    "nothing": b"",
    "line ends": b"\r\n\r\n\r\n",
    "a TLS greeting": bytes.fromhex("16030100a5010000a10303") + bytes(150),
    "HTTP/2's preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/0.9": b"GET /\r\n",
    "HTTP/9.9": b"GET /health HTTP/9.9\r\nHost: localhost\r\n\r\n",
    "no path": b"GET HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a path that is no path": b"GET health HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "all paths": b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a tunnel": b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a method of 10,000 letters": b"A" * 10_000 + b" /health HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a path of 100,000 letters": b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a path of 0-bytes": b"GET /articles/%00%00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a path with a raw 0-byte": b"GET /articles/\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a path that is no UTF-8": b"GET /articles/%ff%fe HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a path that is no UTF-8, raw": b"GET /articles/\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a path of half a pair": b"GET /articles/%ed%a0%80 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a broken escape": b"GET /articles/%zz%2 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a query that is no UTF-8": b"GET /articles?publisher=%ff&limit=%ff HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a header without a colon": b"GET /health HTTP/1.1\r\nHost: localhost\r\nnonsense\r\n\r\n",
    "a header with a 0-byte": b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: a\x00b\r\n\r\n",
    "a header of 100,000 letters": b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
    "10,000 headers": b"GET /health HTTP/1.1\r\nHost: localhost\r\n" + b"X: a\r\n" * 10_000 + b"\r\n",
    "a folded header": b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: a\r\n b\r\n\r\n",
    "a length below 0": HEAD + b"Content-Length: -5\r\n\r\n{}",
    "a length that is no number": HEAD + b"Content-Length: five\r\n\r\n{}",
    "a length of 1,000 digits": HEAD + b"Content-Length: " + b"9" * 1000 + b"\r\n\r\n{}",
    "two lengths": HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "a length and chunks": HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks that are none": HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n",
    "a chunk of 16 exabytes": HEAD + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{}",
    "an unknown transfer": HEAD + b"Transfer-Encoding: nonsense\r\n\r\n{}",
    "a body that does not come": HEAD + b"Content-Length: 1000\r\n\r\n{",
    "a body that is expected": HEAD + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n{}",
    "a websocket": b"GET /answer HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n",
    "HTTP/2, asked for": b"GET /health HTTP/1.1\r\nHost: localhost\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
}


@pytest.fixture(scope="module")
def url(app: FastAPI) -> Iterator[str]:
    with listening(lambda: app) as url:
        yield url


@pytest.mark.parametrize("name", MALFORMED)
def test_what_is_no_http_ends_no_server(url: str, name: str) -> None:
    place = urlsplit(url)
    with socket.create_connection((place.hostname, place.port), timeout=WAIT_S) as connection:
        try:
            connection.sendall(MALFORMED[name])
            connection.shutdown(socket.SHUT_WR)
            told = b"".join(iter(lambda: connection.recv(65_536), b""))
        except (ConnectionResetError, BrokenPipeError):  # it may close before it has read all
            told = b""
    assert re.match(rb"\Z|HTTP/1\.1 [1-4]\d\d ", told), told[:200]
    assert b"Traceback" not in told
    response = httpx.post(f"{url}/search", json={"query": "Мадуро", "k": 1}, timeout=WAIT_S)
    assert len(response.raise_for_status().json()["hits"]) == 1


@pytest.mark.parametrize("name", ["invalid UTF-8", "half of a pair, raw", "NUL alone", "gzip"])
def test_bodies_over_a_socket_too(url: str, name: str) -> None:
    for path in ROUTES:
        response = httpx.post(
            url + path, content=RAW[name], headers={"content-type": "application/json"}, timeout=WAIT_S
        )
        assert 400 <= response.status_code < 500, (path, response.text[:300])
        check_error(path, response)
