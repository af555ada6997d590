"""How stock on hand may change."""

import pytest

from lumi_catalogue.domain.errors import Reason
from lumi_catalogue.domain.inventory import MOST, Inventory
from lumi_catalogue.domain.product import InventoryPolicy
from lumi_common.clock import utc_now
from lumi_common.errors import Aborted, FailedPrecondition, InvalidArgument


def stock(on_hand: int, reserved: int = 0) -> Inventory:
    now = utc_now()
    return Inventory("i", "v", on_hand - reserved, reserved, on_hand, None, 3, now, now)


def test_a_delivery_is_added_to_what_is_on_hand() -> None:
    inventory = stock(5, reserved=2)

    inventory.adjust(10, InventoryPolicy.TRACK)

    assert (inventory.quantity_on_hand, inventory.quantity_available) == (15, 13)


@pytest.mark.parametrize("policy", [InventoryPolicy.TRACK, InventoryPolicy.DENY])
def test_what_is_reserved_is_not_taken_away(policy: InventoryPolicy) -> None:
    inventory = stock(5, reserved=2)

    with pytest.raises(FailedPrecondition, match=Reason.INSUFFICIENT_STOCK) as refusal:
        inventory.adjust(-4, policy)

    assert refusal.value.facts == {"product_variant_id": "v", "requested": 4, "available": 3}
    assert inventory.quantity_on_hand == 5


def test_a_backordered_variant_may_go_below_what_is_reserved() -> None:
    inventory = stock(5, reserved=2)

    inventory.adjust(-4, InventoryPolicy.CONTINUE)

    assert inventory.quantity_available == -1


def test_a_delivery_that_does_not_cover_the_backorders_is_still_welcome() -> None:
    inventory = stock(0, reserved=8)

    inventory.adjust(3, InventoryPolicy.TRACK)

    assert inventory.quantity_available == -5


def test_a_count_says_by_how_much_the_books_were_wrong() -> None:
    inventory = stock(5, reserved=2)

    assert inventory.count(4, InventoryPolicy.TRACK, low_stock_threshold=3) == -1
    assert (inventory.quantity_on_hand, inventory.quantity_available, inventory.low_stock_threshold) == (4, 2, 3)


def test_a_count_of_old_shelves_is_refused() -> None:
    with pytest.raises(Aborted):
        stock(5).count(4, InventoryPolicy.TRACK, etag="2")


def test_no_more_is_counted_than_can_be() -> None:
    with pytest.raises(InvalidArgument, match=Reason.QUANTITY_OUT_OF_RANGE):
        stock(MOST).adjust(1, InventoryPolicy.TRACK)
