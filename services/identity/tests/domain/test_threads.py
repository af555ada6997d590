"""Work beside the loop: a few at a time, some may wait, the next is refused."""

import asyncio
import threading
from statistics import median
from time import monotonic, perf_counter

import bcrypt
import pytest

from lumi_common.errors import ResourceExhausted
from lumi_identity.threads import Threads


async def test_there_is_room_for_so_many_and_no_more_until_one_is_done() -> None:
    threads, gate = Threads("test", threads=2, waiting=3), threading.Event()
    held = [asyncio.create_task(threads.run(gate.wait)) for _ in range(5)]
    await asyncio.sleep(0)

    with pytest.raises(ResourceExhausted, match="OVERLOADED"):
        await threads.run(int)

    gate.set()
    assert await asyncio.gather(*held) == [True] * 5
    assert await threads.run(int, "7") == 7
    await threads.close()


async def test_a_caller_that_goes_away_makes_room() -> None:
    threads, gate = Threads("test", threads=1, waiting=1), threading.Event()
    working = asyncio.create_task(threads.run(gate.wait))
    leaving = asyncio.create_task(threads.run(gate.wait))
    await asyncio.sleep(0)

    leaving.cancel()
    await asyncio.wait((leaving,))
    staying = asyncio.create_task(threads.run(gate.wait))
    await asyncio.sleep(0)
    gate.set()

    assert await asyncio.gather(working, staying) == [True, True]
    await threads.close()


async def test_the_loop_goes_on_meanwhile() -> None:
    threads, gate = Threads("test", threads=1, waiting=0), threading.Event()
    began = monotonic()
    working = asyncio.create_task(threads.run(gate.wait))
    for _ in range(10):
        await asyncio.sleep(0)

    assert monotonic() - began < 5
    gate.set()
    await working
    await threads.close()


async def test_hashing_in_a_full_pool_never_holds_up_the_loop() -> None:
    threads = Threads("test", threads=2, waiting=4)
    salt = bcrypt.gensalt(10)
    began = perf_counter()
    bcrypt.hashpw(b"a password", salt)
    alone = perf_counter() - began

    hashing = [asyncio.create_task(threads.run(bcrypt.hashpw, b"a password", salt)) for _ in range(6)]
    await asyncio.sleep(0)
    with pytest.raises(ResourceExhausted, match="OVERLOADED"):
        await threads.run(int)
    lags = []
    while not all(task.done() for task in hashing):
        asked = perf_counter()
        await asyncio.sleep(0.001)
        lags.append(perf_counter() - asked - 0.001)
    await asyncio.gather(*hashing)
    await threads.close()

    # A loop that waited for a hash to be done would be late by all of it, each time.
    assert len(lags) > 6
    assert median(lags) < alone / 4
