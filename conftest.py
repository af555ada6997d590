"""Fixtures for every test of the tree."""

pytest_plugins = ["tests.kit.fixtures"]
