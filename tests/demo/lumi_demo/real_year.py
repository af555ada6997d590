"""The plan of a demo: the chosen baskets and the catalogue that they need."""

from dataclasses import dataclass
from pathlib import Path

from lumi_demo.assortment import Assortment
from lumi_demo.baskets import Baskets
from lumi_demo.lines import read_transactions


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be imported and bought; both parts make their objects only as they are read."""

    baskets: Baskets
    assortment: Assortment


def plan(data: Path, baskets: int | None) -> Plan:
    """The plan for the first `baskets` baskets of the year, or for all of them for None."""
    transactions = read_transactions(data)
    chosen = Baskets(transactions, baskets)
    return Plan(chosen, Assortment(data, transactions, chosen.lines))
