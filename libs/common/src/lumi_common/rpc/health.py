"""Health by grpc.health.v1: `live` while the process runs, `ready` and "" while it can serve."""

import asyncio
from collections.abc import Awaitable, Callable
from logging import getLogger
from typing import Any

from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as grpc_health

from lumi_common.logs import described

Check = Callable[[], Awaitable[object]]

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING

_READY_SECONDS, _NOT_READY_SECONDS, _CHECK_SECONDS = 2.0, 0.25, 1.0

_log = getLogger(__name__)


class Health:
    """Readiness is all checks passing; a check passes unless it raises or takes over a second."""

    def __init__(self) -> None:
        self._servicer = grpc_health.HealthServicer()
        self._checks: dict[str, Check] = {}
        self._failing: set[str] = set()
        self.ready = False
        self.draining = False

    def add(self, name: str, check: Check) -> None:
        """Make readiness depend on this check."""
        self._checks[name] = check

    async def register(self, server: Any) -> None:
        """Answer health calls on this server; live at once, not ready yet."""
        health_pb2_grpc.add_HealthServicer_to_server(self._servicer, server)
        await self._servicer.set("live", _SERVING)
        await self._tell(False)

    async def watch(self) -> None:
        """Run the checks for ever: often while not ready, so that recovery is told soon."""
        while not self.draining:
            await self.look()
            await asyncio.sleep(_READY_SECONDS if self.ready else _NOT_READY_SECONDS)

    async def look(self) -> bool:
        """Run the checks once and tell the outcome."""
        results = await asyncio.gather(*(self._passes(name, check) for name, check in self._checks.items()))
        if not self.draining:
            await self._tell(all(results))
        return self.ready

    async def drain(self) -> None:
        """Not ready from now on, whatever the checks say."""
        self.draining = True
        await self._tell(False)

    async def _tell(self, ready: bool) -> None:
        self.ready = ready
        for service in ("", "ready"):
            await self._servicer.set(service, _SERVING if ready else _NOT_SERVING)

    async def _passes(self, name: str, check: Check) -> bool:
        try:
            async with asyncio.timeout(_CHECK_SECONDS):
                await check()
        except Exception as error:
            if name not in self._failing:
                self._failing.add(name)
                _log.warning("not ready", extra={"check": name, "error": described(error)})
            return False
        if name in self._failing:
            self._failing.discard(name)
            _log.info("ready again", extra={"check": name})
        return True
