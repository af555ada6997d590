"""Every reference across services: column, target, and what becomes of the row when that goes.

Written by `make generate` from what stands beside the columns.
"""

CROSSINGS: tuple[tuple[str, str, str], ...] = (
    ("catalogue.reviews.user_id", "identity.users", "CASCADE"),
    ("catalogue.reviews.order_id", "orders.orders", "SET NULL"),
    ("orders.carts.user_id", "identity.users", "SET NULL"),
    ("orders.cart_items.product_variant_id", "catalogue.product_variants", "RESTRICT"),
    ("orders.orders.user_id", "identity.users", "SET NULL"),
    ("orders.orders.shipping_address_id", "identity.addresses", "SET NULL"),
    ("orders.orders.billing_address_id", "identity.addresses", "SET NULL"),
    ("orders.order_items.product_id", "catalogue.products", "RESTRICT"),
    ("orders.order_items.product_variant_id", "catalogue.product_variants", "RESTRICT"),
    ("payments.payments.order_id", "orders.orders", "RESTRICT"),
    ("payments.payments.user_id", "identity.users", "SET NULL"),
    ("payments.saved_cards.user_id", "identity.users", "CASCADE"),
    ("marketing.coupon_usages.user_id", "identity.users", "CASCADE"),
    ("marketing.coupon_usages.order_id", "orders.orders", "CASCADE"),
)
