"""What Prometheus is told, of questions made by hand and of small applications."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_open_metrics
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from starlette.types import Receive, Scope, Send

from index.errors import IndexDamagedError
from qa.engine import Engine
from qa.model_queue import ModelQueue
from qa.records import Answer, Question, Refusal, RefusalReason, Tokens
from ui.asking import Asked
from ui.metrics import HttpMetrics, Metrics

QUESTION = Question("Что просил Мадуро?")
ANSWER = Answer(
    "Ракеты [1].",
    "ru",
    "generative",
    (),
    timings_ms={"retrieve": 20.0, "generative": 1500.0, "total": 1520.0},
    tokens=Tokens(prompt=900, completion=40),
)
REFUSAL = Refusal(RefusalReason.NOT_RELEVANT, "Нет.", "ru", (), timings_ms={"retrieve": 30.0, "total": 30.0})


def told(metrics: Metrics, accept: str = "") -> dict[tuple[str, ...], float]:
    """Every sample, by its name and the values of its labels, sorted by the labels' names."""
    response = TestClient(Starlette(routes=[metrics.route()])).get("/metrics", headers={"accept": accept})
    assert response.status_code == 200
    read = read_open_metrics if "openmetrics" in response.headers["content-type"] else text_string_to_metric_families
    samples = [sample for family in read(response.text) for sample in family.samples]
    return {(one.name, *(one.labels[name] for name in sorted(one.labels))): one.value for one in samples}


def engine_over(lease: Any, queue: ModelQueue | None = None) -> Engine:
    return cast("Engine", SimpleNamespace(index=SimpleNamespace(lease=lease), model_queue=queue, chat_model=None))


@contextmanager
def lease() -> Iterator[Any]:
    built = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    manifest = SimpleNamespace(created_at=built, embedding_model="e5", n_articles=3, n_chunks=7)
    yield SimpleNamespace(name="g-0004", manifest=manifest, check=lambda: None)


@contextmanager
def damaged_lease() -> Iterator[Any]:
    raise IndexDamagedError("the manifest is gone; run: otvet index")
    yield


def test_questions_are_counted_by_what_became_of_them() -> None:
    metrics = Metrics()
    for outcome in (ANSWER, ANSWER, REFUSAL, IndexDamagedError("gone"), None):
        metrics.observe(Asked("stream", QUESTION, outcome, 0.3))
    found = told(metrics)
    assert found["otvet_questions_total", "stream", "generative", "answer"] == 2
    for outcome_kind in ("refusal", "error", "stopped"):
        assert found["otvet_questions_total", "stream", "", outcome_kind] == 1
    assert found["otvet_refusals_total", "not_relevant"] == 1
    assert found["otvet_refusals_total", "no_articles"] == 0, "told before there is one"
    assert found["otvet_errors_total", "IndexDamagedError"] == 1


def test_times_are_in_seconds_and_tokens_add_up() -> None:
    metrics = Metrics()
    for outcome in (ANSWER, replace(ANSWER, tokens=None), REFUSAL):
        metrics.observe(Asked("page", QUESTION, outcome, 1.6))
    found = told(metrics)
    assert found["otvet_answer_seconds_count", "page"] == 3
    assert found["otvet_answer_seconds_sum", "page"] == pytest.approx(4.8)
    assert found["otvet_answer_seconds_bucket", "page", "1.0"] == 0
    assert found["otvet_answer_seconds_bucket", "page", "2.5"] == 3
    assert found["otvet_stage_seconds_sum", "generative"] == pytest.approx(3.0)
    assert found["otvet_stage_seconds_count", "retrieve"] == 3
    assert ("otvet_stage_seconds_count", "total") not in found, "is no stage"
    assert found["otvet_model_tokens_total", "prompt"] == 900
    assert found["otvet_model_tokens_total", "completion"] == 40


def test_queue_and_index_are_told_as_they_are_when_asked() -> None:
    queue = ModelQueue(1, 5)
    metrics = Metrics()
    metrics.watch(engine_over(lease, queue), lambda: 2)
    assert told(metrics)["otvet_model_queue_running",] == 0
    with queue.place({}):
        found = told(metrics)
    assert found["otvet_questions_running",] == 2
    assert (found["otvet_model_queue_running",], found["otvet_model_queue_waiting",]) == (1, 0)
    assert found["otvet_index_readable",] == 1
    assert found["otvet_index_generation_info", "e5", "g-0004"] == 1
    assert (found["otvet_index_articles",], found["otvet_index_chunks",]) == (3, 7)
    assert 3600 <= found["otvet_index_age_seconds",] < 3700


def test_index_that_cannot_be_read_breaks_nothing_else() -> None:
    metrics = Metrics()
    metrics.observe(Asked("answer", QUESTION, ANSWER, 0.1))
    metrics.watch(engine_over(damaged_lease), lambda: 0)
    found = told(metrics)
    assert found["otvet_index_readable",] == 0
    assert found["otvet_questions_total", "answer", "generative", "answer"] == 1
    assert not [name for name, *_ in found if name.startswith(("otvet_index_articles", "otvet_model_queue"))]


def test_index_from_the_future_has_no_age_below_zero() -> None:
    @contextmanager
    def tomorrow() -> Iterator[Any]:
        with lease() as generation:
            generation.manifest.created_at = (datetime.now(UTC) + timedelta(days=1)).isoformat()
            yield generation

    metrics = Metrics()
    metrics.watch(engine_over(tomorrow), lambda: 0)
    assert told(metrics)["otvet_index_age_seconds",] == 0


def test_process_is_told_of() -> None:
    assert told(Metrics())["process_resident_memory_bytes",] > 1e6


def test_two_applications_count_each_for_itself() -> None:
    one, other = Metrics(), Metrics()
    one.observe(Asked("mcp", QUESTION, ANSWER, 0.1))
    assert ("otvet_answer_seconds_count", "mcp") not in told(other)


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("", "text/plain; version=0.0.4; charset=utf-8"),
        ("text/html, */*", "text/plain; version=0.0.4; charset=utf-8"),
        ("application/openmetrics-text; version=1.0.0", "application/openmetrics-text; version=1.0.0;"),
        ("application/openmetrics-text; version=seven", "text/plain; version=0.0.4; charset=utf-8"),
        ("application/openmetrics-text;version", "application/openmetrics-text;"),
        ("text/plain; version==;=;;,,;", "text/plain; version=0.0.4; charset=utf-8"),
    ],
)
def test_format_is_the_one_that_is_asked_for(accept: str, media_type: str) -> None:
    metrics = Metrics()
    metrics.observe(Asked("answer", QUESTION, ANSWER, 0.1))
    client = TestClient(Starlette(routes=[metrics.route()]))
    response = client.get("/metrics", headers={"accept": accept})
    assert response.status_code == 200
    assert response.headers["content-type"].startswith(media_type)
    assert told(metrics, accept)["otvet_answer_seconds_count", "answer"] == 1


def page(scope: Any) -> PlainTextResponse:
    return PlainTextResponse("page")


@pytest.fixture
def counted() -> tuple[TestClient, Metrics]:
    """An application as ours is: routes of FastAPI, plain routes, mounts, and another application at "/"."""
    metrics, app = Metrics(), FastAPI()

    @app.get("/articles/{article_id}")
    def article(article_id: str) -> str:
        if article_id == "broken":
            raise RuntimeError("a fault")
        return article_id

    app.router.routes += [Route("/login", page), Route("/feeds/{name}", page)]
    app.mount("/static", Starlette(routes=[Route("/{path:path}", page)]))
    app.mount("/", Starlette(routes=[Route("/queue/{job}", page), Route("/", page), Mount("/deep", page)]))
    app.add_middleware(HttpMetrics, metrics=metrics)
    return TestClient(app, raise_server_exceptions=False), metrics


@pytest.mark.parametrize(
    ("method", "path", "labels"),
    [
        ("GET", "/articles/a%2Fb%0A", ("GET", "page", "404")),  # its "/" is one, so it is no path of articles
        ("GET", "/articles/a%0A", ("GET", "/articles/{article_id}", "200")),
        ("GET", "/articles/broken", ("GET", "/articles/{article_id}", "500")),
        ("POST", "/articles/a", ("POST", "/articles/{article_id}", "404")),
        ("BREW", "/articles/a", ("other", "/articles/{article_id}", "404")),
        ("GET", "/feeds/daily", ("GET", "/feeds/{name}", "200")),
        ("GET", "/login", ("GET", "/login", "200")),
        ("GET", "/static/some.css", ("GET", "/static", "200")),
        ("GET", "/", ("GET", "page", "200")),
        ("GET", "/queue/1234", ("GET", "page", "200")),
        ("GET", "/never/heard/of", ("GET", "page", "404")),
    ],
)
def test_request_is_counted_under_its_route(
    counted: tuple[TestClient, Metrics], method: str, path: str, labels: tuple[str, ...]
) -> None:
    client, metrics = counted
    client.request(method, path)
    found = told(metrics)
    assert {key: value for key, value in found.items() if key[0] == "otvet_http_requests_total"} == {
        ("otvet_http_requests_total", *labels): 1
    }
    assert found["otvet_http_request_seconds_count", labels[1]] == 1


def test_labels_do_not_grow_with_what_clients_send(counted: tuple[TestClient, Metrics]) -> None:
    client, metrics = counted
    for number in range(100):
        client.request(f"M{number}", f"/articles/{number}")
        client.get(f"/{number}/{number}")
        client.get(f"/static/{number}")
    assert {key for key in told(metrics) if key[0] == "otvet_http_requests_total"} == {
        ("otvet_http_requests_total", "other", "/articles/{article_id}", "404"),
        ("otvet_http_requests_total", "GET", "page", "404"),
        ("otvet_http_requests_total", "GET", "/static", "200"),
    }


def test_request_that_nobody_waited_for_is_no_fault_of_ours() -> None:
    async def leave(scope: Scope, receive: Receive, send: Send) -> None:
        """Answers nothing, as the client went away."""

    metrics = Metrics()
    scope = {"type": "http", "app": Starlette(), "method": "POST", "path": "/answer", "headers": []}
    asyncio.run(HttpMetrics(leave, metrics)(scope, unused, unused))
    assert told(metrics)["otvet_http_requests_total", "POST", "other", "499"] == 1


async def unused(*message: Any) -> Any:
    raise AssertionError("nothing is read or sent")
