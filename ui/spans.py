"""Spans of requests, questions and the stages of answers, sent to an OpenTelemetry collector by gRPC.

Requests are measured by opentelemetry-instrumentation-fastapi; a question is a span below its request, made once it is
over, with its stages below it.

Decision: a provider of our own, no global one, so that no other package's spans are sent along with ours.
Decision: attributes are sent by a list of those that cannot hold words of questions, articles or people; not the path,
what follows its "?", or an exception's message.
Decision: a collector that is not there costs spans and words in the log, never an answer: spans wait in a queue of
limited length for a thread of its own, and the end of the server waits for it `FLUSH_S` at most.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from threading import Thread
from typing import Any, cast

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Status, StatusCode, set_span_in_context
from starlette.applications import Starlette

from qa.records import Answer, Refusal
from ui.asking import Asked
from ui.outcomes import error_type, kind_of, mode_of, stages_ms
from ui.requests import request_id

OWN = "otvet."  # begins the names of our own attributes
SENT = {
    "http.method",
    "http.request.method",
    "http.route",
    "http.status_code",
    "http.response.status_code",
    "http.scheme",
    "url.scheme",
    "http.flavor",
    "network.protocol.version",
    "error.type",
    "exception.type",
}
NOT_MEASURED = "^[a-z]+://[^/]*/(health|ready|metrics)$"  # asked every few seconds
EXPORT_TIMEOUT_S = 10
FLUSH_S = 3


class Spans:
    """Measures one application.

    Args:
        endpoint: of the collector, such as "http://127.0.0.1:4317"; with "https" the connection is encrypted.
    """

    def __init__(self, endpoint: str) -> None:
        exporter = OTLPSpanExporter(endpoint=endpoint, timeout=EXPORT_TIMEOUT_S)
        self._provider = TracerProvider(resource=Resource.create({SERVICE_NAME: "otvet"}), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(_SparingExporter(exporter)))
        self._tracer = self._provider.get_tracer("otvet")

    def instrument(self, app: Starlette) -> None:
        """Measure an application's requests, and send what is left when it ends."""
        FastAPIInstrumentor.instrument_app(
            cast("Any", app),  # a FastAPI
            tracer_provider=self._provider,
            excluded_urls=NOT_MEASURED,
            exclude_spans=["receive", "send"],
        )
        whole = app.router.lifespan_context

        @asynccontextmanager
        async def lifespan(app: Starlette) -> AsyncIterator[Any]:
            async with whole(app) as state:
                yield state
            await asyncio.to_thread(self.close)

        app.router.lifespan_context = lifespan

    def observe(self, asked: Asked) -> None:
        """Tell of a question that is over."""
        end = time.time_ns()
        start = end - _ns(1000 * asked.seconds)
        span = self._tracer.start_span("question", start_time=start, attributes=_attributes(asked))
        if isinstance(asked.outcome, Exception):
            span.set_status(StatusCode.ERROR)
        below = set_span_in_context(span)
        for stage, ms in stages_ms(asked).items():
            stage_span = self._tracer.start_span(stage, below, start_time=start)
            start += _ns(ms)
            stage_span.end(start)
        span.end(end)

    def close(self) -> None:
        """Send what is left, for a few seconds at most."""
        last = Thread(target=self._provider.shutdown, name="last spans", daemon=True)
        last.start()
        last.join(FLUSH_S)


class _SparingExporter(SpanExporter):
    """Sends on of each span only what holds nobody's words."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return self._exporter.export([_spared(span) for span in spans])

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)


def _spared(span: ReadableSpan) -> ReadableSpan:
    return ReadableSpan(
        name=span.name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=_sent(span.attributes),
        events=[Event(event.name, _sent(event.attributes), event.timestamp) for event in span.events],
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _sent(attributes: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (attributes or {}).items() if name in SENT or name.startswith(OWN)}


def _attributes(asked: Asked) -> dict[str, str | int]:
    outcome = asked.outcome
    found: dict[str, str | int] = {"door": asked.door, "outcome": kind_of(asked), "request_id": request_id()}
    match outcome:
        case Answer():
            found |= {"mode": mode_of(asked), "n_citations": len(outcome.citations)}
        case Refusal():
            found["reason"] = str(outcome.reason)
        case Exception():
            found["error"] = error_type(outcome)
    if isinstance(outcome, Answer | Refusal):
        found["generation"] = outcome.generation
    return {f"{OWN}{name}": value for name, value in found.items()}


def _ns(ms: float) -> int:
    return round(1e6 * ms)
