"""NATS from the wrong side: what a service's allow-lists do not name is refused, whoever's it is."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator
from contextlib import asynccontextmanager, suppress

import nats
import pytest
from nats.aio.client import Client
from nats.errors import Error as NatsError

from lumi_common.events.streams import CONTEXTS, DURABLES, ensure_streams, inbox_prefix, permissions, stream, subjects
from lumi_local import testing
from lumi_local.nats import USERS, NatsServer
from tests.kit.waiting import until

STREAM_VERBS = ("CREATE", "UPDATE", "DELETE", "PURGE", "INFO", "SNAPSHOT", "RESTORE", "MSG.GET", "MSG.DELETE")
CONSUMER_VERBS = ("CREATE", "DURABLE.CREATE", "DELETE", "PAUSE", "UNPIN", "RESET", "INFO", "MSG.NEXT")
OF_ALL = (
    "$JS.API.INFO",
    "$JS.API.STREAM.LIST",
    "$JS.API.STREAM.NAMES",
    "$JS.API.ACCOUNT.PURGE.LUMI",
    "$JS.API.SERVER.REMOVE",
    "$SYS.REQ.SERVER.PING",
    "$SYS.REQ.ACCOUNT.LUMI.CONNZ",
    "$SYS.REQ.SERVER.PING.CONNZ",
    "$SRV.PING",
    "lumi",
    "lumi.nobody.thing.done",
    "other",
)


@pytest.fixture(scope="module")
def broker() -> Iterator[NatsServer]:
    with testing.nats() as server:
        asyncio.run(ensure_streams(server.url_admin))
        yield server


class Suspect:
    """A service's user who tries what it may not; `refusals` are the server's own words."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.refusals: list[str] = []

    async def refused(self, subjects: Collection[str], kind: str) -> set[str]:
        """Which of these the server has refused, in a publish or a subscription (`kind`)."""
        await self.client.flush()
        with suppress(AssertionError):
            await until(self._has_heard(len(subjects)), "the server has said so")
        said = "\n".join(self.refusals).lower()
        return {each for each in subjects if f'permissions violation for {kind} to "{each.lower()}"' in said}

    def _has_heard(self, refusals: int) -> Callable[[], Awaitable[bool]]:
        async def heard() -> bool:
            return len(self.refusals) >= refusals

        return heard


@asynccontextmanager
async def suspect(broker: NatsServer, service: str) -> AsyncIterator[Suspect]:
    made: list[Suspect] = []

    async def noted(error: Exception) -> None:
        made[0].refusals.append(str(error))

    client = Client()
    made.append(Suspect(client))
    await client.connect(broker.url(service), error_cb=noted, allow_reconnect=False)
    try:
        yield made[0]
    finally:
        await client.close()


def everything() -> set[str]:
    """Whatever anybody here could be asked, for every stream and consumer there is, by its subject."""
    asked = set(OF_ALL)
    for context in CONTEXTS:
        name = stream(context)
        asked |= {f"$JS.API.STREAM.{verb}.{name}" for verb in STREAM_VERBS}
        asked |= {f"$JS.API.CONSUMER.LIST.{name}", f"$JS.API.CONSUMER.NAMES.{name}", f"$JS.API.DIRECT.GET.{name}"}
        asked |= {f"$JS.API.CONSUMER.CREATE.{name}", f"lumi.{context}.thing.done", inbox_prefix(context) + ".x"}
        asked |= {f"$JS.API.CONSUMER.CREATE.{name}.new.{subjects(context)}".replace(">", "x")}
        for group in DURABLES:
            asked |= {f"$JS.API.CONSUMER.{verb}.{name}.{group.name}" for verb in CONSUMER_VERBS}
            asked |= {f"$JS.ACK.{name}.{group.name}.1.1.1.1.1"}
    return asked


def allowed(service: str, subject: str) -> bool:
    return any(_covers(pattern, subject) for pattern in permissions(service)["publish"]["allow"])


def _covers(pattern: str, subject: str) -> bool:
    *start, last = pattern.split(".")
    tokens = subject.split(".")
    if last == ">":
        return tokens[: len(start)] == start and len(tokens) > len(start)
    return tokens == [*start, last]


@pytest.mark.parametrize("service", CONTEXTS)
async def test_a_service_publishes_what_its_list_names_and_nothing_else(broker: NatsServer, service: str) -> None:
    asked = everything()
    wanted = {subject for subject in asked if not allowed(service, subject)}
    assert {f"lumi.{context}.thing.done" for context in CONTEXTS if context != service} < wanted
    async with suspect(broker, service) as somebody:
        for subject in wanted:
            await somebody.client.publish(subject, b"{}")

        assert await somebody.refused(wanted, "publish") == wanted
        assert len(somebody.refusals) == len(wanted)


@pytest.mark.parametrize("service", CONTEXTS)
async def test_a_service_hears_its_own_inbox_and_nothing_else(broker: NatsServer, service: str) -> None:
    others = [f"{inbox_prefix(other)}.>" for other in (*CONTEXTS, "admin") if other != service]
    wanted = {">", "*", "*.>", "lumi.>", "lumi.*.*.*", f"lumi.{service}.>", "_INBOX.>", "_R_.>", *others}
    wanted |= {"$SYS.>", "$JS.>", "$JS.EVENT.>", "$JS.API.>", "$JS.ACK.>", inbox_prefix(service), "*.*.>"}
    async with suspect(broker, service) as somebody:
        for subject in wanted:
            await somebody.client.subscribe(subject)
        await somebody.client.subscribe(f"{inbox_prefix(service)}.>")
        await somebody.client.subscribe(f"{inbox_prefix(service)}.>", queue="many")

        assert await somebody.refused(wanted, "subscription") == wanted
        assert len(somebody.refusals) == len(wanted)


async def test_what_everybody_tried_has_changed_nothing(broker: NatsServer) -> None:
    admin = await nats.connect(broker.url_admin)
    jetstream = admin.jetstream()

    for context in CONTEXTS:
        assert (await jetstream.stream_info(stream(context))).state.messages == 0
        found = {consumer.name for consumer in await jetstream.consumers_info(stream(context))}
        assert found == {group.name for group in DURABLES if context in group.contexts}
    await admin.close()


@pytest.mark.parametrize(
    "login",
    [
        "",
        "orders@",
        "orders:@",
        "orders:wrong@",
        "orders:{orders}x@",
        "ORDERS:{orders}@",
        "payments:{orders}@",
        "nobody:{orders}@",
    ],
)
async def test_who_is_not_known_is_refused(broker: NatsServer, login: str) -> None:
    login = login.format(**broker.passwords)
    with pytest.raises(NatsError):
        await nats.connect(f"nats://{login}{broker.host}:{broker.port}", allow_reconnect=False, connect_timeout=2)


async def test_every_user_has_a_password_of_its_own(broker: NatsServer) -> None:
    assert len({broker.passwords[user] for user in USERS}) == len(USERS)
    assert all(len(broker.passwords[user]) >= 32 for user in USERS)
