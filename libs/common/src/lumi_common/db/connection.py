"""Connecting to PostgreSQL with whatever password is good just now."""

from contextlib import suppress
from typing import Any

import asyncpg

from lumi_common.secret import Secret, values

REFUSED = asyncpg.InvalidAuthorizationSpecificationError
"""A role or password that the server does not take."""


async def connect(dsn: Secret, **options: Any) -> Any:
    """A connection to the first address that lets us in; raises what asyncpg does, at the last REFUSED."""
    *others, last = values(dsn)
    for each in others:
        with suppress(REFUSED):
            return await asyncpg.connect(each, **options)
    return await asyncpg.connect(last, **options)
