"""Tokens that are good once: what a mail's link carries, or what stands between two steps of signing in."""

import hashlib
import secrets
from enum import StrEnum

_BYTES = 32


class Purpose(StrEnum):
    """What a token is good for, and nothing else."""

    VERIFY_EMAIL = "verify_email"
    RESET_PASSWORD = "reset_password"
    TWO_FACTOR = "two_factor"


def new_token() -> str:
    """256 random bits, as 43 characters that any link may hold."""
    return secrets.token_urlsafe(_BYTES)


def digest(token: str) -> str:
    """What is kept of a token; nothing slower is needed, since nobody can guess what is random."""
    return hashlib.sha256(token.encode()).hexdigest()
