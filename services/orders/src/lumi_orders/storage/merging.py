"""The statements of merging a guest's cart into a user's: each all or nothing, guarded by the versions read."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Text,
    and_,
    bindparam,
    column,
    delete,
    func,
    literal_column,
    null,
    or_,
    select,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.types import Integer, Numeric

from lumi_common.db.record import Change, recorded
from lumi_common.db.statement import Statement
from lumi_common.db.tables import timestamp
from lumi_orders.domain.cart import Cart, CartItem
from lumi_orders.storage.carts import GIVEN_UP, onward, saving, saving_facts, telling
from lumi_orders.storage.tables import CART, CART_ITEM, cart_items, carts, common

_id = bindparam("id", type_=Text)
_guest_id = bindparam("guest_id", type_=Text)
_now = bindparam("now", type_=timestamp)
_LINES: dict[str, Any] = {
    "id": Text, "product_variant_id": Text, "quantity": Integer, "unit_price": Numeric(12, 2), "currency": Text
}  # fmt: skip


def _merge() -> Statement:
    """The user's cart with the guest's lines in it, and the guest's cart ABANDONED; or neither.

    Both rows are locked first, in the order of their ids, whichever is whose: the lock finds only a cart that is still
    as it was read, and both changes ask whether it found both.
    """
    held = (
        select(carts.c.id)
        .where(
            or_(
                and_(carts.c.id == _id, carts.c.version == bindparam("expected", type_=Integer)),
                and_(carts.c.id == _guest_id, carts.c.version == bindparam("guest_version", type_=Integer)),
            ),
            carts.c.status == literal_column("'ACTIVE'"),
        )
        .order_by(carts.c.id)
        .with_for_update(key_share=True)
        .cte("held")
    )
    both = select(func.count()).select_from(held).scalar_subquery() == literal_column("2")
    merged = CART.change(
        update(carts)
        .where(carts.c.id == _id, both)
        .values(
            currency=bindparam("to_currency", type_=Text),
            coupon_code=bindparam("to_coupon_code", type_=Text),
            shipping_address=bindparam("to_shipping_address", type_=JSONB),
            billing_address=bindparam("to_billing_address", type_=JSONB),
            version=carts.c.version + 1,
            updated_at=_now,
        ),
        "cart.merged",
        name="merged",
    )
    given_up = CART.change(
        update(carts)
        .where(carts.c.id == _guest_id, both)
        .values(**GIVEN_UP, version=carts.c.version + 1, updated_at=_now),
        "cart.abandoned",
        name="given_up",
    )
    return recorded(common, _with_items(merged), given_up, request=True)


def _with_items(merged: Change) -> Change:
    """The cart's change with its lines written, its record telling of those that came, changed and went."""
    arrays = [bindparam(f"item_{name}", type_=ARRAY(kind)) for name, kind in _LINES.items()]
    lines = func.unnest(*arrays).table_valued(*(column(name, kind) for name, kind in _LINES.items()), name="lines")
    lines = lines.render_derived()
    put = upsert(cart_items).from_select(
        [*_LINES, "cart_id", "created_at", "updated_at"], select(*lines.c, merged.cte.c.id, _now, _now)
    )
    put = put.on_conflict_do_update(
        index_elements=["cart_id", "product_variant_id"],
        set_={name: put.excluded[name] for name in ("quantity", "unit_price", "currency", "updated_at")},
    )
    gone = delete(cart_items).where(
        cart_items.c.cart_id == merged.cte.c.id,
        cart_items.c.product_variant_id != func.all(bindparam("kept", type_=ARRAY(Text))),
    )
    changes = (CART_ITEM.change(put, "cart.merged", name="put"), CART_ITEM.change(gone, "cart.merged", name="gone"))
    records = union_all(*(select(change.cte.c.record) for change in changes)).subquery("items")

    def side(name: str) -> ColumnElement[Any]:
        of = records.c.record.op("->")(literal_column(f"'{name}'"))
        each = records.c.record.op("->")(literal_column("'keys'")).op("||")(of)
        told = select(func.coalesce(func.jsonb_agg(each), literal_column("'[]'::jsonb"))).where(
            of != literal_column("'{}'::jsonb")
        )
        return func.jsonb_build_object(literal_column("'items'"), told.scalar_subquery(), type_=JSONB)

    return telling(merged, {name: side(name) for name in ("before", "after")})


# Takes `merging`, and what `Database.once` gives.
MERGE = _merge()
# The user's cart stays as it is. Takes `saving` of the guest's cart, and what `Database.once` gives.
GIVE_UP = recorded(common, CART.change(onward(**GIVEN_UP), "cart.abandoned"), request=True)
# The guest's cart becomes the user's. Takes `adopting`, and what `Database.once` gives.
ADOPT = recorded(
    common,
    CART.change(onward(user_id=bindparam("to_user_id", type_=Text), session_id=null()), "cart.merged"),
    request=True,
)


def merging(mine: Cart, guest: Cart, written: list[CartItem]) -> dict[str, Any]:
    """The parameters of MERGE, from the user's cart as it will be and the guest's as it was read."""
    return {
        **saving_facts(mine),
        "to_currency": mine.currency,
        "guest_id": guest.id,
        "guest_version": guest.version,
        "kept": [item.product_variant_id for item in mine.items],
        **{f"item_{name}": [getattr(item, name) for item in written] for name in _LINES},
    }


def giving_up(guest: Cart, now: datetime) -> dict[str, Any]:
    """The parameters of GIVE_UP, from the guest's cart as it was read."""
    return {"id": guest.id, "expected": guest.version, "now": now}


def adopting(cart: Cart) -> dict[str, Any]:
    """The parameters of ADOPT, from the cart as it will be."""
    return {**saving(cart), "to_user_id": cart.user_id}
