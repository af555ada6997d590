"""What a service's figures say: its calls by method and code, and what is under way besides them."""

from functools import partial
from importlib import import_module
from typing import Any

import pytest
from lumi.catalogue.v1 import product_pb2
from lumi.catalogue.v1.product_pb2_grpc import ProductServiceStub

from lumi_common.cuid import cuid
from lumi_common.errors import InvalidArgument, NotFound
from tests.kit.shop import SERVICES
from tests.kit.waiting import until
from tests.telemetry.traced import TracedShop

GET = "lumi.catalogue.v1.ProductService/GetProductBySlug"
EVERY_SERVICES = {
    "lumi.outbox.unpublished", "lumi.outbox.oldest_age", "lumi.dead_letters", "db.client.connection.count",
    "db.client.connection.max", "db.client.connection.pending_requests", "lumi.rpc.in_flight",
    "lumi.revocations.age",
}  # fmt: skip


async def values(traced: TracedShop, service: str, metric: str) -> dict[Any, Any]:
    """The values of a gauge, looked at now, by its only attribute."""
    await traced.shop.runtimes[service].gauges.look()
    points = traced.points(service)[metric]
    return {next(iter(point.attributes.values()), ""): point.value for point in points}


async def test_calls_are_counted_and_timed_by_method_and_code(traced: TracedShop) -> None:
    def counts() -> dict[str, int]:
        points = traced.points("catalogue").get("rpc.server.call.duration", [])
        ours = [point for point in points if point.attributes["rpc.method"] == GET]
        assert all(point.sum > 0 and max(point.explicit_bounds) == 10 for point in ours)
        return {point.attributes["rpc.response.status_code"]: point.count for point in ours}

    shelf = await traced.shop.staff()
    await shelf.put(1)  # which reads the product that it put there
    before, products = counts(), traced.shop.stub(ProductServiceStub)
    for _ in range(3):
        with pytest.raises(NotFound):
            await products.GetProductBySlug(product_pb2.GetProductBySlugRequest(slug=f"none-{cuid()}"))
    with pytest.raises(InvalidArgument):
        await products.GetProductBySlug(product_pb2.GetProductBySlugRequest(slug=""))

    after = counts()
    assert before["OK"] == after["OK"] >= 1
    assert after["NOT_FOUND"] - before.get("NOT_FOUND", 0) == 3
    assert after["INVALID_ARGUMENT"] - before.get("INVALID_ARGUMENT", 0) == 1


@pytest.mark.parametrize("service", ["identity", "catalogue", "orders", "payments", "marketing"])
async def test_every_service_tells_the_same_of_itself(traced: TracedShop, service: str) -> None:
    await traced.shop.runtimes[service].gauges.look()

    assert traced.points(service).keys() >= EVERY_SERVICES


async def test_a_pool_and_its_limits_are_told(traced: TracedShop) -> None:
    used = await values(traced, "orders", "db.client.connection.count")

    assert used.keys() == {"used", "idle"}
    assert 0 < sum(used.values()) <= (await values(traced, "orders", "db.client.connection.max"))[""]


async def test_orders_being_placed_are_told_by_step(traced: TracedShop) -> None:
    assert await values(traced, "orders", "lumi.orders.checkouts") == {"RESERVE": 0, "PAY": 0, "RETRY": 0, "UNDO": 0}
    order = cuid()
    async with traced.shop.database("orders") as database:
        await database.execute(
            "insert into checkouts (id, order_id, step, next_attempt_at) values ($1, $2, 'UNDO', 'infinity')",
            cuid(),
            order,
        )
        try:
            assert (await values(traced, "orders", "lumi.orders.checkouts"))["UNDO"] == 1
        finally:
            await database.execute("delete from checkouts where order_id = $1", order)


async def test_consumers_tell_how_much_waits_for_them(traced: TracedShop) -> None:
    orders, catalogue = ("orders-payments", "orders-references"), ("catalogue-reservations", "catalogue-references")
    assert (await values(traced, "orders", "lumi.consumer.pending")).keys() == set(orders)
    assert (await values(traced, "catalogue", "lumi.consumer.pending")).keys() == set(catalogue)
    assert (await values(traced, "orders", "lumi.dead_letters")) == dict.fromkeys(("relay", *orders), 0)


@pytest.mark.parametrize("service", SERVICES)
async def test_what_broke_is_told_by_invariant(traced: TracedShop, service: str) -> None:
    own = {each.id for each in import_module(f"lumi_{service}.storage.invariants").INVARIANTS}

    async def is_told(rows: int) -> bool:
        await traced.shop.runtimes[service].gauges.look()
        points = traced.points(service).get("lumi.invariants.broken", [])
        told = {point.attributes["lumi.invariant"]: point.value for point in points}
        return told == dict.fromkeys(own, 0) | {"X5": rows}

    async with traced.shop.database(service) as database:
        await until(partial(is_told, 0), "a look was taken, and all is well")
        await database.execute(
            "insert into request_ids (principal, method, request_id, request_hash, expires_at) "
            "values ('nobody', 'none', 'planted', sha256('x'), now() + interval '1 hour')"
        )
        try:
            await until(partial(is_told, 1), "a later look saw what broke")
        finally:
            await database.execute("delete from request_ids where request_id = 'planted'")
        await until(partial(is_told, 0), "and that it was mended")
