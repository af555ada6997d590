"""Traces and request metrics over OTLP: spans for sampled calls only, next to nothing where no endpoint is set.

The W3C traceparent is kept and forwarded by string handling alone, sampled or not, so that logs of every service
share a trace id. The OpenTelemetry SDK is imported when an endpoint is set: it weighs more than a small service.
"""

import random
import re
from typing import TYPE_CHECKING, Any

from lumi_common.context import new_traceparent

if TYPE_CHECKING:
    from opentelemetry.trace import Span

TRACEPARENT = "traceparent"

_WELL_FORMED = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def kept_traceparent(incoming: str | None) -> str:
    """The caller's traceparent if it is well-formed, else a new, unsampled one."""
    if incoming is not None and _WELL_FORMED.fullmatch(incoming):
        return incoming
    return new_traceparent()


class Telemetry:
    """Spans and metrics of one service, exported to an OTLP endpoint such as `http://127.0.0.1:4317`.

    `ratio` is the share of calls to sample among those that arrive without a traceparent; with one, its sampled
    flag decides.
    """

    def __init__(self, service: str, endpoint: str, ratio: float = 0.0) -> None:
        from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        resource = Resource.create({"service.name": f"lumi-{service}"})
        insecure = not endpoint.startswith("https://")
        self._ratio = ratio
        self._traces = TracerProvider(resource=resource)
        self._traces.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint, insecure=insecure)))
        reader = PeriodicExportingMetricReader(OTLPMetricExporter(endpoint=endpoint, insecure=insecure))
        self._metrics = MeterProvider(resource=resource, metric_readers=[reader])
        self._tracer = self._traces.get_tracer("lumi_common")
        self._durations = self._metrics.get_meter("lumi_common").create_histogram(
            "rpc.server.duration", unit="s", description="Time from the start of a call to its end."
        )

    def start(self, method: str, incoming: str | None) -> "tuple[str, Span | None]":
        """The traceparent to go on with, and the span of this call if it is sampled."""
        traceparent = kept_traceparent(incoming)
        is_root = traceparent != incoming
        sampled = random.random() < self._ratio if is_root else int(traceparent[53:], 16) & 1
        if not sampled:
            return traceparent, None
        return self._open_span(method, traceparent, is_root)

    def _open_span(self, method: str, traceparent: str, is_root: bool) -> "tuple[str, Span]":
        from opentelemetry.trace import (
            NonRecordingSpan,
            SpanContext,
            SpanKind,
            TraceFlags,
            set_span_in_context,
        )

        parent = None
        if not is_root:
            ids = SpanContext(
                int(traceparent[3:35], 16), int(traceparent[36:52], 16), True, TraceFlags(TraceFlags.SAMPLED)
            )
            parent = set_span_in_context(NonRecordingSpan(ids))
        span = self._tracer.start_span(method, context=parent, kind=SpanKind.SERVER)
        own = span.get_span_context()
        return f"00-{own.trace_id:032x}-{own.span_id:016x}-01", span

    def finish(self, span: Any, method: str, code: str, seconds: float) -> None:
        """Record the call's duration, and close its span if it has one; `code` is the status code's name."""
        self._durations.record(seconds, {"rpc.method": method, "rpc.grpc.status_code": code})
        if span is not None:
            span.set_attribute("rpc.grpc.status_code", code)
            if code in ("INTERNAL", "UNAVAILABLE", "DEADLINE_EXCEEDED"):
                from opentelemetry.trace import Status, StatusCode

                span.set_status(Status(StatusCode.ERROR))
            span.end()

    def close(self) -> None:
        """Export what is left; blocks for as long as the exporters allow, so call it last."""
        self._traces.shutdown()
        self._metrics.shutdown()
