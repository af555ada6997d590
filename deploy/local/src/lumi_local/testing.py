"""Throwaway servers for tests; nothing outlives the test session, however it ends.

with testing.postgres() as server:          # one server per test session, a database per xdist worker
    server.dsn_superuser, server.dsn("lumi_orders")
with testing.nats() as server:              # a server of this process
    server.url("orders"), server.url_admin
with testing.stack() as stack:              # one whole stack per test session
    stack.description["gateway"]            # what stack.json says
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lumi_local import keeper, programs
from lumi_local import nats as nats_server
from lumi_local import postgres as postgres_server
from lumi_local.keeper import State, locked, shared
from lumi_local.nats import NatsServer
from lumi_local.postgres import Cluster, PostgresServer
from lumi_local.process import StackError, free_port, port_is_free, wait_until, write_private
from lumi_local.settings import Settings
from lumi_local.stack import Stack

FAST = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "128MB",
    "max_connections": "1000",  # every worker's shop and services keep theirs until the session ends
}
QUICK = {"LUMI_BCRYPT_COST": "4", "LUMI_SWEEP_SECONDS": "1", "LUMI_RETRY_SECONDS": "1"}


@dataclass(frozen=True)
class LocalStack:
    """A stack that runs: the environment that its commands need, and what its `stack.json` says."""

    environment: Mapping[str, str]
    description: Mapping[str, Any]

    @property
    def home(self) -> Path:
        """Its LUMI_HOME."""
        return Path(self.environment["LUMI_HOME"])


@contextmanager
def postgres(purpose: str = "tests") -> Iterator[PostgresServer]:
    """A PostgreSQL server with a bootstrapped database of this xdist worker's own, one for each purpose.

    Roles and passwords are the same in every database of the session; the first to ask waits about two seconds.
    """
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    with shared("postgres") as (folder, state):
        server = PostgresServer(state["port"], state["passwords"], f"lumi_{purpose}_{worker}")
        with locked(folder / "door"):  # roles belong to the whole server
            _cluster(folder).bootstrap(server)
        yield server


@contextmanager
def nats() -> Iterator[NatsServer]:
    """A NATS server with JetStream and the stack's users and permissions, for this process alone; about 0.2 s."""
    with temporary_folder("nats") as folder, nats_process(folder, free_port()) as server:
        yield server


@contextmanager
def nats_process(folder: Path, port: int) -> Iterator[NatsServer]:
    """A NATS server with its streams in `folder`: leaving (a SIGKILL) and entering again is a crash and a restart."""
    secrets_file = folder / "passwords.json"
    if not secrets_file.exists():
        write_private(secrets_file, json.dumps(nats_server.new_passwords()))
    server = NatsServer(port, json.loads(secrets_file.read_text()))
    program = programs.nats_server(Settings().nats_bin)
    log = folder / "nats.log"
    process = nats_server.spec(program, folder, server, durable=False).start(folder / "spec.json", log)
    try:
        wait_until(lambda: nats_server.accepts(server), f"NATS did not start (see {log})", seconds=10)
        yield server
    finally:
        process.kill()
        process.wait()


@contextmanager
def stack() -> Iterator[LocalStack]:
    """The whole stack, shared by the test session; low bcrypt cost, sweeps and retries every second."""
    with shared("stack") as (_, state):
        yield LocalStack(state["environment"], state["description"])


@contextmanager
def own_environment() -> Iterator[dict[str, str]]:
    """Settings for a stack of the test's own: a new home, and ports that nobody listens on.

    Nothing runs yet; what was started is stopped and removed at the end.
    """
    with temporary_folder("home") as folder:
        settings = _free_settings(folder / "home")
        try:
            yield {
                "LUMI_HOME": str(settings.home),
                "LUMI_PORT_BASE": str(settings.port_base),
                "LUMI_GATEWAY_PORT": str(settings.gateway_port),
                **QUICK,
            }
        finally:
            Stack(settings).clean()


@contextmanager
def running_stack(environment: Mapping[str, str]) -> Iterator[LocalStack]:
    """The whole stack that these settings describe."""
    done = subprocess.run(
        [sys.executable, "-m", "lumi_local", "up", "--quiet"],
        env=os.environ | dict(environment),
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise StackError(f"the stack did not come up:\n{done.stdout}{done.stderr}")
    yield LocalStack(environment, json.loads((Path(environment["LUMI_HOME"]) / "stack.json").read_text()))


@contextmanager
def temporary_folder(purpose: str) -> Iterator[Path]:
    """A folder that any account can enter, removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix=f"lumi-test-{purpose}-", dir="/tmp"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _kept_postgres(folder: Path) -> Iterator[State]:
    cluster, port, passwords = _cluster(folder), free_port(), postgres_server.new_passwords()
    cluster.create(passwords[postgres_server.SUPERUSER], durable=False)
    process = cluster.spec(port, FAST).start(folder / "spec.json", folder / "postgres.log")
    try:
        wait_until(lambda: cluster.accepts(port), "PostgreSQL did not start", seconds=30)
        yield {"port": port, "passwords": passwords}
    finally:
        # Nothing of it is worth a checkpoint; SIGQUIT takes the children along, which SIGKILL would not.
        process.send_signal(signal.SIGQUIT)
        process.wait()


@contextmanager
def _kept_stack(_folder: Path) -> Iterator[State]:
    with own_environment() as environment, running_stack(environment) as running:
        yield {"environment": running.environment, "description": running.description}


def _free_settings(home: Path) -> Settings:
    while True:
        base = random.randrange(20000, 31000)  # below the ports that the system gives to clients
        settings = Settings(home=home, port_base=base, gateway_port=base + 80)
        if all(map(port_is_free, settings.ports())):
            return settings


def _cluster(folder: Path) -> Cluster:
    return Cluster.placed(programs.postgres_folder(Settings().postgres_bin), folder / "data", folder)


if __name__ == "__main__":
    keeper.keep(Path(sys.argv[2]), {"postgres": _kept_postgres, "stack": _kept_stack}[sys.argv[1]])
