from collections.abc import AsyncIterator

import pytest

from lumi_common.service import Runtime
from lumi_identity.server import REFUSALS, bootstrap, compose
from lumi_identity.settings import IdentitySettings
from lumi_local.postgres import PostgresServer
from services.identity.tests.rpc.clients import ADMIN_EMAIL, ADMIN_PASSWORD, Identity


@pytest.fixture
async def identity(server: PostgresServer) -> AsyncIterator[Identity]:
    settings = IdentitySettings(
        env="local",
        postgres_dsn=server.dsn("lumi_identity"),
        public_address="127.0.0.1:0",
        internal_address="127.0.0.1:0",
        plaintext_internal=True,
        token_pepper="a pepper for tests that is long enough",
        key_encryption_key="a key for tests that is long enough",
        bcrypt_cost=4,
        max_addresses=4,
        admin_email=ADMIN_EMAIL,
        admin_password=ADMIN_PASSWORD,
    )
    runtime = Runtime("identity", settings, refusals=REFUSALS)
    await runtime.open()
    await runtime.db.pool.execute("delete from signing_keys")  # of tests with another encryption key
    await bootstrap(runtime)
    await compose(runtime)
    await runtime.start()
    identity = Identity(runtime)
    yield identity
    await identity.close()
