"""Metrics, logs and spans of the real application, asked over HTTP; spans with a real collector on this machine."""

import json
import re
import shutil
import socket
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from prometheus_client.parser import text_string_to_metric_families

from apps import app_over
from fakes import HashedWordsModel, ScriptedChatModel, open_index
from index.embedding import EmbeddingModel
from index.errors import IndexDamagedError, SettingsError
from index.serving import Index
from index.settings import IndexSettings
from log_lines import logged
from processes import becomes, environment, serving
from qa.engine import Engine, make_engine
from qa.records import Question
from qa.settings import AnswerSettings
from ui.asking import Asked, Asker
from ui.logs import AccessLog, log_asked
from ui.metrics import HttpMetrics, Metrics
from ui.requests import RequestIds, request_id
from ui.settings import ServerSettings
from ui.tracing import set_up_tracing

QUESTION = "Что Мадуро просил у Ирана?"
WORDS_OF_ITS_ANSWER = ("GPS", "дрон")
BORSCHT = "Как приготовить борщ?"
FLUSHED_WITHIN_S = 8  # FLUSH_S and much patience, far below the 10 s that an export may take


class Collector(TraceServiceServicer):
    """Keeps what it is sent."""

    def __init__(self) -> None:
        self.requests: list[ExportTraceServiceRequest] = []

    def Export(  # noqa: N802 - named by OpenTelemetry
        self, request: ExportTraceServiceRequest, context: grpc.ServicerContext
    ) -> ExportTraceServiceResponse:
        self.requests.append(request)
        return ExportTraceServiceResponse()

    @property
    def spans(self) -> list[Span]:
        return [
            span
            for request in self.requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


@pytest.fixture
def collector() -> Iterator[tuple[Collector, str]]:
    """A collector and its address."""
    kept, server = Collector(), grpc.server(ThreadPoolExecutor(2))
    add_TraceServiceServicer_to_server(kept, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield kept, f"http://127.0.0.1:{port}"
    server.stop(None).wait(10)


@pytest.fixture
def traced() -> Iterator[Callable[[FastAPI, str | None], Callable[[Asked], None]]]:
    """Traces an application; the instrumentation, which reaches into Starlette, is taken out in the end."""
    apps: list[FastAPI] = []

    def trace(app: FastAPI, endpoint: str | None) -> Callable[[Asked], None]:
        apps.append(app)
        return set_up_tracing(app, ServerSettings(otlp_endpoint=endpoint))

    yield trace
    for app in apps:
        FastAPIInstrumentor.uninstrument_app(app)


def asking_app(engine: Engine, trace: Callable[[FastAPI], Callable[[Asked], None]]) -> FastAPI:
    """A small application that asks as the doors do."""
    app = FastAPI()
    asker = Asker(engine, observe=trace(app))

    @app.get("/ask/{number}")
    async def ask(number: int, question: str) -> str:
        return (await asker.respond(Question(question), "answer")).text

    @app.get("/broken")
    def broken(question: str) -> str:
        raise RuntimeError(f"a fault with {question}")

    app.add_middleware(RequestIds)
    return app


def attributes_of(span: Span) -> dict[str, Any]:
    return {one.key: getattr(one.value, str(one.value.WhichOneof("value"))) for one in span.attributes}


def test_real_application_is_measured_under_its_routes(sample_engine: Engine) -> None:
    metrics = Metrics()
    app = app_over(sample_engine)
    app.router.routes.insert(0, metrics.route())
    app.add_middleware(HttpMetrics, metrics=metrics)
    asker = Asker(sample_engine, observe=metrics.observe)
    metrics.watch(sample_engine, lambda: asker.n_running)
    with TestClient(app) as client:
        article_id = client.get("/articles").json()["articles"][0]["article_id"]
        for path in (f"/articles/{article_id}", "/articles/none-1", "/articles/none-2", "/health", "/"):
            client.get(path)
        for path in ("/config", "/assets/none.js", "/no/such/place", "/openapi.json", "/docs"):
            client.get(path)
        client.get("/static-offline-docs/swagger-ui.css")
        client.post("/answer", json={"question": QUESTION})
        list(asker.steps(Question(QUESTION), "page"))
        list(asker.steps(Question(BORSCHT), "page"))
        response = client.get("/metrics")
    samples = [one for family in text_string_to_metric_families(response.text) for one in family.samples]
    routes = {one.labels["route"]: one.labels for one in samples if one.name == "otvet_http_requests_total"}
    assert set(routes) == {
        *("/articles", "/articles/{article_id}", "/health", "/answer", "/openapi.json", "/docs"),
        *("/static-offline-docs", "page"),
    }
    values = {(one.name, *sorted(one.labels.values())): one.value for one in samples}
    assert values["otvet_http_requests_total", "/articles/{article_id}", "404", "GET"] == 2
    assert values["otvet_questions_total", "answer", "extractive", "page"] == 1
    assert values["otvet_refusals_total", "not_relevant"] == 1
    assert values["otvet_stage_seconds_count", "retrieve"] == 2
    assert values["otvet_index_readable",] == 1
    with sample_engine.index.lease() as generation:
        manifest = generation.manifest
        assert values["otvet_index_generation_info", generation.name, manifest.embedding_model] == 1
    assert values["otvet_index_articles",] == manifest.n_articles
    assert values["otvet_questions_running",] == 0


def test_index_that_becomes_unreadable_does_not_break_the_metrics(
    tmp_path: Path, hashed_words: HashedWordsModel
) -> None:
    metrics = Metrics()
    index = open_index(tmp_path, hashed_words, [{"title": "Мост", "text": "Мост закрыли."}])
    metrics.watch(make_engine(index, hashed_words, AnswerSettings()), lambda: 0)
    (tmp_path / "data" / "index" / "CURRENT").write_bytes(b"\xff no generation")
    shutil.rmtree(tmp_path / "data" / "index" / "g-0001")
    text = TestClient(FastAPI(routes=[metrics.route()])).get("/metrics").text
    assert "otvet_index_articles 1.0" in text, "the open generation goes on serving, and is told of"
    index.close()


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_nothing_that_is_asked_or_answered_is_logged(
    sample_settings: IndexSettings, model: EmbeddingModel, log_format: str
) -> None:
    """By quotes and by a language model that answers, invents, answers in another language, and fails."""
    index = Index(sample_settings, model)
    replies: list[list[Any]] = [
        ["Мадуро просил дроны ", "[1]."],
        ["Наполеон построил мост через Волгу [1]."],
        ["Наполеон построил мост через Волгу [1]."],
        ["Napoleon built a bridge over the Volga [1]."],
        ["Napoleon built a bridge over the Volga [1]."],
        [RuntimeError("the server said Наполеон")],
    ]
    engine = make_engine(index, model, AnswerSettings(), ScriptedChatModel(replies=replies * 3))
    asker = Asker(engine, observe=log_asked(with_text=False))
    with logged(log_format=log_format, log_level="info") as written:
        for _ in range(6):
            list(asker.steps(Question(QUESTION), "answer"))
        list(asker.steps(Question(QUESTION, mode="extractive"), "answer"))
        list(asker.steps(Question(BORSCHT), "answer"))
    index.close()
    lines = written.getvalue().splitlines()
    told = "\n".join(lines if log_format == "text" else [str(json.loads(line)) for line in lines])
    assert told.count("ui.question_log") == 8
    assert not re.search("Мадуро|Иран|борщ|GPS|дрон|Volga|Волг", told), told


def test_words_are_logged_at_debug_only(sample_settings: IndexSettings, model: EmbeddingModel) -> None:
    index = Index(sample_settings, model)
    replies = [["Наполеон построил мост через Волгу [1]."] for _ in range(4)]
    engine = make_engine(index, model, AnswerSettings(), ScriptedChatModel(replies=replies))
    with logged(log_level="debug") as written:
        list(Asker(engine).steps(Question(QUESTION), "answer"))
    index.close()
    with_words = [line for line in written.getvalue().splitlines() if "Волгу" in line]
    assert with_words
    assert all(line.startswith("DEBUG qa.") for line in with_words)


def test_lines_of_an_answer_bear_its_request_id(sample_engine: Engine) -> None:
    app, seen = FastAPI(), []
    tell = log_asked(with_text=False)

    def observe(asked: Asked) -> None:
        seen.append(request_id())
        tell(asked)

    asker = Asker(sample_engine, observe=observe)

    @app.get("/ask")
    async def ask() -> str:
        return (await asker.respond(Question(QUESTION), "answer")).text

    app.add_middleware(AccessLog)
    app.add_middleware(RequestIds)
    with logged(log_format="json", log_level="info") as written:
        TestClient(app).get("/ask", headers={"X-Request-ID": "abc-1"})
    fields = [json.loads(line) for line in written.getvalue().splitlines()]
    assert {one["logger"] for one in fields} == {"ui.question_log", "ui.access_log"}
    assert {one["request_id"] for one in fields} == set(seen) == {"abc-1"}


def test_spans_of_requests_questions_and_stages_are_sent(
    sample_engine: Engine, collector: tuple[Collector, str], traced: Any
) -> None:
    kept, endpoint = collector
    with TestClient(asking_app(sample_engine, lambda app: traced(app, endpoint))) as client:
        client.get("/ask/7", params={"question": QUESTION}, headers={"X-Request-ID": "abc-2"})
        client.get("/health")
    request = next(span for span in kept.spans if span.name == "GET /ask/{number}")
    question = next(span for span in kept.spans if span.name == "question")
    stages = [span for span in kept.spans if span.parent_span_id == question.span_id]
    assert question.parent_span_id == request.span_id
    assert question.trace_id == request.trace_id
    assert [span.name for span in stages] == ["understand", "retrieve", "rank", "extractive"]
    for span in (question, *stages):
        assert span.start_time_unix_nano <= span.end_time_unix_nano
    for one, following in zip(stages, stages[1:], strict=False):
        assert one.end_time_unix_nano == following.start_time_unix_nano
    told = attributes_of(question)
    assert told["otvet.request_id"] == "abc-2"
    assert (told["otvet.door"], told["otvet.outcome"], told["otvet.mode"]) == ("answer", "answer", "extractive")
    assert attributes_of(request)["http.route"] == "/ask/{number}"
    (service,) = {
        one.value.string_value
        for sent in kept.requests
        for resource in sent.resource_spans
        for one in resource.resource.attributes
        if one.key == "service.name"
    }
    assert service == "otvet"
    assert not [span for span in kept.spans if "health" in span.name], "asked every few seconds"


def test_spans_hold_no_words(sample_engine: Engine, collector: tuple[Collector, str], traced: Any) -> None:
    kept, endpoint = collector
    headers = {"user-agent": "Наполеон".encode(), "baggage": "who=Napoleon", "host": "napoleon.example"}
    app = asking_app(sample_engine, lambda app: traced(app, endpoint))
    with TestClient(app, raise_server_exceptions=False) as client:
        for path in ("/ask/7", "/broken", "/napoleon"):
            client.get(path, params={"question": QUESTION}, headers=headers)
    assert [span for span in kept.spans if span.status.code == Status.STATUS_CODE_ERROR], "the fault is told of"
    sent = "\n".join(map(str, kept.requests)) + b"".join(one.SerializeToString() for one in kept.requests).decode(
        errors="replace"
    )
    assert "RuntimeError" in sent
    for word in ("Мадуро", "%D0%9C", "a fault with", "apoleon", "Наполеон", "testclient", *WORDS_OF_ITS_ANSWER):
        assert word not in sent, word


def test_error_is_a_span_with_its_class(collector: tuple[Collector, str], traced: Any) -> None:
    kept, endpoint = collector
    app = FastAPI()
    observe = traced(app, endpoint)
    with TestClient(app):
        observe(Asked("mcp", Question(QUESTION), IndexDamagedError("Мадуро"), 0.5))
        observe(Asked("mcp", Question(QUESTION), None, 0.5))
    failed, stopped = kept.spans
    assert failed.status.code == Status.STATUS_CODE_ERROR
    assert failed.end_time_unix_nano - failed.start_time_unix_nano == 500_000_000
    assert attributes_of(failed)["otvet.error"] == "IndexDamagedError"
    assert attributes_of(stopped)["otvet.outcome"] == "stopped"
    assert stopped.status.code == Status.STATUS_CODE_UNSET
    assert "Мадуро" not in "\n".join(map(str, kept.requests))


def test_nothing_is_sent_without_the_setting(
    sample_engine: Engine, collector: tuple[Collector, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, endpoint = collector
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
    app = asking_app(sample_engine, lambda app: set_up_tracing(app, ServerSettings()))
    with TestClient(app) as client:
        assert client.get("/ask/7", params={"question": QUESTION}).status_code == 200
    assert not hasattr(app, "_is_instrumented_by_opentelemetry")
    time.sleep(0.5)
    assert kept.requests == []


@pytest.mark.parametrize("is_listening", [False, True])
def test_dead_collector_holds_up_neither_answers_nor_the_end(
    sample_engine: Engine, traced: Any, is_listening: bool
) -> None:
    """One that refuses connections, and one that takes them and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        if not is_listening:
            silent.close()
        with TestClient(asking_app(sample_engine, lambda app: traced(app, endpoint))) as client:
            for number in range(5):
                response = client.get(f"/ask/{number}", params={"question": QUESTION})
                assert response.status_code == 200
                assert "[1]" in response.text
            began = time.monotonic()
        assert time.monotonic() - began < FLUSHED_WITHIN_S


def test_missing_package_is_told_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.instrumentation.fastapi", None)
    monkeypatch.delitem(sys.modules, "ui.spans", raising=False)
    settings = ServerSettings(otlp_endpoint="http://127.0.0.1:4317")
    with pytest.raises(SettingsError, match=re.escape("pip install 'otvet[otel]'")) as told:
        set_up_tracing(FastAPI(), settings)
    assert "'opentelemetry.instrumentation.fastapi'" in str(told.value)
    assert "OTVET_OTLP_ENDPOINT" in str(told.value)


def test_a_server_logs_each_request_as_json(sample_settings: IndexSettings, tmp_path: Path) -> None:
    wanted = {"OTVET_LOG_FORMAT": "json", "OTVET_LOG_LEVEL": "info"}
    with serving(environment(sample_settings.data_dir, **wanted), tmp_path) as (url, _):
        reply = httpx.post(f"{url}/answer", json={"question": QUESTION}, timeout=60, trust_env=False)
        errors = tmp_path / "serve.err"
        assert becomes(lambda: errors.read_text(encoding="utf-8").count(reply.headers["X-Request-ID"]) == 2)
    lines = [json.loads(line) for line in errors.read_text(encoding="utf-8").splitlines()]
    own = {line["logger"] for line in lines if line["request_id"] == reply.headers["X-Request-ID"]}
    assert own == {"ui.access_log", "ui.question_log"}
    assert QUESTION not in json.dumps(lines, ensure_ascii=False)
