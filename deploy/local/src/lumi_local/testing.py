"""Throwaway servers for tests.

    with testing.postgres() as server:          # one server per test session, a database per xdist worker
        server.dsn_superuser, server.dsn("lumi_orders")
    with testing.nats() as server:              # a server of this process
        server.url("orders"), server.url_admin

Nothing outlives the test session, however it ends: a keeper process holds PostgreSQL and stops it as soon as the
kernel has released the last user's lock.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from lumi_local import nats as nats_server
from lumi_local import postgres as postgres_server
from lumi_local import programs
from lumi_local.nats import NatsServer
from lumi_local.postgres import Cluster, PostgresServer
from lumi_local.process import LOOPBACK, StackError, free_port, wait_until, write_private
from lumi_local.settings import Settings

FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "shared_buffers": "128MB"}


@contextmanager
def postgres(database: str | None = None) -> Iterator[PostgresServer]:
    """A PostgreSQL server with a bootstrapped database of this xdist worker's own (or the one named).

    Roles and passwords are the same in every database of the session; the first to ask waits about two seconds.
    """
    folder = _session_folder()
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    users = (folder / "users").open("a")
    try:
        with _locked(folder / "door"):
            # Behind the door, so that of several workers one starts the keeper; a keeper on its way out holds this lock
            # exclusively until its server is gone.
            fcntl.flock(users, fcntl.LOCK_SH)
            if not (folder / "state.json").exists():
                _start_keeper(folder)
            state = json.loads((folder / "state.json").read_text())
            server = PostgresServer(state["port"], state["passwords"], database or f"lumi_{worker}")
            _cluster(folder).bootstrap(server)
        yield server
    finally:
        users.close()


@contextmanager
def nats() -> Iterator[NatsServer]:
    """A NATS server with JetStream and the stack's users and permissions, for this process alone; about 0.2 s."""
    with _temporary_folder("nats") as folder, nats_process(folder, free_port()) as server:
        yield server


@contextmanager
def nats_process(folder: Path, port: int) -> Iterator[NatsServer]:
    """A NATS server with its streams in `folder`: leaving and entering again with the same folder is a restart."""
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


def keep(folder: Path) -> None:
    """Hold a PostgreSQL server in `folder` until nobody uses it any more, then stop it and remove the folder."""
    signal.signal(signal.SIGTERM, _leave)
    cluster, port, passwords = _cluster(folder), free_port(), postgres_server.new_passwords()
    cluster.create(passwords[postgres_server.SUPERUSER], durable=False)
    process = cluster.spec(port, FAST).start(folder / "spec.json", folder / "postgres.log")
    try:
        wait_until(lambda: cluster.accepts(port), "PostgreSQL did not start", seconds=30)
        write_private(folder / "state.json", json.dumps({"port": port, "passwords": passwords}))
        with (folder / "users").open("a") as users:
            fcntl.flock(users, fcntl.LOCK_EX)
            (folder / "state.json").unlink()
            _end(process)
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    # Nothing of it is worth a checkpoint; SIGQUIT takes the children along, which SIGKILL would not.
    process.send_signal(signal.SIGQUIT)
    process.wait()


def _leave(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(1)


def _start_keeper(folder: Path) -> None:
    log = folder / "keeper.log"
    with log.open("ab") as output:
        keeper = subprocess.Popen(
            [sys.executable, "-m", "lumi_local.testing", str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C is for the tests; the keeper sees them leave
        )

    def ready() -> bool:
        if keeper.poll() is not None:
            raise StackError(f"the test server did not start:\n{log.read_text()}")
        return (folder / "state.json").exists()

    wait_until(ready, f"the test server did not start (see {log})", seconds=60)


def _cluster(folder: Path) -> Cluster:
    return Cluster.placed(programs.postgres_folder(Settings().postgres_bin), folder / "data", folder)


def _session_folder() -> Path:
    """One folder for all workers of an xdist run, else one of this process; in /tmp, where any account may enter."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", f"{os.getpid()}")
    folder = Path("/tmp") / f"lumi-test-{os.getuid()}-{run}"
    folder.mkdir(mode=0o711, exist_ok=True)
    if folder.lstat().st_uid != os.getuid():
        raise StackError(f"{folder} belongs to somebody else")
    folder.chmod(0o711)
    return folder


@contextmanager
def _temporary_folder(purpose: str) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix=f"lumi-test-{purpose}-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


__all__ = ["LOOPBACK", "NatsServer", "PostgresServer", "nats", "nats_process", "postgres"]

if __name__ == "__main__":
    keep(Path(sys.argv[1]))
