"""The wire: one servicer for each proto service."""
