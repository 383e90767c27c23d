"""What Prometheus is told at GET /metrics: what was asked and what became of it, requests, queues, the index.

Decision: a label has few values, all of which the code knows. Paths, names and versions of clients are never one; a
request is counted under the template of its route, and everything of the page under "page".
What is told is of this process; of replicas each is asked.
"""

import logging
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, Counter, Histogram, Metric, ProcessCollector
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from index.errors import OtvetError
from qa.breaker import STATES
from qa.chat_models import breaker_of
from qa.engine import Engine
from qa.records import Answer, Refusal, RefusalReason
from ui.asking import Asked
from ui.outcomes import error_type, kind_of, mode_of, stages_ms
from ui.requests import Ended, answer_and_tell

log = logging.getLogger(__name__)

PATH = "/metrics"
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)  # quotes to a slow language model
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
PAGE, OTHER = "page", "other"


class Metrics:
    """Counts for one application. Safe between threads.

    Attributes:
        registry: all that is told.
    """

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._questions = Counter(
            "otvet_questions", "Questions that are over.", ["door", "mode", "outcome"], registry=registry
        )
        self._refusals = Counter("otvet_refusals", "Refusals.", ["reason"], registry=registry)
        self._errors = Counter("otvet_errors", "Questions that ended in an error.", ["type"], registry=registry)
        self._tokens = Counter("otvet_model_tokens", "Tokens of the language model.", ["kind"], registry=registry)
        self._seconds = Histogram(
            "otvet_answer_seconds", "From a question to its end.", ["door"], buckets=SECONDS, registry=registry
        )
        self._stages = Histogram(
            "otvet_stage_seconds", "Stages of answers and refusals.", ["stage"], buckets=SECONDS, registry=registry
        )
        self.requests = Counter(
            "otvet_http_requests", "Requests that are over.", ["method", "route", "status"], registry=registry
        )
        self.request_seconds = Histogram(
            "otvet_http_request_seconds",
            "From a request to the end of its response.",
            ["route"],
            buckets=SECONDS,
            registry=registry,
        )
        for reason in RefusalReason:  # told from the beginning, so that the first refusal is an increase
            self._refusals.labels(reason)

    def observe(self, asked: Asked) -> None:
        """Count a question that is over."""
        self._questions.labels(asked.door, mode_of(asked), kind_of(asked)).inc()
        self._seconds.labels(asked.door).observe(asked.seconds)
        for stage, ms in stages_ms(asked).items():
            self._stages.labels(stage).observe(ms / 1000)
        if isinstance(asked.outcome, Answer | Refusal) and asked.outcome.tokens is not None:
            self._tokens.labels("prompt").inc(asked.outcome.tokens.prompt)
            self._tokens.labels("completion").inc(asked.outcome.tokens.completion)
        match asked.outcome:
            case Refusal(reason=reason):
                self._refusals.labels(reason).inc()
            case Exception() as exc:
                self._errors.labels(error_type(exc)).inc()

    def watch(self, engine: Engine, n_running: Callable[[], int]) -> None:
        """Tell, whenever Prometheus asks, of the engine and of the questions that are being answered."""
        self.registry.register(_State(engine, n_running))

    def route(self) -> Route:
        """GET /metrics, in the text format of Prometheus, or OpenMetrics where that is asked for."""
        return Route(PATH, self._respond, methods=["GET"])

    def _respond(self, request: Request) -> Response:
        try:
            encode, media_type = choose_encoder(request.headers.get("accept", ""))
        except TypeError:  # of prometheus_client 0.26, where a version is no number
            encode, media_type = choose_encoder("")
        return Response(encode(self.registry), headers={"Content-Type": media_type})


class _State(Collector):
    """What is true at the moment at which Prometheus asks."""

    def __init__(self, engine: Engine, n_running: Callable[[], int]) -> None:
        self._engine = engine
        self._n_running = n_running

    def describe(self) -> Iterable[Metric]:
        """Nothing: what is told depends on what can be read then."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """The gauges."""
        yield GaugeMetricFamily("otvet_questions_running", "Questions being answered.", self._n_running())
        if (queue := self._engine.model_queue) is not None:
            yield GaugeMetricFamily("otvet_model_queue_running", "Answers the model is writing.", queue.n_running)
            yield GaugeMetricFamily("otvet_model_queue_waiting", "Answers that wait for it.", queue.n_waiting)
        if (breaker := breaker_of(self._engine.chat_model)) is not None:
            circuit = GaugeMetricFamily(
                "otvet_model_circuit", "1 for the state of the circuit to the model, else 0.", labels=["state"]
            )
            state = breaker.state
            for one in STATES:
                circuit.add_metric([one], int(one == state))
            yield circuit
        try:
            gauges = self._index()
        except (OtvetError, OSError) as exc:
            log.error("the metrics cannot tell of the index: %s", exc)
            gauges = []
        yield GaugeMetricFamily("otvet_index_readable", "1 if the index can be read, else 0.", int(bool(gauges)))
        yield from gauges

    def _index(self) -> list[Metric]:
        with self._engine.index.lease() as generation:
            name, manifest = generation.name, generation.manifest
            generation.check()
        info = GaugeMetricFamily(
            "otvet_index_generation_info", "The serving generation.", labels=["generation", "embedding_model"]
        )
        info.add_metric([name, manifest.embedding_model], 1)
        return [
            info,
            GaugeMetricFamily("otvet_index_articles", "Articles in it.", manifest.n_articles),
            GaugeMetricFamily("otvet_index_chunks", "Chunks in it.", manifest.n_chunks),
            GaugeMetricFamily("otvet_index_age_seconds", "Since it was built.", _age_s(manifest.created_at)),
        ]


class HttpMetrics:
    """Middleware that counts requests, each when its response has ended. Pure ASGI, so that a stream stays a stream."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request and count it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        application = scope["app"]

        def count(ended: Ended) -> None:
            route = route_of(scope, application)
            method = scope["method"] if scope["method"] in METHODS else OTHER
            self._metrics.requests.labels(method, route, ended.status).inc()
            self._metrics.request_seconds.labels(route).observe(ended.seconds)

        await answer_and_tell(self._app, scope, receive, send, count)


def route_of(scope: Scope, application: Starlette) -> str:
    """The template of the route that a request took; "other" where it took none.

    Args:
        scope: of the request, after it was answered.
        application: to which it came; what is mounted at "/" there is the page.
    """
    is_own, route, path = scope["app"] is application, scope.get("route"), scope["path"]
    if is_own and isinstance(route, Route):
        return route.path_format
    for known in application.routes:  # FastAPI does not tell of plain routes and mounts
        if isinstance(known, Route) and known.path_regex.match(path):
            return known.path_format
        if isinstance(known, Mount) and known.path and path.startswith(f"{known.path}/"):
            return known.path
    return OTHER if is_own else PAGE


def _age_s(created_at: str) -> float:
    """Seconds since a time in ISO format; 0 where that is to come."""
    return max(0.0, (datetime.now(UTC) - datetime.fromisoformat(created_at)).total_seconds())
