"""Everybody who may knock: nobody, a guest, a customer, each kind of staff, and holders of one permission alone."""

import asyncio
from dataclasses import dataclass

from lumi.identity.v1 import auth_pb2
from lumi.identity.v1.auth_pb2_grpc import AuthServiceStub

from lumi_identity.domain.role import SEEDED_ROLES
from lumi_identity.server import bootstrap
from tests.kit.shop import PASSWORD, Shop


@dataclass(frozen=True)
class Caller:
    """Somebody with a token or without; `permissions` is what it says, and `said` what they say of themselves."""

    name: str
    kind: str  # as a principal's
    token: str = ""
    permissions: frozenset[str] = frozenset()
    stepped_up: bool = False
    said: tuple[tuple[str, str], ...] = ()

    @property
    def headers(self) -> dict[str, str]:
        return dict(self.said) | ({"authorization": f"Bearer {self.token}"} if self.token else {})


NOBODY = Caller("anonymous", "anonymous")


async def strangers(shop: Shop) -> list[Caller]:
    """Whoever has no permission: nobody, a guest, and a customer before and after stepping up."""
    guest = await shop.stub(AuthServiceStub).CreateGuestSession(auth_pb2.CreateGuestSessionRequest())
    return [
        NOBODY,
        Caller("guest", "guest", guest.access_token),
        *await _user(shop, "another customer", frozenset()),
    ]


async def staff(shop: Shop) -> list[Caller]:
    """A holder of each role that deployments begin with, before and after stepping up."""
    await bootstrap(shop.runtimes["identity"])
    made = await asyncio.gather(
        *(_user(shop, role.name, frozenset(role.permissions), role.name) for role in SEEDED_ROLES)
    )
    return [caller for pair in made for caller in pair]


async def holder(shop: Shop, permission: str) -> Caller:
    """Somebody with this permission and no other."""
    user = await shop.user(permission)
    return Caller(f"holder of {permission}", "user", user.token, frozenset({permission}), stepped_up=True)


async def _user(shop: Shop, name: str, permissions: frozenset[str], role: str = "") -> tuple[Caller, Caller]:
    user = await shop.user()
    if role:
        async with shop.database("identity") as database:
            await database.execute(
                "insert into user_roles (user_id, role_id) select $1, id from roles where name = $2", user.id, role
            )
    auth = shop.stub(AuthServiceStub)
    session = await auth.SignIn(auth_pb2.SignInRequest(email=user.email, password=PASSWORD))
    token = session.tokens.access_token
    proven = await shop.stub(AuthServiceStub, token).StepUp(auth_pb2.StepUpRequest(password=PASSWORD))
    return (
        Caller(name, "user", token, permissions),
        Caller(f"{name}, stepped up", "user", proven.access_token, permissions, stepped_up=True),
    )
