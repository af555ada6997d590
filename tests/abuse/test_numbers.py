"""Numbers at their bounds and beyond: one step too far is refused by name, and the largest that may be is exact."""

import asyncio
from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from random import Random
from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message
from google.type.money_pb2 import Money
from lumi.catalogue.v1 import inventory_pb2
from lumi.catalogue.v1.inventory_pb2_grpc import InventoryServiceStub
from lumi.orders.v1 import cart_pb2, order_pb2
from lumi.orders.v1.cart_pb2_grpc import CartServiceStub
from lumi.payments.v1 import payment_pb2, refund_pb2
from lumi.payments.v1.payment_pb2_grpc import PaymentServiceStub
from lumi.payments.v1.refund_pb2_grpc import RefundServiceStub

from lumi_common.errors import LumiError
from lumi_common.rpc.access import read_policy
from lumi_common.rpc.validation import violations
from lumi_envoy.contract import all_methods
from tests.abuse.conftest import Senders
from tests.conftest import Edge
from tests.fuzz.making import Making, fields_within, rules_of
from tests.fuzz.pool import Pool
from tests.kit.buying import request_id
from tests.request_ids.callers import send
from tests.request_ids.of_marketing import coupon
from tests.request_ids.world import World

DEAREST = 999_999_999_999  # cents of a price
NO_MONEY = (
    Money(currency_code="USD", units=-1), Money(currency_code="USD", nanos=-10_000_000),
    Money(currency_code="USD", units=10**12), Money(currency_code="USD", units=2**63 - 1, nanos=990_000_000),
    Money(currency_code="USD", units=-(2**63)), Money(currency_code="USD", nanos=1),
    Money(currency_code="USD", units=1, nanos=1_000_000_000), Money(currency_code="USD", units=1, nanos=-2**31),
    Money(currency_code="usd", units=1), Money(units=1), Money(currency_code="US", units=1),
    Money(currency_code="USDX", units=1), Money(currency_code="٣٣٣", units=1), Money(currency_code="US\n", units=1),
)  # fmt: skip


@cache
def fullest(method: MethodDescriptor) -> Message:
    """A valid request with as much in it as can be."""
    made = [Making(Random(number), Pool(), "nobody").request(method) for number in range(12)]
    made.sort(key=lambda each: len([*fields_within(each)]), reverse=True)
    return next(each for each in made if not violations(each))


def request_for(method: MethodDescriptor) -> Any:
    """The same, to be spoilt."""
    return deepcopy(fullest(method))


def set_within(message: Any, name: str) -> tuple[Any, FieldDescriptor]:
    """The first message inside, itself among them, whose type and field are so called, and the field."""
    return next((inner, field) for inner, field in fields_within(message) if field.full_name == name)


def numeric_fields(method: MethodDescriptor) -> Iterator[FieldDescriptor]:
    """The numbers and amounts of a request, each once; of imported rows the import itself tells what is wrong."""
    seen = set()
    for _, field in fields_within(fullest(method)):
        kind = field.message_type and field.message_type.full_name
        is_numeric = field.type in (field.TYPE_INT32, field.TYPE_INT64) or kind == "google.type.Money"
        if is_numeric and not field.is_repeated and field not in seen and "Row." not in field.full_name:
            seen.add(field)
            yield field


def beyond(field: FieldDescriptor) -> list[int]:
    """The numbers just outside a field's bounds, and the lowest that there is."""
    is_short = field.type == field.TYPE_INT32
    rules: Any = rules_of(field).int32 if is_short else rules_of(field).int64
    edge = 2**31 - 1 if is_short else 2**63 - 1
    steps = [rules.gte - 1] if rules.HasField("gte") else []
    steps += [rules.lte + 1] if rules.HasField("lte") else []
    wrong = {*steps, -edge - 1, *rules.not_in} if steps else set()
    return sorted(each for each in wrong if -edge - 1 <= each <= edge)


_FIELDS = [(method, field) for method in all_methods() for field in numeric_fields(method)]
NUMBERS = [
    (method, str(field.full_name), number)
    for method, field in _FIELDS
    if field.message_type is None
    for number in beyond(field)
]
AMOUNTS = [
    (method, str(field.full_name))
    for method, field in _FIELDS
    if field.message_type is not None and rules_of(field).cel
]


async def refused(world: World, senders: Senders, method: MethodDescriptor, request: Message, field: str) -> None:
    """Fail unless it is refused as a field out of bounds, by its name."""
    policy = read_policy(method)
    if not policy.on_public_port and policy.takes_request_id:
        request.request_id = request_id()  # type: ignore[attr-defined]
    with pytest.raises(LumiError) as told:
        await send(world.shop, method, senders.of(policy), request)
    assert (told.value.code, told.value.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST"), told.value
    assert any(field.rpartition(".")[2] in each.field for each in told.value.violations), told.value


def name_of(value: Any) -> str:
    return str(value.full_name).removeprefix("lumi.") if hasattr(value, "full_name") else str(value)


def test_there_are_numbers_and_amounts_everywhere() -> None:
    assert len(NUMBERS) > 60 and len(AMOUNTS) > 8
    assert {method.full_name.split(".")[1] for method, *_ in NUMBERS} == {
        "catalogue", "identity", "marketing", "orders", "payments",
    }  # fmt: skip


@pytest.mark.parametrize(("method", "field", "number"), NUMBERS, ids=name_of)
async def test_a_number_beyond_its_bound_is_refused(
    world: World, senders: Senders, method: MethodDescriptor, field: str, number: int
) -> None:
    request = request_for(method)
    message, found = set_within(request, field)
    setattr(message, found.name, number)

    await refused(world, senders, method, request, field)


@pytest.mark.parametrize(("method", "field"), AMOUNTS, ids=name_of)
async def test_what_is_no_amount_is_refused(
    world: World, senders: Senders, method: MethodDescriptor, field: str
) -> None:
    for amount in NO_MONEY:
        request = request_for(method)
        message, found = set_within(request, field)
        getattr(message, found.name).CopyFrom(amount)
        await refused(world, senders, method, request, field)


@pytest.mark.parametrize(
    "quantity",
    ["1.5", "1e400", "-1", "0", "2147483648", "9223372036854775808", '"٣"', '"1.5"', '" 1"', "[1]", "{}", "NaN",
     "Infinity", "0x10", "1_000", "1000001", '"1e3x"', "true"],
)  # fmt: skip
async def test_json_that_is_no_such_number_is_refused(world: World, edge: Edge, quantity: str) -> None:
    shopper = (await world.shop.user()).token
    body = f'{{"productVariantId": "{world.variants[0]}", "quantity": {quantity}}}'

    answer = await edge.http.post(
        f"/v1/carts/c{'0' * 24}/items", content=body.encode(),
        headers={"authorization": f"Bearer {shopper}", "content-type": "application/json"},
    )  # fmt: skip

    assert answer.status_code == 400, answer.text


async def test_the_largest_order_is_exact_from_cart_to_refund_and_one_more_is_too_much(world: World) -> None:
    buyer = await world.shop.shopper()
    dear = await world.shelf.put(1_000_000, DEAREST)
    cart = await buyer.fill((dear, 100))
    carts = buyer.stub(CartServiceStub)
    for more in (1, 999_900):
        with pytest.raises(LumiError) as told:
            await carts.AddCartItem(
                cart_pb2.AddCartItemRequest(cart_id=cart.id, product_variant_id=dear, quantity=more)
            )
        assert told.value.reason == "TOTAL_TOO_HIGH"

    quote = await carts.QuoteCart(cart_pb2.QuoteCartRequest(id=cart.id, shipping_address_id=buyer.address))
    placed = await buyer.place(cart)

    assert cents(quote.subtotal_amount) == 100 * DEAREST == cents(placed.order.subtotal_amount)
    assert cents(placed.order.total_amount) == cents(quote.total_amount)
    assert placed.order.status == order_pb2.ORDER_STATUS_PAID
    staff = (await world.shop.user("payments.read", "payments.refund")).token
    payments = world.shop.stub(PaymentServiceStub, staff)
    paid = (await payments.ListPayments(payment_pb2.ListPaymentsRequest(order_id=placed.order.id))).payments[0]
    assert cents(paid.captured_amount) == cents(placed.order.total_amount)
    refunds = world.shop.stub(RefundServiceStub, staff)
    above = money(cents(paid.captured_amount) + 1)
    with pytest.raises(LumiError) as told:
        await refunds.CreateRefund(refund_pb2.CreateRefundRequest(payment_id=paid.id, amount=above))
    assert told.value.code in ("FAILED_PRECONDITION", "INVALID_ARGUMENT")
    one = await refunds.CreateRefund(refund_pb2.CreateRefundRequest(payment_id=paid.id, amount=money(1)))
    rest = await refunds.CreateRefund(
        refund_pb2.CreateRefundRequest(payment_id=paid.id, amount=money(cents(paid.captured_amount) - 1))
    )
    assert cents(one.amount) + cents(rest.amount) == cents(paid.captured_amount)


async def test_a_percentage_of_the_largest_cart_is_exact(world: World) -> None:
    buyer = await world.shop.shopper()
    dear = await world.shelf.put(1_000_000, DEAREST)
    cart = await buyer.fill((dear, 100), coupon=await coupon(world))

    quote = await buyer.stub(CartServiceStub).QuoteCart(
        cart_pb2.QuoteCartRequest(id=cart.id, shipping_address_id=buyer.address)
    )

    assert cents(quote.discount_amount) == 10 * DEAREST
    assert sum(cents(line.discount_amount) for line in quote.lines) == cents(quote.discount_amount)


async def test_a_shelf_holds_so_many_and_not_one_more_however_many_bring_it(world: World) -> None:
    variant, left = await world.shelf.put(7), 999_999_988
    shelf = world.shop.stub(InventoryServiceStub, (await world.shop.user("inventory.adjust")).token)
    while left:
        delta = min(left, 1_000_000)
        await shelf.AdjustInventory(
            inventory_pb2.AdjustInventoryRequest(product_variant_id=variant, delta=delta, reason="delivery")
        )
        left -= delta

    async def bring() -> str:
        try:
            await shelf.AdjustInventory(
                inventory_pb2.AdjustInventoryRequest(product_variant_id=variant, delta=1, reason="delivery")
            )
        except LumiError as refusal:
            return str(refusal.reason)
        return ""

    told = await asyncio.gather(*(bring() for _ in range(12)))

    assert sorted(told) == [""] * 5 + ["QUANTITY_OUT_OF_RANGE"] * 7
    assert await world.shelf.stock(variant) == (1_000_000_000, 0)


def cents(amount: Money) -> int:
    return int(amount.units * 100 + amount.nanos // 10_000_000)


def money(amount: int) -> Money:
    return Money(currency_code="USD", units=amount // 100, nanos=amount % 100 * 10_000_000)
