"""What an account says of its owner is changed: by them, and by staff."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp
from lumi.identity.v1.access_pb2 import AssignRoleRequest
from lumi.identity.v1.auth_pb2 import SignInRequest
from lumi.identity.v1.user_pb2 import (
    CreateUserRequest,
    DeleteUserRequest,
    GetMeRequest,
    GetUserRequest,
    UpdateMeRequest,
    UpdateUserRequest,
    User,
    UserStatus,
)

from lumi_common.cuid import cuid
from lumi_common.errors import Aborted, AlreadyExists, InvalidArgument, NotFound, PermissionDenied, Unauthenticated
from services.identity.tests.kit import PASSWORD, an_email, outbox_of, security_events_of
from services.identity.tests.rpc.clients import Identity, SignedIn
from services.identity.tests.rpc.test_deleting_users import admins_role, told

# What nobody may set by any body or mask.
NOT_SETTABLE = (
    "id", "email_verified", "email_verified_time", "two_factor_enabled", "status", "create_time", "update_time",
    "etag", "delete_time", "password_hash", "version", "failed_login_count", "permissions", "*", "",
)  # fmt: skip


async def update_me(user: SignedIn, *mask: str, etag: str = "", request_id: str = "", **facts: Any) -> Any:
    return await user.client.UpdateMe(
        UpdateMeRequest(user=User(**facts), update_mask=FieldMask(paths=mask), etag=etag, request_id=request_id)
    )


async def update(by: SignedIn, user: SignedIn, *mask: str, etag: str = "", request_id: str = "", **facts: Any) -> Any:
    return await by.client.UpdateUser(
        UpdateUserRequest(
            user=User(id=user.id, **facts), update_mask=FieldMask(paths=mask), etag=etag, request_id=request_id
        )
    )


async def create(by: SignedIn, request_id: str = "", **facts: Any) -> Any:
    return await by.client.CreateUser(CreateUserRequest(user=User(**facts), request_id=request_id))


async def mails_to(identity: Identity, *emails: str) -> list[tuple[str, str]]:
    query = "select recipient, template from mails where recipient = any($1) order by created_at, id"
    return [tuple(row) for row in await identity.db.pool.fetch(query, list(emails))]


async def row_of(identity: Identity, id: str) -> dict[str, Any]:
    return dict(await identity.db.pool.fetchrow("select * from users where id = $1", id))


async def test_an_owner_says_anew_who_they_are(identity: Identity) -> None:
    ada = await identity.user()

    named = await update_me(ada, first_name="Ada", last_name="Lovelace", phone="+90 (532) 123 45 67")
    assert (named.first_name, named.last_name, named.phone) == ("Ada", "Lovelace", "+905321234567")
    assert (named.email, named.etag) == (ada.email, "2")
    assert await ada.client.GetMe(GetMeRequest()) == named

    cleared = await update_me(ada, "last_name", "phone", first_name="Nobody", last_name="King")
    assert (cleared.first_name, cleared.last_name, cleared.phone) == ("Ada", "King", "")

    records = [record for row in (await outbox_of(identity.db, ada.id))[1:] for record in row["records"]]
    assert [record["action"] for record in records] == ["user.updated"] * 2
    assert records[0]["after"] == dict.fromkeys(("first_name", "last_name", "phone"), "[redacted]")
    assert (await security_events_of(identity.db, ada.id))[-2:] == ["account_updated"] * 2


async def test_what_is_so_already_is_not_changed_again(identity: Identity) -> None:
    ada = await identity.user()
    named = await update_me(ada, first_name="Ada")

    assert await update_me(ada, first_name="Ada") == named
    assert await update_me(ada) == named
    assert await told(identity, ada) == ["user.signed_up", "user.updated"]


@pytest.mark.parametrize("path", [*NOT_SETTABLE, "email"])
async def test_an_owner_sets_nothing_else_by_a_mask(identity: Identity, path: str) -> None:
    ada = await identity.user()

    with pytest.raises(InvalidArgument, match="FIELD_MASK_INVALID"):
        await update_me(ada, "first_name", path, first_name="Ada", email=an_email())

    assert await told(identity, ada) == ["user.signed_up"]


@pytest.mark.parametrize("path", NOT_SETTABLE)
async def test_staff_set_nothing_else_by_a_mask(identity: Identity, path: str) -> None:
    ada, staff = await identity.user(), await identity.staff("users.write")

    with pytest.raises(InvalidArgument, match="FIELD_MASK_INVALID"):
        await update(staff, ada, "first_name", path, first_name="Ada")

    assert await told(identity, ada) == ["user.signed_up"]


async def test_nothing_else_is_set_by_a_body(identity: Identity) -> None:
    ada, staff = await identity.user(), await identity.staff("users.write")
    more: dict[str, Any] = {
        "email_verified": True, "email_verified_time": Timestamp(seconds=1), "two_factor_enabled": True,
        "status": UserStatus.USER_STATUS_SUSPENDED, "create_time": Timestamp(seconds=1), "etag": "99",
        "delete_time": Timestamp(seconds=1), "update_time": Timestamp(seconds=1),
    }  # fmt: skip
    kept = ("email_verified", "email_verified_at", "two_factor_enabled", "status", "created_at", "deleted_at")
    before = await row_of(identity, ada.id)

    await ada.client.UpdateMe(UpdateMeRequest(user=User(first_name="Ada", id=cuid(), email=an_email(), **more)))
    await staff.client.UpdateUser(UpdateUserRequest(user=User(last_name="Lovelace", id=ada.id, **more)))
    made = await staff.client.CreateUser(CreateUserRequest(user=User(email=an_email(), id=cuid(), **more)))

    after = await row_of(identity, ada.id)
    assert {name: after[name] for name in (*kept, "email")} == {name: before[name] for name in (*kept, "email")}
    assert (made.status, made.etag, made.email_verified) == (UserStatus.USER_STATUS_ACTIVE, "1", False)
    assert not made.two_factor_enabled
    assert not made.HasField("delete_time")
    assert made.create_time.seconds > 1


async def test_what_is_no_phone_number_is_refused(identity: Identity) -> None:
    ada, staff = await identity.user(), await identity.staff("users.write")

    for call in (
        update_me(ada, phone="call me"),
        update(staff, ada, phone="12"),
        create(staff, email=an_email(), phone="+99 1"),
    ):
        with pytest.raises(InvalidArgument, match="PHONE_INVALID") as refusal:
            await call
        assert refusal.value.field == "user.phone"


async def test_whoever_saw_another_version_changes_nothing(identity: Identity) -> None:
    ada, staff = await identity.user(), await identity.staff("users.write")
    await update_me(ada, first_name="Ada", etag="1")

    for call in (update_me(ada, first_name="Eve", etag="1"), update(staff, ada, email=an_email(), etag="1")):
        with pytest.raises(Aborted, match="ETAG_MISMATCH"):
            await call
    assert (await update(staff, ada, first_name="Augusta", etag="2")).etag == "3"


async def test_of_many_changes_of_one_version_at_once_one_is_made(identity: Identity) -> None:
    ada = await identity.user()

    results = await asyncio.gather(
        *(update_me(ada, first_name=f"Ada {n}", etag="1") for n in range(10)), return_exceptions=True
    )

    assert sum(isinstance(result, Aborted) for result in results) == 9, results
    assert await told(identity, ada) == ["user.signed_up", "user.updated"]


async def test_a_repeat_of_a_change_is_answered_as_the_first(identity: Identity) -> None:
    ada, staff = await identity.user(), await identity.staff("users.write")
    ids = [str(uuid4()) for _ in range(3)]
    email = an_email()

    named = await update_me(ada, first_name="Ada", request_id=ids[0])
    renamed = await update(staff, ada, first_name="Augusta", request_id=ids[1])
    made = await create(staff, email=email, request_id=ids[2])

    assert await update_me(ada, first_name="Ada", request_id=ids[0]) == named
    assert await update(staff, ada, first_name="Augusta", request_id=ids[1]) == renamed
    assert await create(staff, email=email, request_id=ids[2]) == made
    assert await told(identity, ada) == ["user.signed_up", "user.updated", "user.updated"]
    assert await mails_to(identity, email) == [(email, "reset_password")]


async def test_another_email_has_to_be_verified_anew_and_the_old_one_is_told(identity: Identity) -> None:
    ada, staff, email = await identity.user(), await identity.staff("users.write"), an_email()
    await identity.db.pool.execute(
        "update users set email_verified = true, email_verified_at = now(), updated_at = now() where id = $1", ada.id
    )
    await identity.db.pool.execute(
        "insert into one_time_tokens (id, user_id, purpose, token_hash, expires_at) "
        "select $1 || n, $2, purpose, $1 || n, now() + interval '1 hour' "
        "from unnest(array['verify_email', 'reset_password']) with ordinality as p (purpose, n)",
        cuid(),
        ada.id,
    )
    await identity.db.pool.execute("delete from mails where recipient = $1", ada.email)

    moved = await update(staff, ada, "email", email=f" {email} ".strip().upper())

    assert (moved.email, moved.email_verified, moved.HasField("email_verified_time")) == (email.upper(), False, False)
    assert await mails_to(identity, ada.email, email.upper()) == [
        (ada.email, "email_changed"),
        (email.upper(), "verify_email"),
    ]
    assert not await identity.db.pool.fetchval(
        "select count(*) from one_time_tokens where user_id = $1 and used_at is null", ada.id
    )
    assert (await security_events_of(identity.db, ada.id))[-2:] == ["account_updated", "email_changed"]
    with pytest.raises(Unauthenticated):
        await identity.signed_in(ada.email, PASSWORD)
    assert (await identity.signed_in(email, PASSWORD)).id == ada.id
    for row in await outbox_of(identity.db, ada.id):
        assert email.upper() not in str(row["records"])
        assert ada.email not in str(row["records"])


async def test_an_email_is_one_accounts_whatever_its_case(identity: Identity) -> None:
    ada, bob, staff = await identity.user(), await identity.user(), await identity.staff("users.write")

    for call in (update(staff, ada, email=bob.email.upper()), create(staff, email=bob.email.upper())):
        with pytest.raises(AlreadyExists, match="EMAIL_TAKEN") as refusal:
            await call
        assert bob.email not in str(refusal.value).lower()
    with pytest.raises(InvalidArgument) as refused:
        await update(staff, ada, "email")
    assert refused.value.field == "user.email"
    assert await told(identity, ada) == ["user.signed_up"]


async def test_of_many_who_want_one_email_at_once_one_gets_it(identity: Identity) -> None:
    staff, email = await identity.staff("users.write"), an_email()
    users = [await identity.user() for _ in range(4)]

    results = await asyncio.gather(
        *(update(staff, user, email=email.upper()) for user in users),
        *(create(staff, email=email) for _ in range(4)),
        return_exceptions=True,
    )

    assert sum(isinstance(result, AlreadyExists) for result in results) == 7, results


async def test_who_can_do_more_than_staff_keeps_their_email(identity: Identity) -> None:
    staff, admin, other = await identity.staff("users.write"), await identity.admin(), await identity.user()
    peer = await identity.staff("users.write")
    reader = await identity.staff("users.read")
    await admin.client.AssignRole(AssignRoleRequest(user_id=other.id, role_id=await admins_role(admin)))

    for above in (other, reader):
        with pytest.raises(PermissionDenied, match="BEYOND_OWN_PERMISSIONS") as refusal:
            await update(staff, above, email=an_email(), first_name="Eve")
        assert refusal.value.facts["permission"]
        assert (await row_of(identity, above.id))["first_name"] is None
        assert not await mails_to(identity, above.email) or all(
            template != "email_changed" for _, template in await mails_to(identity, above.email)
        )
    assert (await update(staff, peer, email=an_email())).etag == "2"
    assert (await update(staff, reader, first_name="Rita")).first_name == "Rita"
    assert (await update(admin, other, email=an_email())).email != other.email
    # What counts is what they hold now, not what the token says.
    await identity.db.pool.execute("delete from user_permissions where user_id = $1", staff.id)
    with pytest.raises(PermissionDenied, match="BEYOND_OWN_PERMISSIONS"):
        await update(staff, peer, email=an_email())
    await admin.client.DeleteUser(DeleteUserRequest(id=other.id))


async def test_staff_make_an_account_whose_owner_chooses_the_password(identity: Identity) -> None:
    staff, email = await identity.staff("users.write"), an_email()

    made = await create(staff, email=email, first_name="Ada", phone="+905321234567")

    assert (made.email, made.first_name, made.phone, made.etag) == (email, "Ada", "+905321234567", "1")
    assert made.status == UserStatus.USER_STATUS_ACTIVE
    assert await mails_to(identity, email) == [(email, "reset_password")]
    assert await security_events_of(identity.db, made.id) == ["account_created"]
    [event] = await outbox_of(identity.db, made.id)
    assert event["type"] == "user.created"
    assert event["records"][0]["after"]["email"] == "[redacted]"
    stored = (await row_of(identity, made.id))["password_hash"]
    for password in (PASSWORD, "", "." * 31, stored):
        with pytest.raises((Unauthenticated, InvalidArgument)):
            await identity.anybody.SignIn(SignInRequest(email=email, password=password))


async def test_others_accounts_are_for_staff_alone(identity: Identity) -> None:
    ada, bob = await identity.user(), await identity.user()
    reader, writer = await identity.staff("users.read"), await identity.staff("users.write")

    for caller in (bob, reader):
        for call in (update(caller, ada, first_name="Eve"), create(caller, email=an_email())):
            with pytest.raises(PermissionDenied, match="PERMISSION_MISSING"):
                await call
    with pytest.raises(NotFound):
        await writer.client.UpdateUser(UpdateUserRequest(user=User(id=cuid(), first_name="Eve")))
    await writer.client.DeleteUser(DeleteUserRequest(id=ada.id))
    with pytest.raises(NotFound):
        await update(writer, ada, first_name="Eve")
    gone = await reader.client.GetUser(GetUserRequest(id=ada.id, include_deleted=True))
    assert gone.first_name == ""
