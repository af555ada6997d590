"""The world of all scenes, for whoever means ill in it."""

from tests.access.conftest import edge, envoy
from tests.request_ids.conftest import world

__all__ = ["edge", "envoy", "world"]
