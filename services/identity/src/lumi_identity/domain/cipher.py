"""Small secrets sealed for their columns, under a key whose number stays with them, so that the key can be changed."""

import os
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_SEALED = re.compile(r"k(?P<number>\d{1,9})\.(?P<sealed>[A-Za-z0-9_-]+=*)")
_NONCE_BYTES = 12


class Cipher:
    """Seals with AES-256-GCM; `use` names what for, so that what is sealed for one use is nothing to another.

    `secrets` maps the numbers of the keys to their secrets, `current` is the number for what is sealed from now on:
    an old key stays as long as a row may still name it.
    """

    def __init__(self, secrets: Mapping[int, bytes], *, current: int, use: str) -> None:
        if current not in secrets:
            raise ValueError(f"there is no key {current}")
        prefix = f"lumi identity {use}\0".encode()
        self._keys = {number: AESGCM(sha256(prefix + secret).digest()) for number, secret in secrets.items()}
        self._current, self._use = current, use

    def seal(self, plain: bytes, bound_to: str) -> str:
        """`k<number>.<nonce and ciphertext in base64>`; opens only for the same `bound_to`, the row's id."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = nonce + self._keys[self._current].encrypt(nonce, plain, bound_to.encode())
        return f"k{self._current}.{urlsafe_b64encode(sealed).decode()}"

    def open(self, sealed: str, bound_to: str) -> bytes:
        """What was sealed; raises ValueError for what another key, use or row sealed, or nobody did."""
        parts = _SEALED.fullmatch(sealed)
        key = self._keys.get(int(parts["number"])) if parts else None
        if parts is None or key is None:
            raise ValueError(f"no key opens the {self._use} of {bound_to}")
        try:
            raw = urlsafe_b64decode(parts["sealed"])
            return key.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], bound_to.encode())
        except (InvalidTag, ValueError):
            raise ValueError(f"the {self._use} of {bound_to} were sealed with another key") from None

    def is_current(self, sealed: str) -> bool:
        """Whether it was sealed with today's key."""
        return sealed.startswith(f"k{self._current}.")
