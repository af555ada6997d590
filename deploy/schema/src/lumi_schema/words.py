"""What people wrote about contexts, enums, tables and columns: `words/<context>.toml`, in the order of reading."""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any


class UnknownWords(Exception):
    """Words and tables do not meet; says which file to mend and how."""


@dataclass(frozen=True, slots=True)
class Words:
    """One file: `about` of everything is a sentence or two."""

    file: str
    title: str
    about: str
    enums: dict[str, str]
    tables: dict[str, dict[str, Any]]

    def expect(self, tables: dict[str, set[str]], enums: set[str]) -> None:
        """Raise UnknownWords unless there is something about each table (with its columns) and enum, and no more."""
        faults = [f"says nothing about the table {name}" for name in tables.keys() - self.tables.keys()]
        faults += [f"says nothing about the enum {name}" for name in enums - self.enums.keys()]
        faults += [f"tells of an enum {name} that is not there" for name in self.enums.keys() - enums]
        for name, words in self.tables.items():
            if name not in tables:
                faults.append(f"tells of a table {name} that is not there")
            else:
                gone = words.get("columns", {}).keys() - tables[name]
                faults += [f"tells of a column {name}.{column} that is not there" for column in gone]
        if faults:
            raise UnknownWords("\n".join(f"{self.file} {fault}" for fault in sorted(faults)))


@cache
def read_words(context: str) -> Words:
    """The words about this context."""
    file = files(__package__) / "words" / f"{context}.toml"
    content = tomllib.loads(file.read_text(encoding="utf-8"))
    about = content["context"]
    name = f"deploy/schema/src/lumi_schema/words/{context}.toml"
    return Words(name, about["title"], about["about"].strip(), content.get("enums", {}), content["tables"])
