"""The repository's door: what the catalogue's service does of a reservation, without gRPC, in a process of its own."""

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing import get_context

import uvloop
from lumi.catalogue.v1.inventory_pb2 import ReserveStockRequest, ReserveStockResponse

from lumi_bench.goods import USER, id_of
from lumi_bench.load import Sample
from lumi_bench.measure import percentile
from lumi_catalogue.api import convert
from lumi_catalogue.api.inventories import ReserveCall, asked
from lumi_catalogue.domain.errors import Reason
from lumi_catalogue.workflows.reservation import Reservations
from lumi_common.clock import utc_now
from lumi_common.context import Actor, Context, new_traceparent
from lumi_common.db.database import Database
from lumi_common.errors import FailedPrecondition
from lumi_common.principal import Principal

METHOD = "lumi.catalogue.v1.InventoryService/ReserveStock"
HOLD = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A serialized request, and whether it asks for more than there is and has to be refused."""

    request: bytes
    too_much: bool = False


class Door:
    """The process; leave the block to end it."""

    def __enter__(self) -> "Door":
        self._process = ProcessPoolExecutor(1, mp_context=get_context("spawn"))
        return self

    def __exit__(self, *_: object) -> None:
        self._process.shutdown()

    def reserve(self, dsn: str, wanted: Sequence[Wanted], in_flight: int) -> Sample:
        """Ask for each once; raises RuntimeError for one that was not answered as it had to be.

        The CPU time is the process's own, not PostgreSQL's.
        """
        return self._process.submit(_run, dsn, list(wanted), in_flight).result()


def _run(dsn: str, wanted: list[Wanted], in_flight: int) -> Sample:
    return uvloop.run(_reserve(dsn, wanted, in_flight))


async def _reserve(dsn: str, wanted: list[Wanted], in_flight: int) -> Sample:
    db = Database(dsn, schema="catalogue")
    await db.open()
    try:
        desk = Reservations(
            db,
            utc_now,
            hold=HOLD,
            read=asked,
            encode=convert.reservation_to_response,
            decode=ReserveStockResponse.FromString,
        )
        calls = iter([(_call(each, place), each.too_much) for place, each in enumerate(wanted)])
        waited: list[float] = []

        async def one_after_the_other() -> None:
            for each, too_much in calls:
                began = time.perf_counter()
                if await _is_refused(desk, each) != too_much:
                    raise RuntimeError(f"{METHOD}: {'granted' if too_much else 'refused'} against all expectation")
                waited.append(time.perf_counter() - began)

        cpu, started = time.process_time(), time.perf_counter()
        try:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(in_flight):
                    tasks.create_task(one_after_the_other())
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    finally:
        await db.close()
    waited.sort()
    return Sample(len(waited), seconds, cpu, percentile(waited, 50) * 1e3, percentile(waited, 99) * 1e3)


def _call(wanted: Wanted, place: int) -> ReserveCall:
    """As the servicer makes it of a call that orders makes for a user."""
    request = ReserveStockRequest.FromString(wanted.request)
    context = Context(
        METHOD,
        Principal.service("orders"),
        actor=Actor("user", id_of(USER, place)),
        ip="192.0.2.7",
        user_agent="bench/1",
        traceparent=new_traceparent(),
    )
    return request, context


async def _is_refused(desk: Reservations[ReserveCall, ReserveStockResponse], call: ReserveCall) -> bool:
    try:
        await desk.reserve(call)
    except FailedPrecondition as refusal:
        if refusal.reason != Reason.INSUFFICIENT_STOCK:
            raise
        return True
    return False
