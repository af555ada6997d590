"""The stock of one variant: what is on hand, what of it is promised, and so what can be sold."""

from dataclasses import dataclass
from datetime import datetime

from lumi_catalogue.domain.errors import Reason
from lumi_catalogue.domain.product import InventoryPolicy, expect
from lumi_common.errors import FailedPrecondition, InvalidArgument

MOST = 1_000_000_000


@dataclass(slots=True)
class Inventory:
    """The counters as their row has them; available = on hand - reserved, always.

    The version moves when what is on hand does, or the threshold: holding stock back for an order and giving it
    back is no change that a count of the shelves has to know of.
    """

    id: str
    product_variant_id: str
    quantity_available: int
    quantity_reserved: int
    quantity_on_hand: int
    low_stock_threshold: int | None
    version: int
    created_at: datetime
    updated_at: datetime

    def adjust(self, delta: int, policy: str, etag: str = "") -> None:
        """Add to what is on hand, or take from it."""
        expect(self.version, etag)
        self._stand_at(self.quantity_on_hand + delta, policy)

    def count(self, on_hand: int, policy: str, low_stock_threshold: int | None = None, etag: str = "") -> int:
        """Say how many are on hand after a count, and from when on that is low; the difference."""
        expect(self.version, etag)
        delta = on_hand - self.quantity_on_hand
        self._stand_at(on_hand, policy)
        if low_stock_threshold is not None:
            self.low_stock_threshold = low_stock_threshold
        return delta

    def _stand_at(self, on_hand: int, policy: str) -> None:
        if not -MOST <= on_hand <= MOST:
            raise InvalidArgument(Reason.QUANTITY_OUT_OF_RANGE, f"beyond {MOST:,}", field="delta")
        left = on_hand - self.quantity_reserved
        # Whoever brings more is never refused, even where it does not yet cover what has been sold before.
        if left < 0 and on_hand < self.quantity_on_hand and policy != InventoryPolicy.CONTINUE:
            raise FailedPrecondition(
                Reason.INSUFFICIENT_STOCK,
                f"{self.quantity_reserved} are reserved",
                product_variant_id=self.product_variant_id,
                requested=self.quantity_on_hand - on_hand,
                available=self.quantity_available,
            )
        self.quantity_on_hand, self.quantity_available = on_hand, left
