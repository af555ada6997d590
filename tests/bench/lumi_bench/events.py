"""(g) Events from commit to applied: changes of carts until identity has filed them, and a backlog of them at once."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import time
from typing import Any
from uuid import uuid4

import asyncpg
from lumi.orders.v1.cart_pb2 import UpdateCartItemRequest

from lumi_bench.goods import CART, VARIANT, Buyer, fill_carts, id_of, variants_of
from lumi_bench.load import Call, Client, Load
from lumi_bench.measure import Result, Round, percentile
from lumi_bench.process import cpu_seconds
from lumi_bench.stack import BenchStack
from lumi_local.process import StackError

METHOD = "/lumi.orders.v1.CartService/UpdateCartItem"
IN_FLIGHT = (1, 64)
STEPS_A_ROUND = len(IN_FLIGHT) + 1
# Changes of one measurement by how many callers make them, and events of a backlog.
CHANGES, BACKLOG = {1: 60, 64: 800}, 3_000
_FIRST_CART = 10_000_000  # none that another case fills

# NOTIFY is heard when the transaction has committed, and not before: that is when its events are applied. They carry
# the transaction's time, by which the inbox tells them from others.
_TELL = """
create function identity.bench_applied() returns trigger language plpgsql as $$
begin
  perform pg_notify('bench_applied', extract(epoch from now())::text);
  return null;
end $$;
create trigger bench_applied after insert on identity.inbox_events execute function identity.bench_applied()
"""
_TELL_NO_MORE = "drop trigger bench_applied on identity.inbox_events; drop function identity.bench_applied()"
_LAST = "select coalesce(max(seq), 0) from orders.outbox_events"
_APPLIED = """
select o.created_at, extract(epoch from i.applied_at)::text as applied,
  (select count(*) from jsonb_array_elements(o.records) r where (r->>'audit')::boolean) as audited
from orders.outbox_events o
left join identity.inbox_events i on i.event_id = o.id and i.consumer = 'identity-audit'
where o.seq > $1
"""
_FILED = "select count(*) from identity.audit_logs"
# Under aggregates of their own, as if that many carts had been changed the same way.
_COPIES = """
insert into orders.outbox_events (aggregate, aggregate_id, version, type, records, headers)
select aggregate, 'cback' || lpad($1::int::text, 10, '0') || lpad(n::text, 10, '0'), 1, type, records, headers
from (select * from orders.outbox_events where seq = $2) as one, generate_series(1, $3) n
"""


@dataclass(frozen=True, slots=True)
class Applied:
    """When an event's change was begun to commit and when it was applied, in seconds of the clock."""

    committed: float
    applied: float


class Events:
    """Everything runs: the orders service's relay, NATS with its file synced, and identity's consumer of all events."""

    def __init__(self, stack: BenchStack, client: Client, buyers: Sequence[Buyer]) -> None:
        self._stack, self._client, self._buyers = stack, client, buyers
        self._changes = self._backlogs = 0

    def prepare(self) -> None:
        """Give every buyer a cart, and change each once."""
        users = [buyer.id for buyer in self._buyers]
        asyncio.run(fill_carts(self._stack.postgres.dsn_superuser, _FIRST_CART, users))
        self._client.run(self._load(len(users), in_flight=16))
        self._stack.wait_until_filed()

    def rounds(self, count: int, step: Callable[[], None]) -> list[Result]:
        """Measure; `step` is called after each of STEPS_A_ROUND measurements."""
        return asyncio.run(self._rounds(count, step))

    async def _rounds(self, count: int, step: Callable[[], None]) -> list[Result]:
        live: dict[int, list[Round]] = defaultdict(list)
        backlog: list[Round] = []
        async with _watching(self._stack.postgres.dsn_superuser) as (connection, moments):
            for _ in range(count):
                for number in IN_FLIGHT:
                    load = self._load(CHANGES[number], number)
                    work = asyncio.to_thread(self._client.run, load)
                    live[number].append(await self._measure(connection, moments, work, len(load.calls)))
                    step()
                self._backlogs += 1
                last = await connection.fetchval(_LAST)
                copies = connection.execute(_COPIES, self._backlogs, last, BACKLOG)
                backlog.append(await self._measure(connection, moments, copies, BACKLOG))
                step()
        return [
            *(Result("a cart's change, from commit to filed, events per second", n, live[n]) for n in IN_FLIGHT),
            Result(f"a backlog of {BACKLOG:,}, from commit to filed, events per second", None, backlog),
        ]

    async def _measure(self, connection: Any, moments: dict[str, float], work: Any, due: int) -> Round:
        """Do what writes so many events, and wait until all are applied; StackError when one was not, or not once."""
        last, filed = await connection.fetchval(_LAST), await connection.fetchval(_FILED)
        pids = self._stack.pids().values()
        cpu = cpu_seconds(pids)
        await work
        await asyncio.to_thread(self._stack.wait_until_filed)
        cpu = cpu_seconds(pids) - cpu
        rows = await connection.fetch(_APPLIED, last)
        audited, now_filed = sum(row["audited"] for row in rows), await connection.fetchval(_FILED)
        unknown = sum(row["applied"] not in moments for row in rows)
        if len(rows) != due or unknown or now_filed - filed != audited or not audited:
            raise StackError(
                f"{due} changes left {len(rows)} events, {unknown} of them not applied, "
                f"and {now_filed - filed} audit records of {audited}"
            )
        return _round([Applied(row["created_at"].timestamp(), moments[row["applied"]]) for row in rows], cpu)

    def _load(self, changes: int, in_flight: int) -> Load:
        """Changes of the quantity in one cart after the other, each by its owner and to another number."""
        calls = []
        for _ in range(changes):
            place = self._changes % len(self._buyers)
            cart = _FIRST_CART + place
            request = UpdateCartItemRequest(
                cart_id=id_of(CART, cart),
                product_variant_id=id_of(VARIANT, variants_of(cart)[0]),
                quantity=2 + self._changes // len(self._buyers),
                request_id=str(uuid4()),
            )
            calls.append(Call(request.SerializeToString(), self._buyers[place].metadata))
            self._changes += 1
        return Load(self._stack.public("orders"), METHOD, calls, in_flight)


def _round(events: Sequence[Applied], cpu: float) -> Round:
    """Events per second from the first commit to the last effect, and how long each took."""
    took = sorted(each.applied - each.committed for each in events)
    whole = max(each.applied for each in events) - min(each.committed for each in events)
    return Round(
        lumi=len(events) / whole,
        cpu_ms=cpu / len(events) * 1e3,
        p50_ms=percentile(took, 50) * 1e3,
        p99_ms=percentile(took, 99) * 1e3,
    )


@asynccontextmanager
async def _watching(dsn: str) -> AsyncIterator[tuple[Any, dict[str, float]]]:
    """A connection, and when each transaction that applied events was heard to be committed, by its time."""
    moments: dict[str, float] = {}

    def heard(_connection: Any, _pid: int, _channel: str, transaction: str) -> None:
        moments[transaction] = time()

    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(_TELL)
        await connection.add_listener("bench_applied", heard)
        yield connection, moments
        await connection.execute(_TELL_NO_MORE)
    finally:
        await connection.close()
