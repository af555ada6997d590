"""Staff note things with an order and take it to its buyer, a step at a time."""

from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.json_format import MessageToDict
from lumi.orders.v1 import order_pb2 as pb

from lumi_common.errors import Aborted, FailedPrecondition, InvalidArgument, NotFound
from services.orders.tests.rpc.books import Sale, sell, sold, staff
from services.orders.tests.rpc.floor import Floor, branch
from tests.kit.buying import request_id
from tests.kit.client import Client
from tests.kit.shop import Shop

Step = Callable[..., Any]


@pytest.fixture
async def sale(floor: Floor) -> Sale:
    sale = await sell(floor)
    assert sale.placed.order.status == pb.ORDER_STATUS_PAID
    return sale


@pytest.fixture
async def clerk(floor: Floor) -> Client:
    return await staff(floor, "orders.read", "orders.write")


@pytest.fixture
async def warehouse(floor: Floor) -> Client:
    return await staff(floor, "orders.fulfill")


def noted(id: str, *paths: str, metadata: dict[str, Any] | None = None, **fields: Any) -> pb.UpdateOrderRequest:
    """The call that notes this with an order; `paths` is its mask."""
    given = {name: fields.pop(name) for name in ("notes",) if name in fields}
    request = pb.UpdateOrderRequest(order=pb.Order(id=id, **given), update_mask=FieldMask(paths=paths), **fields)
    if metadata is not None:
        request.order.metadata.update(metadata)
    return request


async def test_an_order_goes_to_its_buyer(floor: Floor, sale: Sale, warehouse: Client) -> None:
    packed = await warehouse.FulfillOrder(pb.FulfillOrderRequest(id=sale.id, etag="2"))
    shipped = await warehouse.ShipOrder(pb.ShipOrderRequest(id=sale.id, etag="3"))
    delivered = await warehouse.DeliverOrder(pb.DeliverOrderRequest(id=sale.id, etag="4"))

    assert packed.status == pb.ORDER_STATUS_FULFILLED
    assert packed.fulfilled_time == packed.update_time
    assert shipped.status == pb.ORDER_STATUS_SHIPPED
    assert (shipped.fulfilled_time, shipped.shipped_time) == (packed.fulfilled_time, shipped.update_time)
    assert delivered.status == pb.ORDER_STATUS_DELIVERED
    assert (delivered.shipped_time, delivered.delivered_time) == (shipped.shipped_time, delivered.update_time)
    assert await sale.get() == delivered
    await sale.expect(sold("DELIVERED"))
    assert await floor.told(sale.id) == [
        "order.placed", "order.paid", "order.fulfilled", "order.shipped", "order.delivered",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("method", "request_type", "before"),
    [
        ("FulfillOrder", pb.FulfillOrderRequest, 0),
        ("ShipOrder", pb.ShipOrderRequest, 1),
        ("DeliverOrder", pb.DeliverOrderRequest, 2),
    ],
)
async def test_a_step_that_was_taken_is_answered_as_it_is(
    floor: Floor, sale: Sale, warehouse: Client, method: str, request_type: Any, before: int
) -> None:
    steps = [(warehouse.FulfillOrder, pb.FulfillOrderRequest), (warehouse.ShipOrder, pb.ShipOrderRequest)]
    for step, kind in steps[:before]:
        await step(kind(id=sale.id))
    call = getattr(warehouse, method)
    request = request_type(id=sale.id, etag=str(2 + before), request_id=request_id())

    answer = await call(request)

    assert await call(request) == answer
    assert await call(request_type(id=sale.id, request_id=request_id())) == answer
    assert await call(request_type(id=sale.id, etag="1")) == answer
    assert len(await floor.told(sale.id)) == 3 + before
    with pytest.raises(InvalidArgument, match="REQUEST_ID_REUSED"):
        await call(request_type(id=sale.id, request_id=request.request_id))


async def test_no_step_is_left_out_or_taken_back(floor: Floor, sale: Sale, warehouse: Client) -> None:
    async def refused(call: Step, request: Any) -> tuple[str, str]:
        with pytest.raises(FailedPrecondition, match="ORDER_STATUS_CONFLICT") as refusal:
            await call(request)
        facts = refusal.value.facts
        assert facts["order_id"] == sale.id
        return str(facts["from"]), str(facts["to"])

    assert await refused(warehouse.ShipOrder, pb.ShipOrderRequest(id=sale.id)) == ("PAID", "SHIPPED")
    assert await refused(warehouse.DeliverOrder, pb.DeliverOrderRequest(id=sale.id)) == ("PAID", "DELIVERED")
    await warehouse.FulfillOrder(pb.FulfillOrderRequest(id=sale.id))
    await warehouse.ShipOrder(pb.ShipOrderRequest(id=sale.id))
    assert await refused(warehouse.FulfillOrder, pb.FulfillOrderRequest(id=sale.id)) == ("SHIPPED", "FULFILLED")

    cancelled = await sell(floor)
    await cancelled.cancel()
    with pytest.raises(FailedPrecondition, match="ORDER_STATUS_CONFLICT"):
        await warehouse.FulfillOrder(pb.FulfillOrderRequest(id=cancelled.id))


async def test_an_order_that_is_not_paid_is_not_packed(shop: Shop) -> None:
    async with branch(shop, by_hand=True) as floor:
        sale = await sell(floor)
        with pytest.raises(FailedPrecondition, match="ORDER_STATUS_CONFLICT"):
            await (await staff(floor, "orders.fulfill")).FulfillOrder(pb.FulfillOrderRequest(id=sale.id))


async def test_a_step_is_held_to_what_was_read(sale: Sale, warehouse: Client, clerk: Client) -> None:
    await clerk.UpdateOrder(noted(sale.id, notes="gift wrap"))

    with pytest.raises(Aborted, match="ETAG_MISMATCH"):
        await warehouse.FulfillOrder(pb.FulfillOrderRequest(id=sale.id, etag="2"))
    with pytest.raises(Aborted, match="ETAG_MISMATCH"):
        await clerk.UpdateOrder(noted(sale.id, notes="no wrap", etag="2"))
    packed = await warehouse.FulfillOrder(pb.FulfillOrderRequest(id=sale.id, etag="3"))

    assert (packed.etag, packed.notes) == ("4", "gift wrap")


async def test_an_order_that_is_not_there_has_no_next_step(warehouse: Client, clerk: Client) -> None:
    nowhere = "c" + "0" * 24
    for call, request in (
        (warehouse.FulfillOrder, pb.FulfillOrderRequest(id=nowhere)),
        (warehouse.ShipOrder, pb.ShipOrderRequest(id=nowhere)),
        (warehouse.DeliverOrder, pb.DeliverOrderRequest(id=nowhere)),
        (clerk.UpdateOrder, noted(nowhere, notes="lost")),
    ):
        with pytest.raises(NotFound):
            await call(request)


async def test_what_staff_note_is_theirs_to_read(floor: Floor, sale: Sale, clerk: Client, warehouse: Client) -> None:
    request = noted(sale.id, "notes", notes="fragile", etag="2", request_id=request_id())

    updated = await clerk.UpdateOrder(request)

    assert (updated.notes, updated.etag, updated.status) == ("fragile", "3", pb.ORDER_STATUS_PAID)
    assert await clerk.UpdateOrder(request) == updated
    by_id = await clerk.GetOrder(pb.GetOrderRequest(id=sale.id))
    by_reference = await clerk.GetOrderByReference(pb.GetOrderByReferenceRequest(reference=updated.reference))
    listed = await clerk.ListOrders(pb.ListOrdersRequest(user_id=updated.user_id))
    assert by_id == by_reference == listed.orders[0] == updated
    await warehouse.FulfillOrder(pb.FulfillOrderRequest(id=sale.id))
    mine = [
        await sale.get(),
        await sale.orders.GetOrderByReference(pb.GetOrderByReferenceRequest(reference=updated.reference)),
        *(await sale.orders.ListOrders(pb.ListOrdersRequest())).orders,
    ]
    assert [(order.id, order.notes) for order in mine] == [(sale.id, "")] * 3
    await sale.expect_sound()
    assert (await floor.told(sale.id))[2:] == ["order.updated", "order.fulfilled"]


async def test_a_buyer_who_cancels_does_not_read_the_notes(sale: Sale, clerk: Client) -> None:
    await clerk.UpdateOrder(noted(sale.id, notes="fragile"))

    assert (await sale.cancel()).notes == ""
    assert (await sale.cancel(await staff(sale.floor, "orders.cancel"))).notes == "fragile"


async def test_a_mask_says_what_is_changed(floor: Floor, clerk: Client) -> None:
    sale = await sell(floor, metadata={"basket": 7, "gift": True})

    await clerk.UpdateOrder(noted(sale.id, notes="fragile"))
    both = await clerk.GetOrder(pb.GetOrderRequest(id=sale.id))
    assert (both.notes, MessageToDict(both.metadata)) == ("fragile", {"basket": 7, "gift": True})

    moved = await clerk.UpdateOrder(noted(sale.id, "metadata", notes="not this", metadata={"weight": 0.1}))
    assert (moved.notes, MessageToDict(moved.metadata)) == ("fragile", {"weight": 0.1})
    assert MessageToDict((await sale.get()).metadata) == {"weight": 0.1}

    bare = await clerk.UpdateOrder(noted(sale.id, "notes", "metadata"))
    assert (bare.notes, bare.HasField("metadata")) == ("", False)
    assert [bare.etag, await floor.told(sale.id)] == ["5", ["order.placed", "order.paid"] + ["order.updated"] * 3]


async def test_notes_that_say_what_they_said_are_no_change(floor: Floor, sale: Sale, clerk: Client) -> None:
    request = noted(sale.id, notes="fragile", metadata={"weight": 0.1, "boxes": 2})
    updated = await clerk.UpdateOrder(request)

    assert await clerk.UpdateOrder(request) == updated
    assert await clerk.UpdateOrder(noted(sale.id)) == updated
    assert (await floor.told(sale.id)).count("order.updated") == 1


@pytest.mark.parametrize("path", ["status", "total_amount", "id", "etag", "nothing"])
async def test_nothing_but_notes_and_metadata_is_changed(sale: Sale, clerk: Client, path: str) -> None:
    with pytest.raises(InvalidArgument, match="FIELD_MASK_INVALID") as refused:
        await clerk.UpdateOrder(noted(sale.id, "notes", path, notes="fragile"))

    assert refused.value.field == "update_mask"
    assert (await sale.get()).etag == "2"


async def test_an_order_may_be_noted_on_whatever_became_of_it(sale: Sale, clerk: Client) -> None:
    await sale.cancel()

    updated = await clerk.UpdateOrder(noted(sale.id, notes="called, was friendly"))

    assert (updated.status, updated.notes) == (pb.ORDER_STATUS_CANCELLED, "called, was friendly")
    await sale.expect_sound()
