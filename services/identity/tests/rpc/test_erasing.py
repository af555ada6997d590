"""An account is exported and erased, over the wire; the other services are away here, and what waits for them waits."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from lumi.common.v1.address_pb2 import PostalAddress
from lumi.identity.v1.address_pb2 import Address, CreateAddressRequest
from lumi.identity.v1.auth_pb2 import RefreshTokenRequest
from lumi.identity.v1.privacy_pb2 import (
    ERASURE_STATE_UNDER_WAY,
    EraseUserRequest,
    ExportUserDataRequest,
    GetErasureReceiptRequest,
)
from lumi.identity.v1.user_pb2 import DeleteUserRequest, GetUserRequest, PurgeUserRequest, UndeleteUserRequest

from lumi_common.context import Context
from lumi_common.cuid import cuid
from lumi_common.db.database import Database
from lumi_common.db.personal import Key
from lumi_common.errors import (
    Aborted,
    FailedPrecondition,
    InvalidArgument,
    LumiError,
    NotFound,
    PermissionDenied,
    Unauthenticated,
)
from lumi_common.personal import Person, PersonalData
from lumi_identity.clients.holders import holders
from lumi_identity.storage.personal import PEOPLE
from services.identity.tests.kit import outbox_of, security_events_of
from services.identity.tests.rpc.clients import Identity, SignedIn

HOME = PostalAddress(full_name="Ada Lovelace", line1="1 Main St", city="London", postal_code="N1", country="GB")


@pytest.fixture(autouse=True)
async def _nothing_goes_on(db: Database) -> AsyncIterator[None]:
    """What begins here is not gone on with while another test counts rows."""
    yield
    await db.pool.execute("update erasures set step = 'COMPLETE', updated_at = now()")


async def a_user(identity: Identity) -> SignedIn:
    """A new user with a fresh proof of who they are."""
    return await identity.stepped_up(await identity.user())


async def erase(by: SignedIn, user: SignedIn, **facts: Any) -> Any:
    return await by.client.EraseUser(EraseUserRequest(id=user.id, **facts))


async def receipt(staff: SignedIn, id: str) -> Any:
    return await staff.client.GetErasureReceipt(GetErasureReceiptRequest(id=id))


async def test_who_is_erased_is_hidden_at_once_and_has_a_receipt_without_a_name(identity: Identity) -> None:
    ada, admin = await a_user(identity), await identity.admin()

    begun = await erase(ada, ada)

    assert (begun.state, begun.HasField("complete_time")) == (ERASURE_STATE_UNDER_WAY, False)
    assert ada.id not in str(begun) and ada.email not in str(begun)
    with pytest.raises(NotFound):
        await admin.client.GetUser(GetUserRequest(id=ada.id))
    with pytest.raises(Unauthenticated):
        await identity.anybody.RefreshToken(RefreshTokenRequest(refresh_token=ada.tokens.refresh_token))
    assert (await security_events_of(identity.db, ada.id))[-1] == "account_deleted"
    assert [row["type"] for row in await outbox_of(identity.db, begun.id)] == ["erasure.begun"]
    assert (await receipt(admin, begun.id)).subject_hash == begun.subject_hash


async def test_an_erasure_is_not_taken_back(identity: Identity) -> None:
    ada, admin = await a_user(identity), await identity.admin()
    await erase(admin, ada)

    for call in (
        admin.client.UndeleteUser(UndeleteUserRequest(id=ada.id)),
        admin.client.PurgeUser(PurgeUserRequest(id=ada.id)),
    ):
        with pytest.raises(FailedPrecondition, match="ERASURE_UNDER_WAY"):
            await call


async def test_the_same_again_is_the_same_erasure(identity: Identity) -> None:
    ada, admin, request_id = await identity.user(), await identity.admin(), str(uuid4())

    first = await erase(admin, ada, request_id=request_id)

    assert await erase(admin, ada, request_id=request_id) == first
    assert (await erase(admin, ada)).id == first.id
    assert [row["type"] for row in await outbox_of(identity.db, first.id)] == ["erasure.begun"]
    assert (await receipt(admin, first.id)).id == first.id


async def test_many_at_once_are_one_erasure(identity: Identity) -> None:
    ada, admin = await a_user(identity), await identity.admin()

    begun = await asyncio.gather(*(erase(by, ada) for by in (admin, ada) * 4), return_exceptions=True)

    receipts = [each for each in begun if not isinstance(each, BaseException)]
    refusals = [each for each in begun if isinstance(each, BaseException)]
    assert len({each.id for each in receipts}) == 1
    assert all(isinstance(each, (NotFound, Unauthenticated)) for each in refusals), refusals
    deleted = [row["type"] for row in await outbox_of(identity.db, ada.id)].count("user.deleted")
    begun_ones = await identity.db.pool.fetchval("select count(*) from erasures where subject_id = $1", ada.id)
    assert (deleted, begun_ones) == (1, 1)


async def test_a_deleted_account_is_staffs_to_erase(identity: Identity) -> None:
    ada, admin = await a_user(identity), await identity.admin()
    await admin.client.DeleteUser(DeleteUserRequest(id=ada.id))

    assert (await erase(admin, ada)).id


async def test_a_stale_etag_and_the_last_admin_are_refused(identity: Identity) -> None:
    ada, admin = await a_user(identity), await identity.admin()
    await identity.db.pool.execute(
        "delete from user_roles where user_id <> $1 and role_id in (select id from roles where name = 'admin')",
        admin.id,
    )

    with pytest.raises(Aborted, match="ETAG_MISMATCH"):
        await erase(ada, ada, etag="7")
    with pytest.raises(FailedPrecondition, match="LAST_ADMIN"):
        await erase(admin, admin)

    assert (await admin.client.GetUser(GetUserRequest(id=ada.id))).id == ada.id
    assert await identity.db.pool.fetchval("select count(*) from erasures where subject_id = $1", ada.id) == 0


async def test_neither_goes_without_a_fresh_proof(identity: Identity) -> None:
    ada = await identity.user()
    stale = identity.holder_of(ada.tokens.access_token)

    for call in (
        stale.EraseUser(EraseUserRequest(id=ada.id)),
        stale.ExportUserData(ExportUserDataRequest(id=ada.id)),
    ):
        with pytest.raises(LumiError, match="STEP_UP_REQUIRED"):
            await call


async def test_anothers_account_is_missing_and_a_receipt_is_staffs(identity: Identity) -> None:
    ada, bob = await a_user(identity), await a_user(identity)

    answers = set()
    for id in (ada.id, cuid()):
        for call in (
            bob.client.EraseUser(EraseUserRequest(id=id)),
            bob.client.ExportUserData(ExportUserDataRequest(id=id)),
        ):
            with pytest.raises(NotFound) as refusal:
                await call
            answers.add((refusal.value.reason, refusal.value.message))
    assert len(answers) == 1
    with pytest.raises(PermissionDenied):
        await receipt(bob, cuid())
    with pytest.raises(NotFound):
        await receipt(await identity.admin(), cuid())


async def test_what_identity_has_is_shown_row_by_row(identity: Identity) -> None:
    ada = await identity.user()
    for _ in range(3):
        await ada.client.CreateAddress(CreateAddressRequest(address=Address(postal_address=HOME)))

    rows, after = [], Key("", "")
    while found := await PEOPLE.shown(identity.db, ada.id, after, 2):
        rows += found
        after = Key(found[-1].table, found[-1].key)

    tables = [row.table for row in rows]
    assert (tables.count("addresses"), tables.count("users")) == (3, 1)
    assert tables == sorted(tables)
    [user] = [row.row for row in rows if row.table == "users"]
    assert user["email"] == ada.email
    assert not user.keys() & {"password_hash", "two_factor_secret"}


async def test_what_staff_did_to_an_account_is_shown_without_them(identity: Identity) -> None:
    ada, admin = await a_user(identity), await identity.admin()
    await identity.db.pool.execute(
        "insert into security_events (id, user_id, type, payload, ip_address, user_agent) "
        "values ($1, $2, 'account_unlocked', jsonb_build_object('by', $3::text), '192.0.2.9', 'a desk')",
        cuid(), ada.id, admin.id,
    )  # fmt: skip

    rows = await PEOPLE.shown(identity.db, ada.id, Key("security_events", ""), 100)

    [event] = [each.row for each in rows if each.row.get("type") == "account_unlocked"]
    assert not event.keys() & {"payload", "ip_address", "user_agent"}
    assert any(each.row.get("ip_address") for each in rows)


async def test_identity_that_is_asked_again_answers_what_it_did_first(identity: Identity) -> None:
    ada = await identity.user()
    address = Address(postal_address=HOME)
    await ada.client.CreateAddress(CreateAddressRequest(address=address, request_id=str(uuid4())))
    personal = PersonalData(identity.db, PEOPLE, identity.runtime.broker)
    own = holders(identity.db, personal, identity.runtime.peer)["identity"]()

    async def asked(request_id: str) -> Any:
        return await own.erase(Person(ada.id), 0, request_id, Context.system("identity.erasures"))

    once, another = (str(uuid4()) for _ in range(2))
    first, beside = await asyncio.gather(asked(once), asked(once))

    assert first.erased["identity.request_ids"] == 1
    assert beside == first == await asked(once)
    assert (await asked(another)).erased == {}


@pytest.mark.parametrize("token", ["x", "AAAA"])
async def test_a_token_of_nobodys_is_refused(identity: Identity, token: str) -> None:
    ada = await a_user(identity)

    with pytest.raises(InvalidArgument, match="PAGE_TOKEN_INVALID"):
        await ada.client.ExportUserData(ExportUserDataRequest(id=ada.id, page_token=token))
