"""Payments and their steps in Postgres."""

from collections.abc import Sequence

from google.protobuf.message import Message
from sqlalchemy import CTE, Text, bindparam, func, insert, select, update
from sqlalchemy.dialects.postgresql import ARRAY

from lumi_common.cuid import cuid
from lumi_common.db.page import Listing
from lumi_common.db.record import Change, recorded
from lumi_common.db.repository import Repository
from lumi_common.db.request import Once
from lumi_payments.domain.errors import Reason
from lumi_payments.domain.payment import Payment, Step
from lumi_payments.storage.tables import PAYMENT, common, payment_steps, payments

_FIXED = ("id", "order_id", "order_reference", "user_id", "provider", "amount", "currency", "created_at")


def _steps_of(change: Change) -> CTE:
    """The steps of a payment that has changed, each with the amount it concerned: the whole."""
    new = func.unnest(bindparam("step_ids", type_=ARRAY(Text)), bindparam("steps", type_=ARRAY(Text)))
    step = new.table_valued("id", "kind", name="step")
    rows = select(step.c.id, change.cte.c.id, step.c.kind, change.cte.c.amount)
    return insert(payment_steps).from_select(["id", "payment_id", "kind", "amount"], rows).cte("steps")


class PaymentRepository(Repository[Payment]):
    """Payments by id, written together with the steps that led to them."""

    aggregate, common, entity, owner, missing = PAYMENT, common, Payment, "user_id", Reason.PAYMENT_NOT_FOUND

    async def save_with(self, payment: Payment, steps: Sequence[Step], action: str) -> Payment:
        """Write a locked payment and its new steps; the payment as written."""
        values = {name: value for name, value in self.values(payment).items() if name not in _FIXED}
        row = await self._on.fetchrow(
            _SAVE,
            id=payment.id,
            action=action,
            **_given(steps),
            **{f"to_{name}": value for name, value in values.items()},
        )
        assert row is not None, "the payment is locked"
        return self.row(row)

    @classmethod
    async def create(cls, once: Once, payment: Payment, steps: Sequence[Step], action: str, answer: Message) -> None:
        """Write a new payment with its first steps and the request's record."""
        await once.change(_CREATE, answer, action=action, **_given(steps), **cls.values(payment))


def _given(steps: Sequence[Step]) -> dict[str, list[str]]:
    return {"step_ids": [cuid() for _ in steps], "steps": list(steps)}


def _bind(name: str, prefix: str = "") -> object:
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
    "owner": payments.c.user_id == bindparam("owner", type_=Text),
    "order_id": payments.c.order_id == bindparam("order_id", type_=Text),
    "status": payments.c.status == bindparam("status", type_=payments.c.status.type),
}
PAYMENTS = Listing(select(payments), payments.c.id, _filters, descending=True)
