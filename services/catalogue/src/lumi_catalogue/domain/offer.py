"""A variant as it can be bought now: authoritative price, what it is called, whether and how much of it is sold."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from lumi_catalogue.domain.product import InventoryPolicy, ProductStatus


@dataclass(frozen=True, slots=True)
class Offer:
    """A variant with its product's name and state and its stock; `attributes` are the variant's."""

    product_variant_id: str
    product_id: str
    product_title: str
    product_slug: str
    title: str
    sku: str
    price: Decimal
    compare_at_price: Decimal | None
    currency: str
    attributes: dict[str, Any] | None
    status: str
    deleted: bool
    policy: str
    available: int

    @property
    def sellable(self) -> bool:
        """Whether its product is on sale, whatever the stock."""
        return self.status == ProductStatus.ACTIVE and not self.deleted

    @property
    def limited(self) -> bool:
        """Whether it stops selling when none are left."""
        return self.policy != InventoryPolicy.CONTINUE
