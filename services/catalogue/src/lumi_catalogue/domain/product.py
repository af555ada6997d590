"""A product: its words, its price, and whether it is on sale."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from lumi_catalogue.domain.errors import Reason
from lumi_common.errors import Aborted, FailedPrecondition
from lumi_common.errors import Reason as CommonReason


class ProductStatus(StrEnum):
    """Only ACTIVE products are shown to shoppers and sold."""

    DRAFT = "DRAFT"
    ACTIVE = "ACTIVE"
    ARCHIVED = "ARCHIVED"


class InventoryPolicy(StrEnum):
    """TRACK and DENY never sell what is not there (DENY refuses it in the cart already); CONTINUE sells on."""

    TRACK = "TRACK"
    CONTINUE = "CONTINUE"
    DENY = "DENY"


@dataclass(slots=True)
class Product:
    """A product as its row has it, with the ids of its categories; prices have two decimals.

    `status` and `inventory_policy` compare with their enums and, fresh from a row, are plain text.
    """

    id: str
    title: str
    slug: str
    sku: str | None
    description: str | None
    summary: str | None
    status: str
    price: Decimal
    compare_at_price: Decimal | None
    currency: str
    inventory_policy: str
    search_keywords: list[str]
    attributes: dict[str, Any] | None
    version: int
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None = None
    category_ids: list[str] = field(default_factory=list)

    def publish(self, *, has_variants: bool, etag: str = "") -> bool:
        """Put it on sale; False when it is already, FailedPrecondition when there is nothing of it to buy."""
        if self.status == ProductStatus.ACTIVE:
            return False
        expect(self.version, etag)
        check_publishable(has_variants=has_variants)
        self.status = ProductStatus.ACTIVE
        return True

    def delete(self, now: datetime, etag: str = "") -> None:
        """Take it away until it is brought back."""
        expect(self.version, etag)
        self.deleted_at = now

    def undelete(self, etag: str = "") -> bool:
        """Bring it back as it was; False when it is there."""
        if self.deleted_at is None:
            return False
        expect(self.version, etag)
        self.deleted_at = None
        return True

    def check_purgeable(self, etag: str = "") -> None:
        """Refuse to remove for good what is still there."""
        if self.deleted_at is None:
            raise FailedPrecondition(Reason.PRODUCT_NOT_DELETED, "delete it first", id=self.id)
        expect(self.version, etag)


def check_publishable(*, has_variants: bool, field: str | None = None) -> None:
    """Refuse to sell a product of which there is no variant."""
    if not has_variants:
        raise FailedPrecondition(
            Reason.PRODUCT_NOT_PUBLISHABLE, "a product without a variant cannot be sold", field=field
        )


def expect(version: int, etag: str) -> None:
    """Refuse a change that was decided on another version; an empty etag means whatever it is now."""
    if etag and etag != str(version):
        raise Aborted(CommonReason.ETAG_MISMATCH, "another change came first: read again", field="etag")
