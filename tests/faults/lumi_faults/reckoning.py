"""What people were told, held against the books: an order for an order, a cent for a cent, a unit for a unit."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from lumi_faults.notes import Bought, Notes

_ORDERS = """
    select o.id, o.cart_id, o.status::text as status, o.total_amount as total, coalesce(o.coupon_code, '') as coupon,
        (select jsonb_object_agg(i.product_variant_id, i.quantity) from orders.order_items i where i.order_id = o.id)
            as lines,
        exists (select from orders.order_status_history h where h.order_id = o.id and h.reason = 'not paid in time')
            as expired,
        p.captured, p.refunded
    from orders.orders o cross join lateral (
        select coalesce(sum(captured_amount), 0) as captured, coalesce(sum(refunded_amount), 0) as refunded
        from payments.payments where order_id = o.id) p
    where o.user_id = any($1) or o.guest_session_id = any($1)
"""
_STOCK = """
    select product_variant_id, quantity_on_hand, quantity_reserved from catalogue.inventories
    where product_variant_id = any($1)
"""
_COUPONS = """
    select code::text, usage_count, (select count(*) from marketing.coupon_usages u where u.coupon_id = c.id) as used
    from marketing.coupons c where code::text = any($1)
"""
_GIVEN_UP = " union all ".join(
    f"select '{schema}' as service, consumer, event_id::text, error from {schema}.dead_letters"
    for schema in ("identity", "catalogue", "orders", "payments", "marketing")
)

LOST = "an order that its buyer was told of is not in the books"
DIFFERS = "an order is not what its buyer was told"
UNTOLD = "an order stands of which its buyer was never told"
TWICE = "a request id has two orders, or two answers"
STATUS = "the status of an order is not what was told"
MONEY = "the money of an order is not what was told: captured, given back"
STOCK = "the stock is not what was received less what was sold and what is held"
COUPON = "a coupon was not redeemed by exactly the orders that stand, or beyond its limit"
GIVEN_UP = "an event was given up"


@dataclass(frozen=True)
class Violation:
    """Something that must not be, in so many places, of which `sample` is one."""

    says: str
    rows: int
    sample: Any = None


@dataclass(frozen=True)
class Entry:
    """An order in the books."""

    id: str
    cart_id: str
    status: str
    total: Decimal
    coupon: str
    lines: dict[str, int]
    expired: bool
    captured: Decimal
    refunded: Decimal

    @property
    def kept(self) -> Decimal:
        return self.captured - self.refunded


async def reckon(connection: Any, notes: Notes) -> list[Violation]:
    """Every violation that the notes find in the books, as the transaction of this connection sees them.

    The notes are those of `people`, who alone bought what was `received`.
    """
    rows = await connection.fetch(_ORDERS, sorted(notes.people))
    entries = {row["id"]: Entry(**{**row, "lines": json.loads(row["lines"] or "{}")}) for row in rows}
    found = [*_of_orders(notes, entries), *_of_requests(notes, entries)]
    standing = [entry for entry in entries.values() if entry.status != "CANCELLED"]
    found += _of_stock(notes, standing, await connection.fetch(_STOCK, sorted(notes.received)))
    found += _of_coupons(notes, standing, await connection.fetch(_COUPONS, sorted(notes.coupons)))
    counted = Counter(says for says, _ in found)
    samples = dict(reversed(found))  # the first of each
    return [Violation(says, rows, samples[says]) for says, rows in counted.items()]


async def given_up(connection: Any) -> list[Violation]:
    """The events that consumers or relays gave up: no fault that passes is a reason for that."""
    rows = await connection.fetch(_GIVEN_UP)
    return [Violation(GIVEN_UP, len(rows), dict(rows[0]))] if rows else []


def _of_orders(notes: Notes, entries: dict[str, Entry]) -> Iterator[tuple[str, Any]]:
    for bought in notes.bought.values():
        entry = entries.get(bought.order_id)
        if entry is None:
            yield LOST, bought
            continue
        told = (bought.cart_id, bought.total, bought.lines, bought.coupon)
        if told != (entry.cart_id, entry.total, entry.lines, entry.coupon):
            yield DIFFERS, (bought, entry)
        if entry.status not in _statuses(bought, entry):
            yield STATUS, (bought, entry)
        if not _money_fits(bought, entry):
            yield MONEY, (bought, entry)
    for entry in entries.values():
        if entry.id not in notes.bought:
            if entry.status != "CANCELLED" or entry.expired:  # it waited for the money of somebody who knew nothing
                yield UNTOLD, entry
            elif entry.kept:
                yield MONEY, entry


def _statuses(bought: Bought, entry: Entry) -> set[str]:
    """What an order may be, after what was told of it."""
    if bought.cancelled or bought.too_late or entry.expired:
        return {"CANCELLED"}
    return {bought.status or ("PAID" if bought.paid else "PENDING")}


def _money_fits(bought: Bought, entry: Entry) -> bool:
    """Whether what was taken is what was told, and what was given back too."""
    if entry.status == "CANCELLED":
        return entry.captured in ((bought.total,) if bought.paid else (0,)) and not entry.kept
    return entry.captured == (bought.total if bought.paid else 0) and entry.refunded == bought.refunded


def _of_requests(notes: Notes, entries: dict[str, Entry]) -> Iterator[tuple[str, Any]]:
    written = Counter(entry.cart_id for entry in entries.values())
    for request_id, cart_id in notes.carts.items():
        answered = notes.told.get(request_id, set())
        if len(answered) > 1 or written[cart_id] > 1:
            yield TWICE, (request_id, cart_id, sorted(answered))


def _of_stock(notes: Notes, standing: list[Entry], rows: list[Any]) -> Iterator[tuple[str, Any]]:
    sold: Counter[str] = Counter()
    held: Counter[str] = Counter()
    for entry in standing:
        (held if entry.status == "PENDING" else sold).update(entry.lines)
    for variant, on_hand, reserved in rows:
        expected = notes.received[variant] - sold[variant], held[variant]
        if (on_hand, reserved) != expected or on_hand < reserved:
            yield STOCK, {"variant": variant, "expected": expected, "found": (on_hand, reserved)}


def _of_coupons(notes: Notes, standing: list[Entry], rows: list[Any]) -> Iterator[tuple[str, Any]]:
    redeemed = Counter(entry.coupon for entry in standing)
    for code, counted, used in rows:
        if not counted == used == redeemed[code] or counted > notes.coupons[code]:
            yield COUPON, {"code": code, "counted": counted, "used": used, "orders": redeemed[code]}
