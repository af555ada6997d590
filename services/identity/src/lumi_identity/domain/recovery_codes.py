"""Recovery codes: what signs somebody in whose authenticator is lost, each once."""

import secrets
from hashlib import sha256

COUNT = 10
# Crockford's: no letter that is taken for a digit.
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_MISREAD = str.maketrans({"i": "1", "l": "1", "o": "0", "-": None, " ": None})
_GROUPS, _GROUP = 4, 6


def new_codes() -> list[str]:
    """Ten codes of 120 random bits, written in groups."""
    return ["-".join(_group() for _ in range(_GROUPS)) for _ in range(COUNT)]


def digest(code: str, user_id: str) -> str:
    """What is stored of a code, however its letters, spaces and hyphens were typed.

    A code is as random as a key, so that nobody guesses it back from a plain digest.
    """
    return sha256(f"{user_id}:{code.casefold().translate(_MISREAD)}".encode()).hexdigest()


def _group() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(_GROUP))
