"""What happened to the safety of accounts, as staff and owners see it."""

from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from lumi.identity.v1.auth_pb2 import CreateGuestSessionRequest, SignInRequest, SignOutRequest
from lumi.identity.v1.security_event_pb2 import ListSecurityEventsRequest

from lumi_common.errors import InvalidArgument, LumiError, Unauthenticated
from services.identity.tests.kit import PASSWORD, an_email
from services.identity.tests.rpc.clients import Client, Identity
from services.identity.tests.rpc.test_changing_accounts import update, update_me
from services.identity.tests.rpc.test_suspending_users import reactivate, suspend


async def listed(client: Client, **filters: Any) -> list[Any]:
    """The events of every page."""
    events: list[Any] = []
    request = ListSecurityEventsRequest(**{"page_size": 2, **filters})
    while True:
        answer = await client.ListSecurityEvents(request)
        assert len(answer.security_events) <= request.page_size
        events += answer.security_events
        if not answer.next_page_token:
            return events
        request.page_token = answer.next_page_token


def types(events: list[Any]) -> list[str]:
    return [event.type for event in events]


async def test_an_owner_sees_what_happened_to_their_account_newest_first(identity: Identity) -> None:
    ada = await identity.user()
    await update_me(ada, first_name="Ada")
    with pytest.raises(LumiError):
        await identity.signed_in(ada.email, "wrong")

    events = await listed(ada.client)

    assert types(events) == ["sign_in_failed", "account_updated", "signed_in", "signed_up"]
    assert {event.user_id for event in events} == {ada.id}
    assert dict(events[1].payload) == {"fields": ["first_name"]}
    assert dict(events[2].payload) == {"session_id": ada.tokens.session_id}
    for event in events:
        assert event.user_agent.startswith("grpc")
        assert event.HasField("create_time")


async def test_nobody_but_staff_sees_anothers(identity: Identity) -> None:
    ada, bob, staff = await identity.user(), await identity.user(), await identity.staff("audit.read")
    guest = await identity.anybody.CreateGuestSession(CreateGuestSessionRequest())

    assert await listed(bob.client, user_id=ada.id) == []
    assert {event.user_id for event in await listed(bob.client)} == {bob.id}
    assert await listed(identity.holder_of(guest.access_token)) == []
    assert await listed(identity.holder_of(guest.access_token), user_id=ada.id) == []
    with pytest.raises(Unauthenticated, match="TOKEN_MISSING"):
        await listed(identity.anybody)
    assert types(await listed(staff.client, user_id=ada.id)) == ["signed_in", "signed_up"]
    assert {ada.id, bob.id} <= {event.user_id for event in await listed(staff.client, page_size=1000)}


async def test_who_did_it_and_from_where_is_told_to_staff_alone(identity: Identity) -> None:
    ada, writer = await identity.user(), await identity.staff("users.write")
    reader = await identity.staff("audit.read")
    await suspend(writer, ada)
    await reactivate(writer, ada)
    again = await identity.signed_in(ada.email, PASSWORD)

    by_staff = await listed(reader.client, user_id=ada.id, type="account_suspended")
    assert [dict(event.payload) for event in by_staff] == [{"by": writer.id}]
    assert by_staff[0].user_agent.startswith("grpc")

    [seen] = await listed(again.client, type="account_suspended")
    assert (seen.id, seen.type, seen.create_time) == (by_staff[0].id, by_staff[0].type, by_staff[0].create_time)
    assert not seen.HasField("payload")
    assert (seen.ip_address, seen.user_agent) == ("", "")
    assert writer.id not in str(await listed(again.client))


async def test_a_customers_token_does_not_hide_where_a_try_came_from(identity: Identity) -> None:
    ada, mallory = await identity.user(), await identity.user()
    with pytest.raises(Unauthenticated):
        await mallory.client.SignIn(SignInRequest(email=ada.email, password="wrong"))

    [seen] = await listed(ada.client, type="sign_in_failed")

    assert seen.user_agent.startswith("grpc")
    assert not seen.HasField("payload")


async def test_events_are_found_by_type_and_time(identity: Identity) -> None:
    ada, staff = await identity.user(), await identity.staff("audit.read")
    await ada.client.SignOut(SignOutRequest())
    rows = await identity.db.pool.fetch("select id from security_events where user_id = $1 order by id", ada.id)
    for day, row in enumerate(rows, 1):
        await identity.db.pool.execute(
            "update security_events set created_at = make_timestamptz(2020, 1, $1, 0, 0, 0, 'UTC'), "
            "updated_at = now() where id = $2",
            day,
            row["id"],
        )
    second, third = (Timestamp(seconds=1577836800 + day * 86400) for day in (1, 2))
    of_ada = {"user_id": ada.id}

    assert types(await listed(staff.client, **of_ada)) == ["signed_out", "signed_in", "signed_up"]
    assert types(await listed(staff.client, type="signed_in", **of_ada)) == ["signed_in"]
    assert await listed(staff.client, type="no_such_type", **of_ada) == []
    assert types(await listed(staff.client, start_time=second, **of_ada)) == ["signed_out", "signed_in"]
    assert types(await listed(staff.client, end_time=third, **of_ada)) == ["signed_in", "signed_up"]
    assert types(await listed(staff.client, start_time=second, end_time=third, **of_ada)) == ["signed_in"]


async def test_a_try_at_an_unknown_email_is_an_event_of_nobodys_and_does_not_name_it(identity: Identity) -> None:
    staff, email = await identity.staff("audit.read"), an_email()
    with pytest.raises(Unauthenticated):
        await identity.anybody.SignIn(SignInRequest(email=email, password="wrong"))

    newest = (await listed(staff.client, type="sign_in_failed", page_size=1000))[0]

    assert newest.user_id == ""
    assert email not in str(newest)


async def test_no_event_holds_what_was_changed(identity: Identity) -> None:
    ada, writer, reader = await identity.user(), await identity.staff("users.write"), await identity.staff("audit.read")
    email = an_email()
    await update(writer, ada, email=email, first_name="Augusta", phone="+905321234567")

    told = str(await listed(reader.client, user_id=ada.id))

    for value in (email, ada.email, "Augusta", "+905321234567", PASSWORD):
        assert value not in told


async def test_a_page_token_is_of_its_list(identity: Identity) -> None:
    ada, staff = await identity.user(), await identity.staff("audit.read")
    token = (await ada.client.ListSecurityEvents(ListSecurityEventsRequest(page_size=1))).next_page_token

    for client, other in (
        (staff.client, ListSecurityEventsRequest(page_token=token)),
        (ada.client, ListSecurityEventsRequest(page_token=token, type="signed_in")),
        (ada.client, ListSecurityEventsRequest(page_token="no such thing")),
    ):
        with pytest.raises(InvalidArgument, match="PAGE_TOKEN_INVALID"):
            await client.ListSecurityEvents(other)
