"""What is planted: values that are found nowhere by chance, and that nobody may find where they are not kept."""

import json
from dataclasses import dataclass, field
from random import SystemRandom
from urllib.parse import quote
from uuid import uuid4

from tests.kit.told import SQL

_CLOSE = 60


@dataclass
class Planted:
    """One person's and one shop's values; `told` grows by what they are given, such as tokens."""

    mark: str = field(default_factory=lambda: uuid4().hex[:12])
    told: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        digits = f"{SystemRandom().randrange(10**6):06}"
        self.email = f"person{self.mark}@example.com"
        self.password, self.new_password = f"first {self.mark} secret", f"second {self.mark} secret"
        self.name, self.line = f"Augusta{self.mark} O'Person", f"12 Planted{self.mark} Lane"
        self.phone = f"+90532{digits}7"
        self.card = f"4539 5787 {digits[:4]} {digits[2:]}86"
        self.text = f"{self.card} {self.mark}'; drop table orders; --"
        self.told |= {self.mark, self.phone, self.phone[3:], self.card, self.card.replace(" ", ""), "O'Person"}

    def keep(self, *secrets: str) -> None:
        """Remember what was told to this person alone; of a token the signature is enough to use it."""
        for secret in secrets:
            assert len(secret) >= 16, "so short that it would be found by chance"
            self.told.add(secret)
            self.told.add(secret.rpartition(".")[2])

    def found_in(self, data: bytes, *, sql: bool = True) -> list[str]:
        """Whatever of it is there, each with what stands around it."""
        found = []
        for value in self.told:
            for spelled in {value, quote(value), json.dumps(value)[1:-1], value.encode().hex()}:
                place = data.find(spelled.encode())
                if place >= 0:
                    found.append(_around(data, place, place + len(spelled)))
        if sql and (match := SQL.search(data)):
            found.append(_around(data, *match.span()))
        return found


def _around(data: bytes, start: int, end: int) -> str:
    return data[max(0, start - _CLOSE) : end + _CLOSE].decode(errors="replace")
