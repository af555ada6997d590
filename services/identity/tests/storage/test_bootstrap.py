"""The first start: permissions, roles, the admin; the second changes nothing."""

import asyncio
from typing import Any

import pytest

from lumi_common.clock import utc_now
from lumi_common.context import Context
from lumi_common.cuid import cuid
from lumi_common.db.database import Database
from lumi_common.errors import InvalidArgument, Unauthenticated
from lumi_identity.domain.password_policy import PasswordPolicy
from lumi_identity.domain.passwords import Passwords
from lumi_identity.domain.permissions import PERMISSIONS
from lumi_identity.domain.role import ADMIN, SEEDED_ROLES, Role
from lumi_identity.storage.access import RoleRepository, get_holdings
from lumi_identity.workflows.bootstrap import Bootstrap
from services.identity.tests.kit import PASSWORD, an_email, doors_of, outbox_of, security_events_of

TABLES = ("users", "roles", "permissions", "role_permissions", "user_roles", "outbox_events")


def bootstrap_of(db: Database) -> Bootstrap:
    return Bootstrap(db, Passwords({1: b"one", 2: b"two"}, current=1, cost=4), PasswordPolicy(), utc_now)


async def role_named(db: Database, name: str) -> Role:
    role = await RoleRepository(db).find_by_name(name)
    assert role is not None
    return role


async def everything(db: Database) -> list[Any]:
    return [await db.pool.fetch(f"select * from {table} order by 1, 2") for table in TABLES]


async def test_the_admin_signs_in_and_holds_every_permission(db: Database, context: Context) -> None:
    email = an_email()
    await bootstrap_of(db).run(email, PASSWORD)

    _, user = await (await doors_of(db)).sign_in(context, email=email, password=PASSWORD, fingerprint=None)
    holdings = await get_holdings(db, user.id)

    assert holdings.roles == ["admin"]
    assert set(PERMISSIONS) <= set(holdings.permissions)
    created, assigned = await outbox_of(db, user.id)
    assert (created["type"], assigned["type"]) == ("user.created", "user.role_assigned")
    assert created["headers"]["actor_type"] == "service"


async def test_every_seeded_role_is_made_once_with_what_it_holds(db: Database) -> None:
    await asyncio.gather(*(bootstrap_of(db).run("", "") for _ in range(3)))

    for seed in SEEDED_ROLES:
        role = await role_named(db, seed.name)
        assert (role.description, set(seed.permissions) - set(role.permissions)) == (seed.description, set())
        if seed.name != ADMIN:
            assert role.permissions == list(seed.permissions)
        created, *_ = await outbox_of(db, role.id)
        [record] = created["records"]
        assert (created["type"], record["action"], record["audit"]) == ("role.created", "role.created", True)
        told = {"name": seed.name, "description": seed.description, "permissions": sorted(seed.permissions)}
        assert record["after"] | {"permissions": sorted(record["after"]["permissions"])} == told


async def test_a_role_that_staff_changed_stays_as_they_left_it_and_a_missing_one_is_made(db: Database) -> None:
    await bootstrap_of(db).run("", "")
    support, finance = await role_named(db, "support"), await role_named(db, "finance")
    await db.pool.execute("update roles set description = 'ours' where id = $1", support.id)
    await db.pool.execute("delete from role_permissions where role_id = $1", support.id)
    await db.pool.execute("delete from roles where id = $1", finance.id)

    await bootstrap_of(db).run("", "")

    changed, made = await role_named(db, "support"), await role_named(db, "finance")
    assert (changed.id, changed.description, changed.permissions) == (support.id, "ours", [])
    assert (made.id != finance.id, made.permissions) == (True, finance.permissions)
    await db.pool.execute("delete from roles where id = $1", support.id)
    await bootstrap_of(db).run("", "")
    assert (await role_named(db, "support")).permissions == support.permissions


async def test_what_a_release_brings_goes_once_into_the_seeded_roles_that_name_it(db: Database) -> None:
    await bootstrap_of(db).run("", "")
    support, finance = await role_named(db, "support"), await role_named(db, "finance")
    # A deployment of before: without one of its permissions, and with another taken by its staff.
    await db.pool.execute("delete from permissions where key = 'orders.read'")
    await db.pool.execute(
        "delete from role_permissions where role_id = $1 "
        "and permission_id = (select id from permissions where key = 'users.read')",
        support.id,
    )

    await bootstrap_of(db).run("", "")

    expected = [key for key in support.permissions if key != "users.read"]
    assert (await role_named(db, "support")).permissions == expected
    assert (await role_named(db, "finance")).permissions == finance.permissions
    *_, last = await outbox_of(db, support.id)
    assert (last["type"], last["records"][0]["after"]) == ("role.permissions_added", {"permissions": ["orders.read"]})
    await db.pool.execute(
        "delete from role_permissions where role_id = $1 "
        "and permission_id = (select id from permissions where key = 'orders.read')",
        support.id,
    )
    await bootstrap_of(db).run("", "")
    assert "orders.read" not in (await role_named(db, "support")).permissions
    await db.pool.execute("delete from roles where id = $1", support.id)
    await bootstrap_of(db).run("", "")


async def test_the_admins_get_back_what_was_taken_from_their_role_and_what_is_new(db: Database) -> None:
    await bootstrap_of(db).run("", "")
    admin, key = await role_named(db, ADMIN), f"things.{cuid()}"
    await db.pool.execute("delete from role_permissions where role_id = $1", admin.id)
    await db.pool.execute("insert into permissions (id, key) values ($1, $2)", cuid(), key)

    await bootstrap_of(db).run("", "")

    again = await role_named(db, ADMIN)
    assert set(again.permissions) == set(admin.permissions) | {key}
    *_, last = await outbox_of(db, admin.id)
    assert last["type"] == "role.permissions_added"
    assert sorted(last["records"][0]["after"]["permissions"]) == again.permissions


async def test_a_second_run_changes_nothing(db: Database) -> None:
    email = an_email()
    await bootstrap_of(db).run(email, PASSWORD)
    before = await everything(db)

    await bootstrap_of(db).run(email, PASSWORD)

    assert await everything(db) == before


async def test_another_password_replaces_the_old_one_and_ends_the_sessions(db: Database, context: Context) -> None:
    email, doors = an_email(), await doors_of(db)
    await bootstrap_of(db).run(email, PASSWORD)
    tokens, user = await doors.sign_in(context, email=email, password=PASSWORD, fingerprint=None)

    await bootstrap_of(db).run(email, "quite another password")

    await doors.sign_in(context, email=email, password="quite another password", fingerprint=None)
    with pytest.raises(Unauthenticated):
        await doors.refresh(context, tokens.refresh_token)
    assert "password_changed" in await security_events_of(db, user.id)
    assert [row["type"] for row in await outbox_of(db, user.id)][2:] == ["user.password_changed"]


async def test_a_password_that_is_stored_anew_meanwhile_is_replaced_all_the_same(
    db: Database, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    email, other, loop = an_email(), "seven blue bicycles at dawn", asyncio.get_running_loop()
    await bootstrap_of(db).run(email, PASSWORD)
    verify = Passwords.verify

    def then_rehashed(passwords: Passwords, password: str, stored: str) -> bool:
        is_right = verify(passwords, password, stored)
        change = "update users set password_hash = $2, version = version + 1, updated_at = now() where email = $1"
        asyncio.run_coroutine_threadsafe(db.pool.execute(change, email, passwords.hash(PASSWORD)), loop).result()
        return is_right

    with monkeypatch.context() as patch:
        patch.setattr(Passwords, "verify", then_rehashed)
        await bootstrap_of(db).run(email, other)

    assert await (await doors_of(db)).sign_in(context, email=email, password=other, fingerprint=None)


async def test_a_weak_password_makes_no_admin(db: Database) -> None:
    email = an_email()

    with pytest.raises(InvalidArgument):
        await bootstrap_of(db).run(email, "password")
    assert await db.pool.fetchval("select count(*) from users where email = $1", email) == 0


async def test_an_admin_who_was_deleted_stays_so(db: Database, context: Context) -> None:
    email = an_email()
    await bootstrap_of(db).run(email, PASSWORD)
    await db.pool.execute("update users set status = 'DELETED', deleted_at = now() where email = $1", email)
    before = await everything(db)

    await bootstrap_of(db).run(email, "quite another password")

    assert await everything(db) == before
    with pytest.raises(Unauthenticated):
        await (await doors_of(db)).sign_in(context, email=email, password=PASSWORD, fingerprint=None)
