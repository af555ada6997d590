"""protovalidate enforces the bounds on the generated classes and names the field at fault."""

from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from google.type.decimal_pb2 import Decimal
from google.type.money_pb2 import Money
from lumi.catalogue.v1 import inventory_pb2, product_pb2, transfer_pb2
from lumi.common.v1.address_pb2 import PostalAddress
from lumi.identity.v1 import address_pb2, auth_pb2, user_pb2
from lumi.marketing.v1 import coupon_pb2
from lumi.orders.v1 import cart_pb2, order_pb2
from lumi.payments.v1 import payment_pb2

from lumi_common.rpc.validation import violations

ID = "cm3k9x2a40000qz1r5t7u9w2b"
UUID = "0193e2a4-7b1c-7d3e-9f00-5a6b7c8d9e0f"
HOME = PostalAddress(
    full_name="Ada", phone="+905321234567", line1="1 Main St", city="İzmir", postal_code="35000", country="TR"
)


def usd(units: int, nanos: int = 0, currency: str = "USD") -> Money:
    return Money(currency_code=currency, units=units, nanos=nanos)


def place_order(metadata: dict[str, Any] | None = None, **fields: Any) -> order_pb2.PlaceOrderRequest:
    request = order_pb2.PlaceOrderRequest(
        **{"cart_id": ID, "payment_provider": payment_pb2.PAYMENT_PROVIDER_MANUAL, "request_id": UUID, **fields}
    )
    if metadata is not None:
        request.metadata.update(metadata)
    return request


def update_order(
    metadata: dict[str, Any] | None = None, id: str = ID, notes: str = "", **fields: Any
) -> order_pb2.UpdateOrderRequest:
    request = order_pb2.UpdateOrderRequest(order=order_pb2.Order(id=id, notes=notes), **fields)
    if metadata is not None:
        request.order.metadata.update(metadata)
    return request


def create_product(attributes: dict[str, Any] | None = None, **fields: Any) -> product_pb2.CreateProductRequest:
    request = product_pb2.CreateProductRequest(
        product=product_pb2.Product(**{"title": "Tea", "slug": "black-tea", "price": usd(2, 490_000_000), **fields})
    )
    if attributes is not None:
        request.product.attributes.update(attributes)
    return request


def coupon(**fields: Any) -> coupon_pb2.CreateCouponRequest:
    kind = coupon_pb2.COUPON_TYPE_PERCENTAGE
    return coupon_pb2.CreateCouponRequest(coupon=coupon_pb2.Coupon(**{"code": "CJ-1", "type": kind, **fields}))


def percent(value: str) -> coupon_pb2.CreateCouponRequest:
    return coupon(percent=Decimal(value=value))


def update_user(id: str = ID, **fields: Any) -> user_pb2.UpdateUserRequest:
    return user_pb2.UpdateUserRequest(user=user_pb2.User(id=id, **fields))


GOOD: list[Message] = [
    place_order(),
    place_order(request_id=""),
    place_order({"basket": "26984851472", "store": 364, "gift": True, "note": None}),
    update_order(),
    update_order({"basket": 7}, notes="x" * 5000, update_mask=FieldMask(paths=["notes", "metadata"])),
    create_product(),
    create_product(price=usd(0), compare_at_price=usd(9_999_999_999, 990_000_000)),
    create_product({"sizes": ["S", "M"], "weight": 1.5}),
    percent("12.5"),
    percent("0.01"),
    percent("100.00"),
    coupon(usage_limit=1),
    address_pb2.CreateAddressRequest(address=address_pb2.Address(label="Home", postal_address=HOME)),
    address_pb2.UpdateAddressRequest(address=address_pb2.Address(id=ID, label="Work")),
    auth_pb2.SignUpRequest(email="Ada@Example.com", password="correct horse"),
    update_user(),
    update_user(email="Ada@Example.com", first_name="x" * 100, phone="(0532) 123 45 67"),
    user_pb2.CreateUserRequest(user=user_pb2.User(email="ada@example.com")),
    user_pb2.BatchGetUsersRequest(ids=[ID]),
    cart_pb2.CreateCartRequest(),
    cart_pb2.AddCartItemRequest(cart_id=ID, product_variant_id=ID, quantity=1_000_000),
    inventory_pb2.AdjustInventoryRequest(product_variant_id=ID, delta=-3, reason="broken"),
    # Its rows are held against their bounds one by one, so that a bad one does not keep out the rest.
    transfer_pb2.ImportProductsRequest(rows=[transfer_pb2.ProductRow()]),
]
BAD: list[tuple[Message, str]] = [
    (place_order(cart_id=""), "cart_id"),
    (place_order(cart_id="C" + ID[1:]), "cart_id"),
    (place_order(cart_id=ID + "\n"), "cart_id"),
    (place_order(request_id="first"), "request_id"),
    (place_order(payment_provider=0), "payment_provider"),
    (place_order(payment_provider=9), "payment_provider"),
    (place_order({"nested": {"a": 1}}), "metadata"),
    (place_order({"list": [1]}), "metadata"),
    (place_order({"long": "x" * 1001}), "metadata"),
    (place_order({"x" * 65: 1}), "metadata"),
    (place_order({str(key): key for key in range(51)}), "metadata"),
    (place_order({"nan": float("nan")}), "metadata"),
    (place_order({"nul": "a\0b"}), "metadata"),
    (order_pb2.UpdateOrderRequest(), "order"),
    (update_order(id=""), "order"),
    (update_order(notes="x" * 5001), "order.notes"),
    (update_order(notes="a\0b"), "order.notes"),
    (update_order({"list": [1]}), "order.metadata"),
    (update_order(update_mask=FieldMask(paths=["notes"] * 11)), "update_mask"),
    (create_product(title=""), "product.title"),
    (create_product(title="a\0b"), "product.title"),
    (create_product(title="x" * 301), "product.title"),
    (create_product(slug="Black Tea"), "product.slug"),
    (create_product(price=usd(-1)), "product.price"),
    (create_product(price=usd(1, 5)), "product.price"),
    (create_product(price=usd(1, currency="usd")), "product.price"),
    (create_product(price=usd(10_000_000_000)), "product.price"),
    (create_product(inventory_policy=4), "product.inventory_policy"),
    (create_product(category_ids=[ID, ID]), "product.category_ids"),
    (create_product(search_keywords=["tea", ""]), "product.search_keywords[1]"),
    (create_product({"nested": [["S"]]}), "product.attributes"),
    (product_pb2.CreateProductRequest(), "product"),
    (product_pb2.CreateProductRequest(product=product_pb2.Product(title="Tea", slug="tea")), "product.price"),
    (product_pb2.ListProductsRequest(page_size=1001), "page_size"),
    (product_pb2.ListProductsRequest(page_size=-1), "page_size"),
    (percent("0"), "coupon.percent"),
    (percent("0.00"), "coupon.percent"),
    (percent("100.01"), "coupon.percent"),
    (percent("12.345"), "coupon.percent"),
    (percent("1e1"), "coupon.percent"),
    (percent("-5"), "coupon.percent"),
    (coupon(usage_limit=0), "coupon.usage_limit"),
    (coupon(code="10 % off"), "coupon.code"),
    (address_pb2.CreateAddressRequest(address=address_pb2.Address(label="Home")), "address"),
    (
        address_pb2.CreateAddressRequest(address=address_pb2.Address(postal_address=PostalAddress(country="tr"))),
        "address.postal_address.country",
    ),
    (address_pb2.UpdateAddressRequest(address=address_pb2.Address(label="Work")), "address"),
    (auth_pb2.SignUpRequest(email="ada", password="correct horse"), "email"),
    (user_pb2.UpdateUserRequest(), "user"),
    (update_user(id=""), "user"),
    (update_user(email="ada"), "user.email"),
    (update_user(email="a@example.com\n"), "user.email"),
    (update_user(email=f"{'a' * 243}@example.com"), "user.email"),
    (update_user(first_name="x" * 101), "user.first_name"),
    (update_user(last_name="a\0b"), "user.last_name"),
    (update_user(phone="1" * 41), "user.phone"),
    (user_pb2.UpdateMeRequest(), "user"),
    (user_pb2.CreateUserRequest(user=user_pb2.User(first_name="Ada")), "user"),
    (user_pb2.ListUsersRequest(page_size=1001), "page_size"),
    (user_pb2.ListUsersRequest(email_prefix="a\0"), "email_prefix"),
    (user_pb2.BatchGetUsersRequest(), "ids"),
    (user_pb2.BatchGetUsersRequest(ids=[ID, ID]), "ids"),
    (auth_pb2.SignUpRequest(email="ada@example.com", password="short"), "password"),
    (cart_pb2.CreateCartRequest(currency_code="lira"), "currency_code"),
    (cart_pb2.AddCartItemRequest(cart_id=ID, product_variant_id=ID), "quantity"),
    (cart_pb2.AddCartItemRequest(cart_id=ID, product_variant_id=ID, quantity=1_000_001), "quantity"),
    (inventory_pb2.AdjustInventoryRequest(product_variant_id=ID, reason="nothing"), "delta"),
    (
        inventory_pb2.ReserveStockRequest(
            order_id=ID, lines=[inventory_pb2.StockLine(product_variant_id=ID, quantity=0)]
        ),
        "lines[0].quantity",
    ),
    (inventory_pb2.ReserveStockRequest(order_id=ID), "lines"),
    (transfer_pb2.ImportProductsRequest(), "rows"),
    (
        transfer_pb2.ProductRow(
            title="Tea", slug="tea", price=usd(1), variants=[transfer_pb2.VariantRow(title="S", price=usd(1))]
        ),
        "variants[0].sku",
    ),
]


@pytest.mark.parametrize("request_", GOOD, ids=lambda request: type(request).__name__)
def test_a_request_within_its_bounds_passes(request_: Message) -> None:
    assert violations(request_) == []


@pytest.mark.parametrize(("request_", "field"), BAD, ids=[f"{type(r).__name__}-{field}" for r, field in BAD])
def test_a_request_past_its_bounds_is_refused_with_the_field_at_fault(request_: Message, field: str) -> None:
    assert field in [violation.field for violation in violations(request_)]


def test_a_choice_left_out_is_said_in_plain_words():
    [violation] = violations(place_order(payment_provider=payment_pb2.PAYMENT_PROVIDER_UNSPECIFIED))

    assert (violation.field, violation.description) == ("payment_provider", "must be given")
