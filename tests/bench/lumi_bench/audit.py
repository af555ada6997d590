"""(i) What the outbox row costs that a change writes in its own statement: audit record and event are in it."""

import asyncio
import itertools
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from decimal import Decimal
from multiprocessing import get_context
from typing import Any

import asyncpg
import uvloop
from sqlalchemy import Numeric, Text, Update, bindparam, func, update

from lumi_bench.goods import PRODUCT, PRODUCTS, id_of
from lumi_bench.load import Sample
from lumi_bench.measure import Result, Round, percentile
from lumi_bench.process import cpu_seconds
from lumi_catalogue.storage.products import ProductRepository
from lumi_catalogue.storage.tables import common, products
from lumi_common.context import Context
from lumi_common.db.database import Database
from lumi_common.db.record import recorded
from lumi_common.db.statement import Statement
from lumi_local.postgres import PostgresServer
from lumi_local.process import StackError

IN_FLIGHT = (1, 16)
CHANGES = {1: 600, 16: 2_400}
ALONE, RECORDED = "alone", "with its audit and outbox row"
STEPS_A_ROUND = 2 * len(IN_FLIGHT)
# Nobody else is in this database as the service's role.
_BACKENDS = "select pid from pg_stat_activity where usename = user and datname = current_database()"


def _change() -> Update:
    """A new price of a product, as staff gives it."""
    return (
        update(products)
        .where(products.c.id == bindparam("id", type_=Text))
        .values(
            price=bindparam("to_price", type_=Numeric(14, 2)), version=products.c.version + 1, updated_at=func.now()
        )
    )


# The same change and the same answer; the one tells of it and the other does not.
STATEMENTS = {
    ALONE: Statement(_change().returning(*products.c)),
    RECORDED: recorded(common, ProductRepository.aggregate.change(_change(), "product.updated")),
}


class Audit:
    """One process with the service's own database code, on a copy of the database whose outbox nobody relays."""

    def __init__(self, copy: PostgresServer) -> None:
        self._dsn, self._superuser = copy.dsn("lumi_catalogue"), copy.dsn_superuser

    def rounds(self, count: int, step: Callable[[], None]) -> list[Result]:
        """Measure; `step` is called after each of STEPS_A_ROUND measurements."""
        found: dict[tuple[str, int], list[Round]] = defaultdict(list)
        with ExitStack() as blocks:
            process = blocks.enter_context(ProcessPoolExecutor(1, mp_context=get_context("spawn")))
            for _ in range(count):
                for number in IN_FLIGHT:
                    alone = 0.0
                    for kind in STATEMENTS:
                        before = asyncio.run(_written(self._superuser))
                        sample = process.submit(_run, self._dsn, kind, number).result()
                        versions, events = asyncio.run(_written(self._superuser))
                        _check(kind, sample.calls, versions - before[0], events - before[1])
                        found[kind, number].append(_round(sample, alone or None))
                        alone = sample.rate
                        step()
        beside = {ALONE: "", RECORDED: ", beside it alone"}
        return [
            Result(f"a product's change {kind}, per second{beside[kind]}", number, found[kind, number])
            for kind in STATEMENTS
            for number in IN_FLIGHT
        ]


def _round(sample: Sample, ceiling: float | None) -> Round:
    return Round(
        ceiling=ceiling,
        lumi=sample.rate,
        cpu_ms=sample.cpu_seconds / sample.calls * 1e3,
        p50_ms=sample.p50_ms,
        p99_ms=sample.p99_ms,
    )


def _check(kind: str, calls: int, versions: int, events: int) -> None:
    due = calls if kind == RECORDED else 0
    if versions != calls or events != due:
        raise StackError(f"{calls} changes {kind} moved {versions} versions and left {events} events, not {due}")


async def _written(dsn: str) -> tuple[int, int]:
    """How often products were changed, and how many events tell of it."""
    connection = await asyncpg.connect(dsn)
    try:
        versions = await connection.fetchval("select sum(version) from catalogue.products")
        events = await connection.fetchval(
            "select count(*) from catalogue.outbox_events where type = 'product.updated'"
        )
        return versions, events
    finally:
        await connection.close()


def _run(dsn: str, kind: str, in_flight: int) -> Sample:
    return uvloop.run(_make_changes(dsn, STATEMENTS[kind], in_flight))


async def _make_changes(dsn: str, statement: Statement, in_flight: int) -> Sample:
    """The CPU time is this process's and that of its connections' server processes."""
    db = Database(dsn, schema="catalogue", min_size=min(in_flight, 12))
    await db.open()
    context, waited = Context.system("bench"), list[float]()
    numbers = iter(range(CHANGES[in_flight]))

    async def one_after_the_other(places: Sequence[int]) -> None:
        for place, number in zip(itertools.cycle(places), numbers, strict=False):
            began = time.perf_counter()
            given: dict[str, Any] = {"id": id_of(PRODUCT, place), "to_price": Decimal(number) / 100 + 1}
            if await db.on(context).fetchrow(statement, **given) is None:
                raise RuntimeError(f"there is no product {place}")
            waited.append(time.perf_counter() - began)

    try:
        backends = [row["pid"] for row in await db.pool.fetch(_BACKENDS)]
        cpu, own, started = cpu_seconds(backends), time.process_time(), time.perf_counter()
        async with asyncio.TaskGroup() as tasks:
            for each in range(in_flight):
                tasks.create_task(one_after_the_other(range(each, PRODUCTS, in_flight)))
        seconds = time.perf_counter() - started
        own, cpu = time.process_time() - own, cpu_seconds(backends) - cpu
    finally:
        await db.close()
    waited.sort()
    return Sample(len(waited), seconds, own + cpu, percentile(waited, 50) * 1e3, percentile(waited, 99) * 1e3)
