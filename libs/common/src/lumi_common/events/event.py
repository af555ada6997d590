"""An event as its consumer reads it."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from functools import cached_property
from typing import Any

from lumi.common.v1 import event_pb2

from lumi_common.context import Actor


class Record:
    """What one statement did to one aggregate.

    `entity` is the model's name, `action` `<entity>.<past verb>`, `audit` whether it is filed. `keys`, `before` and
    `after` map columns to values: numbers with a fraction are Decimal, times and ids text, what may not be told is
    "[redacted]", an absent column was null; of an update they hold the changed columns.
    """

    __slots__ = ("_message",)

    def __init__(self, message: Any) -> None:
        self._message = message

    @property
    def entity(self) -> str:
        return str(self._message.entity)

    @property
    def id(self) -> str:
        return str(self._message.id)

    @property
    def action(self) -> str:
        return str(self._message.action)

    @property
    def audit(self) -> bool:
        return bool(self._message.audit)

    @property
    def keys(self) -> dict[str, Any]:
        return _columns(self._message.keys)

    @property
    def before(self) -> dict[str, Any]:
        return _columns(self._message.before)

    @property
    def after(self) -> dict[str, Any]:
        return _columns(self._message.after)

    @property
    def before_json(self) -> str | None:
        """`before` as JSON text, None for a creation."""
        return self._message.before or None

    @property
    def after_json(self) -> str | None:
        """`after` as JSON text, None for a removal."""
        return self._message.after or None


class Event:
    """One message: what happened to an aggregate, in whose name, with a record per aggregate changed.

    `id` is a UUID's text; `source` the context it comes from; `version` rises with each event of the aggregate;
    `ip_address` and `user_agent` are the actor's, empty where there are none; `traceparent` is the trace of the call.
    """

    def __init__(self, message: event_pb2.Event, traceparent: str = "") -> None:
        self.id: str = message.id
        self.type: str = message.type
        self.source: str = message.source
        self.aggregate: str = message.aggregate
        self.aggregate_id: str = message.aggregate_id
        self.version: int = message.version
        self.traceparent = traceparent
        self._message = message

    @classmethod
    def parse(cls, payload: bytes, traceparent: str = "", *, subject: str = "") -> "Event":
        """Read a message's payload; ValueError when it is not an event, or one of another subject than it came on.

        Who may publish on a subject is NATS' to say: what an event says of itself has to be the same.
        """
        try:
            message = event_pb2.Event.FromString(payload)
        except Exception as error:  # protobuf's DecodeError is no common base of its implementations
            raise ValueError("the payload is no event") from error
        if not (message.id and message.aggregate and message.aggregate_id):
            raise ValueError("the payload is an event without an id or an aggregate")
        if subject and subject != f"lumi.{message.source}.{message.type}":
            raise ValueError("the payload is an event of another subject")
        return cls(message, traceparent)

    @property
    def key(self) -> tuple[str, str]:
        """The aggregate it belongs to: its events are applied in order."""
        return self.aggregate, self.aggregate_id

    @property
    def time(self) -> datetime:
        """When the change was made, UTC, to the microsecond."""
        stamp = self._message.time
        return datetime.fromtimestamp(stamp.seconds, UTC).replace(microsecond=stamp.nanos // 1000)

    @property
    def actor(self) -> Actor:
        return Actor(self._message.actor.type, self._message.actor.id)

    @property
    def ip_address(self) -> str:
        return str(self._message.actor.ip_address)

    @property
    def user_agent(self) -> str:
        return str(self._message.actor.user_agent)

    @cached_property
    def records(self) -> tuple[Record, ...]:
        return tuple(Record(each) for each in self._message.records)

    def record(self, entity: str) -> Record:
        """The first record of an entity; KeyError when the event has none."""
        for each in self.records:
            if each.entity == entity:
                return each
        raise KeyError(entity)

    def __repr__(self) -> str:
        return f"<Event {self.type} {self.aggregate_id} version {self.version} id {self.id}>"


def _columns(text: str) -> dict[str, Any]:
    return json.loads(text, parse_float=Decimal) if text else {}
