"""Somebody's erasure: how far it has come in each service, and what it took."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from typing import Any


class Step(StrEnum):
    """Where an erasure stands."""

    COUNT = "COUNT"
    """Hidden everywhere; every service is asked what it has of them."""
    ERASE = "ERASE"
    """Gone here; every service has still to say that it has nothing left."""
    COMPLETE = "COMPLETE"


@dataclass(slots=True)
class Progress:
    """How far one service has come; `rows` counts by table what went or was emptied.

    `asked` is how often it was asked, `next_seq` where it goes on among its events and answers (0: from the first on),
    `left` what it could not let go of so far, `until_seq` the place in its stream up to which nothing may stay (0: not
    known yet), `confirmed_at` when nothing was left, as ISO 8601 text.
    """

    rows: dict[str, int] = field(default_factory=dict)
    asked: int = 0
    counted: bool = False
    next_seq: int = 0
    left: dict[str, int] = field(default_factory=dict)
    until_seq: int = 0
    confirmed_at: str = ""

    def hear(self, erased: Mapping[str, int], left: Mapping[str, int], next_seq: int) -> None:
        """Take an answer to a question."""
        self.left = {**(self.left if self.next_seq else {}), **left}
        self.asked, self.next_seq = self.asked + 1, next_seq
        self.add(erased)

    def add(self, rows: Mapping[str, int]) -> None:
        """Count these rows, too."""
        self.rows = dict(Counter(self.rows) + Counter(rows))


@dataclass(slots=True)
class Erasure:
    """One; nothing in it is personal: the ids are of rows that are gone."""

    id: str
    subject_id: str
    requested_by: str
    step: Step
    guest_ids: list[str]
    cart_ids: list[str]
    services: dict[str, Progress]
    created_at: datetime
    completed_at: datetime | None = None

    @property
    def subject_hash(self) -> str:
        """By which who knows the user's id can tell whose receipt it is."""
        return hashlib.sha256(self.subject_id.encode()).hexdigest()

    def of(self, service: str) -> Progress:
        """How far a service has come."""
        return self.services.setdefault(service, Progress())

    def all_counted(self, services: Iterable[str]) -> bool:
        """Whether each of these has said what it has."""
        return all(self.of(service).counted for service in services)

    def all_confirmed(self, services: Iterable[str]) -> bool:
        """Whether each of these has said that nothing is left."""
        return all(self.of(service).confirmed_at for service in services)


def from_json(services: Mapping[str, Mapping[str, Any]]) -> dict[str, Progress]:
    """As it was stored, perhaps by a release that knows more of it."""
    return {
        name: Progress(**{each.name: told[each.name] for each in fields(Progress) if each.name in told})
        for name, told in services.items()
    }


def to_json(services: Mapping[str, Progress]) -> dict[str, dict[str, Any]]:
    """As it is stored."""
    return {name: asdict(progress) for name, progress in services.items()}
