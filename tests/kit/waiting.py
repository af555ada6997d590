"""Waiting on a state, never on time."""

import asyncio
from collections.abc import Awaitable, Callable


async def until(holds: Callable[[], Awaitable[bool]], what: str, *, seconds: float = 15.0) -> None:
    """Look until it holds; fails, saying what never came true."""
    try:
        async with asyncio.timeout(seconds):
            while not await holds():  # noqa: ASYNC110  # the state is in another process
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"after {seconds:g} s it is still not so: {what}") from None
