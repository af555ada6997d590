import asyncio
import os
import subprocess
import sys

import nats
import pytest

from libs.common.tests.events.world import BATCH, World, eventually, running, world
from lumi_common.events.consumer import Consumer
from lumi_common.events.streams import CONTEXTS, DURABLES, Durable, durable, ensure_streams, permissions, stream
from lumi_local.nats import NatsServer
from lumi_local.postgres import PostgresServer


async def test_streams_and_consumers_are_made_from_the_command_line_and_again_without_harm(
    nats_server: NatsServer,
) -> None:
    environment = {**os.environ, "LUMI_NATS_ADMIN_URL": nats_server.url_admin}
    for _ in range(2):
        made = await asyncio.create_subprocess_exec(sys.executable, "-m", "lumi_common.events.streams", env=environment)
        assert await made.wait() == 0

    client = await nats.connect(nats_server.url_admin)
    jetstream = client.jetstream()
    for context in CONTEXTS:
        config = (await jetstream.stream_info(stream(context))).config
        assert (config.subjects, config.storage, config.duplicate_window) == ([f"lumi.{context}.>"], "file", 120)
    for group in DURABLES:
        for context in group.contexts:
            consumer = (await jetstream.consumer_info(stream(context), group.name)).config
            assert (consumer.ack_policy, consumer.ack_wait, consumer.max_deliver) == ("explicit", 30, -1)
    await client.close()


def test_without_an_address_the_command_says_what_is_missing() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "LUMI_NATS_ADMIN_URL"}
    done = subprocess.run(
        [sys.executable, "-m", "lumi_common.events.streams"], env=environment, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (2, "LUMI_NATS_ADMIN_URL is not set\n")


async def test_what_is_declared_differently_is_changed(here: World) -> None:
    narrower = Durable(here.durable.name, (here.name,), ("thing", "other"))
    await ensure_streams(here.nats_url, contexts=[here.name], consumers=[narrower])

    client = await nats.connect(here.nats_url)
    info = await client.jetstream().consumer_info(stream(here.name), narrower.name)
    await client.close()
    assert info.config.filter_subjects == [f"lumi.{here.name}.thing.>", f"lumi.{here.name}.other.>"]


async def test_a_service_may_do_its_work_with_its_own_rights(postgres: PostgresServer, nats_server: NatsServer) -> None:
    await ensure_streams(nats_server.url_admin)
    async with world(postgres.dsn_superuser, nats_server.url("identity"), name="identity") as here:
        consumer = Consumer("identity-audit", here.database, here.broker, BATCH)
        async with running(here.relay().run(), consumer.run()):
            await here.tell("a", "b", "a")
            await eventually(lambda: _count(here, 3))
    assert here.broker.connected is False


@pytest.mark.parametrize(
    ("service", "subject"),
    [
        ("orders", "lumi.payments.payment.captured"),
        ("orders", "$JS.API.CONSUMER.MSG.NEXT.LUMI_PAYMENTS.identity-audit"),
        ("orders", "$JS.API.STREAM.DELETE.LUMI_ORDERS"),
        ("orders", "$JS.API.STREAM.PURGE.LUMI_PAYMENTS"),
        ("catalogue", "$JS.API.CONSUMER.RESET.LUMI_ORDERS.identity-audit"),
        ("catalogue", "$JS.ACK.LUMI_ORDERS.identity-audit.1.1.1.1.1"),
    ],
)
async def test_a_service_may_do_nothing_of_anothers(nats_server: NatsServer, service: str, subject: str) -> None:
    refused: list[str] = []

    async def hear(error: Exception) -> None:
        refused.append(str(error))

    client = await nats.connect(nats_server.url(service), error_cb=hear)
    await client.publish(subject, b"{}")
    await eventually(lambda: _is(len(refused) == 1))
    await client.close()
    assert f'permissions violation for publish to "{subject.lower()}"' in refused[0].lower()


async def test_a_service_hears_no_inbox_but_its_own(nats_server: NatsServer) -> None:
    refused: list[str] = []

    async def hear(error: Exception) -> None:
        refused.append(str(error))

    client = await nats.connect(nats_server.url("orders"), error_cb=hear)
    await client.subscribe("_INBOX_payments.>")
    await client.subscribe("_INBOX_orders.>")
    await eventually(lambda: _is(len(refused) == 1))
    await client.close()
    assert "_inbox_payments" in refused[0]


def test_permissions_name_only_what_the_service_owns() -> None:
    said = permissions("marketing")
    assert said["subscribe"] == {"allow": ["_INBOX_marketing.>"]}
    events, *more = said["publish"]["allow"]
    assert events == "lumi.marketing.>"
    own = {subject for subject in more if "LUMI_MARKETING" in subject}
    assert own == {
        "$JS.API.STREAM.INFO.LUMI_MARKETING",
        "$JS.API.STREAM.PURGE.LUMI_MARKETING",
        "$JS.API.CONSUMER.INFO.LUMI_MARKETING.identity-audit",
    }
    consumers = [subject for subject in more if subject not in own]
    assert consumers and all(".marketing-references" in subject for subject in consumers)
    with pytest.raises(KeyError):
        durable("marketing-nothing")


async def _count(here: World, effects: int) -> bool:
    return len(await here.effects()) == effects


async def _is(value: bool) -> bool:
    return value
