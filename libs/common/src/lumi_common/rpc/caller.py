"""Authentication and authorization, as each of the two ports does them."""

import time
from typing import Any, Protocol
from urllib.parse import quote, unquote

from lumi_common.context import Actor, Context
from lumi_common.errors import Reason, Unauthenticated
from lumi_common.principal import ANONYMOUS, Principal
from lumi_common.rpc.access import MethodPolicy
from lumi_common.rpc.auth import TokenVerifier
from lumi_common.tracing import TRACEPARENT

SERVICE_URI = "lumi://"
ACTOR_KEY, IP_KEY, AGENT_KEY, SERVICE_KEY = "x-lumi-actor", "x-lumi-ip", "x-lumi-agent", "x-lumi-service"
GATEWAY_KEY = "x-envoy-external-address"  # said by the gateway with every call, and taken off what clients send

_MAX_AGENT = 512

Metadata = dict[str, str]


class Caller(Protocol):
    """Who is calling on a port, and whether they may; both raise, and both fill in the context."""

    async def authenticate(self, policy: MethodPolicy, context: Context, metadata: Metadata, wire: Any) -> None:
        """Set the principal, the actor, and where they call from."""

    def authorize(self, policy: MethodPolicy, context: Context) -> None:
        """Refuse, or set `owner_only`."""

    def decides_sampling(self, metadata: Metadata) -> bool:
        """Whether the sampled flag of the traceparent that came along is the word of somebody of ours."""


class TokenCaller:
    """The public port: a user or guest by `authorization: Bearer ...`, nobody without it."""

    def __init__(self, verifier: TokenVerifier) -> None:
        self._verifier = verifier

    async def authenticate(self, policy: MethodPolicy, context: Context, metadata: Metadata, wire: Any) -> None:
        """Take the token's principal; a token that is there has to be good, even where none is needed."""
        # Before the token, since a bad one is written down with it. The address as the gateway saw it: earlier entries
        # of the list are the client's own words.
        context.ip = (
            metadata.get(GATEWAY_KEY)
            or metadata.get("x-forwarded-for", "").rpartition(",")[2].strip()
            or _peer_ip(wire.peer())
        )
        context.user_agent = metadata.get("user-agent", "")[:_MAX_AGENT]
        header = metadata.get("authorization", "")
        # Whether it is taken must not hang on what is remembered; spellings that are rare may cost more.
        known = self._verifier.remembered(header[7:]) if header.startswith("Bearer ") else None
        context.principal = known or await self._verified(header)

    async def _verified(self, header: str) -> Principal:
        if not header:
            return ANONYMOUS
        if header[:7].lower() != "bearer ":
            raise Unauthenticated(Reason.TOKEN_INVALID, "authorization must be a bearer token")
        return await self._verifier.verify(header[7:])

    def authorize(self, policy: MethodPolicy, context: Context) -> None:
        """Hold the principal against the method's access."""
        context.owner_only = policy.admit(context.principal, time.time())
        context.by_permission = policy.owner and not context.owner_only

    def decides_sampling(self, metadata: Metadata) -> bool:
        """The gateway does; a client's own traceparent is only the trace to be in."""
        return GATEWAY_KEY in metadata


class ServiceCaller:
    """The internal port: one of our services by the URI in its certificate, the end user as it says.

    `plaintext` (local profile only) believes the header that names the service instead.
    """

    def __init__(self, *, plaintext: bool = False) -> None:
        self._plaintext = plaintext
        self._principals: dict[str, Principal] = {}

    async def authenticate(self, policy: MethodPolicy, context: Context, metadata: Metadata, wire: Any) -> None:
        """Take the service's name from its certificate, and the end user it acts for."""
        name = metadata.get(SERVICE_KEY, "") if self._plaintext else _certified_service(wire)
        if not name:
            context.ip = _peer_ip(wire.peer())
            raise Unauthenticated(Reason.SERVICE_NOT_ALLOWED, "the caller is no service of ours")
        principal = self._principals.get(name)
        if principal is None:
            principal = self._principals[name] = Principal.service(name)
        context.principal = principal
        kind, _, id = metadata.get(ACTOR_KEY, "").partition(":")
        if kind:
            context.actor = Actor(kind, id)
        context.ip = metadata.get(IP_KEY, "")
        context.user_agent = unquote(metadata.get(AGENT_KEY, ""))

    def authorize(self, policy: MethodPolicy, context: Context) -> None:
        """Hold the service against those that the method names."""
        policy.admit_service(context.principal)

    def decides_sampling(self, metadata: Metadata) -> bool:
        """Nobody else gets to this port."""
        return True


def forwarded(context: Context, traceparent: str) -> tuple[tuple[str, str], ...]:
    """The metadata that tells a peer on whose behalf we call, and where in which trace."""
    return (
        (ACTOR_KEY, f"{context.actor.type}:{context.actor.id}"),
        (IP_KEY, context.ip),
        (AGENT_KEY, quote(context.user_agent, safe=" /().;:,+_-")),
        (TRACEPARENT, traceparent),
    )


def _certified_service(wire: Any) -> str:
    # The identities alone: the whole context would copy the certificate out of every call.
    if wire.peer_identity_key() != "x509_subject_alternative_name":
        return ""
    texts = [name.decode("utf-8", "replace") for name in wire.peer_identities() or ()]
    services = [text[len(SERVICE_URI) :] for text in texts if text.startswith(SERVICE_URI)]
    return services[0] if len(services) == 1 else ""  # who would be two is nobody


def _peer_ip(peer: str) -> str:
    """`ipv4:127.0.0.1:50000` or `ipv6:%5B::1%5D:50000` without its family and port."""
    return unquote(peer.partition(":")[2].rpartition(":")[0]).strip("[]")
