"""Payments and their steps in Postgres."""

from collections.abc import Sequence
from typing import Any

from google.protobuf.message import Message
from sqlalchemy import CTE, Numeric, Text, bindparam, func, insert, literal_column, select, update
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from lumi_common.cuid import cuid
from lumi_common.db.page import Listing
from lumi_common.db.record import Change, recorded
from lumi_common.db.repository import Repository
from lumi_common.db.request import Once
from lumi_common.db.statement import Statement
from lumi_payments.domain.payment import Payment, Step
from lumi_payments.storage.tables import PAYMENT, common, payment_steps, payments

_FIXED = ("id", "order_id", "order_reference", "user_id", "provider", "amount", "currency", "created_at")


def _steps_of(change: Change) -> CTE:
    """The steps that led to this change of a payment; they are written only if it happens."""
    given = func.unnest(
        bindparam("step_ids", type_=ARRAY(Text)),
        bindparam("step_kinds", type_=ARRAY(Text)),
        bindparam("step_amounts", type_=ARRAY(Numeric(14, 2))),
        bindparam("step_payloads", type_=ARRAY(JSONB)),
    )
    step = given.table_valued("id", "kind", "amount", "payload", name="step").render_derived()
    rows = select(step.c.id, change.cte.c.id, step.c.kind, step.c.amount, step.c.payload)
    return insert(payment_steps).from_select(["id", "payment_id", "kind", "amount", "payload"], rows).cte("steps")


def _given(steps: Sequence[Step], note: str = "") -> dict[str, list[Any]]:
    return {
        "step_ids": [cuid() for _ in steps],
        "step_kinds": [step.kind for step in steps],
        "step_amounts": [step.amount for step in steps],
        "step_payloads": [{"note": note} if note else None for _ in steps],
    }


_OPEN = Statement(
    select(payments).where(
        payments.c.order_id == bindparam("order_id", type_=Text), payments.c.status != literal_column("'FAILED'")
    )
)


class PaymentRepository(Repository[Payment]):
    """Payments by id and by order, written together with the steps that led to them."""

    aggregate, common, entity, owner = PAYMENT, common, Payment, "user_id"

    async def find_open(self, order_id: str) -> Payment | None:
        """The order's one payment that has not failed, if there is one."""
        row = await self._on.fetchrow(_OPEN, order_id=order_id)
        return None if row is None else self.row(row)

    async def save_with(self, payment: Payment, steps: Sequence[Step], note: str, action: str) -> Payment:
        """Write a locked payment and its new steps; the payment as written."""
        kept = {f"to_{name}": value for name, value in self.values(payment).items() if name not in _FIXED}
        row = await self._on.fetchrow(_SAVE, id=payment.id, action=action, **_given(steps, note), **kept)
        assert row is not None, "the payment is locked"
        return self.row(row)

    @classmethod
    async def create_with(
        cls, once: Once, payment: Payment, steps: Sequence[Step], action: str, answer: Message
    ) -> None:
        """Write a new payment with its first steps and the record of the request, in one statement."""
        await once.change(_CREATE, answer, action=action, **_given(steps), **cls.values(payment))


def _bind(name: str, prefix: str = "") -> Any:
    return bindparam(prefix + name, type_=payments.c[name].type)


_names = PaymentRepository._names
_created = PAYMENT.change(insert(payments).values({name: _bind(name) for name in _names}))
_CREATE = recorded(common, _created, parts=(_steps_of(_created),), request=True)
_saved = PAYMENT.change(
    update(payments)
    .where(payments.c.id == bindparam("id", type_=Text))
    .values({name: _bind(name, "to_") for name in _names if name not in (*_FIXED, "updated_at", "version")})
    .values(updated_at=func.now(), version=payments.c.version + 1)
)
_SAVE = recorded(common, _saved, parts=(_steps_of(_saved),))

_filters = {
    "user_id": payments.c.user_id == bindparam("user_id", type_=Text),
    "order_id": payments.c.order_id == bindparam("order_id", type_=Text),
    "status": payments.c.status == bindparam("status", type_=payments.c.status.type),
}
PAYMENTS = Listing(select(payments), payments.c.id, _filters, descending=True)
