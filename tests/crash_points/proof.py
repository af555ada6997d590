"""Plays the scenes while processes die in them, and keeps what came of each."""

import asyncio
from collections.abc import Iterable, Mapping
from itertools import groupby

from tests.crash_points.points import Points, service_of
from tests.crash_points.scenes import Scene, answered
from tests.crash_points.steps import Crash
from tests.kit.waiting import until
from tests.races.floor import Floor

# How long it may take until somebody passes a point, and until all is at its end once nobody dies any more.
PASSED_SECONDS, ENDED_SECONDS = 120.0, 60.0
STRAY_SECONDS = 5.0
TRIES = 3
SET_AT_ONCE = 8

Living = asyncio.Task[None]
Outcomes = dict[Crash, BaseException | None]


async def see(crashes: Iterable[Crash], floor: Floor) -> Outcomes:
    """See these deaths and every scene to its end; what went wrong with each, None where nothing did.

    Services die beside each other, each at one point after the other. What is recovered from the one death goes on
    while the next one happens.
    """
    points, scenes = Points(floor.stack), {crash: crash.scene(floor) for crash in crashes}
    lanes = [_Lane(points, scenes, list(lane)) for _, lane in groupby(sorted(scenes, key=_service), key=_service)]
    room = asyncio.Semaphore(SET_AT_ONCE)
    await asyncio.gather(*(_set(scene, room) for scene in scenes.values()))
    await asyncio.gather(*(lane.die() for lane in lanes))
    living = {crash: task for lane in lanes for crash, task in lane.living.items()}
    _, late = await asyncio.wait(living.values(), timeout=ENDED_SECONDS)
    for task in late:
        task.cancel()
    outcomes = dict(zip(living, await asyncio.gather(*living.values(), return_exceptions=True), strict=True))
    for crash, task in living.items():
        if task in late:
            outcomes[crash] = AssertionError(f"the scene did not come to its end within {ENDED_SECONDS:g} s")
    return outcomes


class _Lane:
    """The deaths of one service; `living` are the scenes that they happen in."""

    def __init__(self, points: Points, scenes: Mapping[Crash, Scene], crashes: list[Crash]) -> None:
        self._points, self._scenes, self._crashes = points, scenes, crashes
        self.living: dict[Crash, Living] = {}

    async def die(self) -> None:
        """See the first death of each, one after the other; what follows goes on by itself."""
        for crash in self._crashes:
            first, *others = crash.way
            try:
                scene = await self._seen(crash, first)
            except Exception as error:
                scene = asyncio.get_running_loop().create_future()
                scene.set_exception(error)
            self.living[crash] = asyncio.create_task(self._recovering(others, scene))

    async def _seen(self, crash: Crash, point: str) -> Living:
        """A scene in which somebody died at this point, and is back."""
        scene = self._scenes[crash]
        for _ in range(TRIES):
            for each in crash.way:  # all at once: who is back goes on before we have seen it
                self._points.arm(each)
            living = asyncio.create_task(_played(scene))
            if await self._dies(point, living):
                return living
            # Others, who died too, have led it past the point: once more.
            await asyncio.wait_for(living, ENDED_SECONDS)
            scene = crash.scene(scene.floor)
            # Here others are dying, and whoever is asked may be away, or those whom they ask.
            await asyncio.wait_for(answered(scene.set), PASSED_SECONDS)
        raise AssertionError(f"nobody passed {point}")

    async def _recovering(self, points: list[str], scene: Living) -> None:
        try:
            for point in points:
                assert await self._dies(point, scene), f"nobody passed {point}"
        finally:
            for point in points:
                self._points.disarm(point)
        await scene

    async def _dies(self, point: str, scene: Living) -> bool:
        """Whether somebody dies there before the scene is over."""

        async def hit_or_over() -> bool:
            return self._points.is_hit(point) or scene.done()

        async def hit() -> bool:
            return self._points.is_hit(point)

        try:
            await until(hit_or_over, f"somebody passes {point}", seconds=PASSED_SECONDS)
            await until(hit, f"somebody passes {point}", seconds=STRAY_SECONDS)  # its events may be on their way yet
        except AssertionError:
            return False
        finally:
            self._points.disarm(point)
        await self._points.died(point)
        return True


async def _set(scene: Scene, room: asyncio.Semaphore) -> None:
    async with room:
        await scene.set()


async def _played(scene: Scene) -> None:
    await scene.play()
    await scene.expect()


def _service(crash: Crash) -> str:
    return service_of(crash.way[0])
