"""The keys that sign access tokens: when each begins and ends, and how its private half is kept."""

from base64 import urlsafe_b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lumi_identity.domain.cipher import Cipher

# A new key is published for two lives of the caches of key sets before it signs, so that everybody knows it then.
CACHE_LIFE = timedelta(seconds=60)
LEAD = 2 * CACHE_LIFE
# A successor may be made this late, and the old key signs meanwhile.
OVERLAP = timedelta(days=1)
# The very first key begins in the past, for processes whose clocks are behind that of the one who made it.
_SKEW = timedelta(minutes=1)


@dataclass(frozen=True)
class SigningKey:
    """A key pair: signs from `not_before` until a younger one does, is published until `retire_at`.

    `private_key` is sealed.
    """

    kid: str
    public_jwk: dict[str, Any]
    private_key: bytes
    not_before: datetime
    retire_at: datetime


def signing(keys: Iterable[SigningKey], now: datetime) -> SigningKey | None:
    """The key to sign with: the youngest that has begun and is not retired."""
    usable = (key for key in keys if key.not_before <= now < key.retire_at)
    return max(usable, key=lambda key: key.not_before, default=None)


def next_begins(keys: Iterable[SigningKey], now: datetime, life: timedelta) -> datetime | None:
    """When a key that is to be made now begins to sign; None while none is wanted.

    One is wanted when the youngest has signed for its `life`; where none can sign at all, it begins at once.
    """
    known = list(keys)
    if signing(known, now) is None:
        return now - _SKEW
    youngest = max(key.not_before for key in known)
    return now + LEAD if now >= youngest + life else None


def waits(keys: Iterable[SigningKey], now: datetime) -> bool:
    """Whether a key is there already that has yet to begin."""
    return any(key.not_before > now for key in keys)


def retires(begins: datetime, life: timedelta, longest: timedelta) -> datetime:
    """When a key is no longer published: late enough for the last token that it signed, of the `longest` life."""
    return begins + life + OVERLAP + longest


def seal(cipher: Cipher, key: Ed25519PrivateKey, kid: str) -> bytes:
    """The private key for its column."""
    return cipher.seal(key.private_bytes_raw(), kid).encode()


def unseal(cipher: Cipher, sealed: bytes, kid: str) -> Ed25519PrivateKey:
    """The private key of a column; raises ValueError when no key that is known sealed it."""
    return Ed25519PrivateKey.from_private_bytes(cipher.open(_numbered(sealed), kid))


def is_sealed_anew(cipher: Cipher, sealed: bytes) -> bool:
    """Whether it was sealed with today's key."""
    return cipher.is_current(_numbered(sealed))


def _numbered(sealed: bytes) -> str:
    # Those that were sealed before keys had numbers are nonce and ciphertext alone, of the first key.
    return sealed.decode() if sealed.isascii() else f"k1.{urlsafe_b64encode(sealed).decode()}"
