"""Secrets that may be replaced while we run: whoever connects asks for them anew."""

from collections.abc import Callable, Sequence

Secret = str | Callable[[], Sequence[str]]
"""A secret, or what tells its present values: one, or while it is being replaced the new one and the old."""


def values(secret: Secret) -> list[str]:
    """What to try, in turn."""
    if isinstance(secret, str):
        return [secret]
    first, *rest = secret()
    # The first again: the old one may stop being good after the new one was not yet.
    return [first, *rest, first] if rest else [first]
