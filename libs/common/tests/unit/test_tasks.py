import asyncio

import pytest

from lumi_common.tasks import end


async def test_nobody_is_left_behind_by_who_is_cancelled_while_ending_them():
    async def slow_to_stop() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.05)

    slow = asyncio.create_task(slow_to_stop())
    await asyncio.sleep(0)
    ending = asyncio.create_task(end([slow]))
    await asyncio.sleep(0)

    ending.cancel()

    with pytest.raises(asyncio.CancelledError):
        await ending
    assert slow.done()
