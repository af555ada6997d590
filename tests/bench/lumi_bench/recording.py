"""The statements that services really send, as PostgreSQL's log has them: nothing to keep in step by hand."""

import asyncio
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from lumi_bench.stack import BenchStack
from lumi_local.process import StackError, wait_until

_SECONDS_FOR_THE_LOG = 10.0
_PREFIX = re.compile(r"^\S+ \S+ \S+ \[(\d+)\] (?:(\w+)@\w+ )?([A-Z]+):  (.*)$")
_EXECUTED = re.compile(r"(?:execute [^:]+|statement): (.*)", re.DOTALL)
_VALUE = re.compile(r"\$(\d+) = (NULL|'(?:[^']|'')*')")
_ID = re.compile(r"\bc[a-z0-9]{24}\b")


@dataclass(frozen=True, slots=True)
class Executed:
    """One statement as it was executed; `values` are its parameters as texts, None for NULL."""

    process: int
    role: str
    sql: str
    values: tuple[str | None, ...] = ()

    @property
    def is_bracket(self) -> bool:
        """BEGIN or COMMIT."""
        return self.sql.rstrip("; \n").upper() in ("BEGIN", "COMMIT")


def record(stack: BenchStack, what: Callable[[], None]) -> list[Executed]:
    """The statements that services send while `what` is done, those of their background work left out."""
    asyncio.run(_switch(stack, "all"))
    try:
        time.sleep(0.3)  # for every server process to hear of it
        start = stack.postgres_log.stat().st_size
        what()
        asyncio.run(_mark(stack, start))
    finally:
        asyncio.run(_switch(stack, "none"))
    executed = of_calls(read(_after(stack.postgres_log, start)))
    if not executed:
        raise StackError("no statement with its values came to PostgreSQL's log: there is nothing to compare with")
    return executed


def read(log: str) -> list[Executed]:
    """The statements of services in a piece of log, in order."""
    found: list[Executed] = []
    for process, role, level, message in _entries(log):
        executed = _EXECUTED.match(message)
        if not role.startswith("lumi_"):
            continue
        if level == "LOG" and executed:
            found.append(Executed(process, role, executed[1].strip()))
        elif level == "DETAIL" and message.lower().startswith("parameters:"):
            last = next(place for place in reversed(range(len(found))) if found[place].process == process)
            found[last] = Executed(process, role, found[last].sql, _values(message))
    return found


def of_calls(executed: list[Executed]) -> list[Executed]:
    """Those that name a row by its id, with the BEGIN and COMMIT around them: sweeps and health checks name none."""
    kept = {
        place
        for place, each in enumerate(executed)
        if any(_ID.search(value) or "a-product-of-the-bench" in value for value in each.values if value)
    }
    for place, each in enumerate(executed):
        if each.is_bracket:
            step = 1 if each.sql.upper().startswith("BEGIN") else -1
            beside = range(len(executed))[place + step :: step]
            same = next((other for other in beside if executed[other].process == each.process), None)
            if same in kept:
                kept.add(place)
    return [executed[place] for place in sorted(kept)]


def _entries(log: str) -> list[tuple[int, str, str, str]]:
    """Process, role, level and message of each entry; a message's further lines begin with a tab."""
    entries: list[tuple[int, str, str, str]] = []
    for line in log.splitlines():
        if line.startswith("\t") and entries:
            process, role, level, message = entries[-1]
            entries[-1] = process, role, level, f"{message}\n{line[1:]}"
        elif match := _PREFIX.match(line):
            entries.append((int(match[1]), match[2] or "", match[3], match[4]))
    return entries


def _values(message: str) -> tuple[str | None, ...]:
    found = {int(number): value for number, value in _VALUE.findall(message)}
    texts = (found[number] for number in sorted(found))
    return tuple(None if text == "NULL" else text[1:-1].replace("''", "'") for text in texts)


async def _switch(stack: BenchStack, setting: str) -> None:
    connection = await asyncpg.connect(stack.postgres.dsn_superuser)
    try:
        await connection.execute(f"alter system set log_statement = '{setting}'")
        await connection.execute("select pg_reload_conf()")
    finally:
        await connection.close()


async def _mark(stack: BenchStack, start: int) -> None:
    """Write a line of our own into the log and wait until it is there: everything before it is there too."""
    connection = await asyncpg.connect(stack.postgres.dsn_superuser)
    try:
        await connection.execute("select 'the end of the recording'")
    finally:
        await connection.close()
    try:
        wait_until(
            lambda: "the end of the recording" in _after(stack.postgres_log, start),
            "PostgreSQL's log did not come",
            seconds=_SECONDS_FOR_THE_LOG,
        )
    except StackError as error:
        raise StackError(f"{error}: was LUMI_POSTGRES_BIN's logging redirected?") from error


def _after(log: Path, start: int) -> str:
    with log.open("rb") as file:
        file.seek(start)
        return file.read().decode(errors="replace")
