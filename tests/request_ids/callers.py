"""Whoever may call a method: staff, a shopper, a guest, or another service."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from lumi.identity.v1 import auth_pb2
from lumi.identity.v1.auth_pb2_grpc import AuthServiceStub

from lumi_common.rpc.access import MethodPolicy
from tests.kit.buying import Guest, Shopper
from tests.kit.client import Client, stub_of
from tests.kit.shop import PASSWORD, Shop, SignedIn


@dataclass(frozen=True)
class Caller:
    """Somebody with a token, or a service with a certificate; `buys` is what shoppers and guests can do besides."""

    kind: str
    token: str = ""
    user: SignedIn | None = None
    buys: Shopper | None = None
    service: str = ""

    def client(self, shop: Shop, stub_class: Any) -> Client:
        """A stub in their hands."""
        if self.service:
            return shop.internal(stub_class, service=self.service)
        return shop.stub(stub_class, self.token)


def kinds(policy: MethodPolicy) -> list[str]:
    """Every way in which a method may be called."""
    ways = {
        "staff": bool(policy.permission),
        "shopper": policy.user or policy.guest or (policy.owner and bool(policy.permission)),
        "guest": policy.guest,
        "service": bool(policy.services),
    }
    return [kind for kind, is_open in ways.items() if is_open]


async def send(shop: Shop, method: MethodDescriptor, caller: Caller, request: Message, trace: str = "") -> Any:
    """Call a method in a trace of one's own: what it writes, here and at its peers, carries that."""
    client = caller.client(shop, stub_of(method))
    if trace:
        client.metadata = (*client.metadata, ("traceparent", trace))
    return await getattr(client, method.name)(request)


async def staff(shop: Shop, *permissions: str) -> Caller:
    """Somebody new with these permissions."""
    user = await shop.user(*permissions)
    return Caller("staff", user.token, user)


async def shopper(shop: Shop) -> Caller:
    """A new customer."""
    user = await shop.user()
    return Caller("shopper", user.token, user, Shopper(partial(shop.stub, token=user.token)))


async def guest(shop: Shop) -> Caller:
    """Somebody new without an account."""
    found = await Guest.come(shop.stub)
    return Caller("guest", found.token, None, found)


async def without_permissions(shop: Shop, caller: Caller) -> Caller:
    """The same user, signed in again and stepped up after all their permissions were taken."""
    assert caller.user is not None
    async with shop.database("identity") as database:
        for held in ("user_permissions", "user_roles"):
            await database.execute(f"delete from identity.{held} where user_id = $1", caller.user.id)
    answer = await shop.stub(AuthServiceStub).SignIn(auth_pb2.SignInRequest(email=caller.user.email, password=PASSWORD))
    client = shop.stub(AuthServiceStub, answer.tokens.access_token)
    return replace(caller, token=(await client.StepUp(auth_pb2.StepUpRequest(password=PASSWORD))).access_token)
