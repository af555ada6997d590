"""Spans and metrics of one service through OpenTelemetry's SDK.

Import this only where an endpoint is set: the SDK weighs more than a small service. Names and attributes are those of
OpenTelemetry's conventions where they have one, `lumi.` in front where they do not.
"""

import random
from collections.abc import Iterable
from threading import Thread
from time import monotonic
from types import TracebackType
from uuid import uuid4

from opentelemetry.context import Context as Below
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricExporter, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)
from opentelemetry.trace import Span as Recorded
from opentelemetry.util.types import Attributes

from lumi_common.context import new_traceparent
from lumi_common.durations import Durations, WithDurations
from lumi_common.errors import LumiError
from lumi_common.figures import LOOK_SECONDS, Gauge
from lumi_common.tracing import is_sampled, is_well_formed, unsampled

EXPORT_SECONDS = 5.0
CLOSE_SECONDS = 5.0
# What is a fault of the server's; every other refusal is an answer.
_FAULTS = frozenset({"INTERNAL", "UNAVAILABLE", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "UNKNOWN", "DATA_LOSS"})
_FAULT = Status(StatusCode.ERROR)
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)


class Span:
    """A span that is being recorded; as a block it ends with the block, and a block that raises marks it.

    Of an error it keeps the code or the type's name, never the text: that may quote values.
    """

    __slots__ = ("_span", "_telemetry")

    def __init__(self, telemetry: "Telemetry", span: Recorded) -> None:
        self._telemetry, self._span = telemetry, span

    @property
    def traceparent(self) -> str:
        """What whoever goes on below it is told."""
        own = self._span.get_span_context()
        return f"00-{own.trace_id:032x}-{own.span_id:016x}-01"

    def of_statement(self, summary: str) -> "Span":
        """The span of a statement below this one; `summary` names its operation and tables."""
        return self._below(summary, {"db.system.name": "postgresql", "db.query.summary": summary})

    def of_peer_call(self, method: str, peer: str) -> "Span":
        """The span of our call to a peer, below this one."""
        return self._below(method, {**_rpc(method), "lumi.peer": peer})

    def link(self, traceparent: str) -> None:
        """Point to another trace's span, where work of this one's is shown."""
        self._span.add_link(_ids(traceparent))

    def end(self, code: str = "OK", *, faults: frozenset[str] | None = None) -> None:
        """End it with the code of what it did; among `faults`, or when it is not OK, it is marked as failed."""
        if code != "OK":
            self._span.set_attribute("error.type", code)
            if faults is None or code in faults:
                self._span.set_status(_FAULT)
        self._span.end()

    def __enter__(self) -> "Span":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end("OK" if error is None else error.code if isinstance(error, LumiError) else type(error).__name__)

    def _below(self, name: str, attributes: Attributes) -> "Span":
        return self._telemetry.open(name, set_span_in_context(self._span, _NOWHERE), SpanKind.CLIENT, attributes)


class Telemetry:
    """Spans and metrics of one service; `ratio` is the share of calls to sample that nobody decided about before.

    `spans` and `metrics` say where they go: see `over_otlp`.
    """

    def __init__(self, service: str, ratio: float, *, spans: SpanProcessor, metrics: MetricExporter) -> None:
        resource = Resource.create(
            {"service.name": f"lumi-{service}", "service.namespace": "lumi", "service.instance.id": str(uuid4())}
        )
        self._ratio = ratio
        # Who is sampled is decided here, before there is a span: the SDK records whatever it is given.
        self._traces = TracerProvider(resource=resource, sampler=ALWAYS_ON, shutdown_on_exit=False)
        self._traces.add_span_processor(spans)
        self._durations = Durations()
        reader = PeriodicExportingMetricReader(
            WithDurations(metrics, self._durations), export_interval_millis=LOOK_SECONDS * 1e3
        )
        self._metrics = MeterProvider(resource=resource, metric_readers=[reader], shutdown_on_exit=False)
        self._tracer = self._traces.get_tracer("lumi_common")
        self._meter = self._metrics.get_meter("lumi_common")
        began = monotonic()
        # Always told, so that there is always something to export.
        self._meter.create_observable_gauge(
            "process.uptime",
            callbacks=[lambda _: [Observation(monotonic() - began)]],
            unit="s",
            description="Since when the process has been running",
        )

    @classmethod
    def over_otlp(cls, service: str, endpoint: str, ratio: float = 0.0) -> "Telemetry":
        """Telemetry that goes to an OTLP endpoint such as `http://127.0.0.1:4317`, in batches, beside the calls."""
        insecure = not endpoint.startswith("https://")
        spans = OTLPSpanExporter(endpoint, insecure=insecure, timeout=EXPORT_SECONDS)
        metrics = OTLPMetricExporter(endpoint, insecure=insecure, timeout=EXPORT_SECONDS)
        return cls(service, ratio, spans=BatchSpanProcessor(spans), metrics=metrics)

    def start(self, method: str, incoming: str | None, *, trusted: bool) -> tuple[str, Span | None]:
        """The traceparent that a call goes on with, and its span if it is sampled.

        `trusted` says that whoever sent the traceparent decides about sampling; else it is only the trace to be in.
        """
        if incoming is None or not is_well_formed(incoming):
            if random.random() >= self._ratio:
                return new_traceparent(), None
            below = _NOWHERE
        elif is_sampled(incoming) if trusted else random.random() < self._ratio:
            below = _below(incoming)
        else:
            return unsampled(incoming), None
        span = self.open(method, below, SpanKind.SERVER, _rpc(method))
        return span.traceparent, span

    def finish(self, span: Span | None, method: str, code: str, seconds: float) -> None:
        """Count a call that was served, and end its span if it has one; `code` is the status code's name."""
        self._durations.record(method, code, seconds)
        if span is not None:
            span.end(code, faults=_FAULTS)

    def publishing(self, traceparent: str, subject: str, id: str) -> Span | None:
        """The span of an event on its way from the outbox to its stream, if the call that caused it is sampled."""
        return self._continuing(traceparent, "publish", SpanKind.PRODUCER, subject, id, {})

    def consuming(self, traceparent: str, subject: str, id: str, consumer: str) -> Span | None:
        """The span of a consumer that acts on an event, if the call that caused it is sampled."""
        group = {"messaging.consumer.group.name": consumer}
        return self._continuing(traceparent, "process", SpanKind.CONSUMER, subject, id, group)

    def gauge(self, gauge: Gauge) -> None:
        """Export what a gauge last read."""

        def observe(_: CallbackOptions) -> Iterable[Observation]:
            return [Observation(value, {gauge.by: str(key)} if gauge.by else None) for key, value in gauge.last.items()]

        self._meter.create_observable_gauge(
            gauge.name, callbacks=[observe], unit=gauge.unit, description=gauge.description
        )

    def open(self, name: str, below: Below, kind: SpanKind, attributes: Attributes) -> Span:
        """Start a span."""
        return Span(self, self._tracer.start_span(name, below, kind, attributes))

    def flush(self) -> None:
        """Export the figures as they are now."""
        self._metrics.force_flush()

    def close(self) -> None:
        """Export what is left; blocks for CLOSE_SECONDS at most, whoever does not take it."""
        threads = [Thread(target=each.shutdown, daemon=True) for each in (self._traces, self._metrics)]
        for thread in threads:
            thread.start()
        end = monotonic() + CLOSE_SECONDS
        for thread in threads:
            thread.join(max(0.0, end - monotonic()))

    def _continuing(
        self, traceparent: str, verb: str, kind: SpanKind, subject: str, id: str, more: dict[str, str]
    ) -> Span | None:
        if not (is_well_formed(traceparent) and is_sampled(traceparent)):
            return None
        attributes = {
            "messaging.system": "nats",
            "messaging.operation.name": verb,
            "messaging.operation.type": "send" if kind is SpanKind.PRODUCER else "process",
            "messaging.destination.name": subject,
            "messaging.message.id": id,
            **more,
        }
        return self.open(f"{verb} {subject}", _below(traceparent), kind, attributes)


_NOWHERE = Below()


def _below(traceparent: str) -> Below:
    return set_span_in_context(NonRecordingSpan(_ids(traceparent)), _NOWHERE)


def _ids(traceparent: str) -> SpanContext:
    return SpanContext(int(traceparent[3:35], 16), int(traceparent[36:52], 16), True, _SAMPLED)


def _rpc(method: str) -> dict[str, str]:
    return {"rpc.system.name": "grpc", "rpc.method": method}
