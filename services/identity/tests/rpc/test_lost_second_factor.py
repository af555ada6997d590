"""Staff take the second factor away from somebody who lost it."""

import asyncio
from typing import Any

import pytest
from lumi.identity.v1.user_pb2 import GetMeRequest, RemoveTwoFactorRequest, User

from lumi_common.errors import Aborted, NotFound, PermissionDenied, Unauthenticated
from services.identity.tests.kit import PASSWORD, outbox_of, security_events_of
from services.identity.tests.rpc.clients import Identity, SignedIn
from services.identity.tests.rpc.test_deleting_users import refreshed
from services.identity.tests.rpc.test_two_factor import Guarded, challenge_of, guarded


@pytest.fixture
async def ada(identity: Identity) -> Guarded:
    return await guarded(identity)


async def remove(by: SignedIn, id: str, **facts: Any) -> User:
    removed: User = await by.client.RemoveTwoFactor(RemoveTwoFactorRequest(id=id, **facts))
    return removed


async def left_of(identity: Identity, ada: Guarded) -> tuple[Any, ...]:
    """Whether a second factor is asked for, its secret, and how many recovery codes there are."""
    row = await identity.db.pool.fetchrow(
        "select two_factor_enabled, two_factor_secret,"
        " (select count(*) from recovery_codes where user_id = u.id) as codes from users u where id = $1",
        ada.id,
    )
    return tuple(row)


async def test_who_lost_it_signs_in_with_the_password_alone(identity: Identity, ada: Guarded) -> None:
    await challenge_of(identity, ada)
    bob = await identity.staff("users.write")

    removed = await remove(bob, ada.id)

    assert not removed.two_factor_enabled
    assert await left_of(identity, ada) == (False, None, 0)
    with pytest.raises(Unauthenticated, match="REFRESH_TOKEN_INVALID"):
        await refreshed(identity, ada.user.tokens)
    with pytest.raises(Unauthenticated, match="TOKEN_INVALID"):
        await ada.client.GetMe(GetMeRequest())
    again = await identity.signed_in(ada.user.email, PASSWORD)
    assert (await again.client.GetMe(GetMeRequest())).etag == removed.etag


async def test_it_is_recorded_and_its_owner_is_told(identity: Identity, ada: Guarded) -> None:
    bob = await identity.staff("users.write")
    mails = "select count(*) from mails where template = 'two_factor_disabled' and payload ->> 'user_id' = $1"

    first, again = [await remove(bob, ada.id) for _ in range(2)]

    assert first == again
    last = (await outbox_of(identity.db, ada.id))[-1]
    assert (last["type"], last["headers"]["actor_id"]) == ("user.two_factor_disabled", bob.id)
    assert (await security_events_of(identity.db, ada.id)).count("two_factor_disabled") == 1
    by = "select payload ->> 'by' from security_events where user_id = $1 and type = 'two_factor_disabled'"
    assert await identity.db.pool.fetchval(by, ada.id) == bob.id
    assert await identity.db.pool.fetchval(mails, ada.id) == 1


async def test_who_has_none_stays_as_they_are(identity: Identity) -> None:
    cid, bob = await identity.user(), await identity.staff("users.write")

    assert (await remove(bob, cid.id)).etag == "1"

    assert (await cid.client.GetMe(GetMeRequest())).id == cid.id


async def test_nobody_opens_the_account_of_who_may_do_more(identity: Identity) -> None:
    """Who knows an admin's password, and gets support to take the second factor away, would be the admin."""
    bob = await identity.staff("users.write")
    admin = await guarded(identity)
    await identity.db.pool.execute(
        "insert into user_permissions (user_id, permission_id)"
        " select $1, id from permissions where key = 'users.purge'",
        admin.id,
    )

    with pytest.raises(PermissionDenied, match="BEYOND_OWN_PERMISSIONS"):
        await remove(bob, admin.id)

    enabled, _, codes = await left_of(identity, admin)
    assert (enabled, codes) == (True, 10)


async def test_it_takes_the_permission_and_a_fresh_proof(identity: Identity, ada: Guarded) -> None:
    bob = await identity.staff("users.write")
    for caller, reason in (
        (ada.user, "PERMISSION_MISSING"),
        (await identity.staff("users.read"), "PERMISSION_MISSING"),
        (await identity.signed_in(bob.email, PASSWORD), "STEP_UP_REQUIRED"),
    ):
        with pytest.raises(PermissionDenied, match=reason):
            await remove(caller, ada.id)
    with pytest.raises(NotFound):
        await remove(bob, f"c{'0' * 24}")
    with pytest.raises(Aborted, match="ETAG_MISMATCH"):
        await remove(bob, ada.id, etag="1")
    assert (await left_of(identity, ada))[0]


async def test_of_two_at_once_one_takes_it(identity: Identity, ada: Guarded) -> None:
    bob = await identity.staff("users.write")

    removed = await asyncio.gather(*(remove(bob, ada.id) for _ in range(10)))

    assert len({each.etag for each in removed}) == 1
    types = [row["type"] for row in await outbox_of(identity.db, ada.id)]
    assert types.count("user.two_factor_disabled") == 1
