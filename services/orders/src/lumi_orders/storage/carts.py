"""Carts and their items: read in one statement, changed in one, guarded by the version that was read."""

from dataclasses import fields
from typing import Any

from sqlalchemy import ColumnElement, Text, bindparam, delete, func, insert, literal_column, null, or_, select, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.types import Integer, Interval, Numeric

from lumi_common.db.database import Executor, Row
from lumi_common.db.record import Change, recorded
from lumi_common.db.statement import Statement
from lumi_common.db.tables import timestamp
from lumi_common.errors import NotFound, Reason
from lumi_orders.domain.cart import Cart, CartItem, CartStatus
from lumi_orders.storage.rows import items_of, owned
from lumi_orders.storage.tables import CART, CART_ITEM, cart_items, carts, checkouts, common

_COLUMNS = tuple(field.name for field in fields(Cart) if field.name in carts.c)
_ITEM_COLUMNS = tuple(field.name for field in fields(CartItem))

cart_with_items = select(
    *(carts.c[name] for name in _COLUMNS),
    select(checkouts.c.order_id).where(checkouts.c.cart_id == carts.c.id).scalar_subquery().label("placing"),
    items_of(carts, cart_items, "cart_id", _ITEM_COLUMNS),
)
_GET = Statement(
    cart_with_items.where(carts.c.id == bindparam("id", type_=Text), owned(carts.c.user_id, carts.c.session_id))
)
_owner = bindparam("owner", type_=Text)
_ACTIVE = Statement(
    cart_with_items.where(
        or_(carts.c.user_id == _owner, carts.c.session_id == _owner), carts.c.status == literal_column("'ACTIVE'")
    )
)

_now = bindparam("now", type_=timestamp)
_variant = bindparam("product_variant_id", type_=Text)


def onward(**values: Any) -> Any:
    """The cart, one version on: nothing happens once somebody else changed it or it became an order."""
    return (
        update(carts)
        .where(
            carts.c.id == bindparam("id", type_=Text),
            carts.c.version == bindparam("expected", type_=Integer),
            carts.c.status == literal_column("'ACTIVE'"),
        )
        .values(version=carts.c.version + 1, updated_at=_now, **values)
    )


def telling(cart: Change, told: dict[str, ColumnElement[Any]]) -> Change:
    """The cart's change, its record also telling of its items: `told` is added to its keys, before and after."""
    record = cart.cte.c.record
    parts: list[Any] = []
    for side, more in told.items():
        parts += [literal_column(f"'{side}'"), record.op("->")(literal_column(f"'{side}'")).op("||")(more)]
    columns = [column for column in cart.cte.c if column.name != "record"]
    together = record.op("||")(func.jsonb_build_object(*parts, type_=JSONB))
    return Change(CART, select(*columns, together.label("record")).cte("told"), cart.action)


def _with_item(cart: Change, item: Change) -> Change:
    one = select(item.cte.c.record).scalar_subquery()

    def side(name: str) -> ColumnElement[Any]:
        return func.coalesce(one.op("->")(literal_column(f"'{name}'")), literal_column("'{}'::jsonb"))

    return telling(cart, {name: side(name) for name in ("keys", "before", "after")})


def _put_item() -> Statement:
    cart = CART.change(onward(currency=bindparam("to_currency", type_=Text)), name="cart")
    names = ["id", "cart_id", "product_variant_id", "quantity", "unit_price", "currency", "created_at", "updated_at"]
    quantity = bindparam("quantity", type_=Integer)
    price = bindparam("unit_price", type_=Numeric(12, 2))
    source = select(
        bindparam("item_id", type_=Text),
        cart.cte.c.id,
        _variant,
        quantity,
        price,
        bindparam("item_currency", type_=Text),
        _now,
        _now,
    )
    put = upsert(cart_items).from_select(names, source)
    put = put.on_conflict_do_update(
        index_elements=["cart_id", "product_variant_id"],
        set_={name: put.excluded[name] for name in ("quantity", "unit_price", "updated_at")},
    )
    return recorded(common, _with_item(cart, CART_ITEM.change(put, name="item")), request=True)


def _take_item() -> Statement:
    cart = CART.change(onward(), "cart.item_removed", name="cart")
    gone = delete(cart_items).where(cart_items.c.cart_id == cart.cte.c.id, cart_items.c.product_variant_id == _variant)
    return recorded(common, _with_item(cart, CART_ITEM.change(gone, "cart.item_removed", name="item")), request=True)


def _take_all() -> Statement:
    cart = CART.change(onward(coupon_code=null()), "cart.cleared", name="cart")
    gone = CART_ITEM.change(
        delete(cart_items).where(cart_items.c.cart_id == cart.cte.c.id), "cart.cleared", name="items"
    )
    taken = gone.cte.c.record.op("->")(literal_column("'before'"))
    before = select(func.coalesce(func.jsonb_agg(taken), literal_column("'[]'::jsonb")))
    items = func.jsonb_build_object(literal_column("'items'"), before.scalar_subquery(), type_=JSONB)
    return recorded(common, telling(cart, {"before": items}), request=True)


# Each takes `id`, `expected` (the version that was read) and `now`, beside what `Database.once` gives.
PUT_ITEM = _put_item()
TAKE_ITEM = _take_item()
TAKE_ALL = _take_all()
CREATE = recorded(
    common,
    CART.change(
        insert(carts).values(
            id=bindparam("id"),
            user_id=bindparam("user_id"),
            session_id=bindparam("session_id"),
            currency=bindparam("currency"),
            created_at=_now,
            updated_at=_now,
        ),
        "cart.created",
    ),
    request=True,
)
SAVE = recorded(
    common,
    CART.change(
        onward(
            coupon_code=bindparam("to_coupon_code", type_=Text),
            shipping_address=bindparam("to_shipping_address", type_=JSONB),
            billing_address=bindparam("to_billing_address", type_=JSONB),
        )
    ),
    request=True,
)

# A cart that nobody goes on with keeps no address: where somebody lives is not to be left lying about.
GIVEN_UP: dict[str, Any] = {"status": CartStatus.ABANDONED, "shipping_address": null(), "billing_address": null()}

_stale = (
    select(carts.c.id)
    .where(
        carts.c.status == literal_column("'ACTIVE'"),
        carts.c.updated_at < func.now() - bindparam("age", type_=Interval),
        ~select(checkouts.c.id).where(checkouts.c.cart_id == carts.c.id).exists(),
    )
    .limit(bindparam("limit", type_=Integer))
    .with_for_update(skip_locked=True, of=carts)
    .cte("stale")
)
_ABANDON = recorded(
    common,
    CART.change(
        update(carts)
        .where(carts.c.id == _stale.c.id)
        .values(**GIVEN_UP, version=carts.c.version + 1, updated_at=func.now()),
        "cart.abandoned",
    ),
    batch=True,
)


def cart_of(row: Row) -> Cart:
    """The cart of a row of `cart_with_items`."""
    cart = Cart(**{name: row[name] for name in _COLUMNS}, placing=row["placing"])
    cart.status = CartStatus(cart.status)
    cart.items = [CartItem(**item) for item in row["items"]]
    return cart


class Carts:
    """Reading carts; who may is said by `owner`, None for everybody's."""

    def __init__(self, executor: Executor) -> None:
        self._on = executor

    async def get(self, id: str, *, owner: str | None) -> Cart:
        """The cart with its items; raises NotFound."""
        row = await self._on.fetchrow(_GET, id=id, owner=owner)
        if row is None:
            raise NotFound(Reason.NOT_FOUND, "no such cart", entity="Cart", id=id)
        return cart_of(row)

    async def find_active(self, owner: str) -> Cart | None:
        """The one cart that a user or a guest is filling, or None."""
        row = await self._on.fetchrow(_ACTIVE, owner=owner)
        return None if row is None else cart_of(row)

    async def abandon(self, age: Any, limit: int = 100) -> int:
        """Give up ACTIVE carts that nobody touched for `age` (a timedelta); how many."""
        return len(await self._on.fetch(_ABANDON, age=age, limit=limit))


def creating(cart: Cart) -> dict[str, Any]:
    """The parameters of CREATE."""
    return {
        "id": cart.id,
        "user_id": cart.user_id,
        "session_id": cart.session_id,
        "currency": cart.currency,
        "now": cart.created_at,
    }


def saving(cart: Cart) -> dict[str, Any]:
    """The parameters that every change of a cart has, from the cart as it will be."""
    return {"id": cart.id, "expected": cart.version - 1, "now": cart.updated_at}


def saving_facts(cart: Cart) -> dict[str, Any]:
    """The parameters of SAVE, from the cart as it will be."""
    return {
        **saving(cart),
        "to_coupon_code": cart.coupon_code,
        "to_shipping_address": cart.shipping_address,
        "to_billing_address": cart.billing_address,
    }


def saving_item(cart: Cart, item: CartItem) -> dict[str, Any]:
    """The parameters of PUT_ITEM, from the cart and the item as they will be."""
    return {
        **saving(cart),
        "to_currency": cart.currency,
        "item_id": item.id,
        "product_variant_id": item.product_variant_id,
        "quantity": item.quantity,
        "unit_price": item.unit_price,
        "item_currency": item.currency,
    }
