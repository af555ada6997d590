"""A user's addresses: one of them at most is the default, whoever moves it at the same time."""

import asyncio
from typing import Any

import asyncpg
import pytest

from lumi_common.clock import utc_now
from lumi_common.context import Context
from lumi_common.cuid import cuid
from lumi_common.db.database import Database
from lumi_common.errors import NotFound
from lumi_common.principal import Principal
from lumi_identity.domain.address import Address
from lumi_identity.storage.addresses import AddressRepository
from services.identity.tests.kit import a_user, doors_of, outbox_of
from tests.kit.waiting import until


@pytest.fixture
async def ada(db: Database, context: Context) -> str:
    return (await a_user(await doors_of(db), context)).id


def an_address(user_id: str, **facts: Any) -> Address:
    given = {
        "id": cuid(), "user_id": user_id, "full_name": "Ada Lovelace", "line1": "1 Main St", "city": "London",
        "postal_code": "N1 9GU", "country": "GB", "created_at": utc_now(), "updated_at": utc_now(),
    }  # fmt: skip
    return Address(**given | facts)


async def add(db: Database, user_id: str, *, default: bool = False) -> Address:
    async with db.transaction(Context(method="test", principal=Principal.user(user_id))) as tx:
        addresses = AddressRepository(tx)
        book = await addresses.lock_book(user_id)
        return await addresses.add(an_address(user_id, is_default=default or not book.has_default))


async def set_default(db: Database, user_id: str, id: str) -> None:
    async with db.transaction(Context(method="test", principal=Principal.user(user_id))) as tx:
        addresses = AddressRepository(tx)
        await addresses.lock_book(user_id)
        address = await addresses.lock(id, owner=user_id)
        if not address.is_default:
            await addresses.set_default(address)


async def defaults(db: Database, user_id: str) -> list[str]:
    rows = await db.pool.fetch("select id from addresses where user_id = $1 and is_default", user_id)
    return [row["id"] for row in rows]


async def test_the_first_address_is_the_default_and_the_next_is_not(db: Database, ada: str) -> None:
    first, second = await add(db, ada), await add(db, ada)

    assert (first.is_default, second.is_default) == (True, False)


async def test_of_many_first_addresses_at_once_one_is_the_default(db: Database, ada: str) -> None:
    await asyncio.gather(*(add(db, ada) for _ in range(8)))

    assert len(await defaults(db, ada)) == 1


async def test_who_waited_for_the_book_sees_the_default_of_whoever_came_before(db: Database, ada: str) -> None:
    async def both_wait() -> bool:
        waiting: int = await db.pool.fetchval(
            "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
        )
        return waiting == 2

    async with db.pool.connection() as connection, connection.transaction():
        await connection.execute("select from users where id = $1 for update", ada)
        tries = [asyncio.create_task(add(db, ada)) for _ in range(2)]
        await until(both_wait, "both wait for the book")
    added = await asyncio.gather(*tries)

    assert sorted(address.is_default for address in added) == [False, True]


async def test_a_new_default_takes_the_place_of_the_one_before_and_both_are_told_of(db: Database, ada: str) -> None:
    first = await add(db, ada)
    second = await add(db, ada, default=True)

    [row] = await outbox_of(db, second.id)
    told = {record["id"]: (record["action"], record["after"]["is_default"]) for record in row["records"]}

    assert await defaults(db, ada) == [second.id]
    assert told == {second.id: ("address.created", True), first.id: ("address.default_cleared", False)}


async def test_the_default_moves_and_what_moved_is_told_of(db: Database, ada: str) -> None:
    first, second = await add(db, ada), await add(db, ada)

    await set_default(db, ada, second.id)
    await set_default(db, ada, second.id)

    assert await defaults(db, ada) == [second.id]
    _, row = await outbox_of(db, second.id)
    assert [record["action"] for record in row["records"]] == ["address.default_set", "address.default_cleared"]
    assert row["records"][1]["id"] == first.id


async def test_whoever_moves_the_default_at_once_one_is_left(db: Database, ada: str) -> None:
    ids = [(await add(db, ada)).id for _ in range(6)]

    await asyncio.gather(*(set_default(db, ada, id) for id in ids * 3), add(db, ada, default=True))

    assert len(await defaults(db, ada)) == 1


async def test_the_database_itself_holds_a_second_default_off(db: Database, ada: str) -> None:
    first, second = await add(db, ada), await add(db, ada)

    with pytest.raises(asyncpg.UniqueViolationError, match="addresses_one_default_key"):
        await db.pool.execute("update addresses set is_default = true where id = $1", second.id)
    assert await defaults(db, ada) == [first.id]


async def test_nothing_personal_is_told(db: Database, ada: str) -> None:
    address = await add(db, ada)
    async with db.transaction(Context(method="test", principal=Principal.user(ada))) as tx:
        address.city = "Paris"
        await AddressRepository(tx).save(address, "address.updated")
        await AddressRepository(tx).purge(address.id, "address.deleted")

    created, updated, deleted = [row["records"][0] for row in await outbox_of(db, address.id)]

    shown = {"user_id": ada, "is_default": True}
    hidden = dict.fromkeys(("full_name", "line1", "city", "postal_code", "country"), "[redacted]")
    assert created["after"] == deleted["before"] == hidden | shown
    assert updated["before"] == updated["after"] == {"city": "[redacted]"}
    assert created["keys"] == {"user_id": ada}


async def test_anothers_address_is_a_missing_one(db: Database, ada: str) -> None:
    address = await add(db, ada)

    for owner, id in ((cuid(), address.id), (ada, cuid())):
        with pytest.raises(NotFound):
            await AddressRepository(db).get(id, owner=owner)
    assert await AddressRepository(db).get(address.id, owner=ada) == address
