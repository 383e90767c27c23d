"""The OpenAPI document of the real application: nothing in it is without words, and it tells how requests can end."""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from apps import app_over
from qa.engine import Engine
from ui.openapi import describe
from ui.problems import Kind

SHOWN_BY = {"examples", "example", "enum", "const", "$ref", "default"}
MEASURED = re.compile(
    r"milliseconds|seconds|characters?\b|tokens|chunks|articles|answers|hits|status|process|from [01]|1 is the best"
    r"|-?[01] to [01]",
    re.IGNORECASE,
)
NEVER_ASKED_FOR_A_LOGIN = {("get", "/health"), ("get", "/ready")}
Document = dict[str, Any]


class Named(NamedTuple):
    """A part of the document and where it is."""

    place: str
    part: dict[str, Any]


@pytest.fixture(scope="module")
def app(sample_engine: Engine) -> FastAPI:
    return app_over(sample_engine)


@pytest.fixture(scope="module")
def document(app: FastAPI) -> Document:
    return app.openapi()


def properties(document: Document) -> Iterator[Named]:
    for name, schema in document["components"]["schemas"].items():
        for field, part in schema.get("properties", {}).items():
            yield Named(f"{name}.{field}", part)


def operations(document: Document) -> Iterator[Named]:
    for path, methods in document["paths"].items():
        for method, part in methods.items():
            yield Named(f"{method} {path}", part)


def parameters(document: Document) -> Iterator[Named]:
    for place, operation in operations(document):
        for part in operation.get("parameters", []):
            shown = {**part["schema"], **{name: part[name] for name in ("description", "examples") if name in part}}
            yield Named(f"{place} {part['name']}", shown)


def parts(schema: Any) -> Iterator[dict[str, Any]]:
    """A schema and those that it is made of."""
    if isinstance(schema, dict):
        yield schema
        for name in ("items", "additionalProperties", "contentSchema"):
            yield from parts(schema.get(name))
        for name in ("anyOf", "oneOf", "allOf", "prefixItems"):
            for part in schema.get(name, []):
                yield from parts(part)


def is_shown(schema: dict[str, Any]) -> bool:
    """Whether a reader sees what a value looks like, there or in the schema that is named there."""
    return schema.get("type") == "null" or any(
        part.get(name) is not None for part in parts(schema) for name in SHOWN_BY if part.get("type") != "null"
    )


def is_told(schema: dict[str, Any]) -> bool:
    """Whether there are words for it; pydantic leaves them out where those of the schema named there are the same."""
    return "description" in schema or "$ref" in schema


def is_number(schema: dict[str, Any]) -> bool:
    return any(part.get("type") in ("integer", "number") and "const" not in part for part in parts(schema))


def test_the_document_has_what_it_is_about(document: Document) -> None:
    assert len(list(properties(document))) > 100
    assert len(list(operations(document))) == 13
    assert len(list(parameters(document))) >= 9
    for name, schema in document["components"]["schemas"].items():
        assert schema.get("description"), f"{name} has no description"


def test_every_field_has_a_description_and_shows_what_it_looks_like(document: Document) -> None:
    found = [*properties(document), *parameters(document)]
    assert [place for place, part in found if not is_told(part)] == []
    assert [place for place, part in found if not is_shown(part)] == []


def test_every_number_has_a_unit_or_a_range_in_words(document: Document) -> None:
    numbers = [named for named in (*properties(document), *parameters(document)) if is_number(named.part)]
    assert len(numbers) > 40
    assert [place for place, part in numbers if not MEASURED.search(part["description"])] == []


def test_every_operation_has_a_summary_and_a_description(document: Document) -> None:
    for place, operation in operations(document):
        assert operation.get("summary"), place
        assert operation.get("description"), place
        assert all(response["description"] for response in operation["responses"].values()), place


def test_every_operation_tells_how_it_can_fail(document: Document) -> None:
    for place, operation in operations(document):
        failing = {status: told for status, told in operation["responses"].items() if status >= "4"}
        if " /v1/" in place:
            expected, schema = "application/json", "OpenAIErrorOut"
            assert set(failing) == {"4XX", "5XX"}
        else:
            expected, schema = "application/problem+json", "ProblemOut"
            assert set(failing) >= {"400", "401", "403", "408", "413", "422", "429", "500"}, place
        for status, told in failing.items():
            assert told["content"] == {expected: {"schema": {"$ref": f"#/components/schemas/{schema}"}}}, (
                place,
                status,
            )


def test_a_status_of_several_problems_names_all_of_them(document: Document) -> None:
    told = document["paths"]["/answer"]["post"]["responses"]["503"]["description"]
    for kind in (Kind.INDEX, Kind.MODEL, Kind.BUSY):
        assert f"`{kind.value.name}`" in told


def test_headers_of_every_response_are_told(document: Document) -> None:
    for place, operation in operations(document):
        for status, response in operation["responses"].items():
            assert "X-Request-ID" in response["headers"], place
            assert ("Retry-After" in response["headers"]) is (status in ("429", "503")), (place, status)


def test_it_tells_where_a_token_is_needed(sample_engine: Engine) -> None:
    asked = app_over(sample_engine)
    describe(asked, is_login_asked=True)
    for place, operation in operations(asked.openapi()):
        is_open = tuple(place.split(" ")) in NEVER_ASKED_FOR_A_LOGIN
        assert operation.get("security") == (None if is_open else [{"HTTPBearer": []}]), place


def test_without_logins_only_rebuilds_need_a_token(document: Document) -> None:
    for place, operation in operations(document):
        if tuple(place.split(" ")) not in NEVER_ASKED_FOR_A_LOGIN:
            needed = [{"HTTPBearer": []}] if "/index/rebuild" in place else [{}, {"HTTPBearer": []}]
            assert operation["security"] == needed, place


def test_methods_that_do_not_fit_are_refused_with_those_that_do(app: FastAPI, document: Document) -> None:
    client = TestClient(app)
    for path, methods in document["paths"].items():
        at = path.format(article_id="17e9bb12db920b17", model="otvet")
        for method in {"get", "post", "put", "patch", "delete", "trace"} - set(methods):
            refused = client.request(method, at)
            assert refused.status_code == 405, (method, path)
            assert refused.headers["allow"].lower().split(", ") == sorted(methods), (method, path)
            assert refused.headers["x-request-id"] != ""
            is_problem = refused.headers["content-type"] == "application/problem+json"
            assert is_problem is not path.startswith("/v1/"), (method, path)


@pytest.mark.parametrize("path", ["/answer/", "/articles/a/b", "/read/a/b", "/index/x", "/search/x", "/metrics/x"])
def test_nothing_at_a_path_of_programs_is_a_problem(app: FastAPI, path: str) -> None:
    nothing = TestClient(app).get(path)
    assert nothing.status_code == 404
    assert nothing.headers["content-type"] == "application/problem+json"
    assert nothing.json()["type"] == "urn:otvet:problem:not-found"
    assert nothing.json()["request_id"] == nothing.headers["x-request-id"]


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", ["/v1/", "/v1/embeddings", "/v1/chat", "/v1/chat/completions/x"])
def test_nothing_there_for_openai_clients_is_an_error_of_theirs(app: FastAPI, method: str, path: str) -> None:
    nothing = TestClient(app).request(method, path)
    assert nothing.status_code == 404
    assert nothing.json()["error"]["code"] == "not_found"
    assert repr(path) in nothing.json()["error"]["message"]
