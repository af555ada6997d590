"""What holds references across services: no interleaving leaves a row that names what is gone."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Column, Table

from libs.common.tests.db.crossing import (
    OF_OTHER,
    PRODUCTS,
    REFERRER,
    USERS,
    VARIANTS,
    Crossing,
    insert,
    moment,
    until_waiting,
    variant,
)
from lumi_common.context import Context
from lumi_common.cuid import cuid
from lumi_common.db.database import Transaction
from lumi_common.db.references import refers_to
from lumi_common.db.referrer import Referrer, Target
from lumi_common.db.tables import common_tables, id_column, identifier, schema
from lumi_common.errors import DeadlineExceeded, FailedPrecondition, LumiError


async def fence(tx: Transaction, *targets: Target, gone_at: Any = None, until: Any = None) -> None:
    await REFERRER.fence(tx, targets, gone_at=gone_at or moment(), until=until or moment(60))


async def fence_alone(crossing: Crossing, context: Context, *targets: Target, **times: Any) -> None:
    async with crossing.orders.transaction(context) as tx:
        await fence(tx, *targets, **times)


async def known(crossing: Crossing) -> dict[tuple[str, str], bool]:
    """The lines that there are, and whether each is marked."""
    rows = await crossing.orders.pool.fetch("select kind, id, gone_at from reference_targets")
    return {(row["kind"], row["id"]): row["gone_at"] is not None for row in rows}


class Open:
    """Somebody else's transaction in the referring schema, for as long as a test wants."""

    def __init__(self, crossing: Crossing) -> None:
        self._pool = crossing.orders.pool

    async def __aenter__(self) -> "Open":
        self.connection = await self._pool.take()
        self._transaction = self.connection.transaction()
        await self._transaction.start()
        self._over = False
        return self

    async def commit(self) -> None:
        self._over = True
        await self._transaction.commit()

    async def __aexit__(self, *error: object) -> None:
        if not self._over:
            await self._transaction.rollback()
        self._pool.give(self.connection)


# What the triggers hold.


async def test_a_row_makes_what_it_names_known_once(crossing: Crossing) -> None:
    id, product = cuid(), cuid()

    await crossing.bill(variant_id=id)
    await crossing.bill(variant_id=id, product_id=product)
    await crossing.bill(words="names nothing")

    assert await known(crossing) == {(VARIANTS, id): False, (PRODUCTS, product): False}


async def test_what_is_fenced_cannot_be_named(crossing: Crossing, context: Context) -> None:
    gone, there, product = cuid(), cuid(), cuid()
    bill = await crossing.bill(variant_id=there)
    await fence_alone(crossing, context, variant(gone))

    with pytest.raises(FailedPrecondition, match="REFERENCE_GONE") as refusal:
        await crossing.bill(product_id=product, variant_id=gone)

    assert refusal.value.facts == {"reference": "bills_variant_id_reference", "target": VARIANTS, "id": gone}
    assert (PRODUCTS, product) not in await known(crossing)
    with pytest.raises(Exception, match="what the row refers to is gone"):
        await crossing.orders.pool.fetch("update bills set variant_id = $1 where id = $2", gone, bill)
    # The same id of another kind is another row.
    await crossing.bill(product_id=gone)


async def test_a_row_that_is_changed_otherwise_is_let_alone(crossing: Crossing, context: Context) -> None:
    id = cuid()
    bill = await crossing.bill(variant_id=id)
    await crossing.orders.pool.fetch("update reference_targets set gone_at = now()")

    await crossing.orders.pool.fetch("update bills set words = 'so what', variant_id = $1 where id = $2", id, bill)
    await crossing.orders.pool.fetch("update bills set variant_id = null where id = $1", bill)

    with pytest.raises(Exception, match="what the row refers to is gone"):
        await crossing.orders.pool.fetch("update bills set variant_id = $1 where id = $2", id, bill)


@pytest.mark.parametrize("is_known", [True, False], ids=["known", "unknown"])
@pytest.mark.parametrize("comes_true", [True, False], ids=["committed", "given up"])
async def test_who_would_name_it_waits_for_a_fence(
    crossing: Crossing, context: Context, is_known: bool, comes_true: bool
) -> None:
    id = cuid()
    if is_known:
        await insert(crossing.orders.pool, "reference_targets", kind=VARIANTS, id=id)

    async def fenced() -> None:
        async with crossing.orders.transaction(context) as tx:
            await fence(tx, variant(id))
            naming.append(asyncio.create_task(crossing.bill(variant_id=id)))
            await until_waiting(crossing.orders)
            if not comes_true:
                raise LookupError

    naming: list[asyncio.Task[str]] = []
    if comes_true:
        await fenced()
        with pytest.raises(FailedPrecondition, match="REFERENCE_GONE"):
            await naming[0]
    else:
        with pytest.raises(LookupError):
            await fenced()
        assert await naming[0]
    assert await known(crossing) == {(VARIANTS, id): comes_true}


@pytest.mark.parametrize("is_known", [True, False], ids=["known", "unknown"])
@pytest.mark.parametrize("by_update", [True, False], ids=["update", "insert"])
@pytest.mark.parametrize("comes_true", [True, False], ids=["committed", "given up"])
async def test_a_fence_waits_for_who_names_it(
    crossing: Crossing, context: Context, is_known: bool, by_update: bool, comes_true: bool
) -> None:
    id, bill = cuid(), await crossing.bill()
    if is_known:
        await insert(crossing.orders.pool, "reference_targets", kind=VARIANTS, id=id)
    async with Open(crossing) as naming:
        if by_update:
            await naming.connection.fetch("update bills set variant_id = $1 where id = $2", id, bill)
        else:
            await insert(naming.connection, "bills", variant_id=id)
        fencing = asyncio.create_task(fence_alone(crossing, context, variant(id)))
        await until_waiting(crossing.orders)
        if comes_true:
            await naming.commit()

    if comes_true:
        with pytest.raises(FailedPrecondition, match="REFERENCED"):
            await fencing
    else:
        await fencing
    assert await known(crossing) == {(VARIANTS, id): not comes_true}


async def test_those_who_name_the_same_do_not_wait_for_each_other(crossing: Crossing) -> None:
    id = cuid()
    await crossing.bill(variant_id=id)

    async with Open(crossing) as first:
        await insert(first.connection, "bills", variant_id=id)
        await asyncio.wait_for(crossing.bill(variant_id=id), timeout=10)


async def test_of_many_at_once_nobody_names_what_is_gone(crossing: Crossing, context: Context) -> None:
    for number in range(15):
        id = cuid()
        if number % 2:
            await insert(crossing.orders.pool, "reference_targets", kind=VARIANTS, id=id)
        calls: list[Any] = [crossing.bill(variant_id=id) for _ in range(8)]
        calls.insert((number * 3) % 9, fence_alone(crossing, context, variant(id)))

        told = await asyncio.gather(*calls, return_exceptions=True)

        fenced = told.pop((number * 3) % 9)
        for each in (fenced, *told):
            assert not isinstance(each, BaseException) or isinstance(each, LumiError), each
        rows = await crossing.orders.pool.fetchval("select count(*) from bills where variant_id = $1", id)
        if fenced is None:
            assert {getattr(each, "reason", each) for each in told} == {"REFERENCE_GONE"}
        assert rows == sum(isinstance(each, str) for each in told)
        assert (await crossing.mark(id) is None) == (rows > 0)


# Fences.


async def test_what_is_named_is_not_fenced(crossing: Crossing, context: Context) -> None:
    named, free, product = cuid(), cuid(), cuid()
    await crossing.basket(named)
    await crossing.bill(product_id=product)

    for target, reference in (
        (variant(named), "orders.items.variant_id"),
        (Target(PRODUCTS, product), "orders.bills.product_id"),
    ):
        with pytest.raises(FailedPrecondition, match="REFERENCED") as refusal:
            await fence_alone(crossing, context, target, variant(free))
        assert refusal.value.facts == {"reference": reference, "target": target.kind, "id": target.id}
        assert await crossing.mark(target.id) is None and await crossing.mark(free) is None
    await crossing.bill(variant_id=free)


async def test_what_holds_nothing_leaves_within_the_fence(crossing: Crossing, context: Context) -> None:
    id, other = cuid(), cuid()
    active, old = await crossing.basket(other), await crossing.basket(id, other, status="ABANDONED")

    await fence_alone(crossing, context, variant(id))

    left = await crossing.orders.pool.fetch("select basket_id, variant_id from items")
    assert {tuple(row) for row in left} == {(active, other), (old, other)}
    assert [(kind, actions) for kind, _, actions in await crossing.told(crossing.orders)] == [
        ("item.left", ["item.left"])
    ]


async def test_what_would_leave_stays_when_the_fence_is_refused(crossing: Crossing, context: Context) -> None:
    id = cuid()
    await crossing.basket(id, status="ABANDONED")
    await crossing.bill(variant_id=id)

    with pytest.raises(FailedPrecondition, match="REFERENCED"):
        await fence_alone(crossing, context, variant(id))

    assert await crossing.orders.pool.fetchval("select count(*) from items") == 1
    assert await crossing.told(crossing.orders) == []


async def test_a_fence_that_comes_too_late_does_nothing(crossing: Crossing, context: Context) -> None:
    id, other = cuid(), cuid()

    with pytest.raises(DeadlineExceeded):
        await fence_alone(crossing, context, variant(id), variant(other), until=moment(-1))

    assert await crossing.bill(variant_id=id)


async def test_a_fence_is_taken_back_by_its_own_deletion(crossing: Crossing, context: Context) -> None:
    id, first = cuid(), moment()
    second = first + timedelta(microseconds=1)
    await fence_alone(crossing, context, variant(id), gone_at=second)

    await REFERRER.free(crossing.orders, [variant(id)], gone_at=first)
    assert await crossing.mark(id) == second
    await REFERRER.free(crossing.orders, [variant(id), variant(id)], gone_at=second)
    assert await crossing.mark(id) is None
    # One that was never taken back goes with a later one.
    await fence_alone(crossing, context, variant(id), gone_at=first)
    await REFERRER.free(crossing.orders, [variant(id)], gone_at=second)
    assert await crossing.mark(id) is None


async def test_an_earlier_fence_that_was_long_on_its_way_leaves_a_later_one_its_mark(
    crossing: Crossing, context: Context
) -> None:
    id, first = cuid(), moment()
    second = first + timedelta(seconds=1)
    await fence_alone(crossing, context, variant(id), gone_at=second)

    await fence_alone(crossing, context, variant(id), gone_at=first)
    await REFERRER.free(crossing.orders, [variant(id)], gone_at=first)

    assert await crossing.mark(id) == second


async def test_who_takes_back_waits_for_the_fence(crossing: Crossing, context: Context) -> None:
    id, at = cuid(), moment()

    async def free() -> None:
        async with crossing.orders.transaction(context) as tx:
            await REFERRER.free(tx, [variant(id)], gone_at=at)

    async with crossing.orders.transaction(context) as tx:
        await fence(tx, variant(id), gone_at=at)
        freeing = asyncio.create_task(free())
        await until_waiting(crossing.orders)
    await freeing

    assert await crossing.mark(id) is None


async def test_two_fences_of_the_same_lines_do_not_wait_in_a_ring(crossing: Crossing, context: Context) -> None:
    targets = [variant(cuid()) for _ in range(20)]

    await asyncio.gather(*(fence_alone(crossing, context, *targets[:: (-1) ** number]) for number in range(6)))

    assert all([await crossing.mark(target.id) for target in targets])


# Declarations that cannot be kept.


def test_who_does_not_always_hold_needs_a_way_to_leave() -> None:
    metadata = schema("orders")
    common = common_tables(metadata)
    reference = refers_to(VARIANTS, "RESTRICT", while_="id <> ''")
    Table("things", metadata, id_column(), Column("variant_id", identifier, info=reference))

    with pytest.raises(ValueError, match=r"orders\.things\.variant_id need a way to leave"):
        Referrer(metadata, common, ())


@pytest.mark.parametrize("rule", ["CASCADE", "SET NULL"])
def test_what_follows_has_records_of_its_own(rule: Any) -> None:
    metadata = schema("orders")
    common = common_tables(metadata)
    Table("things", metadata, id_column(), Column("user_id", identifier, info=refers_to(USERS, rule)))

    with pytest.raises(ValueError, match="is no aggregate"):
        Referrer(metadata, common, OF_OTHER)
