"""Every two commands at once, on an order in each state where one has its place: nothing comes of it but what may.

Whoever is too late is told so by name; the order's history is a way that there is; all that is true of orders and of
money stays true.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from itertools import product
from typing import NamedTuple

import pytest
from lumi.common.v1 import errors_pb2 as common_errors
from lumi.orders.v1 import errors_pb2 as orders_errors
from lumi.orders.v1.order_pb2 import Order, PlaceOrderResponse
from lumi.payments.v1 import errors_pb2 as payments_errors

from lumi_common.errors import LumiError
from lumi_invariants.checker import books, check
from tests.checkout.commands import COMMANDS, STATES, Line, Target, bring
from tests.checkout.conftest import Town

AT_ONCE = 8
INVARIANTS = ("O1", "O2", "O3", "O4", "O5", "O6", "O7", "M1", "M2", "M4", "M5", "M6", "M7", "S2", "S5")
NAMED = {
    name.removeprefix("ERROR_REASON_")
    for module in (common_errors, orders_errors, payments_errors)
    for name, _ in module.ErrorReason.items()
}
LOST = {"ABORTED", "ALREADY_EXISTS", "FAILED_PRECONDITION", "NOT_FOUND"}
# Where an order is, once a command that was answered is the last word.
LEADS_TO = {
    "cancel": {"CANCELLED"},
    "fulfill": {"FULFILLED", "SHIPPED", "DELIVERED", "CANCELLED"},
    "ship": {"SHIPPED", "DELIVERED"},
    "deliver": {"DELIVERED"},
    "record": {"PAID", "FULFILLED", "SHIPPED", "DELIVERED", "CANCELLED"},
    "capture": {"PAID", "FULFILLED", "SHIPPED", "DELIVERED", "CANCELLED"},
}


@pytest.fixture(scope="module")
async def lines(town: Town) -> AsyncIterator[list[Line]]:
    """Two lines for each of those who work at once."""
    staff = await town.shop.user(
        "orders.cancel", "orders.delete", "orders.fulfill", "orders.read", "orders.write", "payments.capture",
        "payments.read", "payments.record", "payments.refund",
    )  # fmt: skip
    async with AsyncExitStack() as stack:
        lines = [Line(town.by_hand, staff.token) for _ in range(2 * AT_ONCE)]
        for line in lines:
            stack.push_async_callback(line.close)
        yield lines


class Told(NamedTuple):
    """What a command was told: the reason of the refusal, or the version of the order that came of it."""

    reason: str = ""
    version: str = ""


async def told(command: str, line: Line, at: Target, gate: asyncio.Event) -> Told:
    """What a command is told; anything but an answer or a refusal by name is raised."""
    await gate.wait()
    try:
        answer = await COMMANDS[command](line, at)
    except LumiError as refusal:
        if refusal.code not in LOST or refusal.reason not in NAMED:
            raise AssertionError(f"{command} was told {refusal.code} {refusal.reason}") from refusal
        return Told(reason=refusal.reason)
    order = answer.order if isinstance(answer, PlaceOrderResponse) else answer
    return Told(version=order.etag if isinstance(order, Order) else "")


async def at_once(first: str, second: str, pair: tuple[Line, Line], at: Target) -> tuple[Told, Told]:
    """What the two were told, the first released a moment earlier."""
    gate = asyncio.Event()
    tries = [asyncio.create_task(told(name, line, at, gate)) for name, line in zip((first, second), pair, strict=True)]
    gate.set()
    one, other = await asyncio.gather(*tries)
    return one, other


@pytest.mark.parametrize("state", STATES)
async def test_two_at_once_lead_nowhere_that_one_after_the_other_does_not(
    town: Town, lines: list[Line], state: str
) -> None:
    said = STATES[state].said
    names = [name for name in COMMANDS if state != "filled" or name in said]
    pairs = [pair for pair in product(names, repeat=2) if said.intersection(pair)]
    soup = await town.by_hand.shelf.put(1_000)
    wrong: list[str] = []
    ends: dict[str, tuple[str, set[str]]] = {}
    waiting = iter(pairs)

    async def work(pair: tuple[Line, Line]) -> None:
        for first, second in waiting:
            at = await bring(town.by_hand, pair[0], soup, state)
            one, other = await at_once(first, second, pair, at)
            what = f"{first} ({one.reason or 'OK'}) and {second} ({other.reason or 'OK'}) of {at.order or at.cart}"
            if one.reason and other.reason:
                wrong.append(f"nobody got on: {what}")
            if {first, second} <= said and (first != second or first == "note") and one.version == other.version != "":
                wrong.append(f"two changes made one version: {what}")
            may_be = [
                LEADS_TO[name] for name, told in ((first, one), (second, other)) if not told.reason and name in LEADS_TO
            ]
            if at.order and may_be:
                ends[at.order] = what, set.intersection(*may_be)

    await asyncio.gather(*(work((lines[2 * n], lines[2 * n + 1])) for n in range(AT_ONCE)))

    async with books(town.shop.postgres.dsn_superuser) as connection:
        broken = [finding for finding in await check(connection, INVARIANTS, patience=30.0) if not finding.holds]
        found = await connection.fetch("select id, status::text from orders.orders where id = any($1)", list(ends))
    wrong += [f"{row['status']} after {ends[row['id']][0]}" for row in found if row["status"] not in ends[row["id"]][1]]
    assert len(found) == len(ends)
    assert broken == []
    assert wrong == []
