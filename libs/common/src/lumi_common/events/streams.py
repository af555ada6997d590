"""The streams of events, who reads them, and what each service may say to NATS.

`python -m lumi_common.events.streams` makes streams and consumers as the user in LUMI_NATS_ADMIN_URL
(LUMI_NATS_REPLICAS copies, 1 by default); running it again changes what differs and nothing else.
"""

import asyncio
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

import nats
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy, DiscardPolicy, StorageType, StreamConfig
from nats.js.errors import NotFoundError

from lumi_common.db.references import heard

CONTEXTS = ("identity", "catalogue", "orders", "payments", "marketing")

# A convenience against double storage after a reconnect; what holds is the inbox.
DUPLICATE_WINDOW = timedelta(minutes=2)
# The outbox is kept longer: a stream that lost something is filled again from there.
RETENTION = timedelta(days=30)
# After this long without an acknowledgement a message is sent again.
ACK_WAIT = timedelta(seconds=30)
MAX_ACK_PENDING = 1024


@dataclass(frozen=True, slots=True)
class Durable:
    """A consumer group: `name` is `<service>-<purpose>`, `contexts` whose streams it reads.

    `entities` are the events' entities that it hears (`order` of `order.placed`), `verbs` what was done to them
    (`placed`); empty means all.
    """

    name: str
    contexts: tuple[str, ...]
    entities: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ()

    @property
    def service(self) -> str:
        return self.name.partition("-")[0]

    def filters(self, context: str) -> list[str]:
        """The subjects it hears of one stream."""
        return [
            f"lumi.{context}.{entity}.{verb}" if (entity, verb) != ("*", ">") else subjects(context)
            for entity in self.entities or ("*",)
            for verb in self.verbs or (">",)
        ]


DURABLES = (
    Durable("identity-audit", CONTEXTS),
    Durable("catalogue-reservations", ("orders",), ("order",)),
    Durable("orders-payments", ("payments",), ("payment",)),
    Durable("payments-retention", ("orders",), ("order",), ("forgotten",)),
    # Who refers to rows of others hears of their end.
    *(
        Durable(f"{context}-references", heard(context), verbs=("deleted", "purged"))
        for context in CONTEXTS
        if heard(context)
    ),
)


def stream(context: str) -> str:
    """Name of a context's stream."""
    return f"LUMI_{context.upper()}"


def subjects(context: str) -> str:
    """Every subject of a context's events."""
    return f"lumi.{context}.>"


def inbox_prefix(service: str) -> str:
    """Where answers to a service's own requests go; nobody else may listen there."""
    return f"_INBOX_{service}"


def durable(name: str) -> Durable:
    """The declared consumer group of this name; KeyError where there is none."""
    for each in DURABLES:
        if each.name == name:
            return each
    raise KeyError(name)


def permissions(service: str, durables: Iterable[Durable] = DURABLES) -> dict[str, dict[str, list[str]]]:
    """The allow-lists of a service's NATS user, in the form of the server's configuration.

    It may publish its own subjects, let go of what its own stream holds once all have heard it, pull, reset and
    acknowledge its own consumers, and hear its own inbox.
    """
    publish = [subjects(service), *(f"$JS.API.STREAM.{verb}.{stream(service)}" for verb in ("INFO", "PURGE"))]
    for group in durables:
        if service in group.contexts and group.service != service:
            publish.append(f"$JS.API.CONSUMER.INFO.{stream(service)}.{group.name}")
        if group.service != service:
            continue
        for context in group.contexts:
            name = f"{stream(context)}.{group.name}"
            publish += [f"$JS.API.CONSUMER.{verb}.{name}" for verb in ("MSG.NEXT", "RESET", "INFO")]
            publish.append(f"$JS.ACK.{name}.>")
    return {"publish": {"allow": publish}, "subscribe": {"allow": [f"{inbox_prefix(service)}.>"]}}


async def ensure_streams(
    nats_url: str,
    *,
    contexts: Iterable[str] = CONTEXTS,
    consumers: Iterable[Durable] = DURABLES,
    replicas: int = 1,
    duplicate_window: timedelta = DUPLICATE_WINDOW,
) -> None:
    """Make the streams and their durable consumers, or bring them to what is declared; raises `nats.errors.Error`."""
    client = await nats.connect(nats_url, name="lumi-streams", allow_reconnect=False, connect_timeout=5)
    try:
        jetstream = client.jetstream(timeout=10)
        for context in contexts:
            await _ensure_stream(jetstream, context, replicas, duplicate_window)
        for group in consumers:
            for context in group.contexts:
                await jetstream.add_consumer(stream(context), _consumer(group, context))
    finally:
        await client.close()


async def _ensure_stream(jetstream: JetStreamContext, context: str, replicas: int, duplicate_window: timedelta) -> None:
    config = StreamConfig(
        name=stream(context),
        subjects=[subjects(context)],
        storage=StorageType.FILE,
        discard=DiscardPolicy.OLD,
        max_age=RETENTION.total_seconds(),
        duplicate_window=duplicate_window.total_seconds(),
        num_replicas=replicas,
        deny_delete=True,
    )
    try:
        await jetstream.stream_info(stream(context))
    except NotFoundError:
        await jetstream.add_stream(config)
    else:
        await jetstream.update_stream(config)


def _consumer(group: Durable, context: str) -> ConsumerConfig:
    return ConsumerConfig(
        durable_name=group.name,
        filter_subjects=group.filters(context),
        deliver_policy=DeliverPolicy.ALL,
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=ACK_WAIT.total_seconds(),
        max_deliver=-1,  # when to give up is the consumer's decision, and it writes a dead letter
        max_ack_pending=MAX_ACK_PENDING,
    )


def main() -> int:
    """Make streams and consumers as the admin user; 2 when LUMI_NATS_ADMIN_URL is not set."""
    url = os.environ.get("LUMI_NATS_ADMIN_URL")
    if not url:
        print("LUMI_NATS_ADMIN_URL is not set", file=sys.stderr)
        return 2
    asyncio.run(ensure_streams(url, replicas=int(os.environ.get("LUMI_NATS_REPLICAS", "1"))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
