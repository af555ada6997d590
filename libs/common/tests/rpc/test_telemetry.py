from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2_grpc as metrics_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as traces
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as traces_grpc

from lumi_common.telemetry import Telemetry

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


class Collector(traces_grpc.TraceServiceServicer, metrics_grpc.MetricsServiceServicer):
    """Keeps the spans and the names of the metrics that it is sent."""

    def __init__(self):
        self.spans, self.metrics = [], set()

    def Export(self, request, context):
        if isinstance(request, traces.ExportTraceServiceRequest):
            for resource in request.resource_spans:
                for scope in resource.scope_spans:
                    self.spans += scope.spans
            return traces.ExportTraceServiceResponse()
        for resource in request.resource_metrics:
            for scope in resource.scope_metrics:
                self.metrics |= {metric.name for metric in scope.metrics}
        return metrics.ExportMetricsServiceResponse()


@pytest.fixture
def collector():
    collector = Collector()
    server = grpc.server(ThreadPoolExecutor(2))
    traces_grpc.add_TraceServiceServicer_to_server(collector, server)
    metrics_grpc.add_MetricsServiceServicer_to_server(collector, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    collector.endpoint = f"http://127.0.0.1:{port}"
    yield collector
    server.stop(0)


def serve_one(collector, incoming, ratio=0.0, code="OK"):
    """The traceparent that a call goes on with, once everything is exported."""
    telemetry = Telemetry("echo", collector.endpoint, ratio)
    traceparent, span = telemetry.start("lumi.echo.v1.EchoService/Say", incoming)
    telemetry.finish(span, "lumi.echo.v1.EchoService/Say", code, 0.01)
    telemetry.close()
    return traceparent


def test_a_sampled_call_becomes_a_span_below_its_callers(collector):
    traceparent = serve_one(collector, f"00-{TRACE}-{PARENT}-01")

    (span,) = collector.spans
    assert (span.name, span.trace_id.hex()) == ("lumi.echo.v1.EchoService/Say", TRACE)
    assert span.parent_span_id.hex() == PARENT
    assert traceparent == f"00-{TRACE}-{span.span_id.hex()}-01"


def test_an_unsampled_call_has_no_span_and_its_trace_goes_on(collector):
    incoming = f"00-{TRACE}-{PARENT}-00"

    assert serve_one(collector, incoming, ratio=1.0) == incoming
    assert collector.spans == []


def test_the_ratio_decides_where_the_caller_did_not(collector):
    assert serve_one(collector, None, ratio=0.0).endswith("-00")
    assert serve_one(collector, None, ratio=1.0).endswith("-01")

    (span,) = collector.spans
    assert span.parent_span_id == b""


def test_every_call_is_measured_and_a_fault_marks_its_span(collector):
    serve_one(collector, f"00-{TRACE}-{PARENT}-01", code="INTERNAL")

    assert collector.metrics == {"rpc.server.duration"}
    assert collector.spans[0].status.code == collector.spans[0].status.STATUS_CODE_ERROR
