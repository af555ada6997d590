"""A real gateway: in front of the shop, and in front of backends that answer whatever they are told to."""

import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from lumi_envoy.settings import LOOPBACK, Settings
from lumi_local.process import free_port
from tests.gateway.gateway import CHANNEL, RATES, Gateway, running_envoy, running_gateway
from tests.kit.shop import Shop
from tests.kit.waiting import until


@dataclass(frozen=True)
class Edge:
    """The gateway as clients meet it."""

    http: httpx.AsyncClient
    channel: Any


@pytest.fixture(scope="session")
def envoy(shop: Shop) -> Iterator[Settings]:
    # Envoy dies with the thread that starts it, so this is no coroutine: it waits for Envoy, and Envoy for nobody.
    settings = Settings(
        env="local",
        port_base=free_port() - 901,
        gateway_port=free_port(),
        upstreams={name: f"{LOOPBACK}:{runtime.server.public_port}" for name, runtime in shop.runtimes.items()},
        **dict.fromkeys(RATES, 1_000_000),
    )
    with tempfile.TemporaryDirectory(prefix="lumi-access-") as folder, running_envoy(settings, Path(folder)):
        yield settings


@pytest.fixture(scope="session")
async def edge(envoy: Settings) -> AsyncIterator[Edge]:
    address = f"{LOOPBACK}:{envoy.gateway_port}"
    async with (
        httpx.AsyncClient(base_url=f"http://{address}", trust_env=False, timeout=20) as http,
        grpc.aio.insecure_channel(address, options=CHANNEL) as channel,
    ):

        async def answers() -> bool:
            paths = (
                "/.well-known/jwks.json",
                "/v1/products",
                "/v1/coupons:validate",
                "/v1/carts:active",
                "/v1/payments",
            )
            return all([(await http.get(path)).status_code not in (404, 503) for path in paths])

        await until(answers, "the gateway finds every service")
        yield Edge(http, channel)


@pytest.fixture(scope="session")
def running() -> Iterator[Gateway]:
    """One Envoy for all tests of this process."""
    with tempfile.TemporaryDirectory(prefix="lumi-gateway-") as folder, running_gateway(Path(folder)) as gateway:
        yield gateway


@pytest.fixture
def gateway(running: Gateway) -> Gateway:
    """The gateway, with nothing remembered from earlier tests."""
    running.backends.calls.clear()
    running.http.cookies.clear()
    return running
