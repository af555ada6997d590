"""Pieces of SQL that carts and orders share: whose row it is, and the items of a row as JSON beside it."""

from typing import Any

from sqlalchemy import JSON, ColumnElement, Table, Text, bindparam, func, or_, select, text
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.sql.elements import literal_column


def owned(*columns: ColumnElement[Any]) -> ColumnElement[bool]:
    """The row is the owner's by one of these columns, or no `owner` is given.

    The owner is the id of a user or of a guest's session: both are cuids, so one is never mistaken for the other.
    """
    owner = bindparam("owner", type_=Text)
    return or_(owner.is_(None), *(column == owner for column in columns))


def items_of(parent: Table, items: Table, key: str, names: tuple[str, ...]) -> ColumnElement[Any]:
    """The parent's items as one JSON array, in order of their ids, so that both come in one round trip."""
    pairs: list[ColumnElement[Any]] = []
    for name in names:
        pairs += [literal_column(f"'{name}'"), items.c[name]]
    each = aggregate_order_by(func.json_build_object(*pairs), items.c.id)
    return (
        select(func.coalesce(func.json_agg(each), text("'[]'::json"), type_=JSON))
        .where(items.c[key] == parent.c.id)
        .scalar_subquery()
        .label("items")
    )
