"""Arming the crash points of a running stack, and seeing who dies there."""

import asyncio
import re
from collections import Counter

from lumi_local.health import service_is_ready
from lumi_local.home import Home
from lumi_local.supervision import Supervisor
from lumi_local.testing import LocalStack
from tests.kit.waiting import until

SECONDS_TO_COME_BACK = 60.0
LOOK_SECONDS = 0.15


class Points:
    """The crash points of a stack whose LUMI_CRASH_AT is this folder."""

    def __init__(self, stack: LocalStack) -> None:
        self._folder = stack.home / "crash"
        self._folder.mkdir(exist_ok=True)
        for left in self._folder.iterdir():
            left.unlink()
        self._home = Home(stack.home)
        self._supervisor = Supervisor(self._home)
        self._ports = {
            name: int(each["public"].rpartition(":")[2]) for name, each in stack.description["services"].items()
        }
        self._deaths: Counter[str] = Counter()

    def arm(self, point: str) -> None:
        """From now on the first process to pass this point dies there; nothing where somebody has just done so."""
        if not self.is_hit(point):
            (self._folder / point).touch()

    def disarm(self, point: str) -> None:
        """Nobody dies there any more."""
        (self._folder / point).unlink(missing_ok=True)

    def is_hit(self, point: str) -> bool:
        """Whether somebody has died there whom `died` has not seen yet."""
        return len(self._victims(point)) > self._deaths[point]

    async def died(self, point: str) -> None:
        """See that who passed the point is dead, by SIGKILL, and its service back; fails otherwise."""
        part = service_of(point)
        [victim] = self._victims(point)[self._deaths[point] :]
        self._deaths[point] += 1

        async def killed() -> bool:
            await asyncio.sleep(LOOK_SECONDS)
            self._supervisor.states()  # it looks about once a second; a question makes it look at once
            return (part, victim) in self._killed()

        async def back() -> bool:
            await asyncio.sleep(LOOK_SECONDS)
            state = self._supervisor.states()[part]
            # It may be ready before a second has passed, which is when the supervisor calls it RUNNING.
            return state.pid not in (0, victim) and service_is_ready(self._ports[part])

        await until(killed, f"{part} died of SIGKILL at {point}")
        await until(back, f"{part} is back", seconds=SECONDS_TO_COME_BACK)

    def _victims(self, point: str) -> list[int]:
        """Who died there, the last one last."""
        hit = sorted(self._folder.glob(f"{point}@*"), key=lambda each: each.stat().st_mtime_ns)
        return [int(each.name.rpartition("@")[2]) for each in hit]

    def _killed(self) -> set[tuple[str, int]]:
        """Part and process id of all that the supervisor, their parent, saw die of SIGKILL."""
        running: dict[str, int] = {}
        killed = set()
        for line in self._home.log("supervisord").read_text().splitlines():
            if spawned := re.search(r"spawned: '(\w+)' with pid (\d+)", line):
                running[spawned[1]] = int(spawned[2])
            elif ended := re.search(r"exited: (\w+) \(terminated by SIGKILL", line):
                killed.add((ended[1], running[ended[1]]))
        return killed


def service_of(point: str) -> str:
    """Whose process a point is in: `orders` of `orders.sweeper.…` and of `orders-payments.…`."""
    found = re.match(r"[a-z]+", point)
    assert found is not None, point
    return found[0]
