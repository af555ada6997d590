"""Codes of an authenticator (RFC 6238): six digits, a new one every thirty seconds, from a secret that both sides have.

Which code is right is decided here; that each is good once is decided by the database, which keeps the last step.
"""

import hmac
import secrets
from base64 import b32encode
from datetime import datetime

from pyotp import TOTP

STEP_SECONDS = 30
DIGITS = 6
# A clock may be this many steps behind or ahead.
_SKEW = 1
# As RFC 4226 has it: as long as the digest that the code is cut from.
_SECRET_BYTES = 20


def new_secret() -> bytes:
    """A random secret of 160 bits."""
    return secrets.token_bytes(_SECRET_BYTES)


def text(secret: bytes) -> str:
    """The secret as authenticators take it: base32, without padding."""
    return b32encode(secret).decode().rstrip("=")


def uri(secret: bytes, *, account: str, issuer: str) -> str:
    """The otpauth URI for a QR code; authenticators show `issuer` and `account`."""
    return _totp(secret).provisioning_uri(name=account, issuer_name=issuer)


def code(secret: bytes, step: int) -> str:
    """The code of a step: the number of the thirty seconds since 1970."""
    return _totp(secret).generate_otp(step)


def step_at(now: datetime) -> int:
    """The step of a time."""
    return int(now.timestamp()) // STEP_SECONDS


def step_of(given: str, secret: bytes, now: datetime) -> int | None:
    """The step whose code was given, None for a wrong code; takes as long whichever of the steps it is."""
    present = step_at(now)
    found = None
    for step in range(present - _SKEW, present + _SKEW + 1):
        if hmac.compare_digest(code(secret, step).encode(), given.encode()):
            found = step
    return found


def _totp(secret: bytes) -> TOTP:
    return TOTP(text(secret), digits=DIGITS, interval=STEP_SECONDS)
