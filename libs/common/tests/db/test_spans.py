"""Statements of a sampled call are spans below it, wherever they run; those of any other leave nothing."""

from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sqlalchemy import text

from libs.common.tests.rpc.collector import KeptFigures
from lumi_common.context import Context
from lumi_common.db.database import Database
from lumi_common.db.statement import Statement
from lumi_common.logs import current_call
from lumi_common.telemetry import Telemetry

LOOK = Statement(text("select name from widgets"))
SPOIL = Statement(text("insert into widgets (id, name, price) values ('w1', :name, 1)"))


@pytest.fixture
def exported() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def sampled(context: Context, exported: InMemorySpanExporter) -> Iterator[Context]:
    """The call that is being served, sampled."""
    telemetry = Telemetry("orders", 0, spans=SimpleSpanProcessor(exported), metrics=KeptFigures())
    context.traceparent, context.span = telemetry.start(context.method, context.traceparent, trusted=True)
    token = current_call.set(context)
    yield context
    current_call.reset(token)


def names(exported: InMemorySpanExporter) -> list[str]:
    return [span.name for span in exported.get_finished_spans()]


async def test_each_statement_is_a_span(database: Database, sampled: Context, exported: InMemorySpanExporter) -> None:
    await database.fetch(LOOK)
    await database.on(sampled).fetchval(LOOK)
    async with database.transaction(sampled) as transaction:
        await transaction.fetchrow(SPOIL, name="a")

    assert names(exported) == ["SELECT widgets", "SELECT widgets", "INSERT widgets", "COMMIT"]
    parents = {f"{span.parent.span_id:016x}" for span in exported.get_finished_spans() if span.parent}
    assert parents == {sampled.traceparent[36:52]}


async def test_a_statement_that_fails_is_marked_with_its_kind(
    database: Database, sampled: Context, exported: InMemorySpanExporter
) -> None:
    await database.fetch(SPOIL, name="hunter2")
    with pytest.raises(Exception, match="widgets_pkey"):
        async with database.transaction(sampled) as transaction:
            await transaction.fetch(SPOIL, name="hunter3")

    done, failed = exported.get_finished_spans()
    assert failed.attributes is not None
    assert failed.attributes["error.type"] == "UniqueViolationError"
    assert "hunter" not in done.to_json() + failed.to_json()


async def test_a_call_that_is_not_sampled_leaves_no_span(
    database: Database, context: Context, exported: InMemorySpanExporter
) -> None:
    token = current_call.set(context)
    try:
        await database.fetch(LOOK)
    finally:
        current_call.reset(token)
    await database.fetch(LOOK)

    assert names(exported) == []
