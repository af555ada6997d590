import os
import shutil
import tempfile
from collections.abc import Iterator

import pytest
from selenium import webdriver

from tests.docs.browser import started

CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "chrome")
HOW_TO = "`make test` as root on Debian installs it; otherwise install chromium and its chromedriver"


@pytest.fixture
def browser() -> Iterator[webdriver.Chrome]:
    """A Chromium without a window, for which there is no host but this one."""
    program = os.environ.get("LUMI_CHROMIUM_BIN") or next(filter(None, map(shutil.which, CHROMIUM)), None)
    driver = shutil.which("chromedriver")
    if program is None or driver is None:
        pytest.skip(f"there is no {'Chromium' if program is None else 'chromedriver'}: {HOW_TO}")
    with tempfile.TemporaryDirectory(prefix="lumi-browser-") as folder, started(program, driver, folder) as browser:
        yield browser
