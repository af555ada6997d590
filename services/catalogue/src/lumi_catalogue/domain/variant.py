"""A variant: one form in which a product is sold."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any


@dataclass(slots=True)
class Variant:
    """A variant as its row has it; at most one of a product's is the primary one."""

    id: str
    product_id: str
    title: str
    sku: str
    price: Decimal
    compare_at_price: Decimal | None
    currency: str
    attributes: dict[str, Any] | None
    is_primary: bool
    position: int
    version: int
    created_at: datetime
    updated_at: datetime
