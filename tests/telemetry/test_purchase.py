"""A purchase is one trace: RPCs on both sides, statements, outbox, relay and consumers."""

from dataclasses import dataclass

import pytest
from lumi.orders.v1.order_pb2 import Order

from tests.kit.buying import Shelf, usd
from tests.kit.waiting import until
from tests.telemetry.traced import Given, Spot, TracedShop

PLACE = "lumi.orders.v1.OrderService/PlaceOrder"
RESERVE = "lumi.catalogue.v1.InventoryService/ReserveStock"
PAY = "lumi.payments.v1.PaymentService/CreatePayment"
FILED = {
    "process lumi.catalogue.stock.reserved", "process lumi.catalogue.stock.committed",
    "process lumi.orders.order.placed", "process lumi.orders.order.paid", "process lumi.payments.payment.settled",
}  # fmt: skip
# All that a span may say beside its name; none of it holds what a client sent or a row holds.
TOLD = {
    "rpc.system.name", "rpc.method", "lumi.peer", "db.system.name", "db.query.summary", "messaging.system",
    "messaging.operation.name", "messaging.operation.type", "messaging.destination.name", "messaging.message.id",
    "messaging.consumer.group.name",
}  # fmt: skip


@dataclass
class Bought:
    """An order that was placed in a trace of its own, and the spans of it."""

    given: Given
    order: Order
    shelf: Shelf
    spots: list[Spot]

    def one(self, kind: str, name: str, service: str) -> Spot:
        """The only span of this kind and name that the service made."""
        (found,) = [each for each in self.spots if (each.kind, each.name, each.service) == (kind, name, service)]
        return found

    def below(self, parent: Spot) -> list[Spot]:
        return [each for each in self.spots if each.parent == parent.id]

    def statements_below(self, parent: Spot) -> list[str]:
        return [each.name for each in self.below(parent) if each.is_statement]


@pytest.fixture(scope="module")
async def bought(traced: TracedShop) -> Bought:
    shelf, shopper, given = await traced.shop.staff(), await traced.shop.shopper(), Given()
    soup = await shelf.put(10, 250)
    cart = await shopper.fill((soup, 2))

    placed = await traced.tracing(shopper, given).place(cart)

    async def filed() -> bool:
        names = {each.name for each in traced.spots(given.trace)}
        return names >= FILED | {"publish lumi.catalogue.stock.committed", PLACE}

    await until(filed, "what followed the order is filed")
    return Bought(given, placed.order, shelf, traced.spots(given.trace))


def test_every_span_hangs_below_the_gateways(bought: Bought) -> None:
    assert bought.order.total_amount == usd(500)
    known = {bought.given.span} | {each.id for each in bought.spots}

    assert {each.parent for each in bought.spots} <= known
    assert [each.name for each in bought.spots if each.parent == bought.given.span] == [PLACE]
    assert {each.service for each in bought.spots} == {"orders", "catalogue", "payments", "identity"}


@pytest.mark.parametrize(("peer", "method"), [("catalogue", RESERVE), ("payments", PAY)])
def test_a_call_between_services_is_a_span_on_either_side(bought: Bought, peer: str, method: str) -> None:
    placing = bought.one("SERVER", PLACE, "orders")
    asked, served = bought.one("CLIENT", method, "orders"), bought.one("SERVER", method, peer)

    assert (asked.parent, served.parent) == (placing.id, asked.id)
    assert asked.attributes["lumi.peer"] == peer
    assert asked.span.start_time <= served.span.start_time <= served.span.end_time <= asked.span.end_time


def test_statements_are_below_the_call_that_ran_them(bought: Bought) -> None:
    placing = bought.statements_below(bought.one("SERVER", PLACE, "orders"))
    reserving = bought.statements_below(bought.one("SERVER", RESERVE, "catalogue"))
    paying = bought.statements_below(bought.one("SERVER", PAY, "payments"))

    assert placing[0] == "INSERT checkouts"
    assert any("INSERT orders" in each and "INSERT order_items" in each for each in placing)
    assert any("UPDATE inventories" in each for each in reserving)  # though a flusher gathers them for many
    assert reserving[-1] == "COMMIT"
    assert any("INSERT payments" in each for each in paying)


def test_an_event_is_published_and_consumed_in_the_trace_of_its_cause(bought: Bought) -> None:
    placing = bought.one("SERVER", PLACE, "orders")
    published = bought.one("PRODUCER", "publish lumi.orders.order.paid", "orders")
    committing = bought.one("CONSUMER", "process lumi.orders.order.paid", "catalogue")
    told = bought.one("PRODUCER", "publish lumi.catalogue.stock.committed", "catalogue")
    filing = bought.one("CONSUMER", "process lumi.catalogue.stock.committed", "identity")

    assert [each.parent for each in (published, committing, told, filing)] == [
        placing.id, published.id, committing.id, told.id
    ]  # fmt: skip
    assert committing.attributes["messaging.consumer.group.name"] == "catalogue-reservations"
    assert committing.attributes["messaging.message.id"] == published.attributes["messaging.message.id"]
    assert any("UPDATE inventories" in each for each in bought.statements_below(committing))


def test_a_batch_of_events_is_shown_where_the_first_of_them_is(bought: Bought) -> None:
    filings = [
        each for each in bought.spots if each.attributes.get("messaging.consumer.group.name") == "identity-audit"
    ]
    ids = {each.id for each in filings}

    assert {each.name for each in filings} >= FILED
    for filing in filings:
        links = {f"{link.context.span_id:016x}" for link in filing.span.links or ()}
        assert bool(bought.statements_below(filing)) != bool(links)
        assert links <= ids


def test_no_span_holds_a_value(bought: Bought) -> None:
    for each in bought.spots:
        assert each.attributes.keys() <= TOLD, each.name
        assert each.span.status.description is None
        assert not each.span.events
        assert bought.order.id not in each.span.to_json()


async def test_a_call_that_is_not_sampled_leaves_no_span_anywhere(traced: TracedShop) -> None:
    shelf, given = await traced.shop.staff(), Given(sampled=False)
    soup = await shelf.put(10, 250)
    shopper = traced.tracing(await traced.shop.shopper(), given)

    await shopper.place(await shopper.fill((soup, 1)))

    async def committed() -> bool:
        return await shelf.stock(soup) == (9, 0)

    await until(committed, "the stock that was sold is gone")
    assert traced.spots(given.trace) == []
    async with traced.shop.database("orders") as database:
        headers = await database.fetchval(
            "select headers->>'traceparent' from outbox_events where type = 'order.placed' order by seq desc limit 1"
        )
    assert headers == given.traceparent  # the trace goes on all the same: logs have its id


async def test_the_flag_of_a_caller_who_is_not_the_gateway_is_not_heeded(traced: TracedShop) -> None:
    given, shelf = Given(), await traced.shop.staff()
    stub = shelf.stub

    def forged(stub_class):  # type: ignore[no-untyped-def]
        plain = stub(stub_class)
        plain.metadata = (*plain.metadata, ("traceparent", given.traceparent))
        return plain

    shelf.stub = forged
    await shelf.put(1)

    assert traced.spots(given.trace) == []
