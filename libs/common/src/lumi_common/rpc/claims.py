"""What an access token says, held to the one shape that ours have: whatever else a JWT may be is refused."""

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import Any

from lumi_common.principal import Principal, PrincipalKind

ALGORITHM = "EdDSA"
TYPE = "at+jwt"  # RFC 9068: no other kind of JWT passes for an access token
USER_SECONDS = 3600
"""No user's token lives longer, so that whatever ends it has to be remembered for this long."""

_LIVES: dict[PrincipalKind, int] = {"user": USER_SECONDS, "guest": 366 * 24 * 3600}
_HEADER = frozenset({"alg", "typ", "kid"})
_ID = re.compile(r"c[a-z0-9]{24}")
_MOST_PERMISSIONS = 1000
_MAX_KID_LENGTH = 64


class MalformedToken(ValueError):
    """Not an access token of ours; the message says why, for tests and nobody else."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token says once its signature is known to be good; `expires` and `begins` are Unix seconds.

    `issued_ms` is in milliseconds, of the database's clock: what was taken from its holder later outdates it.
    """

    principal: Principal
    issued_ms: int
    begins: int
    expires: int


def key_named_by(token: str) -> str:
    """The `kid` of a token whose parts are written as ours are; raises MalformedToken."""
    parts = token.split(".")
    if len(parts) != 3:
        raise MalformedToken("a token has three parts")
    header, _, _ = (_decoded(part) for part in parts)
    said = _object(header)
    # Nothing beside these: no key that comes along (jwk, x5c), none to be fetched (jku, x5u), nothing critical (crit).
    if said.keys() != _HEADER or said["typ"] != TYPE or said["alg"] != ALGORITHM:
        raise MalformedToken("a header of another kind")
    kid: str = _text(said["kid"])
    if len(kid) > _MAX_KID_LENGTH:
        raise MalformedToken("no kid is that long")
    return kid


def read_claims(payload: bytes, *, issuer: str, audience: str) -> Claims:
    """The claims of a token whose signature is good; raises MalformedToken.

    Claims that are not known are passed over, so that a later release may add some.
    """
    said = _object(payload)
    if _text(said.get("iss")) != issuer or _text(said.get("aud")) != audience:
        raise MalformedToken("of another issuer, or for another audience")
    _text(said.get("jti"))
    issued, expires, begins = _seconds(said, "iat"), _seconds(said, "exp"), _seconds(said, "nbf", 0)
    issued_ms = _seconds(said, "iat_ms", issued * 1000)
    kind = said.get("kind")
    if kind not in ("user", "guest"):
        raise MalformedToken("of nobody who may have a token")
    if not issued < expires <= issued + _LIVES[kind] or issued_ms // 1000 != issued:
        raise MalformedToken("times that do not go together")
    step_up = _seconds(said, "step_up", 0)
    if step_up > issued + USER_SECONDS:
        raise MalformedToken("stepped up for too long")
    principal = Principal(kind, _id(said.get("sub")), _id(said.get("sid")), _permissions(said), step_up)
    return Claims(principal, issued_ms, max(issued, begins), expires)


def _decoded(part: str) -> bytes:
    """Base64url without padding, in the one way to write it: a bit that decoders pass over is a change all the same."""
    try:
        raw = urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except ValueError:
        raise MalformedToken("not base64url") from None
    if urlsafe_b64encode(raw).rstrip(b"=") != part.encode():
        raise MalformedToken("not base64url as it is written here")
    return raw


def _object(text: bytes) -> dict[str, Any]:
    try:
        said = json.loads(text.decode("utf-8"), object_pairs_hook=_once_each, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise MalformedToken("not JSON as it is written here") from None
    if not isinstance(said, dict):
        raise MalformedToken("not an object")
    return said


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name comes twice")
    return found


def _no_number(constant: str) -> Any:
    raise ValueError(f"{constant} is no number")


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise MalformedToken("text is missing")
    return value


def _id(value: Any) -> str:
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise MalformedToken("not an id")
    return value


def _seconds(said: dict[str, Any], name: str, default: int | None = None) -> int:
    value = said.get(name, default)
    if type(value) is not int or value < 0:  # a bool is an int to Python, and no time
        raise MalformedToken(f"{name} is no time")
    return value


def _permissions(said: dict[str, Any]) -> frozenset[str]:
    found = said.get("permissions", [])
    if not isinstance(found, list) or len(found) > _MOST_PERMISSIONS:
        raise MalformedToken("not a list of permissions")
    return frozenset(map(_text, found))
