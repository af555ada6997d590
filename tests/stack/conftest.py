from collections.abc import Iterator

import pytest

from lumi_local import testing


@pytest.fixture
def environment() -> Iterator[dict[str, str]]:
    """Settings of a stack of this test's own; whatever was started is stopped at the end."""
    with testing.own_environment() as settings:
        yield settings


@pytest.fixture
def another_environment() -> Iterator[dict[str, str]]:
    """Settings of a second stack, as of another checkout."""
    with testing.own_environment() as settings:
        yield settings


@pytest.fixture(scope="module")
def stores() -> Iterator[dict[str, str]]:
    """Settings of a stack whose stores a module's tests bring up and down, with one database."""
    with testing.own_environment() as settings:
        yield settings


@pytest.fixture(scope="module")
def running() -> Iterator[dict[str, str]]:
    """Settings of a whole stack that runs while this module's tests break it."""
    with testing.own_environment() as settings, testing.running_stack(settings):
        yield settings
