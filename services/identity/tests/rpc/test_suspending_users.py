"""Staff keep somebody out, let them in again, and forgive them their failed sign-ins."""

from typing import Any
from uuid import uuid4

import pytest
from lumi.identity.v1.access_pb2 import AssignRoleRequest
from lumi.identity.v1.auth_pb2 import SignInRequest
from lumi.identity.v1.user_pb2 import (
    GetMeRequest,
    GetUserRequest,
    ReactivateUserRequest,
    SuspendUserRequest,
    UnlockUserRequest,
    UserStatus,
)

from lumi_common.cuid import cuid
from lumi_common.errors import Aborted, FailedPrecondition, LumiError, NotFound, PermissionDenied, Unauthenticated
from services.identity.tests.kit import PASSWORD, outbox_of
from services.identity.tests.rpc.clients import Identity, SignedIn
from services.identity.tests.rpc.test_deleting_users import admins_role, delete, refreshed, told, undelete


async def suspend(by: SignedIn, user: SignedIn, **facts: Any) -> Any:
    return await by.client.SuspendUser(SuspendUserRequest(id=user.id, **facts))


async def reactivate(by: SignedIn, user: SignedIn, **facts: Any) -> Any:
    return await by.client.ReactivateUser(ReactivateUserRequest(id=user.id, **facts))


async def unlock(by: SignedIn, user: SignedIn, **facts: Any) -> Any:
    return await by.client.UnlockUser(UnlockUserRequest(id=user.id, **facts))


async def fail_to_sign_in(identity: Identity, user: SignedIn, times: int = 1) -> None:
    for _ in range(times):
        with pytest.raises(LumiError):
            await identity.anybody.SignIn(SignInRequest(email=user.email, password="wrong"))


async def failures(identity: Identity, user: SignedIn) -> int:
    return int(await identity.db.pool.fetchval("select failed_login_count from users where id = $1", user.id))


async def test_who_is_suspended_has_no_session_and_gets_none(identity: Identity) -> None:
    ada, staff = await identity.user(), await identity.staff("users.write")
    sessions = [ada, await identity.signed_in(ada.email, PASSWORD)]

    suspended = await suspend(staff, ada)

    assert (suspended.status, suspended.etag) == (UserStatus.USER_STATUS_SUSPENDED, "2")
    for session in sessions:
        with pytest.raises(Unauthenticated, match="REFRESH_TOKEN_INVALID"):
            await refreshed(identity, session.tokens)
        with pytest.raises(Unauthenticated, match="TOKEN_INVALID"):
            await session.client.GetMe(GetMeRequest())
    with pytest.raises(FailedPrecondition, match="USER_SUSPENDED"):
        await identity.signed_in(ada.email, PASSWORD)
    with pytest.raises(Unauthenticated, match="CREDENTIALS_INVALID"):
        await identity.signed_in(ada.email, "wrong")
    assert not await identity.db.pool.fetchval(
        "select count(*) from user_sessions where user_id = $1 and revoked_at is null", ada.id
    )


async def test_who_is_reactivated_signs_in_anew(identity: Identity) -> None:
    ada, staff = await identity.user(), await identity.staff("users.write")
    await suspend(staff, ada)

    back = await reactivate(staff, ada)

    assert (back.status, back.etag) == (UserStatus.USER_STATUS_ACTIVE, "3")
    with pytest.raises(Unauthenticated, match="REFRESH_TOKEN_INVALID"):
        await refreshed(identity, ada.tokens)
    again = await identity.signed_in(ada.email, PASSWORD)
    assert (await again.client.GetMe(GetMeRequest())).etag == "3"


async def test_each_change_is_recorded_once_and_says_by_whom_and_from_where(identity: Identity) -> None:
    ada, staff = await identity.user(), await identity.staff("users.write")
    await fail_to_sign_in(identity, ada)

    for change in (suspend, suspend, reactivate, reactivate, unlock, unlock):
        await change(staff, ada)

    rows = (await outbox_of(identity.db, ada.id))[1:]
    assert [row["type"] for row in rows] == ["user.suspended", "user.reactivated", "user.unlocked"]
    for row in rows:
        assert row["headers"]["actor_id"] == staff.id
        assert row["headers"]["user_agent"].startswith("grpc")
    records = [row["records"][0] for row in rows]
    assert (records[0]["before"], records[0]["after"]) == ({"status": "ACTIVE"}, {"status": "SUSPENDED"})
    assert (records[1]["before"], records[1]["after"]) == ({"status": "SUSPENDED"}, {"status": "ACTIVE"})
    assert (records[2]["before"]["failed_login_count"], records[2]["after"]["failed_login_count"]) == (1, 0)
    events = await identity.db.pool.fetch(
        "select * from security_events where user_id = $1 and payload ->> 'by' = $2 order by id", ada.id, staff.id
    )
    assert [event["type"] for event in events] == ["account_suspended", "account_reactivated", "account_unlocked"]
    for event in events:
        assert event["user_agent"].startswith("grpc")


async def test_what_is_so_already_stays_as_it_is(identity: Identity) -> None:
    ada, staff = await identity.user(), await identity.staff("users.read", "users.write")
    seen = await staff.client.GetUser(GetUserRequest(id=ada.id))

    assert await reactivate(staff, ada, etag="1") == seen
    assert await unlock(staff, ada, etag="1") == seen
    suspended = await suspend(staff, ada, etag="1")
    assert await suspend(staff, ada) == suspended
    assert await told(identity, ada) == ["user.signed_up", "user.suspended"]


async def test_whoever_is_unlocked_has_failed_at_nothing(identity: Identity) -> None:
    ada, staff = await identity.user(), await identity.staff("users.write")
    await fail_to_sign_in(identity, ada, 7)
    assert await failures(identity, ada) > 0
    with pytest.raises(LumiError):
        await identity.signed_in(ada.email, PASSWORD)

    unlocked = await unlock(staff, ada)

    assert unlocked.etag == "2"
    assert await failures(identity, ada) == 0
    assert (await identity.signed_in(ada.email, PASSWORD)).id == ada.id


@pytest.mark.parametrize("change", [suspend, reactivate, unlock])
async def test_a_change_of_another_version_is_refused(identity: Identity, change: Any) -> None:
    ada, staff = await identity.user(), await identity.staff("users.write")
    await fail_to_sign_in(identity, ada)

    with pytest.raises(Aborted, match="ETAG_MISMATCH"):
        await change(staff, ada, etag="7")

    assert await told(identity, ada) == ["user.signed_up"]


@pytest.mark.parametrize("change", [suspend, reactivate, unlock])
async def test_only_staff_change_the_standing_of_an_account(identity: Identity, change: Any) -> None:
    ada, bob, reader = await identity.user(), await identity.user(), await identity.staff("users.read")

    for caller in (ada, bob, reader):
        with pytest.raises(PermissionDenied, match="PERMISSION_MISSING"):
            await change(caller, ada)


@pytest.mark.parametrize("change", [suspend, reactivate, unlock])
async def test_an_account_that_is_deleted_is_missing(identity: Identity, change: Any) -> None:
    ada, staff = await identity.user(), await identity.staff("users.write")
    await delete(ada, ada)

    for id in (ada.id, cuid()):
        with pytest.raises(NotFound) as refusal:
            await change(staff, ada._replace(id=id))
        assert refusal.value.facts["entity"] == "User"
    back = await undelete(staff, ada)
    assert back.status == UserStatus.USER_STATUS_ACTIVE


async def test_a_repeat_of_a_request_is_answered_as_the_first(identity: Identity) -> None:
    ada, staff = await identity.user(), await identity.staff("users.write")
    await fail_to_sign_in(identity, ada)
    calls = [(change, str(uuid4())) for change in (suspend, reactivate, unlock)]

    answers = [await change(staff, ada, request_id=id) for change, id in calls]

    assert [await change(staff, ada, request_id=id) for change, id in calls] == answers
    assert await told(identity, ada) == ["user.signed_up", "user.suspended", "user.reactivated", "user.unlocked"]


async def test_the_last_admin_is_not_suspended(identity: Identity) -> None:
    admin, ada = await identity.admin(), await identity.user()
    role_id = await admins_role(admin)
    await identity.db.pool.execute("delete from user_roles where role_id = $1 and user_id <> $2", role_id, admin.id)

    with pytest.raises(FailedPrecondition, match="LAST_ADMIN"):
        await suspend(admin, admin)

    await admin.client.AssignRole(AssignRoleRequest(user_id=ada.id, role_id=role_id))
    await suspend(admin, ada)
    with pytest.raises(FailedPrecondition, match="LAST_ADMIN"):  # a suspended one is none
        await suspend(admin, admin)
    assert (await admin.client.GetMe(GetMeRequest())).status == UserStatus.USER_STATUS_ACTIVE
    await delete(admin, ada)
