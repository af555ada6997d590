"""Catalogue: what variants cost and whether there are any, and stock held back for an order."""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from lumi.catalogue.v1 import inventory_pb2, product_pb2, variant_pb2

from lumi_common.context import Context
from lumi_common.rpc.channel import PeerChannel
from lumi_common.rpc.convert import money_from_proto
from lumi_orders.clients.wire import plain
from lumi_orders.domain.cart import InventoryPolicy, Offer
from lumi_orders.domain.checkout import request_id
from lumi_orders.domain.order import SoldLine


class Item(Protocol):
    """So many of a variant, in a cart or in an order."""

    product_variant_id: str
    quantity: int


_POLICIES = {product_pb2.InventoryPolicy.Value(f"INVENTORY_POLICY_{policy}"): policy for policy in InventoryPolicy}


class Catalogue:
    """Calls to the catalogue service; each raises what catalogue refuses, as a LumiError with catalogue's reason."""

    def __init__(self, channel: PeerChannel) -> None:
        self._resolve = channel.unary(
            "lumi.catalogue.v1.VariantService/ResolveVariants",
            variant_pb2.ResolveVariantsRequest,
            variant_pb2.ResolveVariantsResponse,
            timeout=2.0,
        )
        self._reserve = channel.unary(
            "lumi.catalogue.v1.InventoryService/ReserveStock",
            inventory_pb2.ReserveStockRequest,
            inventory_pb2.ReserveStockResponse,
            timeout=4.0,
        )
        self._release = channel.unary(
            "lumi.catalogue.v1.InventoryService/ReleaseReservation",
            inventory_pb2.ReleaseReservationRequest,
            inventory_pb2.Reservation,
            timeout=3.0,
        )

    async def offers(self, variant_ids: Iterable[str], context: Context) -> dict[str, Offer]:
        """What catalogue says of these variants now, by id, without those that it does not know."""
        answer = await self._resolve(variant_pb2.ResolveVariantsRequest(ids=variant_ids), context)
        return {variant.id: _offer(variant) for variant in answer.variants}

    async def reserve(
        self, order_id: str, items: Sequence[Item], context: Context, attempt: str = ""
    ) -> tuple[list[SoldLine], str]:
        """Hold back what an order needs, all or nothing; the lines at their authoritative prices, and the currency.

        The currency is empty when the lines' currencies differ. In another `attempt` it tells what is held still.
        """
        lines = [
            inventory_pb2.StockLine(product_variant_id=item.product_variant_id, quantity=item.quantity)
            for item in items
        ]
        request = inventory_pb2.ReserveStockRequest(
            order_id=order_id, lines=lines, request_id=request_id(order_id, f"reserve {attempt}".rstrip())
        )
        answer = await self._reserve(request, context)
        currencies = {line.unit_price.currency_code for line in answer.lines}
        return [_sold(line) for line in answer.lines], currencies.pop() if len(currencies) == 1 else ""

    async def release(self, order_id: str, context: Context) -> None:
        """Give back what an order holds; again it changes nothing."""
        request = inventory_pb2.ReleaseReservationRequest(order_id=order_id, request_id=request_id(order_id, "release"))
        await self._release(request, context)


def _offer(variant: variant_pb2.ResolvedVariant) -> Offer:
    compared = variant.HasField("compare_at_price")
    return Offer(
        product_variant_id=variant.id,
        product_id=variant.product_id,
        product_title=variant.product_title,
        variant_title=variant.title,
        sku=variant.sku,
        unit_price=money_from_proto(variant.price, field="price"),
        compare_at_price=money_from_proto(variant.compare_at_price, field="compare_at_price") if compared else None,
        currency=variant.price.currency_code,
        policy=_POLICIES[variant.inventory_policy],
        available=variant.quantity_available,
        sellable=variant.is_sellable,
    )


def _sold(line: inventory_pb2.ReservedLine) -> SoldLine:
    variant: dict[str, Any] = {"title": line.variant_title, "sku": line.sku}
    if line.attributes.fields:
        variant["attributes"] = plain(line.attributes)
    return SoldLine(
        product_id=line.product_id,
        product_variant_id=line.product_variant_id,
        quantity=line.quantity,
        unit_price=money_from_proto(line.unit_price, field="unit_price"),
        title=line.product_title,
        variant=variant,
    )
