"""The echo service as a process of its own, for tests of the runtime."""

import asyncio
import sys
from pathlib import Path

from sqlalchemy import MetaData

from libs.common.tests.rpc.echo import EchoService, stubs
from lumi_common.rpc.auth import Jwks
from lumi_common.rpc.revocations import Told
from lumi_common.service import Runtime, run
from lumi_common.settings import Settings


async def compose(runtime: Runtime[Settings]) -> None:
    runs = 0

    async def keys() -> Jwks:
        return {"keys": []}

    async def stumbling() -> None:
        nonlocal runs
        runs += 1
        print(f"run {runs}", file=sys.stderr)
        if runs == 1:
            raise RuntimeError("stumbled")
        await asyncio.sleep(60)

    async def steady() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            print("work cancelled", file=sys.stderr)

    async def deaf() -> None:
        """Does not hear the first cancellation, as a library's may not."""
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            print("work did not hear", file=sys.stderr)
            await asyncio.sleep(60)

    async def tick() -> None:
        print("tick", file=sys.stderr)
        raise RuntimeError("tock")

    async def revoked(cursor: str) -> Told:
        return Told([], cursor, more=False)

    runtime.use_keys(keys, revoked)
    runtime.serve(stubs.add_EchoServiceServicer_to_server, EchoService())
    runtime.background("stumbling", stumbling)
    runtime.background("steady", steady)
    runtime.background("deaf", deaf)
    runtime.every(0.1, "ticking", tick)


async def greet(runtime: Runtime[Settings]) -> None:
    print(await runtime.db.pool.fetchval("select 'hello from ' || current_user"))


async def greet_as(runtime: Runtime[Settings], name: str) -> None:
    print(f"hello from {name}")


if __name__ == "__main__":
    schema = MetaData(schema="orders")
    commands = {"greet": greet, "greet-as NAME": greet_as}
    run("orders", Settings, compose, metadata=schema, migrations=Path("migrations"), commands=commands)
