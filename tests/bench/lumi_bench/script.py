"""A pgbench script out of recorded statements: the same SQL, with other ids each time."""

import re
from collections.abc import Iterable, Mapping, Sequence

from lumi_bench.recording import Executed

_SQL = re.compile(r"'(?:[^']|'')*'|\$\d+")
_FRESH = re.compile(r"\bc[a-z0-9]{24}\b|\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")


def script(executed: Sequence[Executed], known: Mapping[str, str], head: Iterable[str] = ()) -> str:
    """The script; `head` are lines before it.

    `known` gives the SQL expression of each text of the recorded call that is another one in each transaction. Ids
    that are not known were made by the call: they become ids made of pgbench's variable `n`, the same wherever they
    stand.
    """
    changing = dict(known)
    for each in executed:
        for value in each.values:
            for found in _FRESH.findall(value or ""):
                if found not in changing:
                    changing[found] = _new_id(found, len(changing))
    return "\n".join([*head, *(f"{_filled(each, changing)};" for each in executed)]) + "\n"


def literal(text: str) -> str:
    """A text as SQL in which pgbench finds no variable of its own."""
    if ":" in text or "\\" in text:
        return "E'" + text.replace("\\", "\\\\").replace("'", "''").replace(":", "\\x3a") + "'"
    return "'" + text.replace("'", "''") + "'"


def value_in_sql(value: str | None, changing: Mapping[str, str]) -> str:
    """A recorded parameter as SQL: a literal, with expressions in place of what changes."""
    if value is None:
        return "null"
    here = [text for text in changing if text in value]
    if not here:
        return literal(value)
    pieces = re.split("(" + "|".join(map(re.escape, sorted(here, key=len, reverse=True))) + ")", value)
    parts = [changing[piece] if piece in changing else literal(piece) for piece in pieces if piece]
    return f"({' || '.join(parts)})"


def _filled(executed: Executed, changing: Mapping[str, str]) -> str:
    def put(match: re.Match[str]) -> str:
        token = match[0]
        if token.startswith("'"):
            return literal(token[1:-1].replace("''", "'"))
        return value_in_sql(executed.values[int(token[1:]) - 1], changing)

    return _SQL.sub(put, executed.sql.rstrip("; \n"))


def _new_id(like: str, number: int) -> str:
    if "-" in like:
        return f"('00000000-0000-4{number:03d}-8000-' || lpad((:n)::text, 12, '0'))"
    return f"('cnew{number:03d}' || lpad((:n)::text, 18, '0'))"
