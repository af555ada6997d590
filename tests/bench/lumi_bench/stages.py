"""(f) What validation and the access checks take of a call: the real stages, timed by themselves.

In the bench's own process, without a server: `validate` on a request's message; authentication and authorization on
the metadata that the gateway, or a peer, sends along. What the loop around them takes is timed in the same round and
taken off.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import cycle

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf import descriptor_pool
from google.protobuf.message import Message
from lumi.catalogue.v1 import inventory_pb2, product_pb2
from lumi.orders.v1 import order_pb2
from lumi.payments.v1.payment_pb2 import PAYMENT_PROVIDER_MANUAL

from lumi_bench.goods import CART, PRODUCT, USER, VARIANT, id_of, slug_of
from lumi_bench.measure import Budget, Result, Round
from lumi_common.context import Context
from lumi_common.principal import ANONYMOUS, Principal
from lumi_common.rpc.access import MethodPolicy, service_policies
from lumi_common.rpc.auth import Jwks, TokenSigner, TokenVerifier, public_jwk
from lumi_common.rpc.caller import ACTOR_KEY, AGENT_KEY, GATEWAY_KEY, IP_KEY, SERVICE_URI, ServiceCaller, TokenCaller
from lumi_common.rpc.revocations import Revocation, Revocations, Told
from lumi_common.rpc.validation import validate

SECONDS = 0.25
_BLOCK = 100
_REVOKED = 1000
_TOKENS = 50  # fewer than there are runs before the clock starts
_REQUEST_ID = "0196e3c2-7b1d-7c3e-8a51-1234567890ab"

Stage = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class _Wire:
    """What the access checks ask of grpc: the names in the certificate at the other end."""

    names: Sequence[bytes]

    def peer_identity_key(self) -> str:
        return "x509_subject_alternative_name"

    def peer_identities(self) -> Sequence[bytes]:
        return self.names


def rounds(count: int, step: Callable[[], None], *, seconds: float = SECONDS) -> list[Result]:
    """Time each stage once in each round, `seconds` long; `step` is called after each of them."""
    return asyncio.run(_measured(count, step, seconds))


async def _measured(count: int, step: Callable[[], None], seconds: float) -> list[Result]:
    taken: dict[str, list[Round]] = defaultdict(list)
    timed = {name: make() for name, make in STAGES.items()}
    for _ in range(count):
        loop_itself = await _microseconds(_nothing, seconds)
        for name, stage in timed.items():
            own = await _microseconds(stage, seconds) - loop_itself
            taken[name].append(Round(lumi=own, cpu_ms=own / 1e3))
            step()
    return [Result(f"{name}, µs", None, found, BUDGETS.get(name)) for name, found in taken.items()]


async def _microseconds(stage: Stage, seconds: float) -> float:
    """CPU time of one run, of as many as there is time for."""
    for _ in range(_BLOCK):  # what is made at first use is made
        await stage()
    runs, began, end = 0, time.process_time(), time.perf_counter() + seconds
    while time.perf_counter() < end:
        for _ in range(_BLOCK):
            await stage()
        runs += _BLOCK
    return (time.process_time() - began) / runs * 1e6


async def _nothing() -> None:
    """What every stage is inside of."""


def _validating(message: Message) -> Stage:
    async def stage() -> None:
        validate(message)

    return stage


def _as_user(*, seen_before: bool) -> Stage:
    key = Ed25519PrivateKey.generate()

    async def keys() -> Jwks:
        return {"keys": [public_jwk(key.public_key(), "bench")]}

    signer = TokenSigner(key, "bench", ttl=3600)
    tokens = [signer.sign(Principal("user", id_of(USER, 1), id_of(USER, 2)))[0] for _ in range(_TOKENS)]
    revoked = [Revocation(id_of(USER, 1000 + number), datetime.now(UTC)) for number in range(_REVOKED)]

    async def told(cursor: str) -> Told:
        return Told(revoked, cursor, more=False)

    # Where it has room for one it has forgotten each when that one's turn comes again.
    verifier = TokenVerifier(keys, revocations=Revocations(told), cache_size=_TOKENS if seen_before else 1)
    caller = TokenCaller(verifier)
    sent = cycle(
        {GATEWAY_KEY: "192.0.2.7", "user-agent": "bench/1", "authorization": f"Bearer {token}"} for token in tokens
    )
    policy, wire = _policy("lumi.orders.v1.OrderService", "GetOrder"), _Wire(())
    context = Context(policy.name, ANONYMOUS)

    async def stage() -> None:
        await caller.authenticate(policy, context, next(sent), wire)
        caller.authorize(policy, context)

    return stage


def _as_service() -> Stage:
    caller, wire = ServiceCaller(), _Wire((f"{SERVICE_URI}orders".encode(),))
    policy = _policy("lumi.catalogue.v1.InventoryService", "ReserveStock")
    sent = {ACTOR_KEY: f"user:{id_of(USER, 1)}", IP_KEY: "192.0.2.7", AGENT_KEY: "bench/1"}
    context = Context(policy.name, ANONYMOUS)

    async def stage() -> None:
        await caller.authenticate(policy, context, sent, wire)
        caller.authorize(policy, context)

    return stage


def _policy(service: str, method: str) -> MethodPolicy:
    return service_policies(descriptor_pool.Default().FindServiceByName(service))[method]


def _requests() -> dict[str, Message]:
    lines = [inventory_pb2.StockLine(product_variant_id=id_of(VARIANT, n), quantity=n + 1) for n in range(2)]
    return {
        "GetProductBySlug": product_pb2.GetProductBySlugRequest(slug=slug_of(1)),
        "PlaceOrder": order_pb2.PlaceOrderRequest(
            cart_id=id_of(CART, 1), payment_provider=PAYMENT_PROVIDER_MANUAL, request_id=_REQUEST_ID
        ),
        "ReserveStock of two lines": inventory_pb2.ReserveStockRequest(
            order_id=id_of(PRODUCT, 1), lines=lines, request_id=_REQUEST_ID
        ),
    }


_SEEN_BEFORE = "access checks of a user, token seen before"
STAGES: dict[str, Callable[[], Stage]] = {
    **{f"validation of {name}": partial(_validating, message) for name, message in _requests().items()},
    _SEEN_BEFORE: partial(_as_user, seen_before=True),
    "access checks of a user, token new": partial(_as_user, seen_before=False),
    "access checks of a service": _as_service,
}
BUDGETS = {_SEEN_BEFORE: Budget("lumi", at_most=25)}
