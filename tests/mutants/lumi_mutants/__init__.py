"""Planted bugs: each is put into a copy of the sources, where the tests that it names must fail."""
