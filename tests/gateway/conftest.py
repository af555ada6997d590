import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.gateway import Gateway, running_gateway


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
