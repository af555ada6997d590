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
from services.payments.tests.rpc.till import TEN, Till, asked_for
from tests.kit.buying import usd
from tests.kit.client import Client
from tests.kit.shop import Shop


async def test_in_the_local_profile_a_manual_payment_settles_at_once(orders: Client, till: Till) -> None:
    payment = await orders.CreatePayment(asked_for())

    assert payment.status == pb.PAYMENT_STATUS_SETTLED
    assert payment.captured_amount == TEN
    assert payment.next_action.type == pb.NEXT_ACTION_TYPE_NONE
    assert await till.steps(payment) == ["CREATED", "AUTHORIZED", "CAPTURED"]
    assert await till.told(payment) == ["payment.settled"]


async def test_an_order_has_one_open_payment_however_often_it_asks(orders: Client) -> None:
    order = cuid()

    answers = await asyncio.gather(*(orders.CreatePayment(asked_for(order_id=order)) for _ in range(20)))

    assert len({answer.id for answer in answers}) == 1
    with pytest.raises(FailedPrecondition, match="PAYMENT_DIFFERS"):
        await orders.CreatePayment(asked_for(order_id=order, amount=Money(currency_code="USD", units=11)))


async def test_money_that_came_is_recorded_once_whoever_saw_it(till: Till, staff: Client) -> None:
    payment = await till.waiting()

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
    assert await till.steps(payment) == ["CREATED", "AUTHORIZED", "CAPTURED"]


async def test_a_transaction_id_pays_for_one_payment_only(till: Till, staff: Client) -> None:
    first, second, id = await till.waiting(), await till.waiting(), cuid()
    await staff.RecordManualPayment(pb.RecordManualPaymentRequest(id=first.id, amount=TEN, transaction_id=id))

    with pytest.raises(AlreadyExists, match="TRANSACTION_ID_TAKEN"):
        await staff.RecordManualPayment(pb.RecordManualPaymentRequest(id=second.id, amount=TEN, transaction_id=id))

    assert await till.steps(second) == ["CREATED"]


async def test_a_void_and_a_record_at_once_leave_one_of_them(orders: Client, till: Till, staff: Client) -> None:
    for _ in range(10):
        payment = await till.waiting()

        await asyncio.gather(
            orders.VoidPayment(pb.VoidPaymentRequest(id=payment.id, request_id=str(uuid4()))),
            staff.RecordManualPayment(pb.RecordManualPaymentRequest(id=payment.id, amount=TEN)),
            return_exceptions=True,
        )

        assert await till.steps(payment) in (["CREATED", "VOIDED"], ["CREATED", "AUTHORIZED", "CAPTURED"])


async def test_a_voided_payment_makes_room_for_another_try(orders: Client, till: Till, staff: Client) -> None:
    payment = await till.waiting()

    voided = await staff.VoidPayment(pb.VoidPaymentRequest(id=payment.id, reason="no show"))
    again = await orders.CreatePayment(asked_for(order_id=payment.order_id))

    assert (voided.status, voided.failure_code) == (pb.PAYMENT_STATUS_FAILED, "VOIDED")
    assert again.id != payment.id


async def test_money_that_will_not_come_is_said_once_and_makes_room_for_another_try(
    orders: Client, till: Till, staff: Client
) -> None:
    payment = await till.waiting()

    def told(**facts: Any) -> pb.RecordManualPaymentRequest:
        return pb.RecordManualPaymentRequest(id=payment.id, amount=TEN, failure_code="BOUNCED", **facts)

    with pytest.raises(FailedPrecondition, match="AMOUNT_DIFFERS"):
        await staff.RecordManualPayment(pb.RecordManualPaymentRequest(id=payment.id, amount=usd(1), failure_code="NO"))
    with pytest.raises(InvalidArgument) as refused:
        await staff.RecordManualPayment(
            pb.RecordManualPaymentRequest(id=payment.id, amount=TEN, failure_code="not a code")
        )
    failed = await staff.RecordManualPayment(told(note="no cover", etag=payment.etag))
    with pytest.raises(FailedPrecondition, match="PAYMENT_NOT_RECORDABLE"):
        await staff.RecordManualPayment(told())
    again = await orders.CreatePayment(asked_for(order_id=payment.order_id))

    assert refused.value.field == "failure_code"
    assert (failed.status, failed.failure_code, failed.failure_message) == (
        pb.PAYMENT_STATUS_FAILED, "BOUNCED", "no cover",
    )  # fmt: skip
    assert failed.next_action.type == pb.NEXT_ACTION_TYPE_NONE
    assert await till.steps(payment) == ["CREATED", "FAILED"]
    assert (await till.told(payment))[-1] == "payment.failed"
    assert await till.wrong(payment) == []
    assert again.id != payment.id


async def test_settled_money_is_not_voided_or_captured_again(orders: Client, staff: Client) -> None:
    payment = await orders.CreatePayment(asked_for())

    with pytest.raises(FailedPrecondition, match="PAYMENT_NOT_VOIDABLE"):
        await staff.VoidPayment(pb.VoidPaymentRequest(id=payment.id))
    with pytest.raises(FailedPrecondition, match="PAYMENT_NOT_CAPTURABLE"):
        await staff.CapturePayment(pb.CapturePaymentRequest(id=payment.id))


async def test_authorized_money_is_captured_once(till: Till, staff: Client) -> None:
    payment = await till.authorized()

    tries = await asyncio.gather(
        *(staff.CapturePayment(pb.CapturePaymentRequest(id=payment.id)) for _ in range(10)), return_exceptions=True
    )

    assert sum(isinstance(each, pb.Payment) for each in tries) == 1
    assert (await till.steps(payment)).count("CAPTURED") == 1


async def test_a_part_is_captured_once_and_the_rest_let_go(till: Till, staff: Client) -> None:
    payment = await till.authorized()

    def part(amount: Money) -> pb.CapturePaymentRequest:
        return pb.CapturePaymentRequest(id=payment.id, amount=amount)

    with pytest.raises(FailedPrecondition, match="AMOUNT_TOO_HIGH"):
        await staff.CapturePayment(part(usd(1001)))
    with pytest.raises(InvalidArgument, match="CURRENCY_MISMATCH"):
        await staff.CapturePayment(part(Money(currency_code="TRY", units=4)))
    with pytest.raises(InvalidArgument, match=r"amount: must be 0\.01"):
        await staff.CapturePayment(part(usd(0)))
    captured = await staff.CapturePayment(part(usd(400)))
    with pytest.raises(FailedPrecondition, match="PAYMENT_NOT_CAPTURABLE"):
        await staff.CapturePayment(part(usd(600)))

    assert (captured.status, captured.captured_amount) == (pb.PAYMENT_STATUS_SETTLED, usd(400))
    assert await till.wrong(payment) == []


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


async def test_nobody_else_starts_or_records_payments(shop: Shop) -> None:
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
