"""The bench's own stack: a new home in a temporary folder, free ports, durable stores; nobody else's is touched."""

import asyncio
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import nats
from nats.aio.client import Client

from lumi_common.events.streams import DURABLES, stream
from lumi_common.settings import TlsFiles
from lumi_local import testing
from lumi_local.parts import STORES, Blueprint, Part
from lumi_local.postgres import SUPERUSER, PostgresServer
from lumi_local.process import LOOPBACK, StackError, wait_until
from lumi_local.settings import FOR_SERVICES, Settings
from lumi_local.stack import Stack
from lumi_local.topology import SERVICES

PARTS = (*STORES, *SERVICES)  # the gateway is not what is measured
SECONDS_TO_DRAIN = 90.0

# What is recorded of statements has their values, which the log of a shop never holds.
RECORDABLE = {"log_error_verbosity": "default", "log_parameter_max_length": "-1"}

Progress = Callable[[str, Callable[[], None]], None]


class BenchStack:
    """The five services as processes of their own on PostgreSQL and NATS, as `make up` runs them."""

    def __init__(self, settings: Settings, progress: Progress) -> None:
        self.settings = settings
        self._stack = Stack(settings)
        self._stack.up(progress, PARTS)
        self._blueprint = Blueprint.of(settings, self._stack.home, build="")
        self._parts: dict[str, Part] = {part.name: part for part in self._blueprint.parts()}
        self.folder = self._stack.home.root
        self.programs = self._blueprint.cluster.programs

    @property
    def postgres(self) -> PostgresServer:
        return self._blueprint.postgres

    @property
    def postgres_log(self) -> Path:
        return self._stack.home.log("postgres")

    def public(self, service: str) -> str:
        """Where clients find a service."""
        return f"{LOOPBACK}:{self.settings.public_port(service)}"

    def internal(self, service: str) -> str:
        """Where its peers find a service, over mutual TLS."""
        return f"{LOOPBACK}:{self.settings.internal_port(service)}"

    def certificates(self, service: str) -> TlsFiles:
        """What a service shows its peers, and holds theirs against."""
        folder = self._stack.home.certificates
        return TlsFiles(folder / "ca.pem", folder / f"{service}.pem", folder / f"{service}.key")

    def pids(self) -> dict[str, int]:
        """The process of each service."""
        states = self._stack.supervisor.states()
        return {service: states[service].pid for service in SERVICES}

    def environment(self, service: str) -> dict[str, str]:
        """What a service is told by its environment."""
        return self._blueprint.service_environment(service)

    def secrets(self, service: str) -> dict[str, str]:
        """What a service is told by files beside that."""
        return self._blueprint.service_secrets(service)

    def stop(self, service: str) -> None:
        self._stack.supervisor.stop_program(self._parts[service].program)

    @contextmanager
    def broker_away(self) -> Iterator[None]:
        """NATS is down and its port deaf: what is written stays in the outboxes, nobody relays or consumes.

        Deaf and not closed, so that the services' tries to connect wait instead of costing CPU time.
        """
        broker = self._parts["nats"]
        self._stack.supervisor.stop_program(broker.program)
        with socket.socket() as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            deaf.bind((LOOPBACK, self.settings.nats_port))
            deaf.listen(64)
            yield
        self._stack.supervisor.start_program(broker.program)
        wait_until(broker.is_healthy, "NATS did not come back", seconds=20)

    def wait_until_filed(self) -> None:
        """Wait until every outbox is published, every consumer has acknowledged all of it, and every mail is sent."""
        asyncio.run(self._wait_until_filed())

    async def _wait_until_filed(self) -> None:
        postgres = await asyncpg.connect(self.postgres.dsn_superuser)
        client = await nats.connect(self._blueprint.nats.url_admin)
        try:
            end = time.monotonic() + SECONDS_TO_DRAIN
            while not (await _is_published(postgres) and await _is_consumed(client) and await _is_published(postgres)):
                if time.monotonic() > end:
                    raise StackError(f"the outboxes were not drained within {SECONDS_TO_DRAIN:g} s")
                await asyncio.sleep(0.05)
        finally:
            await client.close()
            await postgres.close()

    def copy_database(self, name: str) -> PostgresServer:
        """A copy of the database as it is, on the same server, that no service knows."""
        access = os.environ | {
            "PGHOST": self.postgres.host,
            "PGPORT": str(self.postgres.port),
            "PGUSER": SUPERUSER,
            "PGPASSWORD": self.postgres.passwords[SUPERUSER],
        }

        def run(program: str, *arguments: str, text: str | None = None) -> str:
            command = [str(self.programs / program), *arguments]
            done = subprocess.run(command, env=access, input=text, capture_output=True, text=True)
            if done.returncode:
                raise StackError(f"{program} failed:\n{done.stderr.strip()}")
            return done.stdout

        run("createdb", "--template=template0", name)
        dump = run("pg_dump", self.postgres.database)
        run("psql", "--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1", f"--dbname={name}", text=f"{dump}\nanalyze;\n")
        return self.postgres.within(name)


@contextmanager
def bench_stack(progress: Progress) -> Iterator[BenchStack]:
    """Bring the stack up; stopped and removed at the end."""
    with testing.own_environment() as own:
        for name in FOR_SERVICES:  # as it comes, whatever the shell says
            os.environ.pop(name, None)
        os.environ["LUMI_BCRYPT_COST"] = own["LUMI_BCRYPT_COST"]
        yield BenchStack(
            Settings(
                home=Path(own["LUMI_HOME"]),
                port_base=int(own["LUMI_PORT_BASE"]),
                gateway_port=int(own["LUMI_GATEWAY_PORT"]),
                postgres_settings=RECORDABLE,
            ),
            progress,
        )


async def _is_published(postgres: asyncpg.Connection) -> bool:
    waiting = " union all ".join(
        f"select 1 from {service}.outbox_events where published_at is null" for service in SERVICES
    )
    return not await postgres.fetchval(f"select exists ({waiting} union all select 1 from identity.mails)")


async def _is_consumed(client: Client) -> bool:
    jetstream = client.jetstream()
    for durable in DURABLES:
        for context in durable.contexts:
            info = await jetstream.consumer_info(stream(context), durable.name)
            if info.num_pending or info.num_ack_pending:
                return False
    return True
