"""The rows that are counted: what the door, and pgbench's statement beside it, leave in a real database."""

import asyncio
from collections.abc import Iterator

import asyncpg
import pytest
from lumi.catalogue.v1.inventory_pb2 import ReserveStockRequest

from lumi_bench.again import reserve_again
from lumi_bench.door import Door
from lumi_bench.goods import stock_shelves
from lumi_bench.reservation import EVERY_THIRD_NOT, FITTING, HOT, TOO_MUCH, fitting, wants
from lumi_bench.reserved import Ledger
from lumi_catalogue.storage.tables import metadata
from lumi_common.db import migrate
from lumi_local import testing
from lumi_local.postgres import PostgresServer
from lumi_local.process import StackError
from lumi_local.settings import CHECKOUT


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with testing.postgres("bench") as server:
        migrate.upgrade(server.dsn_superuser, metadata, CHECKOUT / "services" / "catalogue" / "migrations")
        asyncio.run(stock_shelves(server.dsn_superuser))
        yield server


def execute(server: PostgresServer, sql: str) -> str:
    async def run() -> str:
        connection = await asyncpg.connect(server.dsn_superuser)
        try:
            return str(await connection.execute(sql))
        finally:
            await connection.close()

    return asyncio.run(run())


def test_every_third_of_the_other_kind_asks_for_too_much() -> None:
    assert [each.too_much for each in wants(6, EVERY_THIRD_NOT)] == [False, False, True] * 2
    assert fitting(7, EVERY_THIRD_NOT) == sum(not each.too_much for each in wants(7, EVERY_THIRD_NOT)) == 5
    assert fitting(7, FITTING) == len(wants(7, FITTING)) == 7


def test_the_door_and_the_same_rows_again_leave_what_the_ledger_expects(server: PostgresServer) -> None:
    ledger, wanted = Ledger(server.dsn_superuser, HOT), wants(9, EVERY_THIRD_NOT)
    with Door() as door:
        sample = door.reserve(server.dsn("lumi_catalogue"), wants(1, FITTING) + wanted, 4)
        with pytest.raises(RuntimeError, match="against all expectation"):
            door.reserve(server.dsn("lumi_catalogue"), [type(wanted[0])(wanted[2].request)], 1)
    ledger.reserved(7)
    ledger.check()
    assert sample.calls == 10 and 0 < sample.p50_ms <= sample.p99_ms

    first = ReserveStockRequest.FromString(wanted[0].request)
    again = asyncio.run(reserve_again(server.dsn_superuser, first.order_id, first.request_id, TOO_MUCH))
    written = [execute(server, again.replace(":n", str(number))) for number in range(6)]
    assert written == ["INSERT 0 1", "INSERT 0 1", "INSERT 0 0"] * 2
    with pytest.raises(StackError, match=r"reservations: \d+ and not \d+"):
        ledger.check()
    ledger.reserved(4)
    ledger.check()


def test_a_reservation_without_its_request_record_does_not_stand(server: PostgresServer) -> None:
    ledger = Ledger(server.dsn_superuser, HOT)
    with Door() as door:
        [one] = wants(1, FITTING)
        door.reserve(server.dsn("lumi_catalogue"), [one], 1)
    ledger.reserved(1)
    request_id = ReserveStockRequest.FromString(one.request).request_id

    execute(server, f"delete from catalogue.request_ids where request_id = '{request_id}'")

    with pytest.raises(StackError, match=r"requests kept: (\d+) and not"):
        ledger.check()
