"""A statement's summary: what it does to which tables, and not one value."""

import pytest
from sqlalchemy import bindparam, delete, select, text, update

from libs.common.tests.db.widgets import NOTE, WIDGET, common, notes, widgets
from lumi_common.db.record import recorded
from lumi_common.db.statement import Statement


@pytest.mark.parametrize(
    ("sql", "summary"),
    [
        ("select * from orders.carts where id = :id", "SELECT carts"),
        ("select c.* from orders.carts c, (select 1 from users) x", "SELECT carts, users"),
        ("select * from carts for update", "SELECT carts FOR UPDATE"),
        ("select * from carts for no key update", "SELECT carts FOR UPDATE"),
        ("select extract(epoch from created_at) from carts where a is distinct from b", "SELECT carts"),
        ("select * from unnest(:ids) u, generate_series(1, 2)", "SELECT"),
        ("select pg_advisory_xact_lock(1)", "SELECT"),
        ("with a as (select 1 from carts), b as (select 2 from a) select * from b, a", "SELECT carts"),
        ("insert into carts values (:a) on conflict do update set a = :b", "INSERT carts"),
        ("with a as (delete from only carts) update orders.orders set a = 1", "DELETE carts, UPDATE orders"),
        ("delete from request_ids", "DELETE request_ids"),
        ("UPDATE a SET b = 1", "UPDATE a"),
    ],
)  # fmt: skip
def test_text_is_read_for_operations_and_tables(sql: str, summary: str) -> None:
    assert Statement(text(sql)).summary == summary


def test_expressions_are_named_by_what_they_change() -> None:
    change = update(widgets).where(widgets.c.id == bindparam("id")).values(name="hunter2")
    gone = delete(notes).where(notes.c.body == "hunter2")
    both = recorded(common, WIDGET.change(change, "widget.changed"), NOTE.change(gone, "note.deleted", name="gone"))

    assert both.summary == "UPDATE widgets, DELETE notes"  # and the outbox, as ever
    assert Statement(select(widgets).where(widgets.c.name == "hunter2")).summary == "SELECT widgets"
