"""All invariants by their ids. What one schema can tell by itself its service says; the rest is said here."""

import importlib

from lumi_common.db.invariants import Invariant
from lumi_common.events.streams import CONTEXTS
from lumi_invariants.across import ACROSS
from lumi_invariants.between import BETWEEN
from lumi_invariants.erased import ERASED

_GROUPS = "SOMKIX"
OWN: tuple[Invariant, ...] = tuple(
    each for context in CONTEXTS for each in importlib.import_module(f"lumi_{context}.storage.invariants").INVARIANTS
)


def _place(id: str) -> tuple[int, int]:
    return _GROUPS.index(id[0]), int(id[1:])


_PARTS = (*OWN, *BETWEEN, *ACROSS, *ERASED)
LAW: dict[str, tuple[Invariant, ...]] = {
    id: tuple(each for each in _PARTS if each.id == id) for id in sorted({each.id for each in _PARTS}, key=_place)
}
"""The parts of each: one for each schema that can tell of it by itself, and what only all of them together can tell."""

NOTES = {
    "M3": "MANUAL keeps no ledger: what staff recorded is all there is, and nothing can be compared with it",
    "X6": "tables are asked, not streams and logs: tests/stories looks through those",
}
"""What the findings do not tell of an invariant."""


def says(id: str) -> str:
    """What must be true."""
    return "; ".join(dict.fromkeys(part.says for part in LAW[id]))
