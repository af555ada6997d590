"""What becomes of carts and orders, by the typed client through the gateway: guests, staff, money and goods back."""

import pytest
from google.type.decimal_pb2 import Decimal as Percent
from lumi.identity.v1.audit_pb2 import AuditLog
from lumi.marketing.v1.coupon_pb2 import Coupon
from lumi.orders.v1.order_pb2 import Order, OrderStatus
from lumi_client import FailedPrecondition, NotFound, PermissionDenied, Session, amount, money

from lumi_common.cuid import cuid
from tests.kit.buying import HOME
from tests.kit.door import Door
from tests.kit.waiting import until
from tests.stories.acts import fill, place, put_on_sale, stock


def status(order: Order) -> str:
    return OrderStatus.Name(order.status).removeprefix("ORDER_STATUS_")


async def timeline(staff: Session, entity: str, id: str) -> list[AuditLog]:
    return [log async for log in staff.audit.get_entity_timeline(entity=entity, entity_id=id)]


async def test_a_guest_buys_and_only_they_can_see_it(door: Door) -> None:
    soup = await put_on_sale(await door.staff())
    guest, other, ada = await door.shop.guest(), await door.shop.guest(), await door.customer()
    cart = await fill(guest, (soup, 2))
    await guest.carts.set_cart_addresses(id=cart.id, shipping_address=HOME)

    placed = await guest.orders.place_order(cart_id=cart.id, payment_provider="PAYMENT_PROVIDER_MANUAL")

    assert (status(placed.order), placed.order.user_id, placed.order.shipping_address) == ("PAID", "", HOME)
    assert [order async for order in guest.orders.list_orders()] == [placed.order]
    for stranger in (other, ada):
        with pytest.raises(NotFound):
            await stranger.orders.get_order(id=placed.order.id)
        with pytest.raises(NotFound):
            await stranger.orders.get_order_by_reference(reference=placed.order.reference)
    with pytest.raises(PermissionDenied):
        await guest.addresses.create_address(address=None)  # type: ignore[arg-type]


async def test_what_a_guest_chose_is_there_after_signing_in(door: Door) -> None:
    staff = await door.staff()
    soup, bread = await put_on_sale(staff), await put_on_sale(staff, price="1.99")
    guest, ada = await door.shop.guest(), await door.customer()
    await fill(guest, (soup, 2), (bread, 1))
    await fill(ada, (soup, 1))

    merged = await ada.carts.merge_guest_cart(guest_token=guest.access_token)
    again = await ada.carts.merge_guest_cart(guest_token=guest.access_token)

    assert {item.product_variant_id: item.quantity for item in merged.items} == {soup: 3, bread: 1}
    assert again == merged
    with pytest.raises(NotFound):
        await guest.carts.get_active_cart()
    assert amount((await place(ada, merged)).order.total_amount) == amount(money("9.49", "USD"))


async def test_an_order_goes_its_way(door: Door) -> None:
    staff, ada = await door.staff(), await door.customer()
    placed = await place(ada, await fill(ada, (await put_on_sale(staff), 2)))
    id = placed.order.id

    with pytest.raises(PermissionDenied):
        await ada.orders.ship_order(id=id)
    with pytest.raises(FailedPrecondition, match="ORDER_STATUS_CONFLICT"):
        await staff.orders.ship_order(id=id)
    await staff.orders.update_order(order=Order(id=id, notes="leave it at the door"), update_mask=["notes"])
    await staff.orders.fulfill_order(id=id)
    await staff.orders.ship_order(id=id)
    delivered = await staff.orders.deliver_order(id=id)

    assert status(delivered) == "DELIVERED"
    assert (await ada.orders.get_order(id=id)).notes == ""
    with pytest.raises(FailedPrecondition, match="ORDER_NOT_CANCELLABLE"):
        await staff.orders.cancel_order(id=id)

    told = ["order.placed", "order.paid", "order.updated", "order.fulfilled", "order.shipped", "order.delivered"]

    async def filed() -> bool:
        return [log.action for log in await timeline(staff, "Order", id)] == told

    await until(filed, "every step of the order is filed, in order")


async def test_a_paid_order_that_is_cancelled_gives_everything_back(door: Door) -> None:
    staff, ada = await door.staff(), await door.customer()
    soup, code = await put_on_sale(staff, 5), f"HALF-{cuid()}"
    coupon = await staff.coupons.create_coupon(
        coupon=Coupon(code=code, type="COUPON_TYPE_PERCENTAGE", percent=Percent(value="50"), usage_limit=1)
    )
    placed = await place(ada, await fill(ada, (soup, 2), coupon=code))
    assert amount(placed.order.total_amount) == amount(money("2.50", "USD"))

    async def sold() -> bool:
        return await stock(staff, soup) == (3, 0)

    await until(sold, "what was bought has left the shelf")
    cancelled = await ada.orders.cancel_order(id=placed.order.id, reason="changed my mind")

    async def given_back() -> bool:
        payment = await staff.payments.get_payment(id=placed.payment_id)
        uses = (await staff.coupons.get_coupon(id=coupon.id)).usage_count
        return payment.refunded_amount == payment.captured_amount and uses == 0 and await stock(staff, soup) == (5, 0)

    assert status(cancelled) == "CANCELLED"
    await until(given_back, "money, coupon and goods are back")


async def test_money_goes_back_in_parts_and_never_more_than_came(door: Door) -> None:
    staff, ada = await door.staff(), await door.customer()
    placed = await place(ada, await fill(ada, (await put_on_sale(staff), 2)))
    payment = placed.payment_id

    await staff.refunds.create_refund(payment_id=payment, amount=money("1.50", "USD"), reason="a dented tin")
    with pytest.raises(FailedPrecondition, match="REFUND_TOO_HIGH"):
        await staff.refunds.create_refund(payment_id=payment, amount=money("3.51", "USD"))
    rest = await staff.refunds.create_refund(payment_id=payment)

    assert amount(rest.amount) == amount(money("3.50", "USD"))
    with pytest.raises(FailedPrecondition, match="PAYMENT_ALREADY_REFUNDED"):
        await staff.refunds.create_refund(payment_id=payment)
    with pytest.raises(PermissionDenied):
        await ada.refunds.create_refund(payment_id=payment)
    assert len([refund async for refund in ada.refunds.list_refunds(payment_id=payment)]) == 2
