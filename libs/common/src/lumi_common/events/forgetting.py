"""Letting go of what a service's own stream holds, once everybody has heard it.

An event says where the call came from that made it. The outbox can be emptied of that; a stream cannot be changed, only
shortened from its old end. Nothing is lost by it: what the outbox holds can be published again.
"""

import json
from collections.abc import Iterable
from typing import Any

from lumi_common.errors import Reason, Unavailable
from lumi_common.events.broker import Broker, ConnectionLost, NoAnswer, Session
from lumi_common.events.streams import DURABLES, Durable, stream

_NO_SUCH_STREAM = 10059


class Memory:
    """A service's own stream, as far as it may be forgotten."""

    def __init__(self, broker: Broker, durables: Iterable[Durable] = DURABLES) -> None:
        self._broker, self._stream = broker, stream(broker.service)
        self._listeners = [each.name for each in durables if broker.service in each.contexts]

    async def end(self) -> int:
        """The place of the event that came last; 0 where none ever did. Raises Unavailable when NATS is away."""
        answer = await self._ask(f"STREAM.INFO.{self._stream}")
        return int(answer["state"]["last_seq"]) if answer else 0

    async def forget(self, until: int) -> bool:
        """Drop every event up to and with this place; False while somebody has still to hear one of them.

        Raises Unavailable when NATS is away.
        """
        for listener in self._listeners:
            told = await self._ask(f"CONSUMER.INFO.{self._stream}.{listener}")
            if told and not _has_heard(told, until):
                return False
        # No further than its end: a stream that is purged beyond it goes on from there.
        await self._ask(f"STREAM.PURGE.{self._stream}", {"seq": min(until, await self.end()) + 1})
        return True

    async def _ask(self, what: str, request: dict[str, Any] | None = None) -> dict[str, Any]:
        """The answer of the stream's server; empty where there is no such stream."""
        payload = json.dumps(request).encode() if request else b""
        try:
            answer: dict[str, Any] = json.loads(await (await self._session()).request(f"$JS.API.{what}", payload))
        except (ConnectionLost, NoAnswer) as error:
            raise _away() from error
        if refusal := answer.get("error"):
            if refusal.get("err_code") == _NO_SUCH_STREAM:
                return {}
            raise RuntimeError(f"{what}: {refusal.get('description')}")
        return answer

    async def _session(self) -> Session:
        if not self._broker.connected:
            raise _away()
        return await self._broker.session()


def _has_heard(listener: dict[str, Any], until: int) -> bool:
    """Whether it was given, and has acknowledged, all that concerns it up to there."""
    given = listener["num_pending"] == 0 or listener["delivered"]["stream_seq"] >= until
    return given and (listener["num_ack_pending"] == 0 or listener["ack_floor"]["stream_seq"] >= until)


def _away() -> Unavailable:
    return Unavailable(Reason.UNAVAILABLE, "the event broker is away for the moment")
