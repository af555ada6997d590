"""The money of an order is asked for once, and taken or given up once."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from google.type.money_pb2 import Money
from lumi.payments.v1 import payment_pb2 as pb
from lumi.payments.v1.payment_pb2_grpc import PaymentServiceStub

from lumi_common.cuid import cuid
from lumi_common.errors import (
    AlreadyExists,
    FailedPrecondition,
    InvalidArgument,
    LumiError,
    NotFound,
    PermissionDenied,
    Unauthenticated,
    Unimplemented,
)
from tests.kit.client import Client
from tests.kit.shop import Shop

TEN = Money(currency_code="USD", units=10)


@pytest.fixture
async def orders(shop: Shop) -> Client:
    return shop.internal(PaymentServiceStub, service="orders")


@pytest.fixture
async def staff(shop: Shop) -> Client:
    user = await shop.user("payments.read", "payments.capture", "payments.record")
    return shop.stub(PaymentServiceStub, user.token)


def asked_for(**facts: Any) -> pb.CreatePaymentRequest:
    given = {
        "order_id": cuid(),
        "order_reference": "ABCDEFGH23",
        "provider": pb.PAYMENT_PROVIDER_MANUAL,
        "amount": TEN,
        "request_id": str(uuid4()),
    } | facts
    return pb.CreatePaymentRequest(**given)


async def waiting(shop: Shop, orders: Client) -> pb.Payment:
    """A payment that waits for its money, as in a shop whose staff record it."""
    payment: pb.Payment = await orders.CreatePayment(asked_for())
    async with shop.database("payments") as database:
        await database.execute(
            "update payments set status = 'INITIATED', authorized_amount = 0, captured_amount = 0, "
            "authorized_at = null, settled_at = null where id = $1",
            payment.id,
        )
        await database.execute("delete from payment_steps where payment_id = $1 and kind <> 'CREATED'", payment.id)
    return payment


async def steps(shop: Shop, payment: pb.Payment) -> list[str]:
    async with shop.database("payments") as database:
        rows = await database.fetch("select kind from payment_steps where payment_id = $1 order by id", payment.id)
    return [row["kind"] for row in rows]


async def told(shop: Shop, payment: pb.Payment) -> list[str]:
    async with shop.database("payments") as database:
        rows = await database.fetch("select type from outbox_events where aggregate_id = $1 order by seq", payment.id)
    return [row["type"] for row in rows]


async def test_in_the_local_profile_a_manual_payment_settles_at_once(shop: Shop, orders: Client) -> None:
    payment = await orders.CreatePayment(asked_for())

    assert payment.status == pb.PAYMENT_STATUS_SETTLED
    assert payment.captured_amount == TEN
    assert payment.next_action.type == pb.NEXT_ACTION_TYPE_NONE
    assert await steps(shop, payment) == ["CREATED", "AUTHORIZED", "CAPTURED"]
    assert await told(shop, payment) == ["payment.settled"]


async def test_an_order_has_one_open_payment_however_often_it_asks(shop: Shop, orders: Client) -> None:
    order = cuid()

    answers = await asyncio.gather(*(orders.CreatePayment(asked_for(order_id=order)) for _ in range(20)))

    assert len({answer.id for answer in answers}) == 1
    with pytest.raises(FailedPrecondition, match="PAYMENT_DIFFERS"):
        await orders.CreatePayment(asked_for(order_id=order, amount=Money(currency_code="USD", units=11)))


async def test_money_that_came_is_recorded_once_whoever_saw_it(shop: Shop, orders: Client, staff: Client) -> None:
    payment = await waiting(shop, orders)

    tries = await asyncio.gather(
        *(
            staff.RecordManualPayment(
                pb.RecordManualPaymentRequest(id=payment.id, amount=TEN, transaction_id=cuid(), request_id=str(uuid4()))
            )
            for _ in range(10)
        ),
        return_exceptions=True,
    )

    assert sum(isinstance(each, pb.Payment) for each in tries) == 1
    assert {each.reason for each in tries if isinstance(each, LumiError)} == {"PAYMENT_NOT_RECORDABLE"}
    assert await steps(shop, payment) == ["CREATED", "AUTHORIZED", "CAPTURED"]


async def test_a_transaction_id_pays_for_one_payment_only(shop: Shop, orders: Client, staff: Client) -> None:
    first, second, id = await waiting(shop, orders), await waiting(shop, orders), cuid()
    await staff.RecordManualPayment(pb.RecordManualPaymentRequest(id=first.id, amount=TEN, transaction_id=id))

    with pytest.raises(AlreadyExists, match="TRANSACTION_ID_TAKEN"):
        await staff.RecordManualPayment(pb.RecordManualPaymentRequest(id=second.id, amount=TEN, transaction_id=id))

    assert await steps(shop, second) == ["CREATED"]


async def test_a_void_and_a_record_at_once_leave_one_of_them(shop: Shop, orders: Client, staff: Client) -> None:
    for _ in range(10):
        payment = await waiting(shop, orders)

        await asyncio.gather(
            orders.VoidPayment(pb.VoidPaymentRequest(id=payment.id, request_id=str(uuid4()))),
            staff.RecordManualPayment(pb.RecordManualPaymentRequest(id=payment.id, amount=TEN)),
            return_exceptions=True,
        )

        assert await steps(shop, payment) in (["CREATED", "VOIDED"], ["CREATED", "AUTHORIZED", "CAPTURED"])


async def test_a_voided_payment_makes_room_for_another_try(shop: Shop, orders: Client, staff: Client) -> None:
    payment = await waiting(shop, orders)

    voided = await staff.VoidPayment(pb.VoidPaymentRequest(id=payment.id, reason="no show"))
    again = await orders.CreatePayment(asked_for(order_id=payment.order_id))

    assert (voided.status, voided.failure_code) == (pb.PAYMENT_STATUS_FAILED, "VOIDED")
    assert again.id != payment.id


async def test_settled_money_is_not_voided_or_captured_again(orders: Client, staff: Client) -> None:
    payment = await orders.CreatePayment(asked_for())

    with pytest.raises(FailedPrecondition, match="PAYMENT_NOT_VOIDABLE"):
        await staff.VoidPayment(pb.VoidPaymentRequest(id=payment.id))
    with pytest.raises(FailedPrecondition, match="PAYMENT_NOT_CAPTURABLE"):
        await staff.CapturePayment(pb.CapturePaymentRequest(id=payment.id))


async def test_authorized_money_is_captured_once(shop: Shop, orders: Client, staff: Client) -> None:
    payment = await waiting(shop, orders)
    async with shop.database("payments") as database:
        await database.execute(
            "update payments set status = 'AUTHORIZED', authorized_amount = 10, authorized_at = now() where id = $1",
            payment.id,
        )

    tries = await asyncio.gather(
        *(staff.CapturePayment(pb.CapturePaymentRequest(id=payment.id)) for _ in range(10)), return_exceptions=True
    )

    assert sum(isinstance(each, pb.Payment) for each in tries) == 1
    assert (await steps(shop, payment)).count("CAPTURED") == 1


async def test_another_users_payment_and_none_are_the_same(shop: Shop, orders: Client) -> None:
    ada, bob = await shop.user(), await shop.user()
    payment = await orders.CreatePayment(asked_for(user_id=ada.id))
    adas, bobs = shop.stub(PaymentServiceStub, ada.token), shop.stub(PaymentServiceStub, bob.token)

    assert await adas.GetPayment(pb.GetPaymentRequest(id=payment.id)) == payment
    assert list((await adas.ListPayments(pb.ListPaymentsRequest())).payments) == [payment]
    assert not (await bobs.ListPayments(pb.ListPaymentsRequest(user_id=ada.id))).payments
    refusals = []
    for id in (payment.id, cuid()):
        with pytest.raises(NotFound) as refused:
            await bobs.GetPayment(pb.GetPaymentRequest(id=id))
        refusals.append((refused.value.reason, refused.value.message))
    assert refusals[0] == refusals[1]


async def test_nobody_else_starts_or_records_payments(shop: Shop, orders: Client) -> None:
    customer = await shop.user()
    record = pb.RecordManualPaymentRequest(id=cuid(), amount=TEN)

    with pytest.raises(PermissionDenied):
        await shop.stub(PaymentServiceStub, customer.token).RecordManualPayment(record)
    with pytest.raises(Unauthenticated):
        await shop.stub(PaymentServiceStub).RecordManualPayment(record)
    with pytest.raises(Unimplemented):
        await shop.stub(PaymentServiceStub, customer.token).CreatePayment(asked_for())
    with pytest.raises(PermissionDenied):
        await shop.internal(PaymentServiceStub, service="catalogue").CreatePayment(asked_for())


@pytest.mark.parametrize(
    ("facts", "field"),
    [
        ({"order_id": "nonsense"}, "order_id"),
        ({"amount": Money(currency_code="USD", units=-1)}, "amount"),
        ({"amount": Money(currency_code="USD", nanos=1)}, "amount"),
        ({"amount": Money(currency_code="JPY", units=1)}, "amount.currency_code"),
        ({"provider": pb.PAYMENT_PROVIDER_UNSPECIFIED}, "provider"),
        ({"request_id": "not-a-uuid"}, "request_id"),
    ],
)
async def test_bad_fields_are_named(orders: Client, facts: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        await orders.CreatePayment(asked_for(**facts))

    assert refused.value.field == field
