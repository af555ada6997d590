"""Access tokens: signed JWTs (EdDSA, `typ` at+jwt), verified by every service from a cached key set."""

import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from logging import getLogger
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from jwt.algorithms import OKPAlgorithm

from lumi_common.cuid import cuid
from lumi_common.errors import LumiError, Reason, Unauthenticated, Unavailable
from lumi_common.principal import Principal
from lumi_common.rpc.claims import ALGORITHM, TYPE, Claims, MalformedToken, key_named_by, read_claims
from lumi_common.rpc.revocations import Revocations
from lumi_common.rpc.shared import AGAIN_SECONDS, Shared

Jwks = dict[str, Any]
KeySource = Callable[[], Awaitable[Jwks]]

KEYS_SECONDS = 30.0
_REFETCH_SECONDS = 5.0
_CLOCK_SKEW_SECONDS = 60
_MAX_TOKEN_LENGTH = 8192

_JWS = jwt.PyJWS(algorithms=[ALGORITHM])
_log = getLogger(__name__)


def public_jwk(key: Ed25519PublicKey, kid: str) -> dict[str, str]:
    """The public key as a JWK, for the key set."""
    jwk = OKPAlgorithm.to_jwk(key, as_dict=True)
    return {**jwk, "kid": kid, "alg": ALGORITHM, "use": "sig"}


@dataclass(frozen=True, slots=True)
class TokenSigner:
    """Makes access tokens with one key; `ttl` is in seconds."""

    key: Ed25519PrivateKey
    kid: str
    ttl: int
    issuer: str = "lumi"
    audience: str = "lumi"

    def sign(self, principal: Principal, *, now: float | None = None) -> tuple[str, int]:
        """The token for a user or guest with its session, and its expiry in Unix seconds."""
        issued_ms = int((time.time() if now is None else now) * 1000)
        issued = issued_ms // 1000
        expires = issued + self.ttl
        claims: dict[str, Any] = {
            "iss": self.issuer,
            "aud": self.audience,
            "sub": principal.id,
            "sid": principal.session_id,
            "kind": principal.kind,
            "permissions": sorted(principal.permissions),
            "iat": issued,
            "iat_ms": issued_ms,
            "exp": expires,
            "jti": cuid(),
        }
        if principal.stepped_up_until:
            claims["step_up"] = principal.stepped_up_until
        headers = {"kid": self.kid, "typ": TYPE}
        return jwt.encode(claims, self.key, algorithm=ALGORITHM, headers=headers), expires


class TokenVerifier:
    """Tells the principal of a token; what it has verified it remembers until the token expires.

    Keys are fetched every half minute, and at once (though no more often than every five seconds) when a token names
    one that is not known. While the source is away the last keys stay good. A token that was issued before its user's
    or session's `not_before` is refused, remembered or not; without `revocations` none is.
    """

    def __init__(
        self,
        keys: KeySource,
        *,
        revocations: Revocations | None = None,
        issuer: str = "lumi",
        audience: str = "lumi",
        cache_size: int = 10_000,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._source, self._issuer, self._audience, self._clock = keys, issuer, audience, clock
        self._revocations = revocations
        self._not_before = {} if revocations is None else revocations.not_before
        self._keys: dict[str, Ed25519PublicKey] = {}
        self._fetched_at, self._again_at = float("-inf"), 0.0
        self._fetching = Shared(self._fetch)
        self._verified: dict[str, tuple[Principal, int, int]] = {}
        self._cache_size = cache_size

    def remembered(self, token: str) -> Principal | None:
        """The principal of a token verified before and neither expired nor revoked since, without any waiting."""
        found = self._verified.get(token)
        if found is None:
            return None
        principal, expires, issued_ms = found
        if expires <= self._clock() or self._is_outdated(principal, issued_ms):
            return None
        return principal

    async def verify(self, token: str) -> Principal:
        """The principal of a token.

        Raises Unauthenticated with TOKEN_EXPIRED or TOKEN_INVALID, Unavailable when no key was ever to be had, or what
        was revoked.
        """
        principal = self.remembered(token)
        if principal is not None:
            return principal
        if len(token) > _MAX_TOKEN_LENGTH:
            raise Unauthenticated(Reason.TOKEN_INVALID, "the token is too long")
        try:
            key = await self._key(key_named_by(token))
            signed = _JWS.decode_complete(token, key, algorithms=[ALGORITHM])
            claims = read_claims(signed["payload"], issuer=self._issuer, audience=self._audience)
        except (jwt.PyJWTError, MalformedToken):
            raise Unauthenticated(Reason.TOKEN_INVALID, "the access token is not valid") from None
        now = self._clock()
        if claims.expires <= now:
            raise Unauthenticated(Reason.TOKEN_EXPIRED, "the access token has expired")
        if claims.begins > now + _CLOCK_SKEW_SECONDS:
            raise Unauthenticated(Reason.TOKEN_INVALID, "the access token is not valid yet")
        if self._revocations is not None and not self._revocations.heard:
            await self._revocations.known()
        if self._is_outdated(claims.principal, claims.issued_ms):
            raise Unauthenticated(Reason.TOKEN_INVALID, "the access token counts no more: refresh it, or sign in again")
        self._remember(token, claims)
        return claims.principal

    async def renew(self) -> None:
        """Fetch the keys when it is time, so that one that was withdrawn is forgotten though nobody names another."""
        if self._keys:
            await self._refresh("")

    def _is_outdated(self, principal: Principal, issued_ms: int) -> bool:
        not_before = self._not_before.get
        return not_before(principal.id, 0) > issued_ms or not_before(principal.session_id, 0) > issued_ms

    def _remember(self, token: str, claims: Claims) -> None:
        while len(self._verified) >= self._cache_size:
            del self._verified[next(iter(self._verified))]  # the oldest; it is verified again when it comes back
        self._verified[token] = (claims.principal, claims.expires, claims.issued_ms)

    async def _key(self, kid: str) -> Ed25519PublicKey:
        if kid not in self._keys or self._clock() - self._fetched_at > KEYS_SECONDS:
            await self._refresh(kid)
        try:
            return self._keys[kid]
        except KeyError:
            raise jwt.InvalidKeyError("no such key") from None

    async def _refresh(self, kid: str) -> None:
        now = self._clock()
        wanted = (kid and kid not in self._keys) or now - self._fetched_at > KEYS_SECONDS
        try:
            if wanted and (self._fetching.is_under_way or now >= self._again_at):
                await self._fetching()
        except (LumiError, OSError) as fault:
            if not self._keys:
                raise _no_keys() from fault
        if not self._keys:
            raise _no_keys()

    async def _fetch(self) -> None:
        now = self._clock()
        self._again_at = now + _REFETCH_SECONDS
        try:
            keys = read_jwks(await self._source())
        except (LumiError, OSError) as fault:
            if self._keys:
                _log.warning("signing keys cannot be refreshed: %s", type(fault).__name__)
            else:  # nothing works without keys
                self._again_at = self._clock() + AGAIN_SECONDS
            raise
        if keys.keys() != self._keys.keys():
            self._verified.clear()  # a key may have been withdrawn
        self._keys, self._fetched_at = keys, now


def _no_keys() -> Unavailable:
    return Unavailable(Reason.UNAVAILABLE, "signing keys cannot be had at the moment")


def read_jwks(jwks: Jwks | str) -> dict[str, Ed25519PublicKey]:
    """The Ed25519 public keys of a key set (or its JSON text) by `kid`; keys of other kinds are passed over."""
    found = json.loads(jwks) if isinstance(jwks, str) else jwks
    keys: dict[str, Ed25519PublicKey] = {}
    for jwk in found.get("keys", ()):
        if jwk.get("kty") == "OKP" and jwk.get("crv") == "Ed25519" and jwk.get("kid"):
            key = OKPAlgorithm.from_jwk({name: value for name, value in jwk.items() if name != "d"})
            if isinstance(key, Ed25519PublicKey):
                keys[jwk["kid"]] = key
    return keys
