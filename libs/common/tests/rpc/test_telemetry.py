from collections.abc import Iterator
from time import monotonic
from typing import Any

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from libs.common.tests.rpc.collector import Collector, KeptFigures, attributes, collecting
from lumi_common.context import Context, lead_of
from lumi_common.errors import NotFound
from lumi_common.figures import Gauge
from lumi_common.principal import ANONYMOUS
from lumi_common.telemetry import CLOSE_SECONDS, Telemetry

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
METHOD = "lumi.echo.v1.EchoService/Say"


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as collector:
        yield collector


@pytest.fixture
def exported() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def telemetry(exported: InMemorySpanExporter) -> Telemetry:
    return Telemetry("echo", 0.0, spans=SimpleSpanProcessor(exported), metrics=KeptFigures())


def serve_one(
    collector: Collector, incoming: str | None, *, ratio: float = 0.0, code: str = "OK", trusted: bool = True
) -> str:
    """The traceparent that a call goes on with, once everything is exported."""
    telemetry = Telemetry.over_otlp("echo", collector.endpoint, ratio)
    traceparent, span = telemetry.start(METHOD, incoming, trusted=trusted)
    telemetry.finish(span, METHOD, code, 0.01)
    telemetry.close()
    return traceparent


def test_a_sampled_call_becomes_a_span_below_its_callers(collector: Collector) -> None:
    traceparent = serve_one(collector, f"00-{TRACE}-{PARENT}-01")

    ((service, span),) = collector.spans
    assert (service, span.name, span.trace_id.hex()) == ("lumi-echo", METHOD, TRACE)
    assert span.parent_span_id.hex() == PARENT
    assert traceparent == f"00-{TRACE}-{span.span_id.hex()}-01"
    assert attributes(span) == {"rpc.system.name": "grpc", "rpc.method": METHOD}


def test_an_unsampled_call_has_no_span_and_its_trace_goes_on(collector: Collector) -> None:
    incoming = f"00-{TRACE}-{PARENT}-00"

    assert serve_one(collector, incoming, ratio=1.0) == incoming
    assert collector.spans == []


def test_the_ratio_decides_where_the_caller_did_not(collector: Collector) -> None:
    assert serve_one(collector, None, ratio=0.0).endswith("-00")
    assert serve_one(collector, "nonsense", ratio=1.0).endswith("-01")

    ((_, span),) = collector.spans
    assert span.parent_span_id == b""


def test_the_flag_of_a_stranger_decides_nothing(collector: Collector) -> None:
    yes, no = f"00-{TRACE}-{PARENT}-01", f"00-{TRACE}-{PARENT}-00"

    assert serve_one(collector, yes, ratio=0.0, trusted=False) == no
    assert collector.spans == []
    assert serve_one(collector, no, ratio=1.0, trusted=False).endswith("-01")
    ((_, span),) = collector.spans
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, PARENT)


@pytest.mark.parametrize(("code", "failed"), [("INTERNAL", True), ("NOT_FOUND", False), ("OK", False)])
def test_every_call_is_measured_and_a_fault_marks_its_span(collector: Collector, code: str, failed: bool) -> None:
    serve_one(collector, f"00-{TRACE}-{PARENT}-01", code=code)

    (point,) = collector.metrics["rpc.server.call.duration"].histogram.data_points
    assert (point.count, point.sum) == (1, 0.01)
    expected = {"rpc.system.name": "grpc", "rpc.method": METHOD, "rpc.response.status_code": code}
    assert attributes(point) == expected
    ((_, span),) = collector.spans
    assert (span.status.code == span.status.STATUS_CODE_ERROR) == failed
    assert attributes(span).get("error.type", "OK") == code


def test_durations_are_a_histogram_by_method_and_code(collector: Collector) -> None:
    telemetry = Telemetry.over_otlp("echo", collector.endpoint)
    for seconds, code in ((0.005, "OK"), (0.0051, "OK"), (3.0, "OK"), (60.0, "INTERNAL")):
        telemetry.finish(None, METHOD, code, seconds)
    telemetry.flush()
    telemetry.finish(None, METHOD, "OK", 0.2)
    telemetry.close()

    well, failed = collector.metrics["rpc.server.call.duration"].histogram.data_points
    assert (well.count, round(well.sum, 4), well.min, well.max) == (4, 3.2101, 0.005, 3.0)
    assert [number for number, count in enumerate(well.bucket_counts) if count] == [0, 1, 6, 11]
    assert list(well.bucket_counts).count(1) == 4
    assert failed.bucket_counts[-1] == 1 and list(failed.explicit_bounds) == list(well.explicit_bounds)
    assert well.time_unix_nano > well.start_time_unix_nano


def test_what_is_done_for_a_call_is_below_it(telemetry: Telemetry, exported: InMemorySpanExporter) -> None:
    _, call = telemetry.start(METHOD, f"00-{TRACE}-{PARENT}-01", trusted=True)
    assert call is not None
    with call.of_statement("UPDATE orders"):
        pass
    with call.of_peer_call("lumi.catalogue.v1.InventoryService/ReserveStock", "catalogue") as asked:
        told = asked.traceparent
    call.end()

    statement, question, server = exported.get_finished_spans()
    assert [each.kind.name for each in (statement, question, server)] == ["CLIENT", "CLIENT", "SERVER"]
    assert statement.name == statement.attributes["db.query.summary"] == "UPDATE orders"
    assert {statement.parent.span_id, question.parent.span_id} == {server.context.span_id}
    assert told == f"00-{TRACE}-{question.context.span_id:016x}-01"


def test_of_an_error_a_span_keeps_its_kind_and_not_its_text(
    telemetry: Telemetry, exported: InMemorySpanExporter
) -> None:
    _, call = telemetry.start(METHOD, f"00-{TRACE}-{PARENT}-01", trusted=True)
    assert call is not None
    for error in (ValueError("hunter2"), NotFound("NO_SUCH_THING", "hunter2", id="hunter2")):
        with pytest.raises(type(error)), call.of_statement("SELECT things"):
            raise error

    failed, refused = exported.get_finished_spans()
    assert failed.attributes["error.type"] == "ValueError"
    assert refused.attributes["error.type"] == "NOT_FOUND"
    assert "hunter2" not in failed.to_json() + refused.to_json()


def test_work_for_several_calls_is_in_one_trace_and_linked_from_the_others(
    telemetry: Telemetry, exported: InMemorySpanExporter
) -> None:
    def called(flag: str) -> Context:
        traceparent, span = telemetry.start(METHOD, f"00-{TRACE}-{PARENT}-{flag}", trusted=True)
        return Context(METHOD, ANONYMOUS, traceparent=traceparent, span=span)

    plain, first, second = called("00"), called("01"), called("01")

    assert lead_of([None, plain]) is None
    assert lead_of([plain, first, None, second]) is first
    for call in (first, second):
        assert call.span is not None
        call.span.end()
    one, other = exported.get_finished_spans()
    assert [link.context.span_id for link in other.links] == [one.context.span_id]
    assert one.links == ()


async def test_a_gauge_tells_what_it_last_read_and_nothing_while_it_cannot() -> None:
    kept = KeptFigures()
    telemetry = Telemetry("echo", 0.0, spans=SimpleSpanProcessor(InMemorySpanExporter()), metrics=kept)
    answers: list[Any] = [7, {"a": 1, "b": 0}]

    async def read() -> Any:
        return answers.pop(0)

    gauge = Gauge("lumi.things", read, by="lumi.kind")
    telemetry.gauge(gauge)

    async def points() -> dict[str, float]:
        await gauge.look()
        telemetry.flush()
        return {point.attributes["lumi.kind"]: point.value for point in kept.points().get("lumi.things", [])}

    assert await points() == {"": 7}
    assert await points() == {"a": 1, "b": 0}
    assert await points() == {}  # there is no answer left: it fails, and the failure is no fault of the service's


def test_a_collector_that_is_away_does_not_hold_up_the_end() -> None:
    telemetry = Telemetry.over_otlp("echo", "http://127.0.0.1:1", 1.0)
    _, span = telemetry.start(METHOD, None, trusted=True)
    telemetry.finish(span, METHOD, "OK", 0.01)

    begun = monotonic()
    telemetry.close()

    assert monotonic() - begun < CLOSE_SECONDS + 1
