"""Roles and the audit log, over the wire."""

import asyncio
from uuid import uuid4

import pytest
from lumi.identity.v1.access_pb2 import (
    AssignRoleRequest,
    GetEffectivePermissionsRequest,
    GetRoleRequest,
    ListPermissionsRequest,
    ListRolesRequest,
    UnassignRoleRequest,
)
from lumi.identity.v1.audit_pb2 import GetAuditLogRequest, GetEntityTimelineRequest, ListAuditLogsRequest

from lumi_common.cuid import cuid
from lumi_common.errors import InvalidArgument, LumiError, NotFound, PermissionDenied, Unauthenticated
from lumi_identity.domain.permissions import PERMISSIONS
from services.identity.tests.kit import PASSWORD
from services.identity.tests.rpc.clients import Identity, SignedIn


async def admin_role(admin: SignedIn) -> str:
    answer = await admin.client.ListRoles(ListRolesRequest(page_size=1000))
    return str(next(role.id for role in answer.roles if role.name == "admin"))


async def test_the_admin_reads_every_role_and_permission_in_pages(identity: Identity) -> None:
    admin = await identity.admin()
    keys: list[str] = []
    request = ListPermissionsRequest(page_size=4)
    while True:
        answer = await admin.client.ListPermissions(request)
        keys += [permission.key for permission in answer.permissions]
        if not answer.next_page_token:
            break
        request.page_token = answer.next_page_token
    role = await admin.client.GetRole(GetRoleRequest(id=await admin_role(admin)))

    assert len(keys) == len(set(keys))
    assert set(PERMISSIONS) <= set(keys)
    assert set(PERMISSIONS) <= set(role.permissions)
    assert list(role.permissions) == sorted(role.permissions)


async def test_a_role_is_given_and_taken_and_tokens_of_before_count_no_more(identity: Identity) -> None:
    admin, ada = await identity.admin(), await identity.user()
    role_id = await admin_role(admin)

    for _ in range(2):
        held = await admin.client.AssignRole(AssignRoleRequest(user_id=ada.id, role_id=role_id))
        assert list(held.roles) == ["admin"]

    with pytest.raises(Unauthenticated, match="TOKEN_INVALID"):
        await ada.client.ListRoles(ListRolesRequest())
    again = await identity.signed_in(ada.email, PASSWORD)
    assert (await again.client.ListRoles(ListRolesRequest())).roles

    for _ in range(2):
        held = await admin.client.UnassignRole(UnassignRoleRequest(user_id=ada.id, role_id=role_id))
        assert (list(held.roles), list(held.permissions)) == ([], [])
    rows = await identity.db.pool.fetch("select type from outbox_events where aggregate_id = $1 order by seq", ada.id)
    assert [row["type"] for row in rows] == ["user.signed_up", "user.role_assigned", "user.role_unassigned"]


async def test_a_repeat_of_a_request_is_answered_as_the_first(identity: Identity) -> None:
    admin, ada = await identity.admin(), await identity.user()
    role_id, request_id = await admin_role(admin), str(uuid4())
    request = AssignRoleRequest(user_id=ada.id, role_id=role_id, request_id=request_id)

    first = await admin.client.AssignRole(request)
    await admin.client.UnassignRole(UnassignRoleRequest(user_id=ada.id, role_id=role_id))

    assert await admin.client.AssignRole(request) == first
    assert not (await admin.client.GetEffectivePermissions(GetEffectivePermissionsRequest(user_id=ada.id))).roles


async def test_missing_users_and_roles_are_not_found(identity: Identity) -> None:
    admin, ada = await identity.admin(), await identity.user()
    role_id = await admin_role(admin)

    for user, role in ((cuid(), role_id), (ada.id, cuid())):
        with pytest.raises(NotFound):
            await admin.client.AssignRole(AssignRoleRequest(user_id=user, role_id=role))
        with pytest.raises(NotFound):
            await admin.client.UnassignRole(UnassignRoleRequest(user_id=user, role_id=role))


@pytest.mark.parametrize("each_other", [False, True], ids=["themselves", "each other"])
async def test_of_the_last_two_admins_who_are_taken_the_role_at_once_one_stays(
    identity: Identity, each_other: bool
) -> None:
    admin, ada = await identity.admin(), await identity.user()
    role_id = await admin_role(admin)
    await identity.db.pool.execute("delete from user_roles where role_id = $1 and user_id <> $2", role_id, admin.id)
    await admin.client.AssignRole(AssignRoleRequest(user_id=ada.id, role_id=role_id))
    ada = await identity.stepped_up(await identity.signed_in(ada.email, PASSWORD))
    pairs = [(admin, ada), (ada, admin)] if each_other else [(admin, admin), (ada, ada)]

    results = await asyncio.gather(
        *(by.client.UnassignRole(UnassignRoleRequest(user_id=user.id, role_id=role_id)) for by, user in pairs),
        return_exceptions=True,
    )

    [refusal] = [result for result in results if isinstance(result, LumiError)]
    assert refusal.reason in ({"PERMISSION_MISSING", "TOKEN_INVALID"} if each_other else {"LAST_ADMIN"})
    assert await identity.db.pool.fetchval("select count(*) from user_roles where role_id = $1", role_id) == 1
    await identity.db.pool.execute("delete from user_roles where role_id = $1", role_id)
    await identity.db.pool.execute("insert into user_roles (user_id, role_id) values ($1, $2)", admin.id, role_id)


async def test_what_one_may_do_is_for_oneself_and_staff(identity: Identity) -> None:
    ada, bob, admin = await identity.user(), await identity.user(), await identity.admin()
    of_ada = GetEffectivePermissionsRequest(user_id=ada.id)

    assert (await ada.client.GetEffectivePermissions(of_ada)).user_id == ada.id
    assert (await admin.client.GetEffectivePermissions(of_ada)).user_id == ada.id
    answers = set()
    for id in (ada.id, cuid()):
        with pytest.raises(NotFound) as refusal:
            await bob.client.GetEffectivePermissions(GetEffectivePermissionsRequest(user_id=id))
        answers.add((refusal.value.reason, refusal.value.message))
    assert len(answers) == 1


async def test_the_audit_log_is_read_by_whoever_may(identity: Identity) -> None:
    ada, admin, id = await identity.user(), await identity.admin(), cuid()
    await identity.db.pool.execute(
        "insert into audit_logs (id, actor_type, action, entity, entity_id, before, after) "
        "values ($1, 'user', 'order.paid', 'Order', $1, $2, $3)",
        id,
        {"status": "PENDING"},
        {"status": "PAID", "total_amount": 12.5, "lines": [1, None]},
    )

    [log] = (await admin.client.GetEntityTimeline(GetEntityTimelineRequest(entity="Order", entity_id=id))).audit_logs

    assert await admin.client.GetAuditLog(GetAuditLogRequest(id=id)) == log
    assert (log.before["status"], log.after["status"], log.after["total_amount"]) == ("PENDING", "PAID", "12.5")
    newest = await admin.client.ListAuditLogs(ListAuditLogsRequest(page_size=1, action="order.paid"))
    assert list(newest.audit_logs) == [log]
    for call in (
        ada.client.ListAuditLogs(ListAuditLogsRequest()),
        ada.client.GetAuditLog(GetAuditLogRequest(id=id)),
        ada.client.GetEntityTimeline(GetEntityTimelineRequest(entity="Order", entity_id=id)),
    ):
        with pytest.raises(PermissionDenied):
            await call
    with pytest.raises(InvalidArgument, match="PAGE_TOKEN_INVALID"):
        await admin.client.ListAuditLogs(ListAuditLogsRequest(page_token="not one of ours"))
