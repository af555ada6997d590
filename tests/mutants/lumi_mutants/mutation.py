"""A planted bug: lines of one file, and what stands in their place."""

from dataclasses import dataclass


class DoesNotApply(Exception):
    """The file does not hold the mutation's lines exactly once."""


@dataclass(frozen=True, slots=True)
class Mutation:
    """`old` and `new` are whole lines with their indentation, without the last line's end; an empty `new` leaves none.

    `file` and `tests` (pytest's node ids) are relative to the checkout; `breaks` says in a sentence what goes wrong.
    """

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    breaks: str

    def applied(self, text: str) -> str:
        """The file's text with the bug in it; raises DoesNotApply."""
        lines, old = f"\n{text}", f"\n{self.old}\n"
        found = lines.count(old)
        if found != 1:
            raise DoesNotApply(f"{self.file} holds the lines to change {found} times, not once")
        return lines.replace(old, f"\n{self.new}\n")[1:]
