"""Every type of security event is written by what it tells of, and says from where that came, as the gateway saw it."""

from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc
import pytest
from lumi.identity.v1 import access_pb2, auth_pb2, session_pb2, two_factor_pb2, user_pb2

from lumi_common.cuid import cuid
from lumi_common.errors import LumiError
from lumi_common.rpc.caller import GATEWAY_KEY
from lumi_identity.domain.security import SecurityEvent
from lumi_local.postgres import PostgresServer
from services.identity.tests.kit import PASSWORD, an_email
from services.identity.tests.rpc.clients import Client, Identity, SignedIn
from services.identity.tests.rpc.conftest import running
from services.identity.tests.rpc.test_two_factor import a_wrong_code, challenge_of, guarded
from tests.kit.mailbox import Mailbox
from tests.kit.waiting import until

ADDRESS = "203.0.113.9"
ANOTHER = "seven grey geese over a lake"
TRIES = 3
# Nobody called: the sender gave up, `test_mailer.py`.
WITHOUT_CALLER = {SecurityEvent.MAIL_UNDELIVERED}


class Storefront(Identity):
    """Identity as it is called through the gateway by one agent from one address."""

    def __init__(self, identity: Identity) -> None:
        super().__init__(identity.runtime)
        self.agent = f"Storefront/{cuid()}"
        options = [("grpc.primary_user_agent", self.agent)]
        address = f"127.0.0.1:{identity.runtime.server.public_port}"
        self.public = grpc.aio.insecure_channel(address, options=options)
        self._seen = ((GATEWAY_KEY, ADDRESS),)
        self.anybody = Client(self.public, self._seen)

    def holder_of(self, token: str) -> Client:
        return Client(self.public, (*self._seen, ("authorization", f"Bearer {token}")))

    async def again(self, user: SignedIn) -> SignedIn:
        """Another session of the same user."""
        return await self.signed_in(user.email, PASSWORD)


@pytest.fixture
def mailbox(tmp_path: Path) -> Mailbox:
    return Mailbox(tmp_path / "mails")


@pytest.fixture
async def shop(server: PostgresServer, mailbox: Mailbox) -> AsyncIterator[Storefront]:
    told = {"mail_folder": mailbox.folder, "mail_seconds": 0.05, "sign_in_tries": TRIES}
    async with running(server, "", **told) as identity, Storefront(identity) as shop:
        yield shop


async def come_and_go(shop: Storefront) -> SignedIn:
    ada = await shop.user()
    for _ in range(TRIES + 1):
        with suppress(LumiError):
            await shop.signed_in(ada.email, "wrong")
    admin = await shop.admin()
    await admin.client.UnlockUser(user_pb2.UnlockUserRequest(id=ada.id))
    await (await shop.again(ada)).client.SignOut(auth_pb2.SignOutRequest())
    other = await shop.again(ada)
    await ada.client.RevokeSession(session_pb2.RevokeSessionRequest(id=other.tokens.session_id))
    await shop.again(ada)
    await ada.client.RevokeAllSessions(session_pb2.RevokeAllSessionsRequest())
    tokens = (await shop.again(ada)).tokens
    latest = tokens.refresh_token
    for _ in range(2):
        answer = await shop.anybody.RefreshToken(auth_pb2.RefreshTokenRequest(refresh_token=latest))
        latest = answer.tokens.refresh_token
    with pytest.raises(LumiError):
        await shop.anybody.RefreshToken(auth_pb2.RefreshTokenRequest(refresh_token=tokens.refresh_token))
    await admin.client.SuspendUser(user_pb2.SuspendUserRequest(id=ada.id))
    with pytest.raises(LumiError, match="USER_SUSPENDED"):
        await shop.again(ada)
    return ada


async def prove_it_twice(shop: Storefront) -> SignedIn:
    ada = await guarded(shop)
    for proof in (
        {"code": a_wrong_code(ada)},
        {"code": ada.code()},
        {"recovery_code": ada.recovery_codes[0]},
    ):
        challenge = await challenge_of(shop, ada)
        with suppress(LumiError):
            await shop.anybody.VerifyTwoFactor(auth_pb2.VerifyTwoFactorRequest(challenge=challenge, **proof))
    await ada.client.RegenerateRecoveryCodes(two_factor_pb2.RegenerateRecoveryCodesRequest())
    await ada.client.DisableTotp(two_factor_pb2.DisableTotpRequest(code=ada.code(1)))
    return ada.user


async def have_other_passwords(shop: Storefront, mailbox: Mailbox) -> SignedIn:
    ada = await shop.user()
    link = await mailbox.token(ada.email, "verify-email")
    await shop.anybody.VerifyEmail(auth_pb2.VerifyEmailRequest(token=link))
    changing = auth_pb2.ChangePasswordRequest(current_password=PASSWORD, new_password=ANOTHER)
    await ada.client.ChangePassword(changing)
    await shop.anybody.RequestPasswordReset(auth_pb2.RequestPasswordResetRequest(email=ada.email))
    link = await mailbox.token(ada.email, "reset-password")
    await shop.anybody.ResetPassword(auth_pb2.ResetPasswordRequest(token=link, new_password=PASSWORD))
    return ada


async def be_changed_by_staff(shop: Storefront) -> str:
    client = (await shop.admin()).client
    given = user_pb2.User(email=an_email(), first_name="Ada")
    id: str = (await client.CreateUser(user_pb2.CreateUserRequest(user=given))).id
    given = user_pb2.User(id=id, email=an_email(), first_name="Augusta")
    await client.UpdateUser(user_pb2.UpdateUserRequest(user=given))
    await client.SuspendUser(user_pb2.SuspendUserRequest(id=id))
    await client.ReactivateUser(user_pb2.ReactivateUserRequest(id=id))
    await client.DeleteUser(user_pb2.DeleteUserRequest(id=id))
    await client.UndeleteUser(user_pb2.UndeleteUserRequest(id=id))
    return id


async def be_given_more_and_less(shop: Storefront) -> SignedIn:
    ada, client = await shop.user(), (await shop.admin()).client
    role = await client.CreateRole(access_pb2.CreateRoleRequest(role=access_pb2.Role(name=cuid())))
    permissions = (await client.ListPermissions(access_pb2.ListPermissionsRequest())).permissions
    to_role = {"role_id": role.id, "permission_id": permissions[0].id}
    to_user = {"user_id": ada.id, "permission_id": permissions[0].id}
    await client.AddRolePermission(access_pb2.AddRolePermissionRequest(**to_role))
    await client.RemoveRolePermission(access_pb2.RemoveRolePermissionRequest(**to_role))
    await client.AssignRole(access_pb2.AssignRoleRequest(user_id=ada.id, role_id=role.id))
    await client.UnassignRole(access_pb2.UnassignRoleRequest(user_id=ada.id, role_id=role.id))
    await client.GrantPermission(access_pb2.GrantPermissionRequest(**to_user))
    await client.RevokePermission(access_pb2.RevokePermissionRequest(**to_user))
    return ada


async def be_refused(shop: Storefront) -> SignedIn:
    ada = await shop.user()
    with pytest.raises(LumiError, match="PERMISSION_MISSING"):
        await ada.client.GetUser(user_pb2.GetUserRequest(id=ada.id))

    async def recorded() -> bool:
        query = "select exists (select from security_events where user_id = $1 and type = 'access_refused')"
        return bool(await shop.db.pool.fetchval(query, ada.id))

    await until(recorded, "the refusal is recorded")
    return ada


async def test_every_type_is_written_with_address_and_agent(shop: Storefront, mailbox: Mailbox) -> None:
    people = [
        (await come_and_go(shop)).id,
        (await prove_it_twice(shop)).id,
        (await have_other_passwords(shop, mailbox)).id,
        (await be_given_more_and_less(shop)).id,
        (await be_refused(shop)).id,
        await be_changed_by_staff(shop),
    ]

    rows: list[Any] = await shop.db.pool.fetch(
        "select type, ip_address, user_agent from security_events where user_id = any($1)", people
    )
    assert {row["ip_address"] for row in rows} == {ADDRESS}
    assert all(row["user_agent"].startswith(shop.agent) for row in rows)
    written = await shop.db.pool.fetch(
        "select type from security_events where ip_address = $1 and user_agent like $2", ADDRESS, f"{shop.agent}%"
    )
    assert {row["type"] for row in written} == set(SecurityEvent) - WITHOUT_CALLER
