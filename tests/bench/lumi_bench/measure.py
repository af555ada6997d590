"""The measuring core: rounds of a case, their medians with their spread, and the verdict against a budget."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

Figure = Literal["ceiling", "lumi", "ratio", "cpu_ms", "p50_ms", "p99_ms"]
FIGURES: tuple[Figure, ...] = ("ceiling", "lumi", "ratio", "cpu_ms", "p50_ms", "p99_ms")


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What one round found; None where a case has no such figure.

    `lumi` is ours and `ceiling` what it is held against, in the unit that the case names; `cpu_ms` is the CPU time
    of our processes per call in milliseconds, the others how long callers waited.
    """

    ceiling: float | None = None
    lumi: float | None = None
    cpu_ms: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None

    @property
    def ratio(self) -> float | None:
        """Ours over the ceiling, of the same round: what slows the machine down slows both."""
        if self.lumi is None or not self.ceiling:
            return None
        return self.lumi / self.ceiling


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, lowest and highest of the rounds."""

    middle: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        return cls(median(values), min(values), max(values))

    @property
    def furthest(self) -> float:
        """How far the round that differs most is from the median."""
        return max(self.high - self.middle, self.middle - self.low)


@dataclass(frozen=True, slots=True)
class Budget:
    """What a figure's median has to keep to."""

    figure: Figure
    at_least: float | None = None
    at_most: float | None = None

    def keeps(self, value: float) -> bool:
        if self.at_least is not None and value < self.at_least:
            return False
        return self.at_most is None or value <= self.at_most

    def __str__(self) -> str:
        bounds = [f"≥ {self.at_least:g}"] if self.at_least is not None else []
        bounds += [f"≤ {self.at_most:g}"] if self.at_most is not None else []
        return f"{self.figure} {', '.join(bounds)}"


class Result:
    """A case at a number of calls in flight (None where there are no calls), over all rounds."""

    def __init__(self, case: str, in_flight: int | None, rounds: Iterable[Round], budget: Budget | None = None) -> None:
        self.case, self.in_flight, self.budget = case, in_flight, budget
        taken = list(rounds)
        self.spreads: dict[Figure, Spread | None] = {figure: _spread(taken, figure) for figure in FIGURES}

    @property
    def kept(self) -> bool:
        """Whether the budget is kept; without a budget always, with one and without the figure never."""
        if self.budget is None:
            return True
        spread = self.spreads[self.budget.figure]
        return spread is not None and self.budget.keeps(spread.middle)

    def row(self) -> dict[str, str | int | float | None]:
        """`case, in_flight, ceiling, lumi, ratio, cpu_ms, p50_ms, p99_ms`, medians."""
        row: dict[str, str | int | float | None] = {"case": self.case, "in_flight": self.in_flight}
        for figure, spread in self.spreads.items():
            row[figure] = round(spread.middle, 4) if spread else None
        return row


def percentile(ordered: Sequence[float], part: float) -> float:
    """The value that `part` percent of the ordered values do not exceed (nearest rank)."""
    return ordered[max(0, -int(-len(ordered) * part // 100) - 1)]


def _spread(rounds: Sequence[Round], figure: Figure) -> Spread | None:
    values = [getattr(each, figure) for each in rounds]
    found = [value for value in values if value is not None]
    return Spread.of(found) if found else None
