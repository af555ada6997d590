"""The SQL of stock on hand, and of the movements that explain it."""

from sqlalchemy import Integer, Text, bindparam, func, insert, select, update

from lumi_catalogue.domain.inventory import Inventory
from lumi_catalogue.storage.tables import INVENTORY, common, inventories, product_variants, products, stock_movements
from lumi_common.cuid import cuid
from lumi_common.db.database import Executor
from lumi_common.db.record import recorded
from lumi_common.db.repository import Repository
from lumi_common.db.statement import Statement

_i = inventories.c
_of_variant = _i.product_variant_id == bindparam("id", type_=Text)


class InventoryRepository(Repository[Inventory]):
    """Stock by its variant: `find`, `get` and `lock` take the variant's id."""

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


def _to(name: str) -> object:
    return bindparam(f"to_{name}", type_=_i[name].type)


_saved = INVENTORY.change(
    update(inventories)
    .where(_i.id == bindparam("id", type_=Text))
    .values(
        quantity_on_hand=_to("quantity_on_hand"),
        quantity_available=_to("quantity_available"),
        low_stock_threshold=_to("low_stock_threshold"),
        version=_i.version + 1,
        updated_at=bindparam("now", type_=_i.updated_at.type),
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
