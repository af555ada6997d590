"""The proof of X3: what triggers saw on the model's tables and what was told of it are the same."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import asyncpg
import pytest

from lumi_common.db.invariants import Finding
from lumi_invariants.checker import books, check
from lumi_local import testing
from tests.invariants.tests.day import keep_the_shelves, open_the_books, spend_a_day
from tests.invariants.tests.witness import NOBODYS, WHOSE, Match, counted, match, seen, tables, watch
from tests.kit.buying import request_id
from tests.kit.shop import migrate, open_shop
from tests.request_ids import (  # noqa: F401  # importing them fills the table of scenes
    of_catalogue,
    of_identity,
    of_marketing,
    of_operations,
    of_orders,
    of_payments,
)
from tests.request_ids.scenes import CASES, SCENES
from tests.request_ids.world import open_world, under

# Which no method writes yet.
UNWRITTEN = {
    *("catalogue.product_collections", "catalogue.product_media", "catalogue.variant_media", "catalogue.review_media"),
    *("catalogue.collections", "catalogue.media", "catalogue.reviews", "payments.saved_cards"),
}


@dataclass(frozen=True)
class Seen:
    """What was seen in a shop where every method was called, and where its books are."""

    dsn: str
    changes: list[Mapping[str, Any]]
    filed: list[Finding]


@pytest.fixture(scope="module")
async def watched() -> AsyncIterator[Seen]:
    """Every method that changes something, called by each who may, and a day in the shop."""
    with testing.postgres("witness") as server, testing.nats() as nats, testing.temporary_folder("shop") as folder:
        await asyncio.to_thread(migrate, server)
        superuser = await asyncpg.connect(server.dsn_superuser)
        await watch(superuser)
        async with open_shop(server, nats, folder) as shop:
            await open_the_books(shop)
            async with open_world(shop) as world:
                for case in (case for case in CASES if case.name in SCENES):  # that none is missing is tested there
                    caller = await world.caller(case)
                    request = under(request_id(), (await world.play(case, caller)).request)
                    told = await world.tell(case, caller, request)
                    assert not told.refusal, f"{case.id}: {told.refusal}"
            await keep_the_shelves(shop)
            await spend_a_day(shop)
            async with books(server.dsn("lumi_auditor")) as connection:
                filed = await check(connection, ["X3", "X5"], patience=60)
        yield Seen(server.dsn_superuser, await seen(superuser), filed)
        await superuser.close()


def test_every_table_is_somebodys_or_says_that_it_is_nobodys() -> None:
    assert tables() == WHOSE.keys() | NOBODYS
    assert not WHOSE.keys() & NOBODYS


def test_every_table_that_a_method_writes_was_written(watched: Seen) -> None:
    written = {what for what in counted(watched.changes) if not what.endswith(".outbox_events")}
    assert written == WHOSE.keys() - UNWRITTEN


def test_every_change_has_one_record_and_every_record_a_change(watched: Seen) -> None:
    assert match(watched.changes) == Match()


def test_every_record_was_filed_once_and_every_request_had_one_effect(watched: Seen) -> None:
    assert watched.filed == [Finding("X3", 0), Finding("X5", 0)]


def _told(*records: str, actor: str = "service") -> str:
    """An outbox row of a cart's change with these records."""
    return (
        "insert into orders.outbox_events (aggregate, aggregate_id, version, type, records, headers) "
        f"""values ('Cart', 'planted', 1, 'cart.updated', '[{", ".join(records)}]', '{{"actor_type": "{actor}"}}')"""
    )


_RECORD = '{"entity": "Cart", "id": "planted", "action": "cart.updated", "audit": true, "after": {"coupon_code": "X"}}'
_MADE = "insert into orders.carts (id, session_id) values ('planted', 'planted')"
_CHANGED = "update orders.carts set coupon_code = 'X' where id = 'planted'"
_DERIVED = "update marketing.coupons set usage_count = usage_count - 1, updated_at = now() where usage_count > 0"


@pytest.mark.parametrize(
    ("role", "statements", "where", "entities"),
    [
        ("orders", [_MADE], "untold", {"Cart"}),
        ("orders", [_MADE, _told(_RECORD.replace("true", "false"))], "untold", {"Cart"}),
        ("orders", ["delete from orders.orders where id = (select min(id) from orders.orders)"], "untold", {"Order"}),
        (
            "catalogue",
            ["delete from catalogue.products where id = (select min(product_id) from catalogue.product_variants)"],
            "untold",
            {"Product", "ProductVariant", "Inventory"},
        ),
        ("orders", [_told(_RECORD)], "groundless", {"Cart"}),
        ("orders", [_MADE, _told(_RECORD, _RECORD)], "told_again", {"Cart"}),
        ("orders", [_MADE, _CHANGED, _told(_RECORD.replace("coupon_code", "status"))], "unnamed", {"Cart"}),
        ("orders", [_MADE, _told(_RECORD, actor="")], "nobodys", {"Cart"}),
        ("orders", [_MADE, _CHANGED, _told(_RECORD)], "", set()),
        ("marketing", [_DERIVED], "", set()),
    ],
)
async def test_what_does_not_match_is_found(
    watched: Seen, role: str, statements: list[str], where: str, entities: set[str]
) -> None:
    superuser = await asyncpg.connect(watched.dsn)
    try:
        await superuser.execute(f"begin; set local session authorization lumi_{role}")
        for statement in statements:
            assert not (await superuser.execute(statement)).endswith(" 0"), statement
        await superuser.execute("set local session authorization default")
        planted = (await seen(superuser))[len(watched.changes) :]
    finally:
        await superuser.close()

    found = asdict(match(planted))

    assert planted
    assert {name for name, keys in found.items() if keys} == ({where} if where else set())
    assert not where or {key.entity for key in found[where]} == entities
