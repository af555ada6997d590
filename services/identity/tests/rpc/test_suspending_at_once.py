"""An account is suspended while something else is done with it."""

import asyncio
from typing import Any

import pytest
from lumi.identity.v1.access_pb2 import AssignRoleRequest
from lumi.identity.v1.auth_pb2 import SignInRequest
from lumi.identity.v1.user_pb2 import GetMeRequest, UserStatus

from lumi_common.errors import Aborted, FailedPrecondition, LumiError, Unauthenticated
from lumi_local.postgres import PostgresServer
from services.identity.tests.kit import PASSWORD, another, security_events_of, until_waiting
from services.identity.tests.rpc.clients import Identity
from services.identity.tests.rpc.test_changing_accounts import update_me
from services.identity.tests.rpc.test_deleting_at_once import live_sessions
from services.identity.tests.rpc.test_deleting_users import admins_role, delete, refreshed, seen_by_staff, told
from services.identity.tests.rpc.test_suspending_users import failures, reactivate, suspend, unlock

ROUNDS = 3


async def test_whoever_signs_in_or_on_while_they_are_suspended_has_no_session_after(identity: Identity) -> None:
    staff = await identity.staff("users.write")
    for _ in range(ROUNDS):
        ada = await identity.user()
        sessions = [ada, *[await identity.signed_in(ada.email, PASSWORD) for _ in range(12)]]

        # Not more sign-ins at once than one source may fail at; two with each refresh token, as after a lost answer.
        results = await asyncio.gather(
            *(identity.anybody.SignIn(SignInRequest(email=ada.email, password=PASSWORD)) for _ in range(4)),
            *(refreshed(identity, session.tokens) for session in sessions for _ in range(2)),
            suspend(staff, ada),
            return_exceptions=True,
        )

        *begun, suspended = results
        assert not isinstance(suspended, BaseException), suspended
        assert suspended.status == UserStatus.USER_STATUS_SUSPENDED
        refused = [each for each in begun if isinstance(each, BaseException)]
        assert all(
            isinstance(each, Unauthenticated)
            or (isinstance(each, FailedPrecondition) and each.reason == "USER_SUSPENDED")
            for each in refused
        ), refused
        assert await live_sessions(identity, ada) == 0
        for answer in begun:
            if isinstance(answer, BaseException):
                continue
            with pytest.raises(Unauthenticated, match="REFRESH_TOKEN_INVALID"):
                await refreshed(identity, answer.tokens)
            with pytest.raises(Unauthenticated, match="TOKEN_INVALID"):
                await identity.holder_of(answer.tokens.access_token).GetMe(GetMeRequest())


async def test_a_sign_in_that_waits_for_a_suspension_fails(identity: Identity, server: PostgresServer) -> None:
    ada = await identity.user()
    async with another(server) as tx:
        await tx.execute("update users set status = 'SUSPENDED', updated_at = now() where id = $1", ada.id)
        sign_in = asyncio.create_task(identity.signed_in(ada.email, PASSWORD))
        await until_waiting(identity.db, "the sign-in waits for the user's row", unless=sign_in)

    with pytest.raises(LumiError) as refusal:
        await sign_in
    assert refusal.value.reason in ("CREDENTIALS_INVALID", "USER_SUSPENDED")
    assert await identity.db.pool.fetchval("select count(*) from user_sessions where user_id = $1", ada.id) == 1


async def test_of_many_who_suspend_an_account_at_once_one_does(identity: Identity) -> None:
    ada, staff = await identity.user(), await identity.staff("users.write")

    results = await asyncio.gather(*(suspend(staff, ada) for _ in range(8)))

    assert all(result == results[0] for result in results)
    assert await told(identity, ada) == ["user.signed_up", "user.suspended"]
    assert (await security_events_of(identity.db, ada.id)).count("account_suspended") == 1


@pytest.mark.parametrize("leave", [suspend, delete])
async def test_of_two_staff_who_suspend_the_last_two_admins_at_once_one_stays(identity: Identity, leave: Any) -> None:
    admin = await identity.admin()
    role_id = await admins_role(admin)
    staff = [await identity.staff("users.read", "users.write") for _ in range(2)]
    for _ in range(ROUNDS):
        ada = await identity.user()
        await identity.db.pool.execute("delete from user_roles where role_id = $1 and user_id <> $2", role_id, admin.id)
        await identity.db.pool.execute("insert into user_roles (user_id, role_id) values ($1, $2)", ada.id, role_id)

        results = await asyncio.gather(suspend(staff[0], admin), leave(staff[1], ada), return_exceptions=True)

        refused = [each for each in results if isinstance(each, BaseException)]
        assert [getattr(each, "reason", each) for each in refused] == ["LAST_ADMIN"], results
        left = [await seen_by_staff(staff[0], each) for each in (admin, ada)]
        assert sum(user.status == UserStatus.USER_STATUS_ACTIVE for user in left) == 1
        await reactivate(staff[0], admin)


async def test_of_the_last_two_admins_the_second_waits_for_the_first(
    identity: Identity, server: PostgresServer
) -> None:
    admin, ada = await identity.admin(), await identity.user()
    role_id = await admins_role(admin)
    staff = await identity.staff("users.write")
    await identity.db.pool.execute("delete from user_roles where role_id = $1 and user_id <> $2", role_id, admin.id)
    await identity.db.pool.execute("insert into user_roles (user_id, role_id) values ($1, $2)", ada.id, role_id)
    async with another(server) as tx:
        await tx.execute("select from users where id = $1 for update", ada.id)
        first = asyncio.create_task(suspend(staff, ada))
        await until_waiting(identity.db, "the first waits for the user's row")
        second = asyncio.create_task(suspend(staff, admin))
        await until_waiting(identity.db, "the second waits for the first", callers=2, unless=second)

    assert (await first).status == UserStatus.USER_STATUS_SUSPENDED
    with pytest.raises(FailedPrecondition, match="LAST_ADMIN"):
        await second


async def test_an_active_admin_is_left_when_the_role_is_given_while_both_are_suspended(identity: Identity) -> None:
    admin, ada = await identity.admin(), await identity.user()
    role_id, staff = await admins_role(admin), await identity.staff("users.write")
    await identity.db.pool.execute("delete from user_roles where role_id = $1 and user_id <> $2", role_id, admin.id)

    results = await asyncio.gather(
        admin.client.AssignRole(AssignRoleRequest(user_id=ada.id, role_id=role_id)),
        suspend(staff, ada),
        suspend(staff, admin),
        return_exceptions=True,
    )

    assert not isinstance(results[0], BaseException), results
    active = await identity.db.pool.fetchval(
        "select count(*) from users join user_roles on user_id = users.id where role_id = $1 and status = 'ACTIVE'",
        role_id,
    )
    assert active >= 1, results
    await reactivate(staff, admin)


async def test_a_change_and_a_suspension_at_once_are_both_made_or_one_is_told(identity: Identity) -> None:
    staff = await identity.staff("users.read", "users.write")
    for _ in range(ROUNDS):
        ada = await identity.user()

        results = await asyncio.gather(
            update_me(ada, first_name="Ada", etag="1"), suspend(staff, ada, etag="1"), return_exceptions=True
        )

        refused = [each for each in results if isinstance(each, BaseException)]
        assert len(refused) == 1, results
        assert isinstance(refused[0], (Aborted, Unauthenticated)), refused
        assert len(await told(identity, ada)) == 2


async def test_failures_are_forgiven_while_others_fail_and_nobody_is_in_the_way(identity: Identity) -> None:
    ada, staff = await identity.user(), await identity.staff("users.write")
    for _ in range(10):
        results = await asyncio.gather(
            *(
                call
                for _ in range(4)
                for call in (
                    identity.anybody.SignIn(SignInRequest(email=ada.email, password="wrong")),
                    unlock(staff, ada),
                )
            ),
            return_exceptions=True,
        )

        refused = {getattr(each, "reason", each) for each in results if isinstance(each, BaseException)}
        assert refused <= {"CREDENTIALS_INVALID", "TOO_MANY_ATTEMPTS"}, results

    await unlock(staff, ada)
    assert await failures(identity, ada) == 0
    assert (await identity.signed_in(ada.email, PASSWORD)).id == ada.id
