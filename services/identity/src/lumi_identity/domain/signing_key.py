"""The keys that sign access tokens: when each begins and ends, and how its private half is kept."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

# A new key is published for two lives of the caches of key sets before it signs, so that everybody knows it then.
CACHE_LIFE = timedelta(seconds=60)
LEAD = 2 * CACHE_LIFE
# A successor may be made this late, and the old key signs meanwhile.
OVERLAP = timedelta(days=1)
# The very first key begins in the past, for processes whose clocks are behind that of the one who made it.
_SKEW = timedelta(minutes=1)
_NONCE_BYTES = 12


@dataclass(frozen=True)
class SigningKey:
    """A key pair: signs from `not_before` until a younger one does, is published until `retire_at`.

    `private_key` is sealed (see `KeyCipher`).
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


def retires(begins: datetime, life: timedelta, longest: timedelta) -> datetime:
    """When a key is no longer published: late enough for the last token that it signed, of the `longest` life."""
    return begins + life + OVERLAP + longest


class KeyCipher:
    """Seals private keys with AES-256-GCM under a key derived from `secret`, bound to their `kid`."""

    def __init__(self, secret: bytes) -> None:
        self._cipher = AESGCM(sha256(b"lumi identity signing keys\0" + secret).digest())

    def seal(self, key: Ed25519PrivateKey, kid: str) -> bytes:
        """The private key for its column: nonce, then ciphertext."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, key.private_bytes_raw(), kid.encode())

    def open(self, sealed: bytes, kid: str) -> Ed25519PrivateKey:
        """The private key of a column; raises ValueError when it was sealed with another secret."""
        try:
            raw = self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], kid.encode())
        except InvalidTag:
            raise ValueError(f"signing key {kid} was encrypted with another key") from None
        return Ed25519PrivateKey.from_private_bytes(raw)
