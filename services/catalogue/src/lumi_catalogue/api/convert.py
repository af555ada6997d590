"""Protobuf to domain and back, by hand.

Reading a product by its slug is the shop's busiest call: parts of a message are filled in where they are, which costs
half of making each and having protobuf copy it in.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from google.protobuf.struct_pb2 import Value
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.money_pb2 import Money
from lumi.catalogue.v1 import category_pb2, inventory_pb2, product_pb2, variant_pb2

from lumi_catalogue.domain.category import Category
from lumi_catalogue.domain.inventory import Inventory
from lumi_catalogue.domain.offer import Offer
from lumi_catalogue.domain.price import Price, price
from lumi_catalogue.domain.product import InventoryPolicy, Product, ProductStatus
from lumi_catalogue.domain.reservation import Held, Reservation, ReservationState
from lumi_catalogue.domain.variant import Variant
from lumi_common.rpc.convert import money_from_proto

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

STATUS: dict[str, Any] = {each: product_pb2.ProductStatus.Value(f"PRODUCT_STATUS_{each}") for each in ProductStatus}
_STATUS_OF = {number: name for name, number in STATUS.items()}
_POLICY: dict[str, Any] = {
    each: product_pb2.InventoryPolicy.Value(f"INVENTORY_POLICY_{each}") for each in InventoryPolicy
}
_POLICY_OF = {number: name for name, number in _POLICY.items()}
_STATE: dict[str, Any] = {
    each: inventory_pb2.StockReservationState.Value(f"STOCK_RESERVATION_STATE_{each}") for each in ReservationState
}


def product_to_proto(product: Product) -> product_pb2.Product:
    message = product_pb2.Product(
        id=product.id,
        title=product.title,
        slug=product.slug,
        sku=product.sku,
        description=product.description,
        summary=product.summary,
        status=STATUS[product.status],
        inventory_policy=_POLICY[product.inventory_policy],
        search_keywords=product.search_keywords,
        category_ids=product.category_ids,
        etag=str(product.version),
    )
    _tell_prices(message, product)
    _tell_times(message, product)
    if product.deleted_at is not None:
        message.delete_time.FromDatetime(product.deleted_at)
    return message


def product_from_proto(message: product_pb2.Product, *, id: str, now: datetime) -> Product:
    """A new DRAFT product as a request has it; raises InvalidArgument when its prices make no sense."""
    cost = price_from_proto(message, field="product")
    return Product(
        id=id,
        title=message.title,
        slug=message.slug,
        sku=message.sku or None,
        description=message.description or None,
        summary=message.summary or None,
        status=ProductStatus.DRAFT,
        price=cost.amount,
        compare_at_price=cost.compare_at,
        currency=cost.currency,
        inventory_policy=policy_from_proto(message.inventory_policy),
        search_keywords=list(message.search_keywords),
        attributes=attributes_from_proto(message),
        version=1,
        created_at=now,
        updated_at=now,
        category_ids=sorted(message.category_ids),
    )


def variant_to_proto(variant: Variant) -> variant_pb2.ProductVariant:
    message = variant_pb2.ProductVariant(
        id=variant.id,
        product_id=variant.product_id,
        title=variant.title,
        sku=variant.sku,
        is_primary=variant.is_primary,
        position=variant.position,
        etag=str(variant.version),
    )
    _tell_prices(message, variant)
    _tell_times(message, variant)
    return message


def variant_from_proto(message: variant_pb2.ProductVariant, *, id: str, product_id: str, now: datetime) -> Variant:
    """A new variant as a request has it; raises InvalidArgument when its prices make no sense."""
    cost = price_from_proto(message, field="variant")
    return Variant(
        id=id,
        product_id=product_id,
        title=message.title,
        sku=message.sku,
        price=cost.amount,
        compare_at_price=cost.compare_at,
        currency=cost.currency,
        attributes=attributes_from_proto(message),
        is_primary=message.is_primary,
        position=message.position,
        version=1,
        created_at=now,
        updated_at=now,
    )


def offer_to_proto(offer: Offer) -> variant_pb2.ResolvedVariant:
    message = variant_pb2.ResolvedVariant(
        id=offer.product_variant_id,
        product_id=offer.product_id,
        product_title=offer.product_title,
        product_slug=offer.product_slug,
        title=offer.title,
        sku=offer.sku,
        product_status=STATUS[offer.status],
        inventory_policy=_POLICY[offer.policy],
        quantity_available=offer.available,
        is_sellable=offer.sellable,
    )
    _tell_prices(message, offer)
    return message


def inventory_to_proto(inventory: Inventory) -> inventory_pb2.Inventory:
    message = inventory_pb2.Inventory(
        id=inventory.id,
        product_variant_id=inventory.product_variant_id,
        quantity_available=inventory.quantity_available,
        quantity_reserved=inventory.quantity_reserved,
        quantity_on_hand=inventory.quantity_on_hand,
        low_stock_threshold=inventory.low_stock_threshold,
        etag=str(inventory.version),
    )
    _tell_times(message, inventory)
    return message


def reservation_to_response(reservation: Reservation) -> inventory_pb2.ReserveStockResponse:
    """What an order has just been promised, with all that it freezes."""
    message = inventory_pb2.ReserveStockResponse(order_id=reservation.order_id)
    for offer, quantity in reservation.lines:
        line = message.lines.add(
            product_variant_id=offer.product_variant_id,
            product_id=offer.product_id,
            quantity=quantity,
            product_title=offer.product_title,
            variant_title=offer.title,
            sku=offer.sku,
        )
        _tell_money(line.unit_price, offer.price, offer.currency)
        _tell_attributes(line, offer.attributes)
    _tell_time(message.expire_time, reservation.expires_at)
    return message


def held_to_proto(order_id: str, held: Sequence[Held]) -> inventory_pb2.Reservation:
    return inventory_pb2.Reservation(
        order_id=order_id,
        lines=[
            inventory_pb2.ReservationLine(
                product_variant_id=each.product_variant_id, quantity=each.quantity, state=_STATE[each.state]
            )
            for each in held
        ],
    )


def category_to_proto(category: Category) -> category_pb2.Category:
    message = category_pb2.Category(
        id=category.id,
        name=category.name,
        slug=category.slug,
        description=category.description,
        parent_id=category.parent_id,
        position=category.position,
    )
    _tell_times(message, category)
    return message


def category_from_proto(message: category_pb2.Category, *, id: str, now: datetime) -> Category:
    return Category(
        id=id,
        name=message.name,
        slug=message.slug,
        description=message.description or None,
        parent_id=message.parent_id or None,
        position=message.position,
        created_at=now,
        updated_at=now,
    )


def price_from_proto(message: Any, *, field: str = "") -> Price:
    """The prices of a message with `price` and `compare_at_price`, whose own path is `field`."""
    prefix = f"{field}." if field else ""
    amount = money_from_proto(message.price, field=f"{prefix}price")
    currency = message.price.currency_code
    if not message.HasField("compare_at_price"):
        return Price(amount, currency)
    compared = message.compare_at_price
    compare_at = money_from_proto(compared, field=f"{prefix}compare_at_price")
    return price(amount, currency, compare_at, compared.currency_code, field=field)


def status_from_proto(status: int) -> str | None:
    """None where none was given."""
    return _STATUS_OF.get(status)


def policy_from_proto(policy: int) -> str:
    """TRACK where none was given."""
    return _POLICY_OF.get(policy, InventoryPolicy.TRACK)


def attributes_from_proto(message: Any) -> dict[str, Any] | None:
    """A message's attributes as JSON, whole numbers as int; None when there are none."""
    return {key: _plain(value) for key, value in message.attributes.fields.items()} or None


def _plain(value: Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        return value.string_value
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() else number
    if kind == "list_value":
        return [_plain(each) for each in value.list_value.values]
    return value.bool_value if kind == "bool_value" else None


def _tell_prices(message: Any, priced: Product | Variant | Offer) -> None:
    """Prices and attributes of whatever is sold."""
    _tell_money(message.price, priced.price, priced.currency)
    if priced.compare_at_price is not None:
        _tell_money(message.compare_at_price, priced.compare_at_price, priced.currency)
    _tell_attributes(message, priced.attributes)


def _tell_times(message: Any, row: Product | Variant | Inventory | Category) -> None:
    _tell_time(message.create_time, row.created_at)
    _tell_time(message.update_time, row.updated_at)


def _tell_attributes(message: Any, attributes: Mapping[str, Any] | None) -> None:
    if not attributes:
        return
    fields = message.attributes.fields
    for key, value in attributes.items():
        if type(value) is str:
            fields[key].string_value = value
        else:
            message.attributes[key] = _for_wire(value)


def _for_wire(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    return [_for_wire(each) for each in value] if isinstance(value, list) else value


def _tell_money(money: Money, amount: Decimal, currency: str) -> None:
    money.currency_code = currency
    money.units, cents = divmod(int(amount * 100), 100)
    money.nanos = cents * 10_000_000


def _tell_time(stamp: Timestamp, time: datetime) -> None:
    since = time - _EPOCH
    stamp.seconds = since.days * 86_400 + since.seconds
    stamp.nanos = since.microseconds * 1_000
