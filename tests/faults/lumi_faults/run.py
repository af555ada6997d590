"""A run: the shop opens, people shop, faults come as planned; then all comes to rest and the books are looked at."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from lumi_client import LumiError

from lumi_common.db.invariants import look
from lumi_faults.buyer import Buyer
from lumi_faults.notes import Notes
from lumi_faults.people import NeverTold, Person
from lumi_faults.plan import Fault, Kind, Plan
from lumi_faults.reckoning import Violation, given_up, reckon
from lumi_faults.stage import NotBack, Stage
from lumi_faults.store import Store
from lumi_faults.watch import Watch, violation
from lumi_invariants.checker import PATIENCE_SECONDS, books, check
from lumi_invariants.law import LAW
from lumi_local.testing import LocalStack

# Beside those of a stack that tests have: short lives, so that they end in a run, and money in every column.
ENVIRONMENT = {
    "LUMI_RESERVATION_SECONDS": "5",
    "LUMI_ORDER_EXPIRY_SECONDS": "40",
    "LUMI_SHIPPING_RATES": '[{"currency":"USD","amount":"4.90","free_from":"30.00"}]',
    "LUMI_TAX_RATES": '[{"country":"GB","rate":"0.175","included":false}]',
}
_CLERKS = 2
_AGAIN_SECONDS = 1.0


@dataclass(frozen=True)
class Outcome:
    """What a run came to; `happened` counts orders and what became of them, `faults` those that were done, by kind and
    target; `rest` is the seconds that the books took to be right once traffic had stopped.
    """

    plan: Plan
    happened: dict[str, int]
    faults: dict[tuple[Kind, str], int]
    rest: float
    violations: list[Violation]


async def run(stack: LocalStack, plan: Plan, tell: Callable[[str], None]) -> Outcome:
    """Carry the plan out on a stack of its own; `tell` hears how it goes."""
    notes = Notes()
    async with Stage.of(stack) as stage, _people(stage, plan, notes) as buyers:
        watch = Watch(stack.description["postgres"])
        closing = asyncio.Event()
        watching = asyncio.create_task(watch.run(closing))
        shopping = [asyncio.create_task(_shop(buyer, closing)) for buyer in buyers]
        tell(f"{len(buyers)} shoppers are in")
        troubles = await _inflict(stage, plan, lambda: tell(_so_far(stage, notes)))
        tell(f"the last fault is over; {_so_far(stage, notes)}")
        closing.set()
        troubles += [trouble for each in await asyncio.gather(*shopping) for trouble in each]
        await watching
        started = time.monotonic()
        found = await _settle(stack, stage, notes)
        notes.happened["replies lost on their way"] = stage.replies_lost
        notes.happened["looks at the books while orders came"] = watch.looks
        return Outcome(
            plan,
            dict(notes.happened),
            dict(sorted(stage.done.items())),
            time.monotonic() - started,
            [*troubles, *watch.violations, *found],
        )


@asynccontextmanager
async def _people(stage: Stage, plan: Plan, notes: Notes) -> AsyncIterator[list[Buyer]]:
    """Everybody in their place, before there are any faults."""
    admin = stage.description["admin"]
    people: list[Person] = []

    async def person(email: str = "", password: str = "") -> Person:
        account = {"email": email, "password": password} if email else {}
        people.append(Person(await stage.way_in(), notes.happened, **account))
        return people[-1]

    try:
        clerks = [await person(admin["email"], admin["password"]) for _ in range(_CLERKS)]
        store = Store(clerks[0], notes)
        await store.open()
        buyers = []
        for shopper in plan.shoppers:
            buyers.append(Buyer(shopper, await person(), clerks[shopper.number % _CLERKS], store, notes))
            await buyers[-1].move_in()
        yield buyers
    finally:
        await asyncio.gather(*(each.close() for each in people))


async def _shop(buyer: Buyer, closing: asyncio.Event) -> list[Violation]:
    try:
        await buyer.shop(closing)
    except NeverTold as trouble:
        return [Violation("somebody asked and asked and was never told", 1, f"shopper {buyer.shopper}: {trouble}")]
    except LumiError as refusal:
        told = f"shopper {buyer.shopper}: {refusal} {refusal.facts}"
        return [Violation("somebody was told what no fault explains", 1, told)]
    return []


async def _inflict(stage: Stage, plan: Plan, tell: Callable[[], None]) -> list[Violation]:
    """Every fault at its time, some while others last; back when all are over and every part is well again."""
    loop = asyncio.get_running_loop()
    started = loop.time()

    async def inflict(fault: Fault) -> None:
        await asyncio.sleep(started + fault.at - loop.time())
        await stage.inflict(fault)

    async def narrate() -> None:
        while True:
            await asyncio.sleep(15)
            tell()

    narrator = asyncio.create_task(narrate())
    try:
        outcomes = await asyncio.gather(*map(inflict, plan.faults), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException) and not isinstance(outcome, NotBack):
                raise outcome
        await stage.recover()
    except NotBack as trouble:
        outcomes = [*outcomes, trouble]
    finally:
        narrator.cancel()
    return [Violation("a part did not come back", 1, str(each)) for each in outcomes if isinstance(each, NotBack)]


async def _settle(stack: LocalStack, stage: Stage, notes: Notes) -> list[Violation]:
    """What is wrong once everything had the time that it may take to come to rest."""
    async with books(stack.description["postgres"]) as connection:
        findings = await check(connection, patience=PATIENCE_SECONDS)
        broken = [violation(each) for each in findings if not each.holds]
        end = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end:
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                if await _at_rest(connection):
                    return [*broken, *await reckon(connection, notes), *await given_up(connection)]
            await asyncio.sleep(_AGAIN_SECONDS)
    return [*broken, Violation("the books do not come to rest", 1)]


async def _at_rest(connection: Any) -> bool:
    """Whether nothing is under way in this snapshot: an order that expires is, for a moment.

    What people were told is held against such a snapshot alone, once: to wait until it is true could hide that it
    was not.
    """
    if await connection.fetchval("select exists (select from orders.checkouts)"):
        return False
    return all(each.holds for each in await look(connection, LAW["X4"]))


def _so_far(stage: Stage, notes: Notes) -> str:
    return f"{notes.happened['placed']:,} orders, {sum(stage.done.values()):,} faults"
