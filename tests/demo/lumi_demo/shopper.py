"""The households buy their baskets: several at a time, each one's in order."""

import asyncio
from collections.abc import Callable

from lumi_client import Lumi

from lumi_demo.baskets import Baskets
from lumi_demo.household import Household
from lumi_demo.pace import Pace
from lumi_demo.progress import Bar
from lumi_demo.shelf import Shelf


async def buy_all(
    baskets: Baskets,
    shelf: Shelf,
    shop: Lumi,
    password: Callable[[int], str],
    at_once: int,
    bar: Bar,
) -> Pace:
    """Buy every basket that is not bought yet; `password` gives a household's, `at_once` households shop together."""
    pace = Pace()
    waiting = iter(baskets.by_household().items())

    async def work() -> None:
        for number, indices in waiting:
            household = await Household.enter(shop, number, password(number))
            await household.settle_cart()
            bought = await household.bought()
            for index in indices:
                basket = baskets[index]
                if str(basket.id) not in bought:
                    await household.buy(basket, shelf, pace)
                bar.advance()

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(work())
    return pace
