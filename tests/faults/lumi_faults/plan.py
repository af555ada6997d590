"""Which faults there will be and when, and who shops: all of it out of one number."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import takewhile

from lumi_common.events.streams import CONTEXTS

GATEWAY = "gateway"  # the lines to it; the process is envoy
POSTGRES = "postgres"
_LEAST_GAP, _MOST_GAP = 1.0, 3.5
_LEAST_PAUSE, _MOST_PAUSE = 1.0, 5.0


class Kind(StrEnum):
    """What is done to a part of the stack, to a relay (named by its service), or to the lines to a server."""

    KILL = "kill"  # SIGKILL
    STOP = "stop at once"  # PostgreSQL, by its immediate shutdown
    PAUSE = "pause"  # SIGSTOP, and SIGCONT later
    RELAY_END = "end the relay of"  # its session is terminated
    RELAY_PAUSE = "pause the relay of"  # the process of its session is
    CUT = "cut replies of"  # each open line to it is cut before its next answer
    HOLD = "hold replies of"  # its answers are kept back


_LASTING = (Kind.PAUSE, Kind.RELAY_PAUSE, Kind.HOLD)


@dataclass(frozen=True, slots=True)
class Fault:
    """What is done to whom `at` so many seconds; `seconds` is how long it lasts, 0 where it is done at once."""

    at: float
    kind: Kind
    target: str
    seconds: float = 0.0

    def __str__(self) -> str:
        lasts = f" {self.seconds:.1f} s" if self.seconds else ""
        return f"{self.at:.1f} {self.kind} {self.target}{lasts}"


@dataclass(frozen=True, slots=True)
class Shopper:
    """Somebody who shops all the time, with or without an account; trips come from `seed`."""

    number: int
    is_guest: bool
    seed: str

    def __str__(self) -> str:
        return f"{self.number} a {'guest' if self.is_guest else 'user'}"


@dataclass(frozen=True)
class Plan:
    """Everything that a run is decided to do; the first seconds of a longer plan are those of a shorter one."""

    seed: int
    seconds: float
    faults: tuple[Fault, ...]
    shoppers: tuple[Shopper, ...]

    @classmethod
    def of(cls, seed: int, seconds: float) -> "Plan":
        chance = random.Random(f"{seed} shoppers")
        guests = [False, False, True, True, *(chance.random() < 0.4 for _ in range(chance.randint(3, 6)))]
        shoppers = (Shopper(number, guest, f"{seed} shopper {number}") for number, guest in enumerate(guests))
        return cls(seed, seconds, tuple(takewhile(lambda each: each.at < seconds, _faults(seed))), tuple(shoppers))

    def __str__(self) -> str:
        return (
            f"seed {self.seed}, {self.seconds:g} s\nshoppers: {', '.join(map(str, self.shoppers))}\n"
            f"faults, by their second: {' · '.join(map(str, self.faults))}"
        )


def _faults(seed: int) -> Iterator[Fault]:
    """Faults without end; like cards that are dealt, so that none of them is long in coming."""
    chance = random.Random(f"{seed} faults")
    at = 0.0
    while True:
        cards = list(_cards(chance))
        chance.shuffle(cards)
        for kind, target in cards:
            at += chance.uniform(_LEAST_GAP, _MOST_GAP)
            lasts = chance.uniform(_LEAST_PAUSE, _MOST_PAUSE) if kind in _LASTING else 0.0
            yield Fault(round(at, 1), kind, target, round(lasts, 1))


def _cards(chance: random.Random) -> Iterator[tuple[Kind, str]]:
    """One deal: every part is killed and paused once, and a few relays and lines are chosen."""
    for part in (*CONTEXTS, POSTGRES, "nats", "envoy"):
        yield (Kind.STOP if part == POSTGRES else Kind.KILL), part
        yield Kind.PAUSE, part
    for kind in (Kind.RELAY_END, Kind.RELAY_PAUSE):
        for service in chance.sample(CONTEXTS, 2):
            yield kind, service
    for peer in chance.sample(CONTEXTS, 3):
        yield Kind.CUT, GATEWAY
        yield Kind.CUT, peer
    yield Kind.HOLD, GATEWAY
    yield Kind.HOLD, chance.choice(CONTEXTS)
