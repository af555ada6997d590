"""What a service knows of its outbox, its consumers and its dead letters; and what the relay tells of a trace."""

from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from libs.common.tests.events.world import World, eventually, note_one, running
from libs.common.tests.rpc.collector import KeptFigures
from lumi_common.db.database import Executor
from lumi_common.errors import FailedPrecondition
from lumi_common.events.consumer import Consumer
from lumi_common.events.event import Event
from lumi_common.events.handlers import InTransaction
from lumi_common.figures import connections, dead_letters, outbox_age, outbox_count, pending
from lumi_common.telemetry import Telemetry


async def test_the_outbox_knows_how_far_the_relay_is_behind(here: World) -> None:
    assert (await outbox_count(here.database), await outbox_age(here.database)) == (0, 0)
    await here.tell("a", "b", "c")
    await here.run("update outbox_events set created_at = now() - interval '90 seconds' where aggregate_id = 'a'")

    assert await outbox_count(here.database) == 3
    assert 90 <= await outbox_age(here.database) < 120

    async with running(here.relay().run()):
        await eventually(here.published)
    assert (await outbox_count(here.database), await outbox_age(here.database)) == (0, 0)


async def test_a_consumer_knows_how_much_waits_for_it_and_what_was_set_aside(here: World) -> None:
    async def refuse_b(tx: Executor, event: Event) -> None:
        if event.aggregate_id == "b":
            raise FailedPrecondition("POISON")
        await note_one(tx, event)

    consumer = here.consumer(InTransaction(refuse_b), attempts=1)
    await here.tell("a", "b", "c")
    async with running(here.relay().run()):
        await eventually(here.published)
        assert await consumer.pending() == 3
        assert await pending([consumer]) == {}  # it is not the active one

        async with running(consumer.run()):

            async def caught_up() -> bool:
                return await pending([consumer]) == {consumer.name: 0}

            await eventually(caught_up)
    assert await dead_letters(here.database, [consumer]) == {"relay": 0, consumer.name: 1}


async def test_the_pool_tells_who_is_idle(here: World) -> None:
    assert sum(connections(here.database).values()) == here.database.pool.open
    async with here.database.pool.connection():
        assert connections(here.database)["used"] >= 1


async def test_an_event_of_a_sampled_call_is_seen_on_its_way_and_again_with_each_try(here: World) -> None:
    exported, tries = InMemorySpanExporter(), 0
    telemetry = Telemetry("orders", 0, spans=SimpleSpanProcessor(exported), metrics=KeptFigures())

    async def refuse_once(tx: Executor, event: Event) -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise FailedPrecondition("NOT_YET")
        await note_one(tx, event)

    consumer: Consumer = here.consumer(InTransaction(refuse_once), telemetry=telemetry)
    async with running(here.relay(telemetry=telemetry).run(), consumer.run()):
        await here.tell("a")
        await eventually(lambda: here.effects("a"))

        async def told() -> bool:
            return len([span for span in exported.get_finished_spans() if span.kind.name == "CONSUMER"]) == 2

        await eventually(told)

    spans = exported.get_finished_spans()
    (published,) = [span for span in spans if span.kind.name == "PRODUCER"]
    failed, done = [span for span in spans if span.kind.name == "CONSUMER"]
    assert published.parent is not None
    assert f"{published.parent.span_id:016x}" == "b7ad6b7169203331"  # the call that wrote the outbox row
    assert [span.parent and span.parent.span_id for span in (failed, done)] == [published.context.span_id] * 2
    assert (failed.attributes or {})["error.type"] == "FAILED_PRECONDITION"
    assert "error.type" not in (done.attributes or {})
