"""Access tokens: signed JWTs (EdDSA, `typ` at+jwt), verified by every service from a cached key set."""

import json
import time
from asyncio import Lock
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

ALGORITHM = "EdDSA"
TYPE = "at+jwt"  # RFC 9068: no other kind of JWT passes for an access token

Jwks = dict[str, Any]
KeySource = Callable[[], Awaitable[Jwks]]

_REQUIRED = ["iss", "aud", "sub", "sid", "iat", "exp", "jti"]
_KEYS_SECONDS = 60.0
_REFETCH_SECONDS = 5.0
_CLOCK_SKEW_SECONDS = 60
_MAX_TOKEN_LENGTH = 8192

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
        issued = int(time.time() if now is None else now)
        expires = issued + self.ttl
        claims: dict[str, Any] = {
            "iss": self.issuer,
            "aud": self.audience,
            "sub": principal.id,
            "sid": principal.session_id,
            "kind": principal.kind,
            "permissions": sorted(principal.permissions),
            "iat": issued,
            "exp": expires,
            "jti": cuid(),
        }
        if principal.stepped_up_until:
            claims["step_up"] = principal.stepped_up_until
        headers = {"kid": self.kid, "typ": TYPE}
        return jwt.encode(claims, self.key, algorithm=ALGORITHM, headers=headers), expires


class TokenVerifier:
    """Tells the principal of a token; what it has verified it remembers until the token expires.

    Keys are fetched at most once a minute, and at once (though no more often than every five seconds) when a
    token names one that is not known. While the source is away the last keys stay good.
    """

    def __init__(
        self,
        keys: KeySource,
        *,
        issuer: str = "lumi",
        audience: str = "lumi",
        cache_size: int = 10_000,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._source, self._issuer, self._audience, self._clock = keys, issuer, audience, clock
        self._keys: dict[str, Ed25519PublicKey] = {}
        self._fetched_at = self._tried_at = float("-inf")
        self._fetching = Lock()
        self._verified: dict[str, tuple[Principal, int]] = {}
        self._cache_size = cache_size

    def remembered(self, token: str) -> Principal | None:
        """The principal of a token verified before and not expired since, without any waiting."""
        found = self._verified.get(token)
        return found[0] if found is not None and found[1] > self._clock() else None

    async def verify(self, token: str) -> Principal:
        """The principal of a token.

        Raises Unauthenticated with TOKEN_EXPIRED or TOKEN_INVALID, Unavailable when no key was ever to be had.
        """
        principal = self.remembered(token)
        if principal is not None:
            return principal
        if len(token) > _MAX_TOKEN_LENGTH:
            raise Unauthenticated(Reason.TOKEN_INVALID, "the token is too long")
        try:
            header = jwt.get_unverified_header(token)
            if header.get("typ") != TYPE or header.get("alg") != ALGORITHM:
                raise jwt.InvalidTokenError("not an access token of ours")
            claims = self._decode(token, await self._key(str(header.get("kid", ""))))
            principal = _principal(claims)
        except jwt.ExpiredSignatureError:
            raise Unauthenticated(Reason.TOKEN_EXPIRED, "the access token has expired") from None
        except (jwt.PyJWTError, ValueError, TypeError):
            raise Unauthenticated(Reason.TOKEN_INVALID, "the access token is not valid") from None
        self._remember(token, principal, int(claims["exp"]))
        return principal

    def _decode(self, token: str, key: Ed25519PublicKey) -> dict[str, Any]:
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[ALGORITHM],
            audience=self._audience,
            issuer=self._issuer,
            # Times are compared with our own clock below: the library allows no skew for `iat` alone.
            options={"require": _REQUIRED, "verify_exp": False, "verify_iat": False},
        )
        now = self._clock()
        if int(claims["exp"]) <= now:
            raise jwt.ExpiredSignatureError
        if int(claims["iat"]) > now + _CLOCK_SKEW_SECONDS:
            raise jwt.ImmatureSignatureError
        return claims

    def _remember(self, token: str, principal: Principal, expires: int) -> None:
        while len(self._verified) >= self._cache_size:
            del self._verified[next(iter(self._verified))]  # the oldest; it is verified again when it comes back
        self._verified[token] = (principal, expires)

    async def _key(self, kid: str) -> Ed25519PublicKey:
        if kid not in self._keys or self._clock() - self._fetched_at > _KEYS_SECONDS:
            async with self._fetching:
                await self._refresh(kid)
        try:
            return self._keys[kid]
        except KeyError:
            raise jwt.InvalidKeyError("no such key") from None

    async def _refresh(self, kid: str) -> None:
        now = self._clock()
        wanted = kid not in self._keys or now - self._fetched_at > _KEYS_SECONDS
        if not wanted or now - self._tried_at < _REFETCH_SECONDS:
            if not self._keys:
                raise Unavailable(Reason.UNAVAILABLE, "signing keys cannot be had at the moment")
            return
        self._tried_at = now
        try:
            keys = read_jwks(await self._source())
        except (LumiError, OSError) as fault:
            if not self._keys:
                self._tried_at = float("-inf")  # nothing works without keys: let the next call try again
                raise Unavailable(Reason.UNAVAILABLE, "signing keys cannot be had at the moment") from fault
            _log.warning("signing keys cannot be refreshed: %s", type(fault).__name__)
            return
        if keys.keys() != self._keys.keys():
            self._verified.clear()  # a key may have been withdrawn
        self._keys, self._fetched_at = keys, now


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


def _principal(claims: dict[str, Any]) -> Principal:
    kind, permissions = claims.get("kind"), claims.get("permissions", [])
    if kind not in ("user", "guest") or not isinstance(permissions, list) or not claims["sub"]:
        raise jwt.InvalidTokenError("claims of another shape")
    return Principal(
        kind,
        claims["sub"],
        str(claims["sid"]),
        frozenset(map(str, permissions)),
        int(claims.get("step_up", 0)),
    )
