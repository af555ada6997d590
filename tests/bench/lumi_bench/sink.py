"""A collector that takes OTLP and keeps nothing: `python -m lumi_bench.sink PORT`; counts are on standard output."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import Any

import grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2_grpc as metrics_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as traces
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as traces_grpc

from lumi_local.process import LOOPBACK, StackError, free_port


class Sink:
    """The sink's process, and what it took once it has ended."""

    def __init__(self, port: int, process: "subprocess.Popen[str]") -> None:
        self.endpoint, self._process = f"http://{LOOPBACK}:{port}", process
        self.spans = self.exports = 0

    def stop(self) -> None:
        self._process.terminate()
        told, _ = self._process.communicate()
        self.spans, self.exports = map(int, told.split())


@contextmanager
def sink() -> Iterator[Sink]:
    """A sink for the length of the block."""
    port = free_port()
    command = [sys.executable, "-m", "lumi_bench.sink", str(port)]
    running = Sink(port, subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
    try:
        with grpc.insecure_channel(running.endpoint.removeprefix("http://")) as channel:
            grpc.channel_ready_future(channel).result(timeout=20)
        yield running
    except grpc.FutureTimeoutError:
        raise StackError("the sink for OTLP did not start") from None
    finally:
        running.stop()


class _Taker(traces_grpc.TraceServiceServicer, metrics_grpc.MetricsServiceServicer):
    def __init__(self) -> None:
        self.spans = self.exports = 0

    def Export(self, request: Any, context: Any) -> Any:
        self.exports += 1
        if isinstance(request, traces.ExportTraceServiceRequest):
            self.spans += sum(len(scope.spans) for each in request.resource_spans for scope in each.scope_spans)
            return traces.ExportTraceServiceResponse()
        return metrics.ExportMetricsServiceResponse()


def _serve(port: int) -> None:
    ended, taker = Event(), _Taker()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    server = grpc.server(ThreadPoolExecutor(1), options=[("grpc.so_reuseport", 0)])
    traces_grpc.add_TraceServiceServicer_to_server(taker, server)  # type: ignore[no-untyped-call]
    metrics_grpc.add_MetricsServiceServicer_to_server(taker, server)  # type: ignore[no-untyped-call]
    server.add_insecure_port(f"{LOOPBACK}:{port}")
    server.start()
    ended.wait()
    server.stop(1).wait()
    print(taker.spans, taker.exports)


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
