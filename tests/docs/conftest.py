import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver

from tests.docs.browser import started
from tests.gateway.gateway import Gateway, running_gateway

CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "chrome")
HOW_TO = "`make test` as root on Debian installs it; otherwise install chromium and its chromedriver"


@pytest.fixture(scope="session")
def gateway() -> Iterator[Gateway]:
    """An Envoy before services that answer whatever they are told to."""
    with tempfile.TemporaryDirectory(prefix="lumi-gateway-") as folder, running_gateway(Path(folder)) as gateway:
        yield gateway


@pytest.fixture
def browser() -> Iterator[webdriver.Chrome]:
    """A Chromium without a window, for which there is no host but this one."""
    program = os.environ.get("LUMI_CHROMIUM_BIN") or next(filter(None, map(shutil.which, CHROMIUM)), None)
    driver = shutil.which("chromedriver")
    if program is None or driver is None:
        pytest.skip(f"there is no {'Chromium' if program is None else 'chromedriver'}: {HOW_TO}")
    with tempfile.TemporaryDirectory(prefix="lumi-browser-") as folder, started(program, driver, folder) as browser:
        yield browser
