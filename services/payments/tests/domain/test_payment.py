"""A payment's money and its steps agree, whatever is tried."""

import contextlib
import random
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from lumi_common.errors import Aborted, FailedPrecondition, InvalidArgument, LumiError
from lumi_payments.domain.payment import Kind, Payment, Provider, Status, Step

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
TEN = Decimal("10.00")


def started(amount: Decimal = TEN, *, settles: bool = False, **facts: Any) -> tuple[Payment, list[Step]]:
    given: dict[str, Any] = {"provider": Provider.MANUAL, "currency": "USD"} | facts
    return Payment.start(
        id="p", order_id="o", order_reference="R", user_id=None, amount=amount, now=NOW, settles=settles, **given
    )


def kinds(steps: list[Step]) -> list[str]:
    return [step.kind for step in steps]


def test_a_manual_payment_waits_for_its_money() -> None:
    payment, steps = started()

    assert payment.status is Status.INITIATED
    assert steps == [Step(Kind.CREATED, TEN)]


@pytest.mark.parametrize(("amount", "settles"), [(TEN, True), (Decimal("0.00"), False)])
def test_where_the_profile_says_so_or_nothing_is_to_pay_it_settles_at_once(amount: Decimal, settles: bool) -> None:
    payment, steps = started(amount, settles=settles)

    assert payment.status is Status.SETTLED
    assert payment.captured_amount == payment.amount == amount
    assert kinds(steps) == ["CREATED", "AUTHORIZED", "CAPTURED"]


def test_money_that_came_is_recorded_once_and_in_full() -> None:
    payment, _ = started()

    with pytest.raises(FailedPrecondition, match="AMOUNT_DIFFERS"):
        payment.record(Decimal("9.99"), "USD", "", NOW)
    with pytest.raises(InvalidArgument, match="CURRENCY_MISMATCH"):
        payment.record(TEN, "EUR", "", NOW)

    assert kinds(payment.record(TEN, "USD", "bank-1", NOW)) == ["AUTHORIZED", "CAPTURED"]
    assert (payment.status, payment.transaction_id) == (Status.SETTLED, "bank-1")
    with pytest.raises(FailedPrecondition, match="PAYMENT_NOT_RECORDABLE"):
        payment.record(TEN, "USD", "bank-1", NOW)


def test_what_was_authorized_is_captured_in_whole_or_in_part() -> None:
    payment, _ = started()
    with pytest.raises(FailedPrecondition, match="PAYMENT_NOT_CAPTURABLE"):
        payment.capture(None, "", NOW)
    payment.status, payment.authorized_amount = Status.AUTHORIZED, TEN

    with pytest.raises(FailedPrecondition, match="AMOUNT_TOO_HIGH"):
        payment.capture(Decimal("10.01"), "USD", NOW)

    assert payment.capture(Decimal("4.00"), "USD", NOW) == [Step(Kind.CAPTURED, Decimal("4.00"))]
    assert (payment.status, payment.captured_amount) == (Status.SETTLED, Decimal("4.00"))


def test_giving_up_twice_is_giving_up_once() -> None:
    payment, _ = started()

    assert kinds(payment.void("changed my mind", NOW)) == ["VOIDED"]
    assert payment.void("again", NOW) == []
    assert (payment.status, payment.failure_code, payment.failure_message) == (
        Status.FAILED, "VOIDED", "changed my mind",
    )  # fmt: skip


def test_taken_money_is_not_given_up() -> None:
    payment, _ = started(settles=True)

    with pytest.raises(FailedPrecondition, match="PAYMENT_NOT_VOIDABLE"):
        payment.void("", NOW)


@pytest.mark.parametrize(
    ("state", "captured", "refunded", "amount", "reason"),
    [
        (Status.INITIATED, "0.00", "0.00", None, "PAYMENT_NOT_REFUNDABLE"),
        (Status.AUTHORIZED, "0.00", "0.00", "1.00", "PAYMENT_NOT_REFUNDABLE"),
        (Status.FAILED, "0.00", "0.00", "1.00", "PAYMENT_NOT_REFUNDABLE"),
        (Status.REFUNDED, "10.00", "10.00", None, "PAYMENT_ALREADY_REFUNDED"),
        (Status.REFUNDED, "10.00", "10.00", "0.01", "PAYMENT_ALREADY_REFUNDED"),
        (Status.SETTLED, "4.00", "1.00", "3.01", "REFUND_TOO_HIGH"),
    ],
)
def test_it_says_why_money_does_not_go_back(
    state: Status, captured: str, refunded: str, amount: str | None, reason: str
) -> None:
    payment, _ = started()
    payment.status, payment.captured_amount, payment.refunded_amount = state, Decimal(captured), Decimal(refunded)

    with pytest.raises(FailedPrecondition, match=reason):
        payment.expect_refundable(None if amount is None else Decimal(amount), "USD")


def test_what_is_left_may_go_back_in_whole_or_in_part_and_in_its_own_currency() -> None:
    payment, _ = started(settles=True)
    payment.refunded_amount = Decimal("7.50")

    payment.expect_refundable(None, "")
    payment.expect_refundable(Decimal("2.50"), "USD")
    with pytest.raises(InvalidArgument, match="CURRENCY_MISMATCH"):
        payment.expect_refundable(Decimal("2.50"), "EUR")
    payment.provider = Provider.STRIPE
    with pytest.raises(FailedPrecondition, match="PROVIDER_UNAVAILABLE"):
        payment.expect_refundable(None, "")


def test_a_stale_etag_is_aborted_and_none_expects_nothing() -> None:
    payment, _ = started()

    payment.expect("")
    payment.expect("1")
    with pytest.raises(Aborted, match="ETAG_MISMATCH"):
        payment.expect("2")


def test_other_providers_are_refused() -> None:
    with pytest.raises(FailedPrecondition, match="PROVIDER_UNAVAILABLE"):
        started(provider=Provider.STRIPE)


def test_amounts_keep_their_order_under_any_sequence_of_commands() -> None:
    dice = random.Random(7)
    for _ in range(500):
        payment, steps = started(Decimal(dice.randrange(0, 2000)) / 100, settles=dice.random() < 0.2)
        for _ in range(6):
            amount = Decimal(dice.randrange(0, 2000)) / 100
            command = dice.choice(
                [
                    lambda payment=payment, amount=amount: payment.record(amount, "USD", "", NOW),
                    lambda payment=payment: payment.record(payment.amount, "USD", "", NOW),
                    lambda payment=payment, amount=amount: payment.capture(amount, "USD", NOW),
                    lambda payment=payment: payment.void("", NOW),
                ]
            )
            with contextlib.suppress(LumiError):
                steps += command()
            assert 0 <= payment.refunded_amount <= payment.captured_amount <= payment.amount
            assert payment.authorized_amount <= payment.amount
            captured = sum(step.amount for step in steps if step.kind is Kind.CAPTURED)
            assert payment.captured_amount == captured


def test_money_that_will_not_come_is_recorded_once_and_of_all_of_it() -> None:
    payment, _ = started()

    with pytest.raises(FailedPrecondition, match="AMOUNT_DIFFERS"):
        payment.fail(Decimal("9.99"), "USD", "", "BOUNCED", "", NOW)

    assert payment.fail(TEN, "USD", "bank-1", "BOUNCED", "no cover", NOW) == [Step(Kind.FAILED, TEN)]
    assert (payment.status, payment.failed_at, payment.transaction_id) == (Status.FAILED, NOW, "bank-1")
    assert (payment.failure_code, payment.failure_message) == ("BOUNCED", "no cover")
    with pytest.raises(FailedPrecondition, match="PAYMENT_NOT_RECORDABLE"):
        payment.fail(TEN, "USD", "", "BOUNCED", "", NOW)
    with pytest.raises(FailedPrecondition, match="PAYMENT_NOT_RECORDABLE"):
        payment.record(TEN, "USD", "", NOW)
    assert payment.void("", NOW) == []


def test_money_that_will_not_come_by_hand_is_said_of_manual_payments_only() -> None:
    payment, _ = started()
    payment.provider = Provider.STRIPE

    with pytest.raises(FailedPrecondition, match="PAYMENT_NOT_MANUAL"):
        payment.fail(TEN, "USD", "", "BOUNCED", "", NOW)
