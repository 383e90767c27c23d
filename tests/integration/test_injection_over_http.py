"""Ids, filters and parameters that mean something to a file system, to SQL or to Chroma: here they are but text.

Each publisher below is that of exactly one article. Whatever is asked for, only equal values are found, and nothing of
the index changes.
"""

import hashlib
import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from apps import app_over, listening
from fakes import HashedWordsModel, publish_articles
from index.serving import Index
from qa.engine import Engine, make_engine
from qa.settings import AnswerSettings

WAIT_S = 20
TEXT = "Паром «Чайка» снова ходит у дальнего причала по вторникам"
PLAIN = "Вестник"
STRANGE = (
    "' or '1'='1",
    "'; drop table articles; --",
    "' union select article_id, title, text from articles --",
    '" or ""="',
    "Вестник' --",
    "Вестник\\'",
    "%",
    "_",
    "В%",
    "Вестни_",
    "*",
    "?",
    "?1",
    ":publisher",
    "$gt",
    "$ne",
    '{"$gt": ""}',
    '{"$ne": null}',
    '{"$or": [{"publisher": "Вестник"}]}',
    "[]",
    "null",
    "None",
    "0",
    "1 or 1=1",
    "true",
    "вестник",
    "ВЕСТНИК",
    "Вестник.",
    "${jndi:ldap://127.0.0.1/a}",
    "{{7*7}}",
    "../../etc/passwd",
    "<script>alert(1)</script>",
    "a\\nb",
)
NOBODYS = (
    "' or 1=1 --",
    "Вестник' or '1'='1",
    "Вестник%",
    "%Вестник%",
    "Вест%",
    "_______",
    "' = publisher or '",
    "x') or ('a'='a",
    "\x00",
    "Вестник\x00",
    "$",
    "$regex",
    "{}",
    "; select 1",
    "/**/",
    "'",
    '"',
    "`",
    "\\",
)
OPERATORS: tuple[Any, ...] = (
    {"$gt": ""},
    {"$ne": None},
    {"$in": ["Вестник"]},
    {"$or": [{"publisher": "Вестник"}]},
    {"publisher": "Вестник"},
    {},
    "\ud800",
    ["Вестник"],
    [{"$gt": ""}],
    True,
    0,
    1e999,
)
SECRET = "the secret of the file outside"
CLIMBING = (
    "../secret.txt",
    "..%2fsecret.txt",
    "%2e%2e%2fsecret.txt",
    "%2e%2e/secret.txt",
    "..%252fsecret.txt",
    "%252e%252e%252fsecret.txt",
    "..%5csecret.txt",
    "..\\secret.txt",
    "....//secret.txt",
    "..;/secret.txt",
    "..%00/secret.txt",
    "%00",
    "secret.txt%00.md",
    "%c0%ae%c0%ae%c0%afsecret.txt",
    "..%c0%afsecret.txt",
    "%e2%88%95secret.txt",
    "..%ef%bc%8fsecret.txt",
    "%ef%bc%8e%ef%bc%8e%ef%bc%8fsecret.txt",
    "~",
    "~root",
    ".",
    "..",
    "%2e",
    "%2e%2e",
    "%2fetc%2fpasswd",
    "/etc/passwd",
    "file:%2f%2f%2fetc%2fpasswd",
    "C:%5cWindows%5cwin.ini",
    "CON",
    "%5c%5cserver%5cshare",
    "articles.db",
    "%25",
    "%25s%25n",
    "%27%20or%201=1--",
    "*",
    "_" * 16,
    "%25" * 16,
    "a" * 5000,
    "%D1%8F" * 1000,
    "%0d%0aX-Injected:%20yes",
    "%3Cscript%3Ealert(1)%3C%2Fscript%3E",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("strange")
    (folder / "secret.txt").write_text(SECRET)
    (folder / "data").mkdir()
    (folder / "data" / "secret.txt").write_text(SECRET)
    return folder


@pytest.fixture(scope="module")
def engine(folder: Path) -> Iterator[Engine]:
    model = HashedWordsModel()
    rows = [
        {
            "title": f"Заметка {n}",
            "text": f"{TEXT}. Это заметка номер {n}.",
            "publisher": publisher,
            "date": "2025-03-02",
        }
        for n, publisher in enumerate((PLAIN, *STRANGE))
    ]
    index = Index(publish_articles(folder, model, rows), model)
    yield make_engine(index, model, AnswerSettings())
    index.close()


@pytest.fixture(scope="module")
def app(engine: Engine) -> FastAPI:
    return app_over(engine)


@pytest.fixture(scope="module")
def client(app: FastAPI) -> TestClient:
    return TestClient(app, raise_server_exceptions=False)


@pytest.fixture(scope="module")
def article_ids(client: TestClient) -> dict[str, str]:
    """The id of the one article of each publisher."""
    articles = client.get("/articles", params={"limit": 1000}).json()["articles"]
    assert len(articles) == 1 + len(STRANGE)
    return {article["publisher"]: article["article_id"] for article in articles}


@pytest.fixture(scope="module", autouse=True)
def _index_stays_as_it_is(folder: Path, engine: Engine) -> Iterator[None]:
    before = digests(folder)
    assert before
    yield
    assert digests(folder) == before


def digests(folder: Path) -> dict[str, str]:
    """Of every file that holds the index; locks and SQLite's own bookkeeping hold nothing of it."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(("-shm", "-wal"))]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def found_by(client: TestClient, filters: dict[str, Any]) -> list[set[str]]:
    """The ids of the articles that each door finds with these filters."""
    hits = client.post("/search", json={"query": TEXT, "k": 50, **filters})
    answer = client.post("/answer", json={"question": TEXT, "k": 50, **filters})
    chat = client.post(
        "/v1/chat/completions",
        json={"model": "otvet", "messages": [{"role": "user", "content": TEXT}], "otvet": {"k": 50, **filters}},
    )
    listed = client.get("/articles", params={"limit": 1000, **filters})
    for response in (hits, answer, chat, listed):
        assert response.status_code == 200, response.text
    found = [{place["article_id"] for hit in hits.json()["hits"] for place in (hit, *hit["repeats"])}]
    for out in (answer.json(), chat.json()["otvet"]):
        sources = out["citations"] if out["kind"] == "answer" else out["nearest"]
        found.append({source["article_id"] for source in sources})
    return [*found, {article["article_id"] for article in listed.json()["articles"]}]


@pytest.mark.parametrize("publisher", [PLAIN, *STRANGE])
def test_a_strange_publisher_finds_its_own_article_only(
    client: TestClient, article_ids: dict[str, str], publisher: str
) -> None:
    own = {article_ids[publisher]}
    assert found_by(client, {"publisher": publisher}) == [own] * 4


@pytest.mark.parametrize("publisher", NOBODYS)
def test_what_no_article_has_finds_nothing(client: TestClient, publisher: str) -> None:
    assert found_by(client, {"publisher": publisher}) == [set()] * 4


@pytest.mark.parametrize("language", ["' or 1=1 --", "%", "r_", "RU", "ru'--", "$ne", "ru\x00", "**"])
def test_what_is_no_language_finds_nothing(client: TestClient, language: str) -> None:
    assert found_by(client, {"language": language}) == [set()] * 4


def test_strange_ids_find_nothing_beside_those_that_are_there(client: TestClient, article_ids: dict[str, str]) -> None:
    strange = [text[:100] for text in (*STRANGE, *NOBODYS)]
    assert found_by(client, {"article_ids": strange}) == [set()] * 4
    for publisher in (PLAIN, STRANGE[0]):
        own = article_ids[publisher]
        assert found_by(client, {"article_ids": [*strange, own]}) == [{own}] * 4


@pytest.mark.parametrize(
    "day", ["2025-03-01' or '1'='1", "%", "2025-03-0_", "$gt", "0", "1", "2025-03-01T00:00:00", ""]
)
@pytest.mark.parametrize("name", ["published_from", "published_to"])
def test_what_is_no_day_is_refused(client: TestClient, name: str, day: str) -> None:
    for response in refused_by(client, {name: day}):
        assert name in response
    assert client.get("/articles", params={name: day}).status_code == 422


@pytest.mark.parametrize("operator", OPERATORS, ids=repr)
@pytest.mark.parametrize("name", ["publisher", "language", "published_from", "published_to"])
def test_operators_where_text_is_meant_are_refused(client: TestClient, name: str, operator: Any) -> None:
    for told in refused_by(client, {name: operator}):
        assert name in told


@pytest.mark.parametrize("operator", [*OPERATORS[:7], [{"$gt": ""}], [["a"]], [None], [0], "' or 1=1"], ids=repr)
def test_operators_where_ids_are_meant_are_refused(client: TestClient, operator: Any) -> None:
    for told in refused_by(client, {"article_ids": operator}):
        assert "article_ids" in told


@pytest.mark.parametrize("name", ["where", "$where", "where_document", "$or", "publisher[$gt]", "filter", "sql"])
def test_filters_that_there_are_not_are_refused(client: TestClient, name: str) -> None:
    for told in refused_by(client, {name: {"$gt": ""}}):
        assert name in told
    assert client.get("/articles", params={name: "a"}).status_code == 422


def refused_by(client: TestClient, filters: dict[str, Any]) -> list[str]:
    """What each door says, which refuses these filters as a request that cannot be used."""
    chat = {"model": "otvet", "messages": [{"role": "user", "content": TEXT}], "otvet": filters}
    sent = {
        "/search": {"query": TEXT, **filters},
        "/answer": {"question": TEXT, **filters},
        "/answer/stream": {"question": TEXT, **filters},
        "/v1/chat/completions": chat,
    }
    told = []
    for path, body in sent.items():
        response = client.post(path, content=json.dumps(body), headers={"content-type": "application/json"})
        assert response.status_code == (400 if path.startswith("/v1/") else 422), (path, response.text)
        told.append(response.text)
    return told


@pytest.mark.parametrize(
    "params",
    [
        {"limit": "1; drop table articles"},
        {"limit": "-1"},
        {"limit": "1 union select 1"},
        {"limit": "0x10"},
        {"limit": "1e3"},
        {"offset": "-1"},
        {"offset": str(2**63)},
        {"offset": "9" * 5000},
        {"offset": "' or 1=1"},
    ],
    ids=str,
)
def test_pages_that_are_no_numbers_are_refused(client: TestClient, params: dict[str, str]) -> None:
    response = client.get("/articles", params=params)
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"


def test_a_filter_twice_is_not_two_filters(client: TestClient, article_ids: dict[str, str]) -> None:
    found = client.get(f"/articles?publisher={quote('%')}&publisher={quote(PLAIN)}")
    listed = {article["article_id"] for article in found.json()["articles"]}
    assert listed == {article_ids[PLAIN]}


@pytest.fixture(scope="module")
def port(app: FastAPI) -> Iterator[int]:
    with listening(lambda: app) as url:
        yield urlsplit(url).port or 0


def asked(port: int, path: str) -> tuple[int, http.client.HTTPMessage, str]:
    """The path as it stands, which clients would tidy up."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_S)
    try:
        connection.request("GET", path, headers={"Accept": "application/json"})
        response = connection.getresponse()
        return response.status, response.headers, response.read().decode()
    finally:
        connection.close()


@pytest.mark.parametrize("article_id", CLIMBING, ids=lambda text: text[:30])
@pytest.mark.parametrize("start", ["/articles/", "/read/"])
def test_ids_that_are_paths_name_no_article(port: int, start: str, article_id: str) -> None:
    status, headers, body = asked(port, start + article_id)
    assert status == 404, body
    assert "x-injected" not in headers
    assert SECRET not in body
    assert "root:" not in body
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-type"] == "application/problem+json" or "<script>" not in body


def test_an_id_in_another_spelling_is_another_id(port: int, article_ids: dict[str, str]) -> None:
    own = article_ids[PLAIN]
    escaped = "".join(f"%{ord(letter):02x}" for letter in own)
    for path in (own, escaped):  # escapes are but another way to write the same path
        assert asked(port, f"/articles/{path}")[0] == 200
        assert asked(port, f"/read/{path}")[0] == 200
    for other in (own.upper(), f"{own}%00", f"{own}%20", f"{own}.", f"{own};a=b", f"./{own}", f"x/../{own}", f"{own}/"):
        if other != own:
            assert asked(port, f"/articles/{other}")[0] == 404, other
            assert asked(port, f"/read/{other}")[0] == 404, other
