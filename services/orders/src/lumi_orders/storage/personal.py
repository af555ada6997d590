"""What of orders is about people, and what only looks as if it could be."""

from lumi_common.db.personal import People
from lumi_orders.storage.tables import metadata

PEOPLE = People(
    metadata,
    {
        "carts": "currency coupon_code",
        "cart_items": "currency",
        "checkouts": "step error coupon_code provider request_hash",
        "orders": "reference currency coupon_code",
        "order_items": "currency title_snapshot variant_snapshot",
        "order_status_history": "actor",  # an id
    },
)
