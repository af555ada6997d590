"""Processes are stopped with their children, go on, and are seen to end."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lumi_faults.process import Process, pause
from tests.kit.waiting import until

PARENT = "import subprocess; subprocess.run(['sleep', '300'])"


@pytest.fixture
def parent() -> Iterator[subprocess.Popen[bytes]]:
    """A process with one child."""
    with subprocess.Popen([sys.executable, "-c", PARENT], start_new_session=True) as process:
        yield process
        process.send_signal(signal.SIGCONT)
        process.kill()


def state(pid: int) -> str:
    """The system's letter for what a process is doing: S sleeping, T stopped."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def name(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text().strip()


async def test_a_pause_stops_a_process_and_its_children_and_lets_them_go_on(parent: subprocess.Popen[bytes]) -> None:
    process = Process(parent.pid)

    async def has_child() -> bool:
        # Before it is what it is to be, its parent waits for it and is not seen to stop.
        return [name(each.pid) for each in process.children()] == ["sleep"]

    await until(has_child, "the child is what it is to be")
    child = process.children()[0]
    pausing = asyncio.create_task(pause(process, 3600))

    async def both(letter: str) -> bool:
        return state(parent.pid) == state(child.pid) == letter

    await until(lambda: both("T"), "both are stopped")
    pausing.cancel()
    await until(lambda: both("S"), "both go on")
    child.send(signal.SIGKILL)
    await asyncio.wait_for(child.end(), 20)


async def test_a_process_that_was_killed_is_gone_and_a_signal_to_it_goes_to_nobody(
    parent: subprocess.Popen[bytes],
) -> None:
    process = Process(parent.pid)
    assert not process.is_gone

    process.send(signal.SIGKILL)
    await asyncio.wait_for(process.end(), 20)

    assert process.is_gone
    parent.wait()
    process.send(signal.SIGKILL)
