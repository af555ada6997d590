"""Fixtures for every test of the tree."""

import os
from typing import Any

pytest_plugins = ["tests.kit.fixtures"]

# What the suite itself is told; any other setting is of somebody's stack and has no say in a test.
_OURS = {
    "LUMI_CHROMIUM_BIN",
    "LUMI_ENVOY_BIN",
    "LUMI_FAULT_SECONDS",
    "LUMI_FUZZ_MESSAGES",
    "LUMI_NATS_BIN",
    "LUMI_POSTGRES_BIN",
    "LUMI_RACE_ROUNDS",
    "LUMI_SEED",
}


def pytest_configure() -> None:
    for name in os.environ.keys() - _OURS:
        if name.startswith("LUMI_"):
            del os.environ[name]


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print what a test that passed has to tell (its property `told`), also where it ran in a worker."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == "told":
                terminalreporter.write_line(f"{report.nodeid}: {value}")
