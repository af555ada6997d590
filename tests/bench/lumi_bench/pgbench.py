"""pgbench: the same SQL by a program in C, the least that a database's client can cost."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lumi_local.postgres import SUPERUSER, PostgresServer
from lumi_local.process import StackError

_DEBIAN = Path("/usr/lib/postgresql")
_THREADS = 2


@dataclass(frozen=True, slots=True)
class Ran:
    """Transactions per second, connecting not counted, and how many there were."""

    rate: float
    transactions: int


class Pgbench:
    """The program, from the wheel or else from Debian; `note` says so where it is not the wheel's."""

    def __init__(self, wheel: Path) -> None:
        self.program, self.note = _find(wheel)

    def run(
        self,
        server: PostgresServer,
        script: str,
        folder: Path,
        *,
        clients: int,
        each: int,
        variables: Mapping[str, int] | None = None,
    ) -> Ran:
        """Run a script with prepared statements, `each` times a client; StackError if it fails."""
        file = folder / "script.sql"
        file.write_text(script)
        command = [
            *(str(self.program), "--no-vacuum", "--protocol=prepared", f"--file={file}"),
            *(f"--client={clients}", f"--jobs={min(clients, _THREADS)}", f"--transactions={each}"),
            *(f"--define={name}={value}" for name, value in (variables or {}).items()),
        ]
        access = {
            "PGHOST": server.host,
            "PGPORT": str(server.port),
            "PGDATABASE": server.database,
            "PGUSER": SUPERUSER,
            "PGPASSWORD": server.passwords[SUPERUSER],
            "PGOPTIONS": "-c jit=off -c timezone=UTC",  # as the services have it
        }
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        done = subprocess.run(command, env=environment | access, capture_output=True, text=True)
        if done.returncode:
            raise StackError(f"pgbench failed:\n{done.stderr.strip()[-2000:]}")
        return read(done.stdout)


def read(output: str) -> Ran:
    """The figures in what pgbench printed."""
    rate = re.search(r"^tps = ([\d.]+) ", output, re.MULTILINE)
    count = re.search(r"^number of transactions actually processed: (\d+)", output, re.MULTILINE)
    if rate is None or count is None:
        raise StackError(f"pgbench said something else:\n{output}")
    return Ran(float(rate[1]), int(count[1]))


def _find(wheel: Path) -> tuple[Path, str]:
    if (wheel / "pgbench").is_file():
        return wheel / "pgbench", ""
    found = [path for path in _DEBIAN.glob("*/bin/pgbench") if path.parts[-3].isdigit()]
    if found:
        return max(found, key=lambda path: int(path.parts[-3])), " (Debian's)"
    if on_path := shutil.which("pgbench"):
        return Path(on_path), " (the system's)"
    raise StackError("pgbench is neither beside PostgreSQL's programs nor installed (Debian: apt install postgresql)")
