"""An account is deleted, brought back or purged while something else is done with it."""

import asyncio
from typing import Any

import pytest
from lumi.identity.v1.access_pb2 import AssignRoleRequest
from lumi.identity.v1.address_pb2 import Address, DeleteAddressRequest, SetDefaultAddressRequest, UpdateAddressRequest
from lumi.identity.v1.auth_pb2 import SignInRequest

from lumi_common.cuid import cuid
from lumi_common.errors import FailedPrecondition, NotFound, Unauthenticated
from lumi_local.postgres import PostgresServer
from services.identity.tests.kit import PASSWORD, another, security_events_of, until_waiting
from services.identity.tests.rpc.clients import Identity, SignedIn
from services.identity.tests.rpc.test_deleting_users import (
    add_address,
    admins_role,
    delete,
    purge,
    refreshed,
    seen_by_staff,
    told,
    undelete,
)

ROUNDS = 5


async def live_sessions(identity: Identity, user: SignedIn) -> int:
    query = "select count(*) from user_sessions where user_id = $1 and revoked_at is null"
    return int(await identity.db.pool.fetchval(query, user.id))


async def delete_behind_their_back(identity: Identity, user: SignedIn) -> None:
    """Delete an account whose tokens go on being taken, as those of calls that are under way are."""
    await identity.db.pool.execute(
        "update users set status = 'DELETED', deleted_at = now(), updated_at = now() where id = $1", user.id
    )


async def test_of_many_who_delete_an_account_at_once_one_does(identity: Identity) -> None:
    ada, admin = await identity.user(), await identity.admin()

    results = await asyncio.gather(*(delete(by, ada) for _ in range(5) for by in (ada, admin)), return_exceptions=True)

    refused = [result for result in results if isinstance(result, BaseException)]
    assert len(refused) == len(results) - 1
    assert {type(refusal) for refusal in refused} <= {NotFound, Unauthenticated}
    assert await told(identity, ada) == ["user.signed_up", "user.deleted"]
    assert (await security_events_of(identity.db, ada.id)).count("account_deleted") == 1


async def test_whoever_signs_in_or_on_while_their_account_is_deleted_has_no_session_after(identity: Identity) -> None:
    for _ in range(ROUNDS):
        ada = await identity.user()

        results = await asyncio.gather(
            *(identity.anybody.SignIn(SignInRequest(email=ada.email, password=PASSWORD)) for _ in range(4)),
            refreshed(identity, ada.tokens),
            delete(ada, ada),
            return_exceptions=True,
        )

        assert not isinstance(results[-1], BaseException), results[-1]
        assert all(isinstance(each, Unauthenticated) for each in results if isinstance(each, BaseException)), results
        assert await live_sessions(identity, ada) == 0
        for answer in results[:-1]:
            if not isinstance(answer, BaseException):
                with pytest.raises(Unauthenticated, match="REFRESH_TOKEN_INVALID"):
                    await refreshed(identity, answer.tokens)


async def test_a_sign_in_that_waits_for_a_deletion_fails(identity: Identity, server: PostgresServer) -> None:
    ada = await identity.user()
    async with another(server) as tx:
        await tx.execute(
            "update users set status = 'DELETED', deleted_at = now(), updated_at = now() where id = $1", ada.id
        )
        sign_in = asyncio.create_task(identity.signed_in(ada.email, PASSWORD))
        await until_waiting(identity.db, "the sign-in waits for the user's row")

    with pytest.raises(Unauthenticated, match="CREDENTIALS_INVALID"):
        await sign_in
    assert await identity.db.pool.fetchval("select count(*) from user_sessions where user_id = $1", ada.id) == 1


async def test_a_session_that_ends_by_itself_does_not_block_the_deletion_that_waits_for_it(
    identity: Identity, server: PostgresServer
) -> None:
    ada = await identity.user()
    async with another(server) as tx:
        await tx.execute("update user_sessions set revoked_at = now(), updated_at = now() where user_id = $1", ada.id)
        deletion = asyncio.create_task(delete(ada, ada))
        await until_waiting(identity.db, "the deletion waits for the session")
        await tx.execute(
            "insert into security_events (id, user_id, type) values ($1, $2, 'signed_out')", cuid(), ada.id
        )

    assert (await deletion).HasField("delete_time")
    assert await live_sessions(identity, ada) == 0


async def test_of_the_last_two_admins_the_second_waits_for_the_first_and_stays(
    identity: Identity, server: PostgresServer
) -> None:
    admin, ada = await identity.admin(), await identity.user()
    role_id = await admins_role(admin)
    await identity.db.pool.execute("delete from user_roles where role_id = $1 and user_id <> $2", role_id, admin.id)
    await admin.client.AssignRole(AssignRoleRequest(user_id=ada.id, role_id=role_id))
    ada = await identity.signed_in(ada.email, PASSWORD)
    async with another(server) as tx:
        await tx.execute("select from user_sessions where user_id = $1 for update", ada.id)
        first = asyncio.create_task(delete(ada, ada))
        await until_waiting(identity.db, "the first waits for its session")
        second = asyncio.create_task(delete(admin, admin))
        await until_waiting(identity.db, "the second waits for the first", callers=2, unless=second)

    assert (await first).HasField("delete_time")
    with pytest.raises(FailedPrecondition, match="LAST_ADMIN"):
        await second


async def test_an_account_is_either_brought_back_or_purged(identity: Identity) -> None:
    admin = await identity.admin()
    for _ in range(ROUNDS):
        ada = await identity.user()
        await delete(ada, ada)

        back, gone = await asyncio.gather(undelete(admin, ada), purge(admin, ada), return_exceptions=True)

        if isinstance(back, BaseException):
            assert (type(back), isinstance(gone, BaseException)) == (NotFound, False), (back, gone)
            assert (await told(identity, ada))[2:] == ["user.purged"]
        else:
            assert isinstance(gone, FailedPrecondition) and gone.reason == "USER_NOT_DELETED", gone
            assert (await seen_by_staff(admin, ada)) == back
            assert (await told(identity, ada))[2:] == ["user.undeleted"]


@pytest.mark.parametrize("first", [undelete, purge])
async def test_whichever_is_first_the_other_finds_what_it_left(
    identity: Identity, server: PostgresServer, first: Any
) -> None:
    ada, admin = await identity.user(), await identity.admin()
    await delete(ada, ada)
    second = purge if first is undelete else undelete
    async with another(server) as tx:
        await tx.execute("select from users where id = $1 for update", ada.id)
        one = asyncio.create_task(first(admin, ada))
        await until_waiting(identity.db, "the first waits for the user's row")
        other = asyncio.create_task(second(admin, ada))
        await until_waiting(identity.db, "the second waits behind it", callers=2)

    await one
    with pytest.raises(FailedPrecondition if first is undelete else NotFound):
        await other


async def test_of_many_who_purge_an_account_at_once_one_does(identity: Identity) -> None:
    ada, admin = await identity.user(), await identity.admin()
    await add_address(ada)
    await delete(ada, ada)

    results = await asyncio.gather(*(purge(admin, ada) for _ in range(6)), return_exceptions=True)

    assert sum(isinstance(result, NotFound) for result in results) == len(results) - 1, results
    assert (await told(identity, ada))[2:] == ["user.purged"]


async def test_every_address_that_was_added_before_the_purge_is_told_of_once(identity: Identity) -> None:
    admin = await identity.admin()
    for _ in range(ROUNDS):
        ada = await identity.user()
        home = await add_address(ada)

        async def go(ada: SignedIn = ada) -> None:
            await delete(ada, ada)
            await purge(admin, ada)

        results = await asyncio.gather(*(add_address(ada) for _ in range(3)), go(), return_exceptions=True)

        assert all(isinstance(each, NotFound) for each in results if isinstance(each, BaseException)), results
        added = {home.id, *(each.id for each in results[:-1] if not isinstance(each, BaseException))}
        assert await _removed(identity, ada) == {id: ["address.purged"] for id in added}
        assert not await identity.db.pool.fetchval("select count(*) from addresses where user_id = $1", ada.id)


async def test_every_address_that_changes_during_the_purge_goes_once(identity: Identity) -> None:
    admin = await identity.admin()
    for _ in range(ROUNDS):
        ada = await identity.user()
        homes = [(await add_address(ada)).id for _ in range(3)]
        await delete_behind_their_back(identity, ada)

        results = await asyncio.gather(
            ada.client.UpdateAddress(UpdateAddressRequest(address=Address(id=homes[0], label="Cabin"))),
            ada.client.DeleteAddress(DeleteAddressRequest(id=homes[1])),
            ada.client.SetDefaultAddress(SetDefaultAddressRequest(id=homes[2])),
            purge(admin, ada),
            return_exceptions=True,
        )

        assert not isinstance(results[-1], BaseException), results[-1]
        assert all(isinstance(each, NotFound) for each in results if isinstance(each, BaseException)), results
        removed = await _removed(identity, ada)
        assert removed.keys() == set(homes)
        by_owner = "address.purged" if isinstance(results[1], BaseException) else "address.deleted"
        assert [removed[id] for id in homes] == [["address.purged"], [by_owner], ["address.purged"]]


async def _removed(identity: Identity, user: SignedIn) -> dict[str, list[str]]:
    """The actions of the records that tell of the end of each of a user's addresses."""
    rows = await identity.db.pool.fetch(
        "select record ->> 'id' as id, array_agg(record ->> 'action') as actions "
        "from outbox_events cross join jsonb_array_elements(records) record "
        "where record ->> 'entity' = 'Address' and record -> 'keys' ->> 'user_id' = $1 and not record ? 'after' "
        "group by 1",
        user.id,
    )
    return {row["id"]: row["actions"] for row in rows}
