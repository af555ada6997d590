"""Fixtures for every test of the tree."""

import os

pytest_plugins = ["tests.kit.fixtures"]

# What the suite itself is told; any other setting is of somebody's stack and has no say in a test.
_OURS = {
    "LUMI_CHROMIUM_BIN",
    "LUMI_ENVOY_BIN",
    "LUMI_FAULT_SECONDS",
    "LUMI_NATS_BIN",
    "LUMI_POSTGRES_BIN",
    "LUMI_RACE_ROUNDS",
    "LUMI_SEED",
}


def pytest_configure() -> None:
    for name in os.environ.keys() - _OURS:
        if name.startswith("LUMI_"):
            del os.environ[name]
