"""What a product may become, and what it may cost."""

from decimal import Decimal

import pytest

from lumi_catalogue.domain.errors import Reason
from lumi_catalogue.domain.price import price
from lumi_catalogue.domain.product import ProductStatus
from lumi_common.errors import Aborted, FailedPrecondition, InvalidArgument
from services.catalogue.tests.kit import a_product


def test_a_draft_with_a_variant_is_published() -> None:
    product = a_product(status=ProductStatus.DRAFT)

    assert product.publish(has_variants=True)
    assert product.status == ProductStatus.ACTIVE


def test_publishing_again_changes_nothing() -> None:
    assert not a_product(status=ProductStatus.ACTIVE).publish(has_variants=True, etag="old")


def test_a_product_without_a_variant_is_not_published() -> None:
    with pytest.raises(FailedPrecondition, match=Reason.PRODUCT_NOT_PUBLISHABLE):
        a_product(status=ProductStatus.DRAFT).publish(has_variants=False)


def test_a_stale_etag_publishes_nothing() -> None:
    product = a_product(status=ProductStatus.DRAFT, version=2)

    with pytest.raises(Aborted):
        product.publish(has_variants=True, etag="1")

    assert product.status == ProductStatus.DRAFT


def test_a_price_compared_with_is_not_below_the_price() -> None:
    with pytest.raises(InvalidArgument, match=Reason.COMPARE_AT_PRICE_TOO_LOW) as refusal:
        price(Decimal("2.00"), "USD", Decimal("1.99"), "USD", field="product")

    assert refusal.value.field == "product.compare_at_price"
    assert price(Decimal("2.00"), "USD", Decimal("2.00"), "USD").compare_at == Decimal("2.00")


def test_two_prices_of_one_thing_are_in_one_currency() -> None:
    with pytest.raises(InvalidArgument, match=Reason.CURRENCY_MISMATCH):
        price(Decimal("2.00"), "USD", Decimal("3.00"), "TRY")
