"""The SQL of stock on hand, and of the movements that explain it."""

from typing import Any

from sqlalchemy import BindParameter, Integer, Text, bindparam, func, insert, literal_column, or_, select, update

from lumi_catalogue.domain.inventory import Inventory
from lumi_catalogue.storage.offers import SELLS_ON
from lumi_catalogue.storage.tables import INVENTORY, common, inventories, product_variants, products, stock_movements
from lumi_common.cuid import cuid
from lumi_common.db.database import Executor
from lumi_common.db.record import recorded
from lumi_common.db.repository import Repository
from lumi_common.db.statement import Statement
from lumi_common.errors import Aborted
from lumi_common.errors import Reason as CommonReason

_i = inventories.c
_of_variant = _i.product_variant_id == bindparam("id", type_=Text)


class InventoryRepository(Repository[Inventory]):
    """Stock by its own id; callers know it by its variant, and use the functions below."""

    aggregate, common, entity = INVENTORY, common, Inventory


_columns = [_i[name] for name in InventoryRepository._names]
_GET = Statement(select(*_columns).where(_of_variant))
_LOCK = Statement(
    select(*_columns, products.c.inventory_policy)
    .join_from(inventories, product_variants, product_variants.c.id == _i.product_variant_id)
    .join(products, products.c.id == product_variants.c.product_id)
    .where(_of_variant)
    .with_for_update(of=inventories)
)


def _to(name: str) -> BindParameter[Any]:
    return bindparam(f"to_{name}", type_=_i[name].type)


_saved = INVENTORY.change(
    update(inventories)
    .where(
        _i.id == bindparam("id", type_=Text),
        # As the domain decided, by the policy of this moment.
        or_(
            _to("quantity_available") >= literal_column("0"),
            _to("quantity_on_hand") >= _i.quantity_on_hand,
            SELLS_ON,
        ),
    )
    .values(
        quantity_on_hand=_to("quantity_on_hand"),
        quantity_available=_to("quantity_available"),
        low_stock_threshold=_to("low_stock_threshold"),
        version=_i.version + 1,
        updated_at=func.now(),
    )
)
_delta, _reason = bindparam("delta", type_=Integer), bindparam("reason", type_=Text)
_SAVE = recorded(
    common,
    _saved,
    parts=[
        insert(stock_movements)
        .from_select(
            ["id", "product_variant_id", "delta", "reason"],
            select(bindparam("movement_id", type_=Text), _saved.cte.c.product_variant_id, _delta, _reason).where(
                _delta != 0
            ),
        )
        .cte("moved")
    ],
)


async def get(on: Executor, variant_id: str) -> Inventory:
    """The stock of a variant; raises NotFound."""
    row = await on.fetchrow(_GET, id=variant_id)
    if row is None:
        raise InventoryRepository.not_found(variant_id)
    return Inventory(*row)


async def lock(on: Executor, variant_id: str) -> tuple[Inventory, str]:
    """The stock of a variant, held until the transaction ends, and its product's policy; raises NotFound."""
    row = await on.fetchrow(_LOCK, id=variant_id)
    if row is None:
        raise InventoryRepository.not_found(variant_id)
    *counters, policy = row
    return Inventory(*counters), policy


async def save(on: Executor, inventory: Inventory, action: str, *, delta: int, reason: str) -> Inventory:
    """Write locked stock whose on-hand quantity changed by `delta`, with the movement; the row as written.

    Raises Aborted when it goes below zero and its product's policy has just ceased to allow that.
    """
    row = await on.fetchrow(
        _SAVE,
        id=inventory.id,
        to_quantity_on_hand=inventory.quantity_on_hand,
        to_quantity_available=inventory.quantity_available,
        to_low_stock_threshold=inventory.low_stock_threshold,
        action=action,
        movement_id=cuid(),
        delta=delta,
        reason=reason,
    )
    if row is None:
        raise Aborted(CommonReason.ETAG_MISMATCH, "the policy has just changed: read again", id=inventory.id)
    return InventoryRepository.row(row)
