"""Where telemetry goes in tests: an OTLP collector on loopback, and an exporter that keeps figures in memory."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2_grpc as metrics_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as traces
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as traces_grpc
from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult, MetricsData


class Collector(traces_grpc.TraceServiceServicer, metrics_grpc.MetricsServiceServicer):
    """The spans, each with the name of its service, and the metrics by name, each as it came last."""

    def __init__(self) -> None:
        self.endpoint = ""
        self.spans: list[tuple[str, Any]] = []
        self.metrics: dict[str, Any] = {}

    def Export(self, request: Any, context: Any) -> Any:
        if isinstance(request, traces.ExportTraceServiceRequest):
            for resource in request.resource_spans:
                for scope in resource.scope_spans:
                    self.spans += [(_service(resource.resource), span) for span in scope.spans]
            return traces.ExportTraceServiceResponse()
        for resource in request.resource_metrics:
            for scope in resource.scope_metrics:
                self.metrics |= {metric.name: metric for metric in scope.metrics}
        return metrics.ExportMetricsServiceResponse()


class KeptFigures(MetricExporter):
    """Keeps the figures that were exported last."""

    def __init__(self) -> None:
        super().__init__()
        self.last: MetricsData | None = None

    def points(self) -> dict[str, list[Any]]:
        """The data points of each metric."""
        assert self.last is not None
        parts = self.last.resource_metrics[0].scope_metrics
        return {metric.name: list(metric.data.data_points) for part in parts for metric in part.metrics}

    def export(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: Any) -> MetricExportResult:
        self.last = metrics_data
        return MetricExportResult.SUCCESS

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        return True

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:
        """Nothing to end."""


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector that listens for the length of the block."""
    collector = Collector()
    server = grpc.server(ThreadPoolExecutor(2))
    traces_grpc.add_TraceServiceServicer_to_server(collector, server)
    metrics_grpc.add_MetricsServiceServicer_to_server(collector, server)
    collector.endpoint = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield collector
    finally:
        server.stop(0)


def attributes(span: Any) -> dict[str, Any]:
    """The attributes of a span or a resource as plain values."""
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in span.attributes}


def _service(resource: Any) -> str:
    return str(attributes(resource).get("service.name", ""))
