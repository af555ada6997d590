from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from lumi_common.events.streams import ensure_streams
from lumi_common.service import Runtime
from lumi_identity.server import REFUSALS, bootstrap, compose
from lumi_identity.settings import IdentitySettings
from lumi_local import testing
from lumi_local.nats import NatsServer
from lumi_local.postgres import PostgresServer
from services.identity.tests.kit import KEY_FOR_KEYS
from services.identity.tests.rpc.clients import ADMIN_EMAIL, ADMIN_PASSWORD, Identity


@pytest.fixture
async def identity(server: PostgresServer) -> AsyncIterator[Identity]:
    async with running(server, "") as identity:
        yield identity


@pytest.fixture(scope="session")
def nats() -> Iterator[NatsServer]:
    with testing.nats() as server:
        yield server


@pytest.fixture
async def identity_with_nats(server: PostgresServer, nats: NatsServer) -> AsyncIterator[Identity]:
    await ensure_streams(nats.url_admin)
    async with running(server, nats.url("identity")) as identity:
        yield identity


@asynccontextmanager
async def running(server: PostgresServer, nats_url: str, **told: Any) -> AsyncIterator[Identity]:
    """Identity in this process; `told` are settings beside those of every test."""
    given: dict[str, Any] = {
        "env": "local",
        "postgres_dsn": server.dsn("lumi_identity"),
        "nats_url": nats_url,
        "public_address": "127.0.0.1:0",
        "internal_address": "127.0.0.1:0",
        "plaintext_internal": True,
        "token_pepper": "a pepper for tests that is long enough",
        "key_encryption_key": KEY_FOR_KEYS,
        "bcrypt_cost": 4,
        "max_addresses": 4,
        "purge_settle_seconds": 0,
        "admin_email": ADMIN_EMAIL,
        "admin_password": ADMIN_PASSWORD,
    }
    settings = IdentitySettings(**given | told)
    runtime = Runtime("identity", settings, refusals=REFUSALS)
    await runtime.open()
    try:
        await bootstrap(runtime)
        if "mail_folder" in told:
            await runtime.db.pool.execute("delete from mails")  # what other tests left in the queue would go out first
        await compose(runtime)
        await runtime.start()
        async with Identity(runtime) as identity:
            yield identity
    finally:
        await runtime.close()
