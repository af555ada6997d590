"""Enums carry the seed's values, and every error reason says what happened and what to do."""

import re
from importlib import import_module

import grpc
import pytest

from lumi_common.errors import Reason
from tests.contract.walk import Contract

SEED = {
    "identity.v1.UserStatus": "ACTIVE SUSPENDED DELETED",
    "catalogue.v1.ProductStatus": "DRAFT ACTIVE ARCHIVED",
    "catalogue.v1.InventoryPolicy": "TRACK CONTINUE DENY",
    "catalogue.v1.StockReservationState": "HELD COMMITTED RELEASED EXPIRED",
    "orders.v1.CartStatus": "ACTIVE CHECKED_OUT ABANDONED",
    "orders.v1.OrderStatus": "PENDING PAID FULFILLED SHIPPED DELIVERED CANCELLED",
    "payments.v1.PaymentProvider": "IYZICO STRIPE PAYPAL MANUAL",
    "payments.v1.PaymentStatus": "INITIATED AUTHORIZED SETTLED FAILED REFUNDED",
    "marketing.v1.CouponType": "PERCENTAGE FIXED_AMOUNT FREE_SHIPPING",
}
PACKAGES = [f"lumi.{context}.v1" for context in ("common", "identity", "catalogue", "orders", "payments", "marketing")]


@pytest.mark.parametrize("name", SEED)
def test_an_enum_has_the_values_of_the_data_model_in_their_order(contract: Contract, name: str) -> None:
    prefix = re.sub(r"(?<!^)([A-Z])", r"_\1", name.rpartition(".")[2]).upper() + "_"
    values = contract.enum_values(f"lumi.{name}")
    assert values == [prefix + value for value in ["UNSPECIFIED", *SEED[name].split()]]


@pytest.mark.parametrize("package", PACKAGES)
def test_every_reason_says_with_which_status_it_comes(contract: Contract, package: str) -> None:
    codes = "|".join(code.name for code in grpc.StatusCode)
    for reason in contract.reasons(package):
        comment = contract.comments.get(f"{package}.ErrorReason.ERROR_REASON_{reason}", "")
        # Rows of an import are refused in the answer, so their reasons come with no status.
        assert re.match(rf"({codes}|In an import): .+\.", comment), reason


@pytest.mark.parametrize("package", PACKAGES)
def test_no_reason_of_a_service_hides_one_of_all_services(contract: Contract, package: str) -> None:
    if package != "lumi.common.v1":
        assert not set(contract.reasons(package)) & set(contract.reasons("lumi.common.v1"))


def test_the_common_reasons_are_those_that_the_runtime_gives(contract: Contract) -> None:
    assert set(contract.reasons("lumi.common.v1")) == {reason.value for reason in Reason}


@pytest.mark.parametrize("package", PACKAGES[1:])
def test_a_service_documents_each_reason_that_it_gives_and_no_other(contract: Contract, package: str) -> None:
    given = import_module(f"lumi_{package.split('.')[1]}.domain.errors").Reason
    assert set(contract.reasons(package)) == {reason.value for reason in given}
