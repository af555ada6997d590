"""What the demo prints when it is done."""

from collections.abc import Sequence

from lumi.identity.v1.audit_pb2 import AuditLog
from lumi.orders.v1.order_pb2 import Order
from rich.console import Console
from rich.table import Table

from lumi_demo.baskets import LeftOut
from lumi_demo.comparison import Row, as_table, is_right
from lumi_demo.convert import cents
from lumi_demo.pace import Pace
from lumi_demo.settings import Stack

_LISTED = 10
_SERVICES = {
    "Cart": "orders",
    "Order": "orders",
    "Payment": "payments",
    "Coupon": "marketing",
    "CouponUsage": "marketing",
}


def show_left_out(console: Console, left_out: Sequence[LeftOut], file: str) -> None:
    if not left_out:
        return
    console.print(f"\nLeft out: {len(left_out):,} (all of them in {file})")
    for each in left_out[:_LISTED]:
        what = f"line {each.row:,}, product {each.product_id}" if each.row else "the whole basket"
        console.print(f"  basket {each.basket_id}, {what}: {each.cause}")
    if len(left_out) > _LISTED:
        console.print(f"  … and {len(left_out) - _LISTED:,} more")


def show_rows(console: Console, rows: Sequence[Row]) -> None:
    console.print("\nExpected of the year and found in the shop (amounts in cents)")
    console.print(as_table(rows))
    off = [row.figure for row in rows if row.is_off]
    if is_right(rows):
        console.print(f"[bold green]The books are right: {len(rows)} figures, to the cent.[/]")
    else:
        console.print(f"[bold red]The books are wrong: {len(off)} of {len(rows)} figures are off.[/]")


def show_pace(console: Console, pace: Pace) -> None:
    if not len(pace):
        console.print("\nEvery basket had been bought before; nothing was placed in this run.")
        return
    console.print(
        f"\n{len(pace):,} orders placed: p50 {pace.milliseconds(50):.0f} ms, p99 {pace.milliseconds(99):.0f} ms, "
        f"{pace.per_second:.1f} orders/s with carts and all"
    )


def show_timeline(console: Console, order: Order, logs: Sequence[AuditLog]) -> None:
    """An order's way through the services, as their audit records tell it."""
    console.print(
        f"\nOrder {order.reference}, basket {order.metadata['basket_id']}: "
        f"{len(order.items)} lines, {cents(order.total_amount) / 100:,.2f} {order.total_amount.currency_code}"
        + (f", coupon {order.coupon_code}" if order.coupon_code else "")
    )
    table = Table(box=None, pad_edge=False)
    for column in ("time", "service", "what happened", "to", "by"):
        table.add_column(column, no_wrap=True)
    for log in logs:
        at = log.create_time.ToDatetime().time().isoformat(timespec="milliseconds")
        table.add_row(at, _SERVICES[log.entity], log.action, log.entity_id, log.actor_type)
    console.print(table)


def show_addresses(console: Console, stack: Stack) -> None:
    console.print("\nThe stack is left running:")
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_row("  gateway", stack.gateway)
    for name, service in stack.services.items():
        table.add_row(f"  {name}", service["public"])
    console.print(table)
    console.print(f"  passwords and more: {stack.home / 'stack.json'}; `make down` stops it")
