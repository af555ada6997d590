"""NATS' passwords are replaced while a service goes on."""

import asyncio
import json
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from libs.common.tests.events.world import eventually
from lumi_common.events.broker import Broker
from lumi_local import nats as nats_server
from lumi_local import testing
from lumi_local.process import free_port, write_private


async def test_the_present_password_is_asked_for_at_each_connect(tmp_path: Path) -> None:
    port = free_port()
    told: list[str] = []
    broker = Broker(lambda: told, "orders")

    async def answered() -> bool:
        await (await broker.session()).client.flush(1)
        return True

    async with AsyncExitStack() as stack:
        with testing.nats_process(tmp_path, port) as server:
            told[:] = [server.url("orders").replace("orders:", "orders:no"), server.url("orders")]
            broker.start()
            stack.push_async_callback(broker.stop)
            await eventually(answered)

        write_private(tmp_path / "passwords.json", json.dumps(nats_server.new_passwords()))
        with testing.nats_process(tmp_path, port) as changed:
            with pytest.raises(TimeoutError):  # the old one is of no use
                async with asyncio.timeout(1):
                    await eventually(answered)
            told[:] = [changed.url("orders"), server.url("orders")]
            await eventually(answered)
