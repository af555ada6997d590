import asyncio
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import pytest

from libs.common.tests.events.test_consumer import settled
from libs.common.tests.events.world import BATCH, World, eventually, note_one, running, world
from lumi_common.events.handlers import Handler, InTransaction
from lumi_local import postgres as postgres_server
from lumi_local import programs, testing
from lumi_local.nats import NatsServer
from lumi_local.postgres import Cluster, PostgresServer
from lumi_local.process import free_port
from lumi_local.settings import Settings

THINGS = [f"t{n}" for n in range(20)]
ROUNDS = 20
HANDLERS = pytest.mark.parametrize("handler", [InTransaction(note_one), BATCH])


@contextmanager
def throwaway_postgres() -> Iterator[tuple[PostgresServer, Callable[[], None]]]:
    """A server that keeps what it acknowledged, and how to kill it and start it again."""
    folder = Path(tempfile.mkdtemp(prefix="lumi-test-postgres-"))
    folder.chmod(0o711)
    server = PostgresServer(free_port(), postgres_server.new_passwords())
    cluster = Cluster.placed(programs.postgres_folder(Settings().postgres_bin), folder / "data", folder)
    cluster.create(server.passwords["postgres"], durable=False)
    processes: list[subprocess.Popen[bytes]] = []

    def start() -> None:
        for _ in range(20):  # what a killed server leaves behind takes up to two seconds to go
            process = cluster.spec(server.port).start(folder / "spec.json", folder / "postgres.log")
            processes.append(process)
            while process.poll() is None:
                if cluster.accepts(server.port):
                    return
                time.sleep(0.05)
            time.sleep(0.2)
        raise AssertionError((folder / "postgres.log").read_text())

    def kill_and_start() -> None:
        processes[-1].kill()
        processes[-1].wait()
        start()

    try:
        start()
        cluster.bootstrap(server)
        yield server, kill_and_start
    finally:
        processes[-1].send_signal(signal.SIGQUIT)
        processes[-1].wait()
        shutil.rmtree(folder, ignore_errors=True)


async def assert_each_took_effect_once_and_in_order(here: World) -> None:
    assert len(await here.effects()) == len(THINGS) * ROUNDS
    for thing in THINGS:
        assert await here.effects(thing) == [(thing, version) for version in range(1, ROUNDS + 1)]


async def took_effect(here: World, effects: int) -> bool:
    return len(await here.effects()) >= effects


@HANDLERS
async def test_nats_is_killed_while_events_flow(postgres: PostgresServer, tmp_path: Path, handler: Handler) -> None:
    port = free_port()
    with ExitStack() as stack:
        nats_server = stack.enter_context(testing.nats_process(tmp_path, port))
        async with world(postgres.dsn_superuser, nats_server.url_admin) as here:
            relay, consumer = here.relay(batch=16), here.consumer(handler, batch=16)
            async with running(relay.run(), consumer.run()):
                for round in range(ROUNDS):
                    await here.tell(*THINGS)
                    if round % 5 == 3:
                        stack.pop_all().close()  # SIGKILL
                        await here.tell()
                        await asyncio.sleep(0.1)
                        stack.enter_context(testing.nats_process(tmp_path, port))
                await eventually(settled(here, len(THINGS) * ROUNDS), seconds=30)
            await assert_each_took_effect_once_and_in_order(here)


@HANDLERS
async def test_postgres_is_killed_while_events_flow(
    nats_server: NatsServer, tmp_path_factory: pytest.TempPathFactory, handler: Handler
) -> None:
    with throwaway_postgres() as (server, kill):
        async with world(server.dsn_superuser, nats_server.url_admin) as here:
            for _ in range(ROUNDS):
                await here.tell(*THINGS)
            relay, consumer = here.relay(batch=16), here.consumer(handler, batch=16)
            async with running(relay.run(), consumer.run()):
                for share in (50, 200):
                    await eventually(partial(took_effect, here, share), seconds=60)
                    await asyncio.to_thread(kill)
                await eventually(settled(here, len(THINGS) * ROUNDS), seconds=60)
            await assert_each_took_effect_once_and_in_order(here)
