"""What each inventory policy promises, however many ask at once and whenever the policy changes."""

import asyncio

import pytest

from lumi_catalogue.domain.errors import Reason
from lumi_catalogue.domain.importing import Plan, ProductRow, RowRefused
from lumi_catalogue.domain.price import Price
from lumi_catalogue.domain.product import InventoryPolicy
from lumi_catalogue.storage import imports, inventories, offers
from lumi_common.context import Context
from lumi_common.db.database import Database, Executor
from lumi_common.errors import Aborted, FailedPrecondition
from services.catalogue.tests.invariants import broken
from services.catalogue.tests.kit import (
    STAFF,
    Counters,
    Shelf,
    a_desk,
    asking,
    commit,
    outcomes,
    release,
    until_somebody_waits,
)

CONTINUE, TRACK, DENY = InventoryPolicy.CONTINUE, InventoryPolicy.TRACK, InventoryPolicy.DENY


@pytest.mark.parametrize("policy", [TRACK, DENY])
async def test_nothing_is_sold_that_is_not_there_however_many_ask_at_once(
    db: Database, shelf: Shelf, context: Context, policy: InventoryPolicy
) -> None:
    variant, desks = await shelf.put(20, inventory_policy=policy), [a_desk(db) for _ in range(4)]

    results = await outcomes(*(desks[i % 4].reserve(asking(context, (variant, 3))) for i in range(40)))

    refused = [each for each in results if isinstance(each, FailedPrecondition)]
    assert len(refused) == 34 and {each.reason for each in refused} == {Reason.INSUFFICIENT_STOCK}
    assert await shelf.of(variant) == Counters(on_hand=20, reserved=18, available=2)


async def test_a_backordered_variant_is_counted_below_zero_however_many_ask_at_once(
    db: Database, shelf: Shelf, context: Context
) -> None:
    variant, desks = await shelf.put(20, inventory_policy=CONTINUE), [a_desk(db) for _ in range(4)]
    asked = [asking(context, (variant, 3)) for _ in range(40)]

    await asyncio.gather(*(desks[i % 4].reserve(each) for i, each in enumerate(asked)))
    assert await shelf.of(variant) == Counters(on_hand=20, reserved=120, available=-100)

    await asyncio.gather(*(commit(db, each.order_id) for each in asked[:30]))
    assert await shelf.of(variant) == Counters(on_hand=-70, reserved=30, available=-100)

    await asyncio.gather(*(release(db, each.order_id) for each in asked for _ in range(2)))
    assert await shelf.of(variant) == Counters(on_hand=20, reserved=0, available=20)


async def test_an_order_of_all_policies_gets_all_or_nothing(db: Database, shelf: Shelf, context: Context) -> None:
    tracked, denied = await shelf.put(30, inventory_policy=TRACK), await shelf.put(10, inventory_policy=DENY)
    backordered, desks = await shelf.put(0, inventory_policy=CONTINUE), [a_desk(db) for _ in range(4)]

    results = await outcomes(
        *(desks[i % 4].reserve(asking(context, (backordered, 2), (tracked, 1), (denied, 1))) for i in range(40))
    )

    assert sum(not isinstance(each, Exception) for each in results) == 10
    assert await shelf.of(tracked) == Counters(on_hand=30, reserved=10, available=20)
    assert await shelf.of(denied) == Counters(on_hand=10, reserved=10, available=0)
    assert await shelf.of(backordered) == Counters(on_hand=0, reserved=20, available=-20)


@pytest.mark.parametrize(("policy", "sold"), [(TRACK, 2), (DENY, 2), (CONTINUE, 3)])
async def test_a_cart_is_told_the_policy_and_what_is_left(
    db: Database, shelf: Shelf, context: Context, policy: InventoryPolicy, sold: int
) -> None:
    variant = await shelf.put(2, inventory_policy=policy)
    await a_desk(db).reserve(asking(context, (variant, sold)))

    told = (await offers.resolve(db, [variant]))[variant]

    assert (told.policy, told.available, told.sellable) == (policy, 2 - sold, True)


async def test_a_policy_that_changes_while_a_buyer_waits_is_the_one_that_counts(
    db: Database, shelf: Shelf, context: Context
) -> None:
    variant = await shelf.put(1, inventory_policy=CONTINUE)

    async with db.transaction(STAFF) as tx:
        await change_policy(tx, variant, TRACK)
        waiting = asyncio.create_task(a_desk(db).reserve(asking(context, (variant, 2))))
        await until_somebody_waits(db)
    [refusal] = await outcomes(waiting)

    assert isinstance(refusal, FailedPrecondition) and refusal.reason == Reason.INSUFFICIENT_STOCK
    assert refusal.facts == {"product_variant_id": variant, "available": 1, "requested": 2}
    assert await shelf.of(variant) == Counters(on_hand=1, reserved=0, available=1)


async def test_a_policy_that_changes_while_a_loss_is_noted_is_the_one_that_counts(db: Database, shelf: Shelf) -> None:
    variant = await shelf.put(1, inventory_policy=CONTINUE)

    async with db.transaction(STAFF) as tx:
        await change_policy(tx, variant, TRACK)
        waiting = asyncio.create_task(_lose(db, variant, 2))
        await until_somebody_waits(db)
    with pytest.raises(Aborted):
        await waiting

    assert await shelf.of(variant) == Counters(on_hand=1, reserved=0, available=1)


async def test_a_policy_does_not_change_over_units_that_are_owed(db: Database, shelf: Shelf, context: Context) -> None:
    variant = await shelf.put(1, inventory_policy=CONTINUE)
    asked = asking(context, (variant, 2))
    await a_desk(db).reserve(asked)

    with pytest.raises(RowRefused, match=Reason.STOCK_BACKORDERED):
        await _change(db, variant, TRACK)
    await release(db, asked.order_id)
    await _change(db, variant, TRACK)

    assert (await offers.resolve(db, [variant]))[variant].policy == TRACK


async def test_buyers_and_a_change_of_policy_at_once_leave_no_unit_owed(
    db: Database, shelf: Shelf, context: Context
) -> None:
    for turn in range(20):
        variant = await shelf.put(2, inventory_policy=CONTINUE)
        buyers = [a_desk(db).reserve(asking(context, (variant, 1))) for _ in range(4)]
        change = _change(db, variant, TRACK if turn % 2 else DENY)
        await outcomes(*buyers[turn % 5 :], change, *buyers[: turn % 5])
        assert await broken(db.pool) == {}


async def change_policy(on: Executor, variant_id: str, policy: InventoryPolicy) -> None:
    """As an import does it."""
    offer = (await offers.resolve(on, [variant_id]))[variant_id]
    price = Price(offer.price, offer.currency)
    row = ProductRow(1, offer.product_title, offer.product_slug, price, inventory_policy=policy)
    await imports.write(on, [Plan(await imports.load(on, [row], lock=True)).take(row)])


async def _change(db: Database, variant_id: str, policy: InventoryPolicy) -> None:
    async with db.transaction(STAFF) as tx:
        await change_policy(tx, variant_id, policy)


async def _lose(db: Database, variant_id: str, units: int) -> None:
    async with db.transaction(STAFF) as tx:
        inventory, policy = await inventories.lock(tx, variant_id)
        inventory.adjust(-units, policy)
        await inventories.save(tx, inventory, "inventory.adjusted", delta=-units, reason="broken")
