"""The endpoint over a real engine: what it returns, what it refuses, and that nothing brings it down."""

import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx import Response

from apps import app_over
from fakes import HashedWordsModel
from index.rebuild import build_index
from index.serving import Index
from index.settings import IndexSettings
from qa.engine import Engine, make_engine
from qa.settings import AnswerSettings
from ui.languages import preferred_language

QUESTION = "Что Мадуро просил у Ирана?"
SOURCE = {"article_id", "title", "published_at", "publisher", "url", "language"}
DAY = "2025-10-31"  # of every sample article


@pytest.fixture(scope="module")
def sample_app(sample_engine: Engine) -> FastAPI:
    return app_over(sample_engine)


@pytest.fixture
def client(sample_app: FastAPI) -> TestClient:
    """Answers 500 where the application raises, as a server would."""
    return TestClient(sample_app, raise_server_exceptions=False)


def answered(client: TestClient, **asked: Any) -> dict[str, Any]:
    response = client.post("/answer", json={"question": QUESTION, **asked})
    assert response.status_code == 200, response.text
    return dict(response.json())


def refused(response: Response, status: int = 422) -> str:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert set(problem) == {"type", "title", "status", "detail", "request_id"}
    assert problem["type"].startswith("urn:otvet:problem:")
    assert problem["status"] == status
    assert problem["request_id"] == response.headers["x-request-id"]
    detail = problem["detail"]
    assert isinstance(detail, str)
    return detail


def post_raw(client: TestClient, content: bytes | str, path: str = "/answer") -> Response:
    return client.post(path, content=content, headers={"content-type": "application/json"})


def test_answer_has_every_field(client: TestClient) -> None:
    body = answered(client)
    more = {"notice", "period", "query", "disagreements", "generation", "tokens", "timings_ms"}
    assert set(body) == {"kind", "text", "language", "mode", "citations"} | more
    assert (body["kind"], body["mode"], body["language"], body["notice"]) == ("answer", "extractive", "ru", None)
    assert (body["period"], body["query"], body["disagreements"]) == (None, None, [])
    assert body["timings_ms"]["total"] > 0
    assert [citation["marker"] for citation in body["citations"]] == list(range(1, len(body["citations"]) + 1))
    assert sorted(set(re.findall(r"\[(\d+)\]", body["text"]))) == [str(one["marker"]) for one in body["citations"]]
    for citation in body["citations"]:
        assert set(citation) == SOURCE | {"marker", "quote", "start", "end", "score"}
        assert 0 <= citation["score"] <= 1
        assert citation["published_at"] == DAY
        article = client.get(f"/articles/{citation['article_id']}").json()
        assert article["text"][citation["start"] : citation["end"]] == citation["quote"]
        assert article["title"] == citation["title"]
    assert "GPS" in body["citations"][0]["quote"]


def test_refusal_has_every_field(client: TestClient) -> None:
    body = answered(client, question="Как приготовить борщ?")
    assert set(body) == {
        "kind",
        "reason",
        "text",
        "language",
        "nearest",
        "period",
        "query",
        "generation",
        "tokens",
        "timings_ms",
    }
    assert (body["kind"], body["reason"], body["language"]) == ("refusal", "not_relevant", "ru")
    assert body["period"] is None
    assert body["text"]
    assert len(body["nearest"]) == 3
    assert all(set(source) == SOURCE for source in body["nearest"])


def test_all_that_can_be_asked_is_taken(client: TestClient) -> None:
    history = [{"role": "user", "content": "Кто такой Мадуро?"}, {"role": "assistant", "content": "Президент."}]
    filters = {"published_from": DAY, "published_to": DAY, "publisher": None, "language": "ru", "article_ids": None}
    body = answered(client, history=history, k=50, mode="extractive", use_dates=True, **filters)
    assert body["kind"] == "answer"
    assert "GPS" in body["text"]


def test_a_follow_up_is_given_back_as_it_was_searched_for(client: TestClient) -> None:
    history = [{"role": "user", "content": QUESTION}, {"role": "assistant", "content": "GPS [1]."}]
    body = answered(client, question="А когда это было?", history=history)
    assert body["query"] == f"{QUESTION} А когда это было?"


def test_small_talk_is_an_answer_without_citations(client: TestClient) -> None:
    body = answered(client, question="Привет!")
    assert (body["kind"], body["mode"], body["citations"]) == ("answer", "conversation", [])


def test_question_and_its_white_space(client: TestClient) -> None:
    plain, padded = answered(client), answered(client, question=f" \n{QUESTION}\t")
    assert {**padded, "timings_ms": None} == {**plain, "timings_ms": None}


def test_search_has_every_field(client: TestClient) -> None:
    response = client.post("/search", json={"query": "беспилотники Ирана", "k": 4})
    assert response.status_code == 200
    hits = response.json()["hits"]
    assert [hit["rank"] for hit in hits] == [1, 2, 3, 4]
    assert [hit["score"] for hit in hits] == sorted((hit["score"] for hit in hits), reverse=True)
    for hit in hits:
        assert set(hit) == SOURCE | {"rank", "score", "text", "start", "end", "legs", "repeats"}
        assert 0 <= hit["score"] <= 1
        assert set(hit["legs"]) == {"cosine", "sentence", "share", "max_sim"}
        assert all(-1 <= value <= 1 for value in hit["legs"].values())
        article = client.get(f"/articles/{hit['article_id']}").json()
        assert article["text"][hit["start"] : hit["end"]] == hit["text"]
    assert "Иран" in hits[0]["text"]


def test_search_with_filters_and_without_k(client: TestClient) -> None:
    everything = client.post("/search", json={"query": "Венесуэла"}).json()["hits"]
    published = client.post("/search", json={"query": "Венесуэла", "publisher": "Otvet sample"}).json()["hits"]
    assert len(everything) == 10
    assert published
    assert {hit["publisher"] for hit in published} == {"Otvet sample"}
    assert client.post("/search", json={"query": "Венесуэла", "publisher": "nobody"}).json() == {"hits": []}


def test_articles_are_listed_page_by_page(client: TestClient, corpus: Path) -> None:
    listed = client.get("/articles").json()
    assert listed["n_articles"] == len(listed["articles"]) == len(list(corpus.iterdir()))
    assert set(listed["articles"][0]) == SOURCE | {"authors", "source", "n_chars"}
    pages = [client.get("/articles", params={"limit": 5, "offset": offset}).json() for offset in (0, 5, 10, 15)]
    assert [article for page in pages for article in page["articles"]] == listed["articles"]
    assert {page["n_articles"] for page in pages} == {listed["n_articles"]}
    published = client.get("/articles", params={"publisher": "Otvet sample"}).json()
    assert 0 < published["n_articles"] < listed["n_articles"]
    assert client.get("/articles", params={"published_from": "2025-11-01"}).json() == {"n_articles": 0, "articles": []}


def test_an_article_is_given_whole(client: TestClient) -> None:
    for head in client.get("/articles").json()["articles"]:
        article = client.get(f"/articles/{head['article_id']}").json()
        text = article.pop("text")
        assert article == head
        assert len(text) == head["n_chars"]


@pytest.mark.parametrize(
    "article_id",
    ["0000000000000000", "%00", "%ff", "%22", "'%20or%201=1%20--", "%F0%9F%98%80", "a" * 5000, "%3Cscript%3E"],
)
def test_unknown_article_is_not_found(client: TestClient, article_id: str) -> None:
    assert "there is no article" in refused(client.get(f"/articles/{article_id}"), 404)
    page = client.get(f"/read/{article_id}", headers={"accept-language": "ru"})
    assert page.status_code == 404
    assert "Такой статьи в индексе нет." in page.text
    assert "<script" not in page.text


@pytest.mark.parametrize("path", ["..%2f..%2fetc%2fpasswd", "../../etc/passwd", "....//etc/passwd", "/etc/passwd", ""])
@pytest.mark.parametrize("route", ["articles", "read"])
def test_paths_lead_nowhere(client: TestClient, route: str, path: str) -> None:
    response = client.get(f"/{route}/{path}")
    assert response.status_code == 404
    assert "root:" not in response.text


def test_health_and_readiness(client: TestClient, sample_engine: Engine) -> None:
    assert client.get("/health").json() == {"status": "ok"}
    with sample_engine.index.lease() as generation:
        n_articles = generation.manifest.n_articles
    assert client.get("/ready").json() == {"status": "ready", "generation": "g-0001", "n_articles": n_articles}


def test_docs_ask_nothing_of_other_hosts(client: TestClient) -> None:
    docs = client.get("/docs")
    assert docs.status_code == 200
    assert "//" not in re.sub(r"<!--.*?-->", "", docs.text)
    files = re.findall(r'(?:src|href)="([^"]+)"', docs.text)
    assert any(file.endswith(".js") for file in files)
    assert any(file.endswith(".css") for file in files)
    for file in files:
        assert client.get(file).status_code == 200, file
    paths = client.get("/openapi.json").json()["paths"]
    routes = {"/answer", "/search", "/articles", "/articles/{article_id}", "/health", "/ready"}
    openai = {"/v1/chat/completions", "/v1/models", "/v1/models/{model}"}
    assert set(paths) == routes | openai | {"/answer/stream", "/index", "/index/rebuild"}


def test_the_page_is_served(client: TestClient) -> None:
    page = client.get("/")
    assert page.status_code == 200
    assert 'content="Otvet"' in page.text


def test_article_page_highlights_the_quote(client: TestClient) -> None:
    cited = answered(client)["citations"][0]
    place = {"start": cited["start"], "end": cited["end"]}
    page = client.get(f"/read/{cited['article_id']}", params=place)
    assert page.status_code == 200
    assert f'<mark id="quote" tabindex="-1">{cited["quote"]}</mark>' in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    for start, end in ((-1, 5), (5, 1), (0, 10**9)):
        page = client.get(f"/read/{cited['article_id']}", params={"start": start, "end": end})
        assert page.status_code == 200
        assert "<mark" not in page.text
    refused(client.get(f"/read/{cited['article_id']}", params={"start": "x"}))


def test_filters_by_language_and_by_article(client: TestClient) -> None:
    cited = answered(client)["citations"][0]["article_id"]
    assert answered(client, article_ids=[cited])["citations"][0]["article_id"] == cited
    others = [one["article_id"] for one in client.get("/articles").json()["articles"] if one["article_id"] != cited]
    assert cited not in str(answered(client, article_ids=others))
    assert answered(client, language="ru")["kind"] == "answer"
    hits = client.post("/search", json={"query": "Венесуэла", "article_ids": [cited, "0" * 16]}).json()["hits"]
    assert {hit["article_id"] for hit in hits} == {cited}
    assert client.get("/articles", params={"article_ids": [cited, others[0]]}).json()["n_articles"] == 2
    assert client.get("/articles", params={"language": "en"}).json() == {"n_articles": 0, "articles": []}


def test_a_period_in_the_question_is_told_and_can_be_undone(client: TestClient) -> None:
    question = f"{QUESTION[:-1]} в октябре 2025 года?"
    period = {"published_from": "2025-10-01", "published_to": "2025-11-02", "words": "в октябре 2025 года"}
    kept, undone = answered(client, question=question), answered(client, question=question, use_dates=False)
    assert kept["period"] == period
    assert (undone["period"], undone["notice"]) == (None, None)
    assert kept["citations"] == undone["citations"]  # every sample article is of that day
    widened = answered(client, question=f"{QUESTION[:-1]} в мае 2025 года?")
    assert (widened["kind"], widened["period"]) == ("answer", None)
    assert "«в мае 2025 года»" in widened["notice"]


@pytest.mark.parametrize(
    ("header", "language"),
    [("ru", "ru"), ("ru-RU,ru;q=0.9,en;q=0.8", "ru"), ("en-US,en;q=0.9,ru;q=0.8", "en"), ("de", "en"), ("", "en")],
)
def test_language_of_a_reader(header: str, language: str) -> None:
    assert preferred_language(header) == language


@pytest.mark.parametrize(
    ("wrong", "field", "value", "allowed"),
    [
        ({"question": None}, "question", "None", "string"),
        ({"question": 5}, "question", "5", "string"),
        ({"question": ["a"]}, "question", "['a']", "string"),
        ({"question": ""}, "question", "''", "at least 1"),
        ({"question": " \n\t"}, "question", "' \\n\\t'", "at least 1"),
        ({"question": "a" * 2001}, "question", "aaa", "at most 2000"),
        ({"k": 0}, "k", "0", "greater than or equal to 1"),
        ({"k": 51}, "k", "51", "less than or equal to 50"),
        ({"k": "a"}, "k", "'a'", "integer"),
        ({"k": "5"}, "k", "'5'", "integer"),
        ({"k": 2.5}, "k", "2.5", "integer"),
        ({"k": True}, "k", "True", "integer"),
        ({"k": 10**4000}, "k", "1000", "50"),
        ({"depth": 3}, "depth", "3", "no such field"),
        ({"mode": "magic"}, "mode", "'magic'", "'auto', 'extractive' or 'generative'"),
        ({"mode": None}, "mode", "None", "'auto'"),
        ({"published_from": "2025-13-45"}, "published_from", "'2025-13-45'", "valid date"),
        ({"published_from": "2025-02-29"}, "published_from", "'2025-02-29'", "valid date"),
        ({"published_from": "0000-01-01"}, "published_from", "'0000-01-01'", "valid date"),
        ({"published_to": "31.10.2025"}, "published_to", "'31.10.2025'", "YYYY-MM-DD"),
        ({"published_to": "20251031"}, "published_to", "'20251031'", "YYYY-MM-DD"),
        ({"published_to": "2025-10-31T00:00:00"}, "published_to", "'2025-10-31T00:00:00'", "YYYY-MM-DD"),
        ({"published_to": "1761868800"}, "published_to", "'1761868800'", "YYYY-MM-DD"),
        ({"published_to": 1761868800}, "published_to", "1761868800", "YYYY-MM-DD"),
        ({"published_to": ""}, "published_to", "''", "YYYY-MM-DD"),
        ({"published_to": False}, "published_to", "False", "YYYY-MM-DD"),
        ({"published_from": "2025-11-01", "published_to": "2025-10-01"}, "published_from", "2025-11-01", "after"),
        ({"publisher": 5}, "publisher", "5", "string"),
        ({"publisher": "p" * 501}, "publisher", "ppp", "at most 500"),
        ({"language": 5}, "language", "5", "string"),
        ({"language": "r" * 21}, "language", "rrr", "at most 20"),
        ({"article_ids": "a" * 16}, "article_ids", "'aaa", "list"),
        ({"article_ids": [""]}, "article_ids.0", "''", "at least 1"),
        ({"article_ids": ["a" * 101]}, "article_ids.0", "aaa", "at most 100"),
        ({"article_ids": ["a"] * 1001}, "article_ids", "'a'", "at most 1000"),
        ({"article_ids": [None]}, "article_ids.0", "None", "string"),
        ({"use_dates": "perhaps"}, "use_dates", "'perhaps'", "boolean"),
        ({"use_dates": None}, "use_dates", "None", "boolean"),
        ({"history": {}}, "history", "{}", "list"),
        ({"history": ["hi"]}, "history.0", "'hi'", "object"),
        ({"history": [{"role": "system", "content": "a"}]}, "history.0.role", "'system'", "'user' or 'assistant'"),
        ({"history": [{"role": "user"}]}, "history.0.content", "", "missing"),
        ({"history": [{"role": "user", "content": None}]}, "history.0.content", "None", "string"),
        ({"history": [{"role": "user", "content": "a"}] * 51}, "history", "'user'", "at most 50"),
        ({"history": [{"role": "user", "content": "a" * 20_001}]}, "history.0.content", "aaa", "at most 20000"),
        ({"mode": "generative"}, "mode", "'generative'", "OTVET_CHAT_MODEL"),
    ],
)
def test_wrong_value_is_told_with_field_value_and_what_is_allowed(
    client: TestClient, wrong: dict[str, Any], field: str, value: str, allowed: str
) -> None:
    detail = refused(client.post("/answer", json={"question": QUESTION, **wrong}))
    assert detail.startswith(field)
    assert value in detail
    assert allowed in detail
    assert len(detail) < 500


@pytest.mark.parametrize(
    ("query", "field", "allowed"),
    [
        ({"limit": 0}, "limit", "greater than or equal to 1"),
        ({"limit": 1001}, "limit", "less than or equal to 1000"),
        ({"offset": -1}, "offset", "greater than or equal to 0"),
        ({"offset": 10**20}, "offset", "less than or equal to"),
        ({"limit": "a"}, "limit", "integer"),
        ({"published_from": "yesterday"}, "published_from", "YYYY-MM-DD"),
        ({"published_from": "2025-11-01", "published_to": "2025-10-01"}, "published_from", "after"),
        ({"page": 1}, "page", "no such field"),
    ],
)
def test_wrong_list_of_articles_is_told(client: TestClient, query: dict[str, Any], field: str, allowed: str) -> None:
    detail = refused(client.get("/articles", params=query))
    assert detail.startswith(field)
    assert allowed in detail


@pytest.mark.parametrize("path", ["/answer", "/search"])
@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("", "body is missing"),
        ("{", "no JSON"),
        ('{"k": 1 "l": 2}', "no JSON: Expecting ',' delimiter at character 8"),
        ("null", "JSON object"),
        ("[]", "JSON object"),
        ('"text"', "JSON object"),
        ("{}", "is missing"),
        (b'\xff\xfe{"question": "a"}', "UTF-8"),
        (b'{"question": "\xff", "query": "\xff"}', "UTF-8"),
        (b"\x00", "no JSON"),
        ('{"question": "a", "query": "a", "k": 1e309}', "k is inf"),
        ('{"question": "a", "query": "a", "k": NaN}', "k is nan"),
        ('{"question": "a", "query": "a", "k": %s}' % ("9" * 5000), "cannot be read"),
        (r'{"question": "a\ud800", "query": "a\ud800"}', r"'a\ud800'"),
        (r'{"question": "a", "query": "a", "publisher": "\udfff"}', r"publisher is '\udfff'"),
        (r'{"\ud800": 1}', "unicode"),
        ('{"question": %s, "query": %s}' % (("[" * 10**5 + "]" * 10**5,) * 2), "nested"),
    ],
)
def test_wrong_body_is_told(client: TestClient, path: str, body: bytes | str, says: str) -> None:
    assert says in refused(post_raw(client, body, path))


@pytest.mark.parametrize("n", [*range(100, 1000, 100), *range(930, 1000)])
def test_nested_body_is_refused_at_any_depth(client: TestClient, n: int) -> None:
    refused(post_raw(client, '{"question": %s}' % ("[" * n + "]" * n)))
    refused(post_raw(client, '{"question": %s}' % ('{"a":' * n + "1" + "}" * n)))


def test_many_wrong_fields_are_not_all_told(client: TestClient) -> None:
    detail = refused(client.post("/answer", json={str(number): "x" * 900 for number in range(1000)}))
    assert len(detail) < 2000


def test_a_form_is_told_to_be_json(client: TestClient) -> None:
    assert "application/json" in refused(client.post("/answer", data={"question": QUESTION}))
    assert "application/json" in refused(client.post("/answer", content=json.dumps({"question": QUESTION})))


@pytest.mark.parametrize(
    "question", ["a\0b", "\u200b", "?", "'; drop table articles; --", "{question} %s {0}", "🙂" * 2000, "ж" * 2000, "1"]
)
def test_odd_questions_get_a_response(client: TestClient, question: str) -> None:
    assert answered(client, question=question)["kind"] in ("answer", "refusal")
    assert client.post("/search", json={"query": question}).status_code == 200


@pytest.mark.parametrize(
    "filters",
    [
        {"published_from": "2025-11-01"},
        {"published_to": "2025-10-30"},
        {"publisher": "nobody"},
        {"publisher": "otvet sample"},
        {"publisher": "a\0"},
        {"language": "en"},
        {"language": "a\0"},
        {"article_ids": []},
        {"article_ids": ["0" * 16, "a\0", "'; drop table articles; --"]},
        {"publisher": "Otvet sample", "published_from": "9999-12-31"},
        {"published_to": "0001-01-01"},
    ],
)
def test_filters_that_leave_nothing_are_a_refusal(client: TestClient, filters: dict[str, Any]) -> None:
    body = answered(client, **filters)
    assert (body["kind"], body["reason"], body["nearest"]) == ("refusal", "no_articles", [])


def test_days_of_a_filter_are_included(client: TestClient) -> None:
    assert answered(client, published_from=DAY)["kind"] == "answer"
    assert answered(client, published_to=DAY)["kind"] == "answer"
    assert answered(client, published_from=DAY, published_to=DAY)["kind"] == "answer"
    assert client.get("/articles", params={"published_from": DAY, "published_to": DAY}).json()["n_articles"] == 12


def test_unknown_routes_are_not_found(client: TestClient) -> None:
    assert client.get("/nowhere").status_code == 404
    assert 400 <= client.get("/answer").status_code < 500
    assert 400 <= client.delete("/articles").status_code < 500


def test_sixteen_at_once_get_what_one_gets(client: TestClient) -> None:
    asked = [QUESTION, "Что открыл «Ростех»?", "How many people were killed?", "Как приготовить борщ?"]

    def ask(question: str) -> dict[str, Any]:
        return {**answered(client, question=question), "timings_ms": None}

    alone = [ask(question) for question in asked]
    with ThreadPoolExecutor(16) as pool:
        together = list(pool.map(ask, asked * 8))
    assert together == alone * 8


@pytest.fixture
def small(tmp_path: Path) -> Iterator[tuple[TestClient, Path, Callable[[], None]]]:
    """A client over an index of its own, the folder of its articles, and a function that indexes them anew."""
    settings, model = IndexSettings(data_dir=tmp_path / "data"), HashedWordsModel()
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    (corpus / "bridge.txt").write_text("date 2025-03-01 The bridge over the river was opened.")

    def index() -> None:
        build_index([corpus], settings=settings, model=HashedWordsModel())

    index()
    engine = make_engine(Index(settings, model), model, AnswerSettings())
    yield TestClient(app_over(engine), raise_server_exceptions=False), corpus, index
    engine.index.close()


def test_a_new_generation_serves_the_next_request(small: tuple[TestClient, Path, Callable[[], None]]) -> None:
    client, corpus, index = small
    before = client.get("/articles").json()["articles"]
    (corpus / "tunnel.txt").write_text("date 2025-03-02 The tunnel under the hill was closed.")
    assert client.get("/ready").json() == {"status": "ready", "generation": "g-0001", "n_articles": 1}
    index()
    assert client.get("/ready").json() == {"status": "ready", "generation": "g-0002", "n_articles": 2}
    hits = client.post("/search", json={"query": "tunnel", "k": 1}).json()["hits"]
    assert hits[0]["text"] == "The tunnel under the hill was closed."
    (corpus / "bridge.txt").unlink()
    index()
    assert client.get("/articles").json()["n_articles"] == 1
    assert client.get(f"/articles/{before[0]['article_id']}").status_code == 404


def test_a_hit_names_those_that_repeat_it(small: tuple[TestClient, Path, Callable[[], None]]) -> None:
    client, corpus, index = small
    (corpus / "reprint.txt").write_text("date 2025-03-02 The bridge over the river was opened!")
    index()
    [hit] = client.post("/search", json={"query": "bridge over the river"}).json()["hits"]
    [repeat] = hit["repeats"]
    assert set(repeat) == SOURCE | {"text", "start", "end"}
    assert {hit["text"], repeat["text"]} == {
        "The bridge over the river was opened.",
        "The bridge over the river was opened!",
    }
    article = client.get(f"/articles/{repeat['article_id']}").json()
    assert article["text"][repeat["start"] : repeat["end"]] == repeat["text"]
    body = answered(client, question="Was the bridge over the river opened?")
    assert re.findall(r"\[\d\]", body["text"]) == ["[1]", "[2]"]
    assert {citation["article_id"] for citation in body["citations"]} == {hit["article_id"], repeat["article_id"]}


def test_a_broken_pointer_is_told_and_what_serves_goes_on(
    small: tuple[TestClient, Path, Callable[[], None]], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    client, _, index = small
    pointer = tmp_path / "data/index/CURRENT"
    pointer.write_text("nonsense")
    assert client.get("/ready").status_code == 200
    assert client.post("/answer", json={"question": "bridge?"}).status_code == 200
    assert caplog.text.count("'nonsense'") == 1
    pointer.unlink()
    index()
    assert client.get("/ready").status_code == 200
