"""An account is deleted, brought back and purged, over the wire."""

import asyncio
from time import monotonic
from typing import Any
from uuid import uuid4

import pytest
from google.protobuf.empty_pb2 import Empty
from lumi.common.v1.address_pb2 import PostalAddress
from lumi.identity.v1.access_pb2 import AssignRoleRequest, ListRolesRequest
from lumi.identity.v1.address_pb2 import Address, CreateAddressRequest, ListAddressesRequest
from lumi.identity.v1.auth_pb2 import ListRevocationsRequest, RefreshTokenRequest, SignInRequest, SignUpRequest
from lumi.identity.v1.user_pb2 import (
    DeleteUserRequest,
    GetMeRequest,
    GetUserRequest,
    PurgeUserRequest,
    UndeleteUserRequest,
    UserStatus,
)

from lumi_common.cuid import cuid
from lumi_common.errors import (
    Aborted,
    AlreadyExists,
    FailedPrecondition,
    NotFound,
    PermissionDenied,
    Unauthenticated,
)
from lumi_local.postgres import PostgresServer
from services.identity.tests.kit import PASSWORD, an_email, outbox_of, security_events_of
from services.identity.tests.rpc.clients import Identity, SignedIn
from services.identity.tests.rpc.conftest import running

HOME = PostalAddress(full_name="Ada Lovelace", line1="1 Main St", city="London", postal_code="N1", country="GB")
# What goes with a user, by table; the rest of what names them stays and names nobody.
GOING = ("user_sessions", "addresses", "user_roles", "user_permissions", "recovery_codes", "one_time_tokens")


async def delete(by: SignedIn, user: SignedIn, **facts: Any) -> Any:
    return await by.client.DeleteUser(DeleteUserRequest(id=user.id, **facts))


async def undelete(by: SignedIn, user: SignedIn, **facts: Any) -> Any:
    return await by.client.UndeleteUser(UndeleteUserRequest(id=user.id, **facts))


async def purge(by: SignedIn, user: SignedIn, **facts: Any) -> Any:
    return await by.client.PurgeUser(PurgeUserRequest(id=user.id, **facts))


async def add_address(user: SignedIn) -> Any:
    return await user.client.CreateAddress(CreateAddressRequest(address=Address(postal_address=HOME)))


async def refreshed(identity: Identity, tokens: Any) -> Any:
    return await identity.anybody.RefreshToken(RefreshTokenRequest(refresh_token=tokens.refresh_token))


async def seen_by_staff(staff: SignedIn, user: SignedIn) -> Any:
    return await staff.client.GetUser(GetUserRequest(id=user.id, include_deleted=True))


async def told(identity: Identity, user: SignedIn) -> list[str]:
    return [row["type"] for row in await outbox_of(identity.db, user.id)]


async def suspend(identity: Identity, user: SignedIn) -> None:
    await identity.db.pool.execute("update users set status = 'SUSPENDED', updated_at = now() where id = $1", user.id)


async def admins_role(admin: SignedIn) -> str:
    answer = await admin.client.ListRoles(ListRolesRequest(page_size=1000))
    return str(next(role.id for role in answer.roles if role.name == "admin"))


async def test_an_owner_deletes_their_account_and_it_is_hidden(identity: Identity) -> None:
    ada, admin = await identity.user(), await identity.admin()

    deleted = await delete(ada, ada)

    assert (deleted.status, deleted.etag) == (UserStatus.USER_STATUS_DELETED, "2")
    assert deleted.HasField("delete_time")
    for call in (admin.client.GetUser(GetUserRequest(id=ada.id)), delete(admin, ada)):
        with pytest.raises(NotFound):
            await call
    for own in (ada.client.GetMe(GetMeRequest()), add_address(ada), delete(ada, ada)):
        with pytest.raises(Unauthenticated, match="TOKEN_INVALID"):
            await own
    assert await seen_by_staff(admin, ada) == deleted


async def test_who_deleted_their_account_signs_in_no_more_and_is_told_what_anybody_is(identity: Identity) -> None:
    ada = await identity.user()
    await delete(ada, ada)

    answers = set()
    for email, password in ((ada.email, PASSWORD), (ada.email, "wrong"), (an_email(), PASSWORD)):
        with pytest.raises(Unauthenticated) as refusal:
            await identity.anybody.SignIn(SignInRequest(email=email, password=password))
        answers.add((refusal.value.reason, refusal.value.message, str(refusal.value.facts)))

    assert len(answers) == 1
    with pytest.raises(AlreadyExists, match="EMAIL_TAKEN"):
        await identity.anybody.SignUp(SignUpRequest(email=ada.email.upper(), password=PASSWORD))


async def test_deleting_ends_every_session_and_is_written_down(identity: Identity) -> None:
    ada = await identity.user()
    sessions = [ada, await identity.signed_in(ada.email, PASSWORD)]

    await delete(ada, ada)

    for session in sessions:
        with pytest.raises(Unauthenticated, match="REFRESH_TOKEN_INVALID"):
            await refreshed(identity, session.tokens)
    assert (await security_events_of(identity.db, ada.id))[-1] == "account_deleted"
    [record] = (await outbox_of(identity.db, ada.id))[-1]["records"]
    assert (record["action"], record["before"]) == ("user.deleted", {"status": "ACTIVE"})
    assert record["after"].keys() == {"status", "status_before_deletion", "deleted_at"}


async def test_an_account_without_a_session_has_its_event_too(identity: Identity) -> None:
    ada, admin = await identity.user(), await identity.admin()
    await identity.db.pool.execute("delete from user_sessions where user_id = $1", ada.id)

    await delete(admin, ada)

    assert (await security_events_of(identity.db, ada.id))[-1] == "account_deleted"


async def test_anothers_account_is_staffs_to_delete_and_missing_to_everybody_else(identity: Identity) -> None:
    ada, bob, admin = await identity.user(), await identity.user(), await identity.admin()

    answers = set()
    for id in (ada.id, cuid()):
        with pytest.raises(NotFound) as refusal:
            await bob.client.DeleteUser(DeleteUserRequest(id=id))
        answers.add((refusal.value.reason, refusal.value.message))
    assert len(answers) == 1

    assert (await delete(admin, ada)).status == UserStatus.USER_STATUS_DELETED
    for call in (undelete(bob, ada), purge(bob, ada)):
        with pytest.raises(PermissionDenied):
            await call


async def test_a_stale_etag_is_refused_and_changes_nothing(identity: Identity) -> None:
    ada, admin = await identity.user(), await identity.admin()

    with pytest.raises(Aborted, match="ETAG_MISMATCH"):
        await delete(ada, ada, etag="7")
    assert (await refreshed(identity, ada.tokens)).tokens.access_token

    deleted = await delete(admin, ada, etag="1")
    for change in (undelete, purge):
        with pytest.raises(Aborted, match="ETAG_MISMATCH"):
            await change(admin, ada, etag="1")
    assert (await undelete(admin, ada, etag=deleted.etag)).etag == "3"
    assert await told(identity, ada) == ["user.signed_up", "user.deleted", "user.undeleted"]


async def test_a_deleted_account_comes_back_and_its_owner_signs_in_anew(identity: Identity) -> None:
    ada, admin = await identity.user(), await identity.admin()
    home = await add_address(ada)
    await delete(ada, ada)

    back = await undelete(admin, ada)

    assert back.status == UserStatus.USER_STATUS_ACTIVE
    assert not back.HasField("delete_time")
    with pytest.raises(Unauthenticated, match="REFRESH_TOKEN_INVALID"):
        await refreshed(identity, ada.tokens)
    again = await identity.signed_in(ada.email, PASSWORD)
    assert again.id == ada.id
    assert list((await again.client.ListAddresses(ListAddressesRequest())).addresses) == [home]
    assert (await security_events_of(identity.db, ada.id))[-2:] == ["account_undeleted", "signed_in"]


async def test_a_suspended_account_comes_back_suspended(identity: Identity) -> None:
    ada, admin = await identity.user(), await identity.admin()
    await suspend(identity, ada)
    await delete(admin, ada)

    back = await undelete(admin, ada)

    assert back.status == UserStatus.USER_STATUS_SUSPENDED
    with pytest.raises(FailedPrecondition, match="USER_SUSPENDED"):
        await identity.signed_in(ada.email, PASSWORD)


async def test_an_account_that_is_not_deleted_stays_as_it_is(identity: Identity) -> None:
    ada, admin = await identity.user(), await identity.admin()

    assert await undelete(admin, ada) == await ada.client.GetMe(GetMeRequest())
    with pytest.raises(FailedPrecondition, match="USER_NOT_DELETED"):
        await purge(admin, ada)

    assert await told(identity, ada) == ["user.signed_up"]
    assert (await refreshed(identity, ada.tokens)).tokens.access_token


async def test_after_thirty_days_an_account_can_only_be_purged(identity: Identity) -> None:
    ada, bob, admin = await identity.user(), await identity.user(), await identity.admin()
    for user, ago in ((ada, "30 days 1 minute"), (bob, "29 days 23 hours")):
        await delete(user, user)
        await identity.db.pool.execute(
            f"update users set deleted_at = now() - interval '{ago}', updated_at = now() where id = $1", user.id
        )

    with pytest.raises(FailedPrecondition) as refusal:
        await undelete(admin, ada)
    assert (refusal.value.reason, refusal.value.facts) == ("UNDELETE_TOO_LATE", {"days": "30"})
    assert (await seen_by_staff(admin, ada)).status == UserStatus.USER_STATUS_DELETED

    assert (await undelete(admin, bob)).status == UserStatus.USER_STATUS_ACTIVE
    assert await purge(admin, ada) == Empty()


async def test_missing_accounts_are_not_found(identity: Identity) -> None:
    admin = await identity.admin()
    nobody = admin._replace(id=cuid())

    for change in (delete, undelete, purge):
        with pytest.raises(NotFound):
            await change(admin, nobody)


async def test_a_purged_account_is_gone_with_all_that_was_its_own(identity: Identity) -> None:
    ada, admin = await identity.user(), await identity.admin()
    homes = {(await add_address(ada)).id for _ in range(3)}
    await admin.client.AssignRole(AssignRoleRequest(user_id=ada.id, role_id=await admins_role(admin)))
    for statement in (
        "insert into user_permissions (user_id, permission_id) select $1, min(id) from permissions",
        "insert into recovery_codes (id, user_id, code_hash) values ($1, $1, 'x')",
        "insert into one_time_tokens (id, user_id, purpose, token_hash, expires_at) values ($1, $1, 'x', $1, now())",
    ):
        await identity.db.pool.execute(statement, ada.id)
    for table in GOING:
        assert await identity.db.pool.fetchval(f"select count(*) from {table} where user_id = $1", ada.id), table
    await delete(admin, ada)

    await purge(admin, ada)

    for table in GOING:
        assert not await identity.db.pool.fetchval(f"select count(*) from {table} where user_id = $1", ada.id), table
    for call in (seen_by_staff(admin, ada), undelete(admin, ada), purge(admin, ada)):
        with pytest.raises(NotFound):
            await call
    row = (await outbox_of(identity.db, ada.id))[-1]
    assert (row["type"], row["version"]) == ("user.purged", 4)
    records = {record["id"]: record for record in row["records"]}
    assert len(records) == len(row["records"])
    assert {id: record["action"] for id, record in records.items()} == {
        ada.id: "user.purged",
        **dict.fromkeys(homes, "address.purged"),
    }
    assert all("before" in record and "after" not in record and record["audit"] for record in records.values())
    assert (await identity.anybody.SignUp(SignUpRequest(email=ada.email, password=PASSWORD))).id != ada.id


async def test_what_a_purged_user_did_stays_without_them_and_where_they_were(identity: Identity) -> None:
    ada, bob, admin = await identity.user(), await identity.user(), await identity.admin()
    filed = {}
    for user in (ada, bob):
        filed[user.id] = cuid()
        await identity.db.pool.execute(
            "insert into audit_logs (id, user_id, actor_type, action, entity, entity_id, ip_address, user_agent) "
            "values ($1, $2, 'user', 'order.placed', 'Order', $1, '192.0.2.7', 'a browser')",
            filed[user.id],
            user.id,
        )
        await identity.db.pool.execute(
            "update security_events set ip_address = '192.0.2.7', user_agent = 'a browser', updated_at = now() "
            "where user_id = $1",
            user.id,
        )
    events = await identity.db.pool.fetch("select id from security_events where user_id = $1", ada.id)
    await delete(ada, ada)

    await purge(admin, ada)

    log = await identity.db.pool.fetchrow("select * from audit_logs where id = $1", filed[ada.id])
    assert (log["user_id"], log["ip_address"], log["user_agent"]) == (None, None, None)
    assert (log["actor_type"], log["action"], log["entity_id"]) == ("user", "order.placed", filed[ada.id])
    rows = await identity.db.pool.fetch(
        "select type, user_id, ip_address, user_agent from security_events where id = any($1)",
        [row["id"] for row in events],
    )
    assert {tuple(row) for row in rows} == {(type, None, None, None) for type in ("signed_up", "signed_in")}
    log = await identity.db.pool.fetchrow("select * from audit_logs where id = $1", filed[bob.id])
    assert (log["user_id"], log["ip_address"], log["user_agent"]) == (bob.id, "192.0.2.7", "a browser")
    rows = await identity.db.pool.fetch("select ip_address from security_events where user_id = $1", bob.id)
    assert {row["ip_address"] for row in rows} == {"192.0.2.7"}


async def test_a_repeat_of_a_request_is_answered_as_the_first(identity: Identity) -> None:
    ada, admin = await identity.user(), await identity.admin()
    ids = [str(uuid4()) for _ in range(3)]

    deleted = await delete(admin, ada, request_id=ids[0])
    assert await delete(admin, ada, request_id=ids[0]) == deleted
    back = await undelete(admin, ada, request_id=ids[1])
    assert await undelete(admin, ada, request_id=ids[1]) == back
    assert await delete(admin, ada, request_id=ids[0]) == deleted
    assert (await seen_by_staff(admin, ada)).status == UserStatus.USER_STATUS_ACTIVE
    await delete(admin, ada)
    for _ in range(2):
        assert await purge(admin, ada, request_id=ids[2]) == Empty()

    assert await told(identity, ada) == [
        "user.signed_up", "user.deleted", "user.undeleted", "user.deleted", "user.purged",
    ]  # fmt: skip


async def test_the_last_admin_stays(identity: Identity) -> None:
    admin, ada = await identity.admin(), await identity.user()
    role_id = await admins_role(admin)
    await identity.db.pool.execute("delete from user_roles where role_id = $1 and user_id <> $2", role_id, admin.id)

    with pytest.raises(FailedPrecondition, match="LAST_ADMIN"):
        await delete(admin, admin)

    await admin.client.AssignRole(AssignRoleRequest(user_id=ada.id, role_id=role_id))
    await delete(admin, ada)
    with pytest.raises(FailedPrecondition, match="LAST_ADMIN"):  # a deleted one is none
        await delete(admin, admin)
    assert (await admin.client.GetMe(GetMeRequest())).status == UserStatus.USER_STATUS_ACTIVE
    await purge(admin, ada)


async def test_a_purge_waits_until_every_process_has_heard_of_the_deletion(server: PostgresServer) -> None:
    async with running(server, "", purge_settle_seconds=0.5) as identity:
        ada, admin = await identity.user(), await identity.admin()
        orders = identity.service("orders")
        began = monotonic()
        await delete(admin, ada)
        purging = asyncio.create_task(purge(admin, ada))

        told = await orders.ListRevocations(ListRevocationsRequest())

        assert ada.id in {each.id for each in told.revocations}
        await purging
        assert monotonic() - began >= 0.5
