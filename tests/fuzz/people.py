"""Those who call: staff with every permission, customers, a guest, nobody, and each service with its certificate."""

import asyncio
from dataclasses import dataclass
from functools import partial
from random import Random

from google.type.decimal_pb2 import Decimal
from lumi.identity.v1 import address_pb2
from lumi.marketing.v1 import coupon_pb2
from lumi.marketing.v1.coupon_pb2_grpc import CouponServiceStub

from lumi_common.cuid import cuid
from lumi_common.errors import LumiError
from lumi_common.rpc.access import MethodPolicy
from lumi_envoy.contract import all_methods, routed_methods
from tests.fuzz.pool import Pool
from tests.kit.buying import Guest, Shelf, Shopper, request_id
from tests.kit.shop import SERVICES, Shop

PERMISSIONS = sorted({each.policy.permission for each in routed_methods(all_methods())} - {""})
CLERK = ("orders.read", "payments.read", "users.read", "products.read")
KINDS = ("admin", "clerk", "customer", "other customer", "passer-by", "guest", "anonymous")
# Whoever does these has to go: nobody else's requests are to suffer for it.
_LEAVING = {"SignOut", "RevokeSession", "RevokeAllSessions", "ChangePassword", "DeleteUser", "EraseUser"}
_GONE = {"TOKEN_INVALID", "TOKEN_EXPIRED"}
_NO_ADMIN = {"PERMISSION_MISSING", "STEP_UP_REQUIRED"}


@dataclass(frozen=True)
class Caller:
    """Somebody with a token, nobody, or a service."""

    kind: str
    token: str = ""

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {self.token}"),) if self.token else ()


class People:
    """The callers of a shop by kind. Random requests sign them out and take their rights: then somebody new comes."""

    def __init__(self, shop: Shop, pool: Pool) -> None:
        self._shop, self._pool = shop, pool
        self._now: dict[str, Caller] = {each: Caller(each) for each in (*SERVICES, "anonymous")}
        self._changing = asyncio.Lock()
        self._variants: list[str] = []
        self.came = 0

    async def open(self) -> None:
        """Have one of each, with goods on the shelf and coupons."""
        await self._come("admin")
        token = self._now["admin"].token
        shelf = Shelf(partial(self._shop.stub, token=token))
        self._variants = [await shelf.put(1_000_000, cents) for cents in (1, 250, 99_999)]
        coupons = self._shop.stub(CouponServiceStub, token)
        for _ in range(3):
            wanted = coupon_pb2.Coupon(
                code=f"TENTH-{cuid()}", type=coupon_pb2.COUPON_TYPE_PERCENTAGE, percent=Decimal(value="10")
            )
            await coupons.CreateCoupon(coupon_pb2.CreateCouponRequest(coupon=wanted, request_id=request_id()))
        for kind in KINDS[1:]:
            await self._come(kind)

    def by_kind(self, kind: str) -> Caller:
        """Whoever is of this kind now."""
        return self._now[kind]

    def somebody(self, random: Random, policy: MethodPolicy, *, inside: bool) -> Caller:
        """A caller for a method, at the services' internal ports or at the public ones: rather one who may."""
        if inside:
            may = sorted(policy.services) or list(SERVICES)
            return self._now[random.choice(may if random.random() < 0.9 else SERVICES)]
        kinds: tuple[str, ...] = KINDS
        if policy.name.rpartition("/")[2] in _LEAVING:
            kinds = ("passer-by", "anonymous", "guest")
        elif random.random() < 0.8:
            kinds = _entitled(policy)
        return self._now[random.choice(kinds)]

    async def see_off(self, caller: Caller, reason: str) -> None:
        """Somebody new for whoever was told this, if it means that they are of no use any more."""
        if reason in _GONE or (caller.kind == "admin" and reason in _NO_ADMIN):
            async with self._changing:
                if self._now[caller.kind] is caller and caller.token:
                    await self._come(caller.kind)

    async def _come(self, kind: str) -> None:
        if kind == "anonymous":
            return
        self.came += 1
        self._pool.forget(kind)
        if kind == "guest":
            guest = await Guest.come(self._shop.stub)
            self._now[kind] = Caller(kind, guest.token)
            await self._buy(kind, guest)
            return
        user = await self._shop.user(*{"admin": PERMISSIONS, "clerk": CLERK}.get(kind, ()))
        self._pool.withhold(user.id)
        self._pool.withhold(user.email)
        self._now[kind] = Caller(kind, user.token)
        if kind in ("customer", "other customer"):
            await self._buy(kind, Shopper(partial(self._shop.stub, token=user.token)))

    async def _buy(self, kind: str, shopper: Shopper) -> None:
        """Order something and fill another cart, as far as the goods are still sold."""
        try:
            placed = await shopper.place(await shopper.fill((self._variants[0], 2)))
            cart = await shopper.fill((self._variants[1], 3))
        except LumiError as refusal:
            if refusal.code not in ("FAILED_PRECONDITION", "NOT_FOUND"):
                raise
            return
        for told in (placed, cart, address_pb2.Address(id=shopper.address)):
            self._pool.learn(kind, told)


def _entitled(policy: MethodPolicy) -> tuple[str, ...]:
    kinds: tuple[str, ...] = ("admin",) if policy.permission else ()
    if policy.user or policy.guest or policy.owner:
        kinds += ("customer", "customer", "other customer")
    if policy.guest:
        kinds += ("guest",)
    return kinds or KINDS
