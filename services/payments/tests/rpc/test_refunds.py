"""Money goes back once, and never more than came."""

import asyncio
import json
from collections import Counter
from typing import Any
from uuid import uuid4

import pytest
from google.type.money_pb2 import Money
from lumi.payments.v1 import payment_pb2, refund_pb2
from lumi.payments.v1.payment_pb2_grpc import PaymentServiceStub
from lumi.payments.v1.refund_pb2_grpc import RefundServiceStub

from lumi_common.cuid import cuid
from lumi_common.errors import Aborted, FailedPrecondition, InvalidArgument, LumiError, NotFound, PermissionDenied
from services.payments.tests.rpc.till import Till
from tests.kit.buying import usd
from tests.kit.client import Client
from tests.kit.shop import Shop


@pytest.fixture
async def finance(shop: Shop) -> Client:
    user = await shop.user("payments.read", "payments.refund")
    return shop.stub(RefundServiceStub, user.token)


@pytest.fixture
async def by_orders(shop: Shop) -> Client:
    return shop.internal(RefundServiceStub, service="orders")


def back(payment: payment_pb2.Payment, amount: Money | None = None, **facts: Any) -> refund_pb2.CreateRefundRequest:
    given = {"payment_id": payment.id, "amount": amount, "request_id": str(uuid4())} | facts
    return refund_pb2.CreateRefundRequest(**given)


async def test_all_of_it_goes_back_at_once_and_the_payment_says_so(till: Till, finance: Client) -> None:
    payment = await till.paid()

    refund = await finance.CreateRefund(back(payment, reason="broken jar"))

    assert (refund.status, refund.amount, refund.reason) == (
        refund_pb2.REFUND_STATUS_SUCCEEDED, usd(1000), "broken jar",
    )  # fmt: skip
    after = await till.read(payment)
    assert (after.status, after.refunded_amount) == (payment_pb2.PAYMENT_STATUS_REFUNDED, usd(1000))
    assert after.next_action.type == payment_pb2.NEXT_ACTION_TYPE_NONE
    assert await till.steps(payment) == ["CREATED", "AUTHORIZED", "CAPTURED", "REFUNDED"]
    assert await till.wrong(payment) == []


async def test_parts_go_back_until_nothing_is_left(till: Till, finance: Client) -> None:
    payment = await till.paid()

    await finance.CreateRefund(back(payment, usd(399)))
    between = await till.read(payment)
    rest = await finance.CreateRefund(back(payment))
    with pytest.raises(FailedPrecondition, match="PAYMENT_ALREADY_REFUNDED"):
        await finance.CreateRefund(back(payment, usd(1)))

    assert (between.status, between.refunded_amount) == (payment_pb2.PAYMENT_STATUS_SETTLED, usd(399))
    assert rest.amount == usd(601)
    assert (await till.read(payment)).status == payment_pb2.PAYMENT_STATUS_REFUNDED
    assert await till.wrong(payment) == []


async def test_a_refund_of_a_payment_that_has_changed_since_it_was_read_is_refused(till: Till, finance: Client) -> None:
    payment = await till.paid()
    await finance.CreateRefund(back(payment, usd(100), etag=payment.etag))

    with pytest.raises(Aborted, match="ETAG_MISMATCH"):
        await finance.CreateRefund(back(payment, usd(100), etag=payment.etag))

    after = await till.read(payment)
    assert after.refunded_amount == usd(100)
    await finance.CreateRefund(back(payment, etag=after.etag))
    assert (await till.read(payment)).refunded_amount == usd(1000)


async def test_of_a_part_that_was_captured_no_more_than_that_goes_back(
    till: Till, staff: Client, finance: Client
) -> None:
    payment = await till.authorized()
    await staff.CapturePayment(payment_pb2.CapturePaymentRequest(id=payment.id, amount=usd(400)))

    with pytest.raises(FailedPrecondition, match="REFUND_TOO_HIGH") as refused:
        await finance.CreateRefund(back(payment, usd(401)))
    refund = await finance.CreateRefund(back(payment))

    assert refused.value.facts["left"] == "4.00"
    assert refund.amount == usd(400)
    assert (await till.read(payment)).status == payment_pb2.PAYMENT_STATUS_REFUNDED
    assert await till.wrong(payment) == []


async def test_of_many_at_once_only_as_many_go_back_as_there_is_money(till: Till, finance: Client) -> None:
    payment = await till.paid()

    tries = await asyncio.gather(
        *(finance.CreateRefund(back(payment, usd(30))) for _ in range(40)), return_exceptions=True
    )

    assert Counter(each.reason for each in tries if isinstance(each, LumiError)) == {"REFUND_TOO_HIGH": 7}
    assert (await till.read(payment)).refunded_amount == usd(990)
    assert await till.wrong(payment) == []


async def test_of_many_that_want_all_of_it_at_once_one_gets_it(till: Till, finance: Client, by_orders: Client) -> None:
    payment = await till.paid()

    tries = await asyncio.gather(
        *(who.CreateRefund(back(payment)) for _ in range(20) for who in (finance, by_orders)), return_exceptions=True
    )

    assert [each.amount for each in tries if isinstance(each, refund_pb2.Refund)] == [usd(1000)]
    assert Counter(each.reason for each in tries if isinstance(each, LumiError)) == {"PAYMENT_ALREADY_REFUNDED": 39}
    assert await till.wrong(payment) == []


async def test_the_orders_service_asks_as_often_as_it_likes(till: Till, by_orders: Client) -> None:
    payment, request_id = await till.paid(), str(uuid4())
    request = back(payment, usd(250), request_id=request_id)

    answers = await asyncio.gather(*(by_orders.CreateRefund(request) for _ in range(20)))
    again = await by_orders.CreateRefund(request)

    assert all(answer == again for answer in answers)
    assert (await till.read(payment)).refunded_amount == usd(250)
    with pytest.raises(InvalidArgument, match="REQUEST_ID_REUSED"):
        await by_orders.CreateRefund(back(payment, usd(251), request_id=request_id))
    with pytest.raises(InvalidArgument, match="REQUEST_ID_REQUIRED"):
        await by_orders.CreateRefund(back(payment, request_id=""))


async def test_the_answer_of_a_refund_of_all_stands_after_it(till: Till, by_orders: Client) -> None:
    payment = await till.paid()
    request = back(payment)

    assert await by_orders.CreateRefund(request) == await by_orders.CreateRefund(request)
    assert await till.wrong(payment) == []


async def test_money_that_did_not_come_does_not_go_back(till: Till, staff: Client, finance: Client) -> None:
    waiting, held, given_up = await till.waiting(), await till.authorized(), await till.waiting()
    await staff.VoidPayment(payment_pb2.VoidPaymentRequest(id=given_up.id))

    for payment in (waiting, held, given_up):
        for amount in (None, usd(1)):
            with pytest.raises(FailedPrecondition, match="PAYMENT_NOT_REFUNDABLE"):
                await finance.CreateRefund(back(payment, amount))
    free = await till.paid(usd(0))
    with pytest.raises(FailedPrecondition, match="PAYMENT_ALREADY_REFUNDED"):
        await finance.CreateRefund(back(free))

    assert await till.wrong(waiting, held, given_up, free) == []


@pytest.mark.parametrize(
    ("amount", "field"),
    [
        (usd(0), "amount"),
        (Money(currency_code="USD", units=-1), "amount"),
        (Money(currency_code="USD", nanos=-10_000_000), "amount"),
        (Money(currency_code="USD", units=1, nanos=1_000_000), "amount"),
        (Money(currency_code="JPY", units=1), "amount.currency_code"),
        (Money(currency_code="TRY", units=1), "amount"),
    ],
)
async def test_an_amount_that_cannot_go_back_is_named(till: Till, finance: Client, amount: Money, field: str) -> None:
    payment = await till.paid()

    with pytest.raises(InvalidArgument) as refused:
        await finance.CreateRefund(back(payment, amount))

    assert refused.value.field == field
    assert (await till.read(payment)).refunded_amount == usd(0)


async def test_another_providers_money_does_not_go_back_by_hand(till: Till, finance: Client) -> None:
    payment = await till.paid()
    async with till.shop.database("payments") as database:
        await database.execute("update payments set provider = 'STRIPE' where id = $1", payment.id)

    with pytest.raises(FailedPrecondition, match="PROVIDER_UNAVAILABLE"):
        await finance.CreateRefund(back(payment))


async def test_one_event_tells_of_payment_and_refund_and_not_why(till: Till, finance: Client) -> None:
    payment = await till.paid()
    refund = await finance.CreateRefund(back(payment, usd(250), reason="Ada was unhappy"))

    event = (await till.events(payment))[-1]

    assert (event["type"], event["aggregate"], event["version"]) == ("payment.refunded", "Payment", 2)
    of_payment, of_refund = json.loads(event["records"])
    assert (of_payment["entity"], of_payment["action"], of_payment["audit"]) == ("Payment", "payment.refunded", True)
    assert of_payment["before"] == {"refunded_amount": 0}
    assert of_payment["after"] == {"refunded_amount": 2.5}
    assert of_payment["keys"]["order_id"] == payment.order_id
    assert (of_refund["entity"], of_refund["id"], of_refund["action"], of_refund["audit"]) == (
        "PaymentRefund", refund.id, "payment_refund.succeeded", True,
    )  # fmt: skip
    assert of_refund["after"] == {
        "payment_id": payment.id, "amount": 2.5, "currency": "USD", "status": "SUCCEEDED", "reason": "[redacted]",
    }  # fmt: skip


async def test_refunds_are_read_by_their_owner_and_by_staff(shop: Shop, till: Till, finance: Client) -> None:
    ada, bob = await shop.user(), await shop.user()
    payment = await till.paid(user_id=ada.id)
    made = [await finance.CreateRefund(back(payment, usd(cents))) for cents in (100, 200, 300)]
    adas, bobs = shop.stub(RefundServiceStub, ada.token), shop.stub(RefundServiceStub, bob.token)
    all_of_it = refund_pb2.ListRefundsRequest(payment_id=payment.id)

    for reader in (adas, finance):
        assert await reader.GetRefund(refund_pb2.GetRefundRequest(id=made[0].id)) == made[0]
        assert list((await reader.ListRefunds(all_of_it)).refunds) == made[::-1]
    page = await adas.ListRefunds(refund_pb2.ListRefundsRequest(payment_id=payment.id, page_size=2))
    last = await adas.ListRefunds(
        refund_pb2.ListRefundsRequest(payment_id=payment.id, page_size=2, page_token=page.next_page_token)
    )
    assert [*page.refunds, *last.refunds] == made[::-1]

    refusals = []
    for id, payment_id in ((made[0].id, payment.id), (cuid(), cuid())):
        for call in (
            bobs.GetRefund(refund_pb2.GetRefundRequest(id=id)),
            bobs.ListRefunds(refund_pb2.ListRefundsRequest(payment_id=payment_id)),
        ):
            with pytest.raises(NotFound) as refused:
                await call
            refusals.append((refused.value.reason, refused.value.message))
    assert refusals[:2] == refusals[2:]


async def test_a_payment_that_is_not_there_is_not_found(finance: Client) -> None:
    nowhere = payment_pb2.Payment(id=cuid())

    with pytest.raises(NotFound):
        await finance.CreateRefund(back(nowhere))


async def test_nobody_pays_themselves_back(shop: Shop, till: Till) -> None:
    ada = await shop.user("payments.read", "payments.capture", "payments.record")
    payment = await till.paid(user_id=ada.id)

    with pytest.raises(PermissionDenied, match=r"payments\.refund"):
        await shop.stub(RefundServiceStub, ada.token).CreateRefund(back(payment))
    with pytest.raises(PermissionDenied, match="SERVICE_NOT_ALLOWED"):
        await shop.internal(RefundServiceStub, service="catalogue").CreateRefund(back(payment))


async def test_taking_giving_up_and_giving_back_at_once_leave_books_that_add_up(
    shop: Shop, till: Till, staff: Client, finance: Client
) -> None:
    by_orders = shop.internal(PaymentServiceStub, service="orders")
    payments = [await till.authorized() for _ in range(15)]

    for payment in payments:
        whole = payment_pb2.CapturePaymentRequest(id=payment.id)
        part = payment_pb2.CapturePaymentRequest(id=payment.id, amount=usd(600))
        void = payment_pb2.VoidPaymentRequest(id=payment.id, request_id=str(uuid4()))
        tries = await asyncio.gather(
            staff.CapturePayment(whole),
            staff.CapturePayment(part),
            by_orders.VoidPayment(void),
            *(finance.CreateRefund(back(payment, usd(350))) for _ in range(3)),
            finance.CreateRefund(back(payment)),
            return_exceptions=True,
        )
        assert {type(each) for each in tries} <= {payment_pb2.Payment, refund_pb2.Refund, FailedPrecondition}, tries
        happened = await till.steps(payment)
        assert happened[:3] in (["CREATED", "AUTHORIZED", "CAPTURED"], ["CREATED", "AUTHORIZED", "VOIDED"])
        assert happened.count("CAPTURED") + happened.count("VOIDED") == 1
        assert "REFUNDED" not in happened or "VOIDED" not in happened

    assert await till.wrong(*payments) == []
