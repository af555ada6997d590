"""The stack under the faults: lines to its doors that can be cut, and what is done to its parts."""

import asyncio
import json
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import asyncpg

from lumi_common.events.leader import AWAY
from lumi_common.events.outbox import RELAY
from lumi_faults.plan import GATEWAY, POSTGRES, Fault, Kind
from lumi_faults.process import Process, pause
from lumi_faults.wire import Wire
from lumi_local.parts import Blueprint, Part
from lumi_local.process import write_private
from lumi_local.settings import Settings
from lumi_local.stack import Stack
from lumi_local.testing import LocalStack
from lumi_local.topology import SERVICES

# Within this, what supervises the stack has every part back, on any machine.
SECONDS_TO_COME_BACK = 120.0
_LOOK_SECONDS = 0.1
_RELAYS_PROCESS = "select pid from pg_stat_activity where application_name = $1 order by backend_start desc limit 1"


class NotBack(Exception):
    """A part of the stack did not come back."""


class Stage:
    """A running stack. Between its services, and between each buyer and the gateway, there is a `Wire`."""

    def __init__(self, stack: LocalStack) -> None:
        settings = stack.environment
        self.description = stack.description
        self.done: Counter[tuple[Kind, str]] = Counter()
        self._stack = Stack(
            Settings(
                home=stack.home,
                port_base=int(settings["LUMI_PORT_BASE"]),
                gateway_port=int(settings["LUMI_GATEWAY_PORT"]),
            )
        )
        self._home = self._stack.home
        self._parts = Blueprint.of(self._stack.settings, self._home, build="").parts()
        self._wires: dict[str, list[Wire]] = {GATEWAY: [], **{service: [] for service in SERVICES}}
        self._open = AsyncExitStack()

    @classmethod
    @asynccontextmanager
    async def of(cls, stack: LocalStack) -> AsyncIterator["Stage"]:
        """The stage of a stack, whose services have been told to find each other by lines of ours."""
        stage = cls(stack)
        async with stage._open:
            await stage._come_between()
            yield stage

    async def way_in(self) -> str:
        """A line of somebody's own to the gateway; its URL."""
        wire = await self._wire(GATEWAY, self._stack.settings.gateway_port)
        return f"http://{wire.address}"

    @property
    def replies_lost(self) -> int:
        """How many answers were on their way when their line was cut."""
        return sum(wire.lost for wires in self._wires.values() for wire in wires)

    async def inflict(self, fault: Fault) -> None:
        """Do it, to the end; counted once it is known that it was done. Raises NotBack."""
        match fault.kind:
            case Kind.KILL:
                await self._kill(fault.target)
            case Kind.STOP:
                await self._kill(fault.target, signal.SIGQUIT)
            case Kind.PAUSE:
                await pause(await self._process(fault.target), fault.seconds)
            case Kind.RELAY_END:
                await self._end_relay(fault.target)
            case Kind.RELAY_PAUSE:
                await self._pause_relay(fault.target, fault.seconds)
            case Kind.CUT:
                for wire in self._wires[fault.target]:
                    wire.cut()
            case Kind.HOLD:
                await asyncio.gather(*(wire.hold(fault.seconds) for wire in self._wires[fault.target]))
        self.done[fault.kind, fault.target] += 1

    async def recover(self) -> None:
        """Wait until every part is well; raises NotBack, naming those that are not."""
        end = time.monotonic() + SECONDS_TO_COME_BACK
        while True:
            ill = [part.name for part in self._parts if not await self._is_well(part)]
            if not ill:
                return
            if time.monotonic() > end:
                raise NotBack(", ".join(ill))
            await asyncio.sleep(_LOOK_SECONDS)

    async def _is_well(self, part: Part) -> bool:
        if part.name != POSTGRES:
            return await asyncio.to_thread(part.is_healthy)
        # Asked here, because gRPC says something about every program that is started beside it.
        return bool(await self._ask("select true"))

    async def _kill(self, part: str, by: signal.Signals = signal.SIGKILL) -> None:
        process = await self._process(part)
        if part == "payments":
            self._turn_payments_round()
        process.send(by)
        await process.end()
        process.close()

    async def _process(self, part: str) -> Process:
        """A part's process, once it has one that runs."""
        end = time.monotonic() + SECONDS_TO_COME_BACK
        while time.monotonic() < end:
            state = (await asyncio.to_thread(self._stack.supervisor.states)).get(part)
            if state is not None and state.word == "RUNNING":
                try:
                    process = Process(state.pid)
                except ProcessLookupError:
                    continue
                if not process.is_gone:
                    return process
                process.close()
            await asyncio.sleep(_LOOK_SECONDS)
        raise NotBack(part)

    async def _end_relay(self, service: str) -> None:
        while not await self._ask("select pg_terminate_backend($1)", await self._relay(service)):  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_SECONDS)

    async def _pause_relay(self, service: str, seconds: float) -> None:
        while True:
            try:
                process = Process(await self._relay(service))
            except ProcessLookupError:
                continue  # it has just gone
            return await pause(process, seconds)

    async def _relay(self, service: str) -> int:
        """The process of the session by which a service's relay leads, once there is one."""
        end = time.monotonic() + SECONDS_TO_COME_BACK
        while time.monotonic() < end:
            pid: int | None = await self._ask(_RELAYS_PROCESS, f"lumi-{service} {RELAY}")
            if pid is not None:
                return pid
            await asyncio.sleep(_LOOK_SECONDS)
        raise NotBack(f"the relay of {service}")

    async def _ask(self, query: str, *values: object) -> Any:
        """What PostgreSQL answers, None while it is away."""
        with suppress(*AWAY, TimeoutError):
            connection = await asyncpg.connect(self.description["postgres"], timeout=10, command_timeout=10)
            try:
                return await connection.fetchval(query, *values)
            finally:
                await connection.close(timeout=5)
        return None

    async def _wire(self, target: str, port: int) -> Wire:
        wire = Wire(port)
        await wire.open()
        self._open.push_async_callback(wire.close)
        self._wires[target].append(wire)
        return wire

    async def _come_between(self) -> None:
        """Have the services find their peers by lines of ours, which takes a restart."""
        settings = self._stack.settings
        peers = {name: (await self._wire(name, settings.internal_port(name))).address for name in SERVICES}
        for service in SERVICES:
            self._tell(service, LUMI_PEERS=json.dumps(peers))
        for service in SERVICES:
            await self._kill(service)
        await self.recover()

    def _turn_payments_round(self) -> None:
        """Payments by hand settle at once after one start of the service, and wait for staff after the next."""
        spec = json.loads(self._home.spec("payments").read_text())
        now = spec["env"]["LUMI_MANUAL_PAYMENTS"]
        self._tell("payments", LUMI_MANUAL_PAYMENTS="record" if now == "settle" else "settle")

    def _tell(self, service: str, **environment: str) -> None:
        """What the service finds in its environment when it starts the next time."""
        path = self._home.spec(service)
        spec = json.loads(path.read_text())
        spec["env"] |= environment
        write_private(path, json.dumps(spec, indent=1))
