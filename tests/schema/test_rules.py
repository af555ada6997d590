"""What the database refuses, whoever writes."""

from itertools import count
from typing import Any

import asyncpg
import pytest

from tests.schema.description import CONTEXTS, Column, Described, Table

_numbers = count(1)

# A row each that one CHECK must refuse; all that is not said is as good a value as any.
REFUSED_BY_CHECK: list[tuple[str, dict[str, object]]] = [
    ("catalogue.inventories", {"quantity_available": 3, "quantity_on_hand": 2, "quantity_reserved": 0}),
    ("catalogue.inventories", {"quantity_available": 3, "quantity_on_hand": 2, "quantity_reserved": -1}),
    ("catalogue.reviews", {"rating": 0}),
    ("catalogue.reviews", {"rating": 6}),
    ("catalogue.stock_reservations", {"quantity": 0}),
    ("orders.cart_items", {"quantity": 0}),
    ("orders.checkouts", {"step": "DREAM"}),
    ("orders.orders", {"subtotal_amount": 5, "discount_amount": 6, "total_amount": -1}),
    ("orders.orders", {"subtotal_amount": 5, "tax_amount": 1, "total_amount": 5}),
    ("orders.orders", {"subtotal_amount": 5, "tax_amount": 1, "total_amount": 6, "prices_include_tax": True}),
    ("orders.order_items", {"quantity": 0, "unit_price": 5, "total_amount": 0}),
    ("orders.order_items", {"quantity": 2, "unit_price": 5, "total_amount": 9}),
    ("payments.payments", {"amount": 5, "captured_amount": 6}),
    ("payments.payments", {"amount": 5, "captured_amount": 3, "refunded_amount": 4}),
    ("payments.payments", {"amount": 5, "refunded_amount": -1}),
    ("payments.payments", {"amount": 5, "authorized_amount": 6}),
    ("payments.payment_refunds", {"status": "REFUNDED", "amount": 1}),
    ("payments.payment_refunds", {"status": "PENDING", "amount": 0}),
    ("marketing.coupons", {"usage_limit": 1, "usage_count": 2}),
    ("marketing.coupons", {"usage_count": -1}),
    ("marketing.coupons", {"type": "PERCENTAGE", "value": 101}),
    ("marketing.coupons", {"value": -1}),
    ("identity.erasures", {"step": "DREAM"}),
    *((f"{context}.deletions", {"step": "DELETE"}) for context in CONTEXTS),
]
ACCEPTED: list[tuple[str, dict[str, object]]] = [
    ("catalogue.inventories", {"quantity_available": -3, "quantity_on_hand": 2, "quantity_reserved": 5}),
    ("catalogue.reviews", {"rating": 5}),
    ("orders.orders", {"subtotal_amount": 5, "tax_amount": 1, "total_amount": 6}),
    ("orders.orders", {"subtotal_amount": 5, "tax_amount": 1, "total_amount": 5, "prices_include_tax": True}),
    ("orders.order_items", {"quantity": 2, "unit_price": 5, "tax_amount": 1, "total_amount": 10}),
    ("orders.order_items", {"quantity": 2, "unit_price": 5, "tax_amount": 1, "total_amount": 11}),
    ("payments.payments", {"amount": 5, "authorized_amount": 5, "captured_amount": 5, "refunded_amount": 5}),
    ("marketing.coupons", {"usage_limit": 1, "usage_count": 1}),
    ("marketing.coupons", {"usage_limit": None, "usage_count": 10_000}),
]
# Two rows that may not stand side by side, and what makes the second harmless.
RIVALS: list[tuple[str, dict[str, object], dict[str, object]]] = [
    ("identity.users", {"email": "ada@example.com"}, {"email": "bob@example.com"}),
    ("identity.addresses", {"user_id": "u", "is_default": True}, {"is_default": False}),
    ("catalogue.products", {"slug": "soup"}, {"deleted_at": "2026-01-01"}),
    ("catalogue.products", {"sku": "soup"}, {"deleted_at": "2026-01-01"}),
    ("catalogue.product_variants", {"product_id": "p", "is_primary": True}, {"is_primary": False}),
    ("catalogue.inventories", {"product_variant_id": "v"}, {"product_variant_id": "w"}),
    ("catalogue.reviews", {"product_id": "p", "user_id": "u"}, {"user_id": "v"}),
    ("catalogue.stock_movements", {"order_id": "o", "product_variant_id": "v", "reason": "restocked"}, {"reason": "x"}),
    ("orders.carts", {"user_id": "u"}, {"status": "ABANDONED"}),
    ("orders.carts", {"session_id": "s"}, {"status": "CHECKED_OUT"}),
    ("orders.cart_items", {"cart_id": "c", "product_variant_id": "v"}, {"product_variant_id": "w"}),
    ("orders.orders", {"cart_id": "c"}, {"cart_id": None}),
    ("payments.payments", {"provider": "STRIPE", "transaction_id": "t"}, {"provider": "PAYPAL"}),
    ("payments.payments", {"order_id": "o"}, {"status": "FAILED"}),
    ("payments.saved_cards", {"user_id": "u", "is_default": True}, {"is_default": False}),
    ("payments.webhook_events", {"provider": "STRIPE", "event_id": "e"}, {"provider": "PAYPAL"}),
    ("marketing.coupons", {"code": "welcome"}, {"code": "welcome2"}),
    ("marketing.coupon_usages", {"coupon_id": "c", "order_id": "o"}, {"order_id": "p"}),
]


@pytest.fixture
async def writer(live: Any, described: dict[str, Described]) -> Any:
    """Inserts a row, given its table and the columns that matter; foreign keys are not looked at."""
    await live.execute("set session_replication_role = replica; set search_path = extensions")
    tables = {str(table): table for schema in described.values() for table in schema.tables}
    enums = {name: values[0] for schema in described.values() for name, values in schema.enums.items()}

    async def write(table: str, columns: dict[str, object]) -> None:
        row = sample(tables[table], enums) | columns
        places = ", ".join(map(literal, row.values()))
        async with live.transaction():
            await live.execute(f"insert into {table} ({', '.join(row)}) values ({places})")

    return write


@pytest.mark.parametrize(("table", "columns"), REFUSED_BY_CHECK)
async def test_a_row_that_breaks_a_check_is_refused(writer: Any, table: str, columns: dict[str, object]) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        await writer(table, columns)


async def test_every_check_is_tried(live: Any, writer: Any) -> None:
    names = await live.fetch(
        "select conname from pg_constraint where contype = 'c' and connamespace::regnamespace::text = any($1)",
        list(CONTEXTS),
    )
    tried = set()
    for table, columns in REFUSED_BY_CHECK:
        with pytest.raises(asyncpg.CheckViolationError) as refused:
            await writer(table, columns)
        tried.add(refused.value.constraint_name)

    assert tried == {row["conname"] for row in names}


@pytest.mark.parametrize(("table", "columns"), ACCEPTED)
async def test_a_row_at_the_edge_is_accepted(writer: Any, table: str, columns: dict[str, object]) -> None:
    await writer(table, columns)


@pytest.mark.parametrize(("table", "columns", "way_out"), RIVALS)
async def test_of_two_rivals_one_stands(
    writer: Any, table: str, columns: dict[str, object], way_out: dict[str, object]
) -> None:
    await writer(table, columns)

    with pytest.raises(asyncpg.UniqueViolationError):
        await writer(table, columns)
    await writer(table, columns | way_out)


async def test_emails_and_coupon_codes_are_one_whatever_their_case(writer: Any) -> None:
    await writer("identity.users", {"email": "Ada@Example.com"})
    await writer("marketing.coupons", {"code": "WELCOME"})

    with pytest.raises(asyncpg.UniqueViolationError):
        await writer("identity.users", {"email": "ada@example.COM"})
    with pytest.raises(asyncpg.UniqueViolationError):
        await writer("marketing.coupons", {"code": "welcome"})


def sample(table: Table, enums: dict[str, str]) -> dict[str, object]:
    """A value for every column that needs one; texts are fresh, amounts nothing, counts one."""
    return {
        column.name: _value(column, enums)
        for column in table.columns
        if not column.nullable and column.default is None and not column.identity
    }


def _value(column: Column, enums: dict[str, str]) -> object:
    if column.type in enums:
        return enums[column.type]
    match column.type:
        case "id" | "text" | "citext":
            return f"sample-{next(_numbers)}"
        case "int" | "smallint" | "bigint":
            return 1
        case "jsonb":
            return "{}"
        case "timestamptz":
            return "2026-01-01"
        case "bytea":
            return "x"
    return 0


def literal(value: object) -> str:
    """Untyped, so that PostgreSQL reads it as the column's type."""
    return "null" if value is None else f"'{value}'"
