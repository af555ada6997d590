"""The reference that a customer reads out: ten random characters, so that nobody can count a shop's orders."""

import secrets

# Crockford's base 32: no I, L, O or U, which are misread or misheard.
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LENGTH = 10


def new_reference() -> str:
    """A new reference; of 2^50, so that a clash is a unique violation once in a blue moon."""
    number = secrets.randbits(5 * LENGTH)
    return "".join(ALPHABET[number >> shift & 31] for shift in range(0, 5 * LENGTH, 5))


def normalized(text: str) -> str:
    """What was meant by a reference typed in by hand: case, O, I and L, blanks and hyphens do not count."""
    return text.upper().translate(_MISREAD)


_MISREAD = str.maketrans({"O": "0", "I": "1", "L": "1", "-": None, " ": None})
