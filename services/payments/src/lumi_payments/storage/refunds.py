"""Refunds in Postgres."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Numeric,
    Select,
    Text,
    bindparam,
    case,
    cast,
    exists,
    func,
    insert,
    literal_column,
    or_,
    select,
    update,
)

from lumi_common.cuid import cuid
from lumi_common.db.database import Row
from lumi_common.db.page import Listing
from lumi_common.db.record import recorded
from lumi_common.db.repository import Repository
from lumi_payments.domain.payment import Kind, Provider, Status
from lumi_payments.domain.refund import Refund, RefundStatus
from lumi_payments.storage.tables import PAYMENT, PAYMENT_REFUND, common, payment_refunds, payment_steps, payments


def _constant(value: Kind | Provider | RefundStatus | Status) -> ColumnElement[Any]:
    return literal_column(f"'{value}'")


# Whether there is as much to give back is decided here, by the row as it is when its turn has come, and by nothing that
# was read before: of many at once each sees what the one before it left.
_left = payments.c.captured_amount - payments.c.refunded_amount
_back = func.coalesce(bindparam("amount", type_=Numeric(14, 2)), _left)
_paid_back = PAYMENT.change(
    update(payments)
    .where(
        payments.c.id == bindparam("payment_id", type_=Text),
        payments.c.provider == _constant(Provider.MANUAL),
        payments.c.currency == func.coalesce(bindparam("currency", type_=Text), payments.c.currency),
        func.coalesce(bindparam("etag", type_=Text), cast(payments.c.version, Text)) == cast(payments.c.version, Text),
        _back > 0,
        _back <= _left,
    )
    .values(
        refunded_amount=payments.c.refunded_amount + _back,
        status=case((_back == _left, _constant(Status.REFUNDED)), else_=payments.c.status),
        updated_at=func.now(),
        version=payments.c.version + 1,
    )
    .returning(literal_column("new.refunded_amount - old.refunded_amount", Numeric(14, 2)).label("back")),
    "payment.refunded",
)
_payment = _paid_back.cte.c
_refunded = PAYMENT_REFUND.change(
    insert(payment_refunds).from_select(
        ["id", "payment_id", "amount", "currency", "status", "reason"],
        select(
            bindparam("id", type_=Text),
            _payment.id,
            _payment.back,
            _payment.currency,
            _constant(RefundStatus.SUCCEEDED),
            bindparam("reason", type_=Text),
        ),
    ),
    "payment_refund.succeeded",
    name="refund",
)
_step = (
    insert(payment_steps)
    .from_select(
        ["id", "payment_id", "kind", "amount", "payload"],
        select(
            bindparam("step_id", type_=Text),
            _payment.id,
            _constant(Kind.REFUNDED),
            _payment.back,
            func.jsonb_build_object(literal_column("'refund_id'"), bindparam("id", type_=Text)),
        ),
    )
    .cte("step")
)
_GIVE_BACK = recorded(
    common,
    _paid_back,
    _refunded,
    parts=(_step,),
    answer=select(*(_refunded.cte.c[column.name] for column in payment_refunds.c)),
)


class RefundRepository(Repository[Refund]):
    """Refunds by id, and giving money back; a refund is its payment's owner's."""

    aggregate, common, entity = PAYMENT_REFUND, common, Refund

    @classmethod
    def row(cls, row: Row) -> Refund:
        refund = super().row(row)
        return replace(refund, status=RefundStatus(refund.status))

    async def give_back(
        self, payment_id: str, amount: Decimal | None, currency: str, reason: str, etag: str
    ) -> Refund | None:
        """Give so much of a payment back, all that is left when None; None when that cannot be.

        `etag` is the payment's, empty for whatever it is now.
        """
        row = await self._on.fetchrow(
            _GIVE_BACK,
            id=cuid(),
            step_id=cuid(),
            payment_id=payment_id,
            amount=amount,
            currency=None if amount is None else currency,
            reason=reason or None,
            etag=etag or None,
        )
        return None if row is None else self.row(row)

    @classmethod
    def _one(cls, query: Select[Any]) -> Select[Any]:
        owner = bindparam("owner", type_=Text)
        of_theirs = select(payments.c.id).where(
            payments.c.id == payment_refunds.c.payment_id, payments.c.user_id == owner
        )
        return super()._one(query).where(or_(owner.is_(None), exists(of_theirs)))


REFUNDS = Listing(
    select(payment_refunds),
    payment_refunds.c.id,
    {"payment_id": payment_refunds.c.payment_id == bindparam("payment_id", type_=Text)},
    descending=True,
)
