"""Stock is promised once, all of an order's lines or none, however many ask at once."""

import asyncio
import gc
from contextlib import suppress
from time import monotonic
from uuid import uuid4

import asyncpg
import pytest

from lumi_catalogue.domain.errors import Reason
from lumi_catalogue.domain.product import InventoryPolicy, ProductStatus
from lumi_common.context import Context
from lumi_common.cuid import cuid
from lumi_common.db.database import Database, from_json
from lumi_common.errors import DeadlineExceeded, FailedPrecondition, InvalidArgument
from lumi_common.errors import Reason as CommonReason
from lumi_common.principal import Principal
from services.catalogue.tests.kit import Counters, Shelf, a_desk, asking, commit, outcomes, release


async def test_of_fifty_at_once_as_many_get_it_as_there_are(db: Database, shelf: Shelf, context: Context) -> None:
    last, desk = await shelf.put(7), a_desk(db)

    results = await outcomes(*(desk.reserve(asking(context, (last, 1))) for _ in range(50)))

    refused = [each for each in results if isinstance(each, FailedPrecondition)]
    assert len(results) - len(refused) == 7
    assert {each.reason for each in refused} == {Reason.INSUFFICIENT_STOCK}
    assert await shelf.of(last) == Counters(on_hand=7, reserved=7, available=0)


async def test_processes_that_do_not_know_each_other_sell_no_more(db: Database, shelf: Shelf, context: Context) -> None:
    last, desks = await shelf.put(20), [a_desk(db) for _ in range(5)]

    results = await outcomes(*(desks[i % 5].reserve(asking(context, (last, 1))) for i in range(60)))

    assert sum(not isinstance(each, Exception) for each in results) == 20
    assert await shelf.of(last) == Counters(on_hand=20, reserved=20, available=0)


async def test_orders_that_want_the_same_in_other_words_do_not_block_each_other(
    db: Database, shelf: Shelf, context: Context
) -> None:
    one, two = await shelf.put(100), await shelf.put(100)
    desks = [a_desk(db) for _ in range(4)]
    orders = [((one, 1), (two, 1)), ((two, 1), (one, 1))]

    asked = [asking(context, *orders[i % 2]) for i in range(40)]
    await asyncio.gather(*(desks[i % 4].reserve(each) for i, each in enumerate(asked)))
    ends = [release, commit]
    await asyncio.gather(*(ends[i % 2](db, each.order_id) for i, each in enumerate(asked)))

    assert await shelf.of(one) == await shelf.of(two) == Counters(on_hand=80, reserved=0, available=80)


async def test_all_lines_or_none(db: Database, shelf: Shelf, context: Context) -> None:
    there, gone = await shelf.put(5), await shelf.put(0)

    with pytest.raises(FailedPrecondition) as refusal:
        await a_desk(db).reserve(asking(context, (there, 1), (gone, 1)))

    assert refusal.value.facts["product_variant_id"] == gone
    assert await shelf.of(there) == Counters(on_hand=5, reserved=0, available=5)


async def test_a_refusal_leaves_nothing_for_the_garbage_collector(db: Database, shelf: Shelf, context: Context) -> None:
    gone, desk = await shelf.put(0), a_desk(db)

    async def refused() -> None:
        with suppress(FailedPrecondition):
            await desk.reserve(asking(context, (gone, 1)))

    gc.collect()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        await asyncio.gather(*(refused() for _ in range(3)))
        gc.collect()
        left = [each for each in gc.garbage if isinstance(each, FailedPrecondition)]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
    assert left == []


async def test_a_backordered_variant_sells_on(db: Database, shelf: Shelf, context: Context) -> None:
    variant = await shelf.put(1, inventory_policy=InventoryPolicy.CONTINUE)

    await a_desk(db).reserve(asking(context, (variant, 3)))

    assert await shelf.of(variant) == Counters(on_hand=1, reserved=3, available=-2)


async def test_a_draft_is_not_sold(db: Database, shelf: Shelf, context: Context) -> None:
    with pytest.raises(FailedPrecondition, match=Reason.VARIANT_NOT_SELLABLE):
        await a_desk(db).reserve(asking(context, (await shelf.put(1, status=ProductStatus.DRAFT), 1)))


async def test_the_answer_is_what_the_order_freezes(db: Database, shelf: Shelf, context: Context) -> None:
    variant = await shelf.put(1, title="Tomato soup")

    answer = await a_desk(db).reserve(asking(context, (variant, 1)))

    [line] = answer.lines
    assert (line.product_title, line.variant_title, line.quantity) == ("Tomato soup", "Tin", 1)
    assert (line.unit_price.units, line.unit_price.nanos, line.unit_price.currency_code) == (1, 990_000_000, "USD")
    assert line.attributes["size"] == "400 g" and line.product_id and line.sku


async def test_asking_again_holds_no_more_and_answers_alike(db: Database, shelf: Shelf, context: Context) -> None:
    variant, desk = await shelf.put(5), a_desk(db)
    asked = asking(context, (variant, 2), request=str(uuid4()))

    first, second, third = await asyncio.gather(*(desk.reserve(asked) for _ in range(3)))
    fourth = await a_desk(db).reserve(asking(context, (variant, 2), order=asked.order_id))

    assert first == second == third == fourth
    assert await shelf.of(variant) == Counters(on_hand=5, reserved=2, available=3)


async def test_the_first_answer_stands_when_the_price_has_changed(db: Database, shelf: Shelf, context: Context) -> None:
    variant, desk = await shelf.put(5), a_desk(db)
    asked = asking(context, (variant, 2), request=str(uuid4()))
    first = await desk.reserve(asked)
    await db.pool.execute("update product_variants set price = 9 where id = $1", variant)

    assert await desk.reserve(asked) == first


async def test_one_order_asked_for_by_two_processes_at_once_is_held_once(
    db: Database, shelf: Shelf, context: Context
) -> None:
    variant = await shelf.put(50)
    for _ in range(10):
        asked = asking(context, (variant, 2), request=str(uuid4()))
        first, *others = await asyncio.gather(*(a_desk(db).reserve(asked) for _ in range(4)))
        assert others == [first] * 3

    assert (await shelf.of(variant)).reserved == 20


async def test_a_request_id_belongs_to_one_body(db: Database, shelf: Shelf, context: Context) -> None:
    variant, desk, request = await shelf.put(5), a_desk(db), str(uuid4())
    await desk.reserve(asking(context, (variant, 1), request=request))

    with pytest.raises(InvalidArgument, match="REQUEST_ID_REUSED"):
        await desk.reserve(asking(context, (variant, 1), request=request))

    assert (await shelf.of(variant)).reserved == 1


async def test_one_that_fails_does_not_spoil_it_for_the_others(db: Database, shelf: Shelf, context: Context) -> None:
    variant, desk, request = await shelf.put(50), a_desk(db), str(uuid4())
    await desk.reserve(asking(context, (variant, 1), request=request))

    results = await outcomes(
        *(desk.reserve(asking(context, (variant, 1), request=str(uuid4()))) for _ in range(5)),
        desk.reserve(asking(context, (variant, 1), request=request)),
        *(desk.reserve(asking(context, (variant, 1), request=str(uuid4()))) for _ in range(5)),
    )

    assert [isinstance(each, Exception) for each in results] == [False] * 5 + [True] + [False] * 5
    assert (await shelf.of(variant)).reserved == 11


async def test_a_request_id_belongs_to_one_body_also_where_that_asks_for_nothing_there_is(
    db: Database, shelf: Shelf, context: Context
) -> None:
    variant, desk, request = await shelf.put(5), a_desk(db), str(uuid4())
    await desk.reserve(asking(context, (variant, 1), request=request))

    with pytest.raises(InvalidArgument, match="REQUEST_ID_REUSED"):
        await desk.reserve(asking(context, (cuid(), 1), request=request)._replace(request_hash=b"other"))


async def test_a_reused_request_id_does_not_spoil_it_for_the_others(
    db: Database, shelf: Shelf, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    variant, desk, request = await shelf.put(5), a_desk(db), str(uuid4())
    await desk.reserve(asking(context, (variant, 1), request=request))
    transactions, transaction = 0, db.transaction

    def counted(*arguments: object) -> object:
        nonlocal transactions
        transactions += 1
        return transaction(*arguments)

    monkeypatch.setattr(db, "transaction", counted)
    other_order = asking(context, (variant, 1), request=request)._replace(request_hash=b"other")

    reused, missing, *granted = await outcomes(
        desk.reserve(other_order),
        desk.reserve(asking(context, (cuid(), 1), request=request)._replace(request_hash=b"other")),
        *(desk.reserve(asking(context, (variant, 1), request=str(uuid4()))) for _ in range(3)),
    )

    assert {reused.reason, missing.reason} == {CommonReason.REQUEST_ID_REUSED}
    assert [each.lines[0].quantity for each in granted] == [1, 1, 1]
    assert transactions == 1


async def test_who_goes_away_does_not_stop_the_others(db: Database, shelf: Shelf, context: Context) -> None:
    variant, desk = await shelf.put(50), a_desk(db)
    tasks = [asyncio.create_task(desk.reserve(asking(context, (variant, 1)))) for _ in range(10)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    tasks[0].cancel()

    results = await outcomes(*tasks)

    assert sum(not isinstance(each, BaseException) for each in results) == 9


async def test_whose_time_is_over_gets_nothing(db: Database, shelf: Shelf) -> None:
    variant, desk = await shelf.put(5), a_desk(db)
    late = Context(method="m", principal=Principal.service("orders"), deadline=monotonic() - 1)

    with pytest.raises(DeadlineExceeded):
        await desk.reserve(asking(late, (variant, 1)))

    assert (await shelf.of(variant)).reserved == 0


async def test_each_order_has_its_own_event_in_the_name_of_who_asked(db: Database, shelf: Shelf) -> None:
    one, two, desk = await shelf.put(5), await shelf.put(5), a_desk(db)
    contexts = [Context(method="m", principal=Principal.service("orders"), ip=f"192.0.2.{i}") for i in range(3)]
    asked = [asking(context, (one, 1), (two, 1)) for context in contexts]

    await asyncio.gather(*(desk.reserve(each) for each in asked))

    for each, context in zip(asked, contexts, strict=True):
        [row] = await shelf.outbox(each.order_id)
        assert (row["aggregate"], row["type"], row["version"]) == ("StockReservation", "stock.reserved", row["seq"])
        assert row["headers"] == from_json(context.headers)
        assert {record["keys"]["product_variant_id"] for record in row["records"]} == {one, two}
        assert not any(record["audit"] for record in row["records"])


async def test_counters_that_do_not_add_up_are_refused_by_the_database(db: Database, shelf: Shelf) -> None:
    variant = await shelf.put(5)

    with pytest.raises(asyncpg.CheckViolationError):
        await db.pool.execute("update inventories set quantity_available = 6 where product_variant_id = $1", variant)
