"""Erasures: written with the deletion that they begin with, and never deleted."""

from datetime import timedelta

from sqlalchemy import (
    Interval,
    Text,
    bindparam,
    func,
    insert,
    literal_column,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB

from lumi_common.cuid import cuid
from lumi_common.db.database import Executor, Row
from lumi_common.db.record import recorded
from lumi_common.db.statement import Statement
from lumi_common.errors import FailedPrecondition, NotFound
from lumi_common.errors import Reason as Common
from lumi_identity.domain.erasure import Erasure, Step, from_json, to_json
from lumi_identity.domain.errors import Reason
from lumi_identity.storage.tables import ERASURE, common, erasures

_ID = erasures.c.id == bindparam("id", type_=Text)
_SUBJECT = erasures.c.subject_id == bindparam("subject_id", type_=Text)
_STEP_IS = erasures.c.step == bindparam("step", type_=Text)
# Whoever claims one has it to themselves for so long, longer than one service takes to answer.
_LEASE = timedelta(seconds=20)

_BEGIN = recorded(
    common,
    ERASURE.change(
        insert(erasures).values(
            id=bindparam("id", type_=Text),
            subject_id=bindparam("subject_id", type_=Text),
            requested_by=bindparam("requested_by", type_=Text),
            step=literal_column(f"'{Step.COUNT}'"),
            next_attempt_at=func.now() + bindparam("settle", type_=Interval),
        ),
        "erasure.begun",
    ),
)
_GET = Statement(select(erasures).where(_ID))
_FIND = Statement(select(erasures).where(_SUBJECT))
_UNDER_WAY = Statement(select(erasures.c.id).where(_SUBJECT))
_due = (
    select(erasures.c.id)
    .where(erasures.c.step != literal_column(f"'{Step.COMPLETE}'"), erasures.c.next_attempt_at <= func.now())
    .order_by(erasures.c.next_attempt_at)
    .limit(literal_column("1"))
    .with_for_update(skip_locked=True)
)
_CLAIM = Statement(
    update(erasures)
    .where(erasures.c.id.in_(_due))
    .values(next_attempt_at=func.now() + bindparam("lease", type_=Interval), updated_at=func.now())
    .returning(*erasures.c)
)
_KEEP = Statement(
    update(erasures)
    .where(_ID, _STEP_IS)
    .values(
        services=erasures.c.services.op("||")(bindparam("services", type_=JSONB)),
        next_attempt_at=func.now() + bindparam("lease", type_=Interval),
        updated_at=func.now(),
    )
    .returning(erasures.c.id)
)
_REST = Statement(
    update(erasures)
    .where(_ID)
    .values(next_attempt_at=func.now() + bindparam("pause", type_=Interval), updated_at=func.now())
    .returning(erasures.c.id)
)
_STEP = {
    step: recorded(
        common,
        ERASURE.change(
            update(erasures)
            .where(_ID, erasures.c.step == literal_column(f"'{before}'"))
            .values(
                step=literal_column(f"'{step}'"),
                guest_ids=bindparam("guest_ids", type_=JSONB),
                cart_ids=bindparam("cart_ids", type_=JSONB),
                services=erasures.c.services.op("||")(bindparam("services", type_=JSONB)),
                next_attempt_at=func.now() + bindparam("pause", type_=Interval),
                completed_at=func.now() if step is Step.COMPLETE else erasures.c.completed_at,
                updated_at=func.now(),
            ),
            action,
        ),
    )
    for before, step, action in (
        (Step.COUNT, Step.ERASE, "erasure.purged"),
        (Step.ERASE, Step.COMPLETE, "erasure.completed"),
    )
}


class Erasures:
    """Those of one deployment."""

    def __init__(self, on: Executor) -> None:
        self._on = on

    async def begin(self, subject_id: str, requested_by: str, settle: timedelta) -> Erasure:
        """Write that somebody, whose row is held, is to be erased, and not before their last calls have ended."""
        row = await self._on.fetchrow(
            _BEGIN, id=cuid(), subject_id=subject_id, requested_by=requested_by, settle=settle
        )
        assert row is not None
        return _erasure(row)

    async def get(self, id: str) -> Erasure:
        """One; raises NotFound."""
        row = await self._on.fetchrow(_GET, id=id)
        if row is None:
            raise NotFound(Common.NOT_FOUND, "no such erasure", entity="Erasure", id=id)
        return _erasure(row)

    async def find(self, subject_id: str) -> Erasure | None:
        """The one of somebody, or None."""
        row = await self._on.fetchrow(_FIND, subject_id=subject_id)
        return None if row is None else _erasure(row)

    async def claim(self) -> Erasure | None:
        """The next that is due, which is nobody else's for a while; None when none is."""
        row = await self._on.fetchrow(_CLAIM, lease=_LEASE)
        return None if row is None else _erasure(row)

    async def keep(self, erasure: Erasure, service: str) -> None:
        """Write how far a service has come; the erasure stays claimed. Nothing, where somebody else took a step on."""
        progress = to_json({service: erasure.of(service)})
        await self._on.fetch(_KEEP, id=erasure.id, step=erasure.step, services=progress, lease=_LEASE)

    async def rest(self, id: str, pause: timedelta) -> None:
        """Give it back, to be taken up after a pause."""
        await self._on.fetch(_REST, id=id, pause=pause)

    async def to(self, step: Step, erasure: Erasure, pause: timedelta) -> None:
        """Write that the next step is reached, if nobody else has."""
        await self._on.fetchrow(
            _STEP[step],
            id=erasure.id,
            guest_ids=erasure.guest_ids,
            cart_ids=erasure.cart_ids,
            services=to_json(erasure.services),
            pause=pause,
        )


async def expect_not_erased(on: Executor, user_id: str) -> None:
    """Raise FailedPrecondition when an account, which is locked, is being erased: that is not taken back."""
    if await on.fetchval(_UNDER_WAY, subject_id=user_id) is not None:
        raise FailedPrecondition(Reason.ERASURE_UNDER_WAY, "the account is being erased", user_id=user_id)


def _erasure(row: Row) -> Erasure:
    return Erasure(
        id=row["id"],
        subject_id=row["subject_id"],
        requested_by=row["requested_by"],
        step=Step(row["step"]),
        guest_ids=list(row["guest_ids"]),
        cart_ids=list(row["cart_ids"]),
        services=from_json(row["services"]),
        created_at=row["created_at"],
        completed_at=row["completed_at"],
    )
