"""Staff and services look accounts up."""

from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from lumi.identity.v1.auth_pb2 import SignUpRequest
from lumi.identity.v1.user_pb2 import BatchGetUsersRequest, ListUsersRequest, SuspendUserRequest, UserStatus

from lumi_common.cuid import cuid
from lumi_common.errors import InvalidArgument, PermissionDenied, Unimplemented
from services.identity.tests.kit import PASSWORD
from services.identity.tests.rpc.clients import Identity, SignedIn
from services.identity.tests.rpc.test_deleting_users import delete


async def made(identity: Identity, *locals: str, at: str = "") -> tuple[str, list[str]]:
    """A domain of its own and the ids of accounts there, in the order in which they were made."""
    domain = at or f"{cuid()}.example"
    ids = []
    for local in locals:
        request = SignUpRequest(email=f"{local}@{domain}", password=PASSWORD)
        ids.append((await identity.anybody.SignUp(request)).id)
    return domain, ids


async def listed(by: SignedIn, **filters: Any) -> list[str]:
    """The ids of every page."""
    ids: list[str] = []
    request = ListUsersRequest(**{"page_size": 2, **filters})
    while True:
        answer = await by.client.ListUsers(request)
        assert len(answer.users) <= request.page_size
        ids += [user.id for user in answer.users]
        if not answer.next_page_token:
            return ids
        request.page_token = answer.next_page_token


async def test_accounts_come_newest_first_in_pages(identity: Identity) -> None:
    staff, mark = await identity.staff("users.read"), cuid()
    _, ids = await made(identity, *(f"{mark}{n}" for n in range(5)))

    assert await listed(staff, email_prefix=mark) == ids[::-1]
    everybody = await listed(staff, page_size=1000)
    assert set(ids) <= set(everybody)
    assert everybody == sorted(everybody, reverse=True)


async def test_an_email_is_found_by_how_it_begins_in_any_case(identity: Identity) -> None:
    staff, mark = await identity.staff("users.read"), cuid()
    domain, [ada, adam, eve] = await made(identity, f"{mark}.Ada", f"{mark}.adam", f"{mark}.eve")

    assert await listed(staff, email_prefix=f"{mark.upper()}.aDa") == [adam, ada]
    assert await listed(staff, email_prefix=f"{mark}.ADA@{domain}") == [ada]
    assert await listed(staff, email_prefix=f"{mark}.") == [eve, adam, ada]
    assert await listed(staff, email_prefix=f"{mark}.b") == []


@pytest.mark.parametrize("wildcard", ["%", "_", "\\", "*", "?", ".", "'", '"', "' or '1'='1", "%%", "[a-z]", "||"])
async def test_wildcards_stand_for_themselves(identity: Identity, wildcard: str) -> None:
    staff, mark = await identity.staff("users.read"), cuid()
    await made(identity, f"{mark}a")

    assert await listed(staff, email_prefix=mark + wildcard) == []
    assert await listed(staff, email_prefix=wildcard + mark) == []
    assert await listed(staff, email_prefix=f" {mark}") == []


async def test_an_underscore_is_one(identity: Identity) -> None:
    staff, mark = await identity.staff("users.read"), cuid()
    _, [plain, underscored] = await made(identity, f"{mark}xa", f"{mark}_a")

    assert await listed(staff, email_prefix=f"{mark}_") == [underscored]
    assert await listed(staff, email_prefix=mark) == [underscored, plain]


async def test_accounts_are_found_by_status_and_deleted_ones_when_asked_for(identity: Identity) -> None:
    staff, mark = await identity.staff("users.read", "users.write"), cuid()
    domain, [active, suspended] = await made(identity, f"{mark}a", f"{mark}b")
    await staff.client.SuspendUser(SuspendUserRequest(id=suspended))
    gone = await identity.signed_in((await _add(identity, f"{mark}c@{domain}")), PASSWORD)
    await delete(staff, gone)

    assert await listed(staff, email_prefix=mark) == [suspended, active]
    assert await listed(staff, email_prefix=mark, include_deleted=True) == [gone.id, suspended, active]
    for status, expected in (("ACTIVE", [active]), ("SUSPENDED", [suspended]), ("DELETED", [gone.id])):
        number = UserStatus.Value(f"USER_STATUS_{status}")
        assert await listed(staff, email_prefix=mark, status=number, include_deleted=True) == expected
    assert await listed(staff, email_prefix=mark, status=UserStatus.USER_STATUS_DELETED) == []


async def _add(identity: Identity, email: str) -> str:
    await identity.anybody.SignUp(SignUpRequest(email=email, password=PASSWORD))
    return email


async def test_accounts_are_found_by_when_they_were_made(identity: Identity) -> None:
    staff, mark = await identity.staff("users.read"), cuid()
    _, ids = await made(identity, f"{mark}a", f"{mark}b", f"{mark}c")
    for day, id in enumerate(ids, 1):
        await identity.db.pool.execute(
            "update users set created_at = make_timestamptz(2020, 1, $1, 0, 0, 0, 'UTC'), updated_at = now() "
            "where id = $2",
            day,
            id,
        )
    second, third = (Timestamp(seconds=1577836800 + day * 86400) for day in (1, 2))

    assert await listed(staff, email_prefix=mark, start_time=second) == [ids[2], ids[1]]
    assert await listed(staff, email_prefix=mark, end_time=third) == [ids[1], ids[0]]
    assert await listed(staff, email_prefix=mark, start_time=second, end_time=third) == [ids[1]]


async def test_a_page_token_is_of_its_list(identity: Identity) -> None:
    staff, mark = await identity.staff("users.read"), cuid()
    await made(identity, f"{mark}a", f"{mark}b")
    token = (await staff.client.ListUsers(ListUsersRequest(page_size=1, email_prefix=mark))).next_page_token

    for other in (
        ListUsersRequest(page_token=token),
        ListUsersRequest(page_token=token, email_prefix=mark, include_deleted=True),
        ListUsersRequest(page_token="no such thing", email_prefix=mark),
    ):
        with pytest.raises(InvalidArgument, match="PAGE_TOKEN_INVALID"):
            await staff.client.ListUsers(other)


async def test_only_staff_look(identity: Identity) -> None:
    ada, writer = await identity.user(), await identity.staff("users.write")

    for caller in (ada, writer):
        with pytest.raises(PermissionDenied, match="PERMISSION_MISSING"):
            await caller.client.ListUsers(ListUsersRequest())
        with pytest.raises(Unimplemented):
            await caller.client.BatchGetUsers(BatchGetUsersRequest(ids=[ada.id]))


@pytest.mark.parametrize("service", ["orders", "payments", "catalogue", "marketing"])
async def test_services_get_the_accounts_that_there_are_in_their_order(identity: Identity, service: str) -> None:
    ada, bob, eve = [await identity.user() for _ in range(3)]
    staff = await identity.staff("users.write")
    await staff.client.SuspendUser(SuspendUserRequest(id=bob.id))
    await delete(eve, eve)

    answer = await identity.service(service).BatchGetUsers(BatchGetUsersRequest(ids=[eve.id, bob.id, cuid(), ada.id]))

    assert [(user.id, user.email) for user in answer.users] == [(bob.id, bob.email), (ada.id, ada.email)]


@pytest.mark.parametrize("ids", [[], ["c" + "0" * 24] * 2, [f"c{n:024}" for n in range(101)], ["x"]])
async def test_services_ask_for_a_bounded_number_once_each(identity: Identity, ids: list[str]) -> None:
    with pytest.raises(InvalidArgument, match="ids"):
        await identity.service("orders").BatchGetUsers(BatchGetUsersRequest(ids=ids))


async def test_other_services_are_refused(identity: Identity) -> None:
    with pytest.raises(PermissionDenied, match="SERVICE_NOT_ALLOWED"):
        await identity.service("identity").BatchGetUsers(BatchGetUsersRequest(ids=[cuid()]))
