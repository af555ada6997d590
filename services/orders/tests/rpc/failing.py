"""Peers that fail once, before a call takes effect or after it did."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from lumi_orders.server import Peers


class Crash(Exception):
    """Nobody catches this, as nobody catches the end of a process."""


class FailsOnce:
    """A client whose method `name` raises `error` the first time, and the call goes through before that if `after`."""

    def __init__(self, client: Any, name: str, error: Exception, *, after: bool = False) -> None:
        self._client, self._name, self._error, self._after = client, name, error, after
        self.failed = False

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)
        if name != self._name or self.failed:
            return method

        async def fail(*given: Any) -> Any:
            self.failed = True
            if self._after:
                await method(*given)
            raise self._error

        return fail


def failing(peer: str, method: str, error: Exception, *, after: bool = False) -> Callable[[Peers], Peers]:
    """Changes the peers so that one call of one of them fails once."""

    def change(peers: Peers) -> Peers:
        changed: dict[str, Any] = {peer: FailsOnce(getattr(peers, peer), method, error, after=after)}
        return replace(peers, **changed)

    return change
