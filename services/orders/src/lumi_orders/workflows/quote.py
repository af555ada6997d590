"""What a cart would cost now: prices and stock from catalogue, the discount from marketing, the rest by the tariff."""

from dataclasses import replace

from lumi_common.context import Context
from lumi_common.errors import LumiError
from lumi_orders.clients.catalogue import Catalogue
from lumi_orders.clients.marketing import Discount, Marketing
from lumi_orders.domain.cart import Cart
from lumi_orders.domain.checkout import Address
from lumi_orders.domain.errors import Reason
from lumi_orders.domain.pricing import ZERO, price
from lumi_orders.domain.quote import Quote, quote_lines, subtotal
from lumi_orders.domain.tariff import Tariff
from lumi_orders.workflows.refusals import coupon_gives_nothing, coupon_refused


class Quotes:
    """Quotes for carts; they promise nothing."""

    def __init__(self, catalogue: Catalogue, marketing: Marketing, tariff: Tariff) -> None:
        self._catalogue, self._marketing, self._tariff = catalogue, marketing, tariff

    async def quote(self, cart: Cart, context: Context, to: Address | None = None) -> Quote:
        """The cart's lines and price as they are now, if it goes `to` there or where it says itself."""
        address = to or cart.shipping_address
        ids = [item.product_variant_id for item in cart.items]
        lines = quote_lines(cart, await self._catalogue.offers(ids, context) if ids else {})
        amount = subtotal(lines)
        shipping = self._tariff.shipping(address, cart.currency, amount) if lines else ZERO
        discount, refusal = Discount(cart.coupon_code or ""), ""
        if cart.coupon_code:
            try:
                discount = await self._marketing.evaluate(
                    cart.coupon_code, cart.user_id, amount, shipping, cart.currency, context
                )
            except LumiError as error:
                refused = coupon_refused(error)
                if refused is None:
                    raise
                refusal = str(refused.facts["reason"])
        return Quote(
            cart=cart,
            lines=lines,
            price=price(
                [line.total for line in lines],
                discount.amount,
                shipping - discount.shipping_amount,
                self._tariff.tax(address),
            ),
            shipping_discount=discount.shipping_amount,
            coupon_code=discount.code,
            coupon_refusal=refusal,
            has_address=address is not None,
        )

    async def accept(self, cart: Cart, code: str, context: Context) -> str:
        """The code of a coupon, as it was written on creation, that gives this cart something now.

        Raises FailedPrecondition with marketing's reason when it gives nothing, or with one of ours.
        """
        quoted = await self.quote(replace(cart, coupon_code=code), context)
        if quoted.coupon_refusal:
            raise coupon_gives_nothing(quoted.coupon_refusal)
        if not quoted.price.discount and not quoted.shipping_discount:
            raise coupon_gives_nothing(_why_nothing(cart))
        return quoted.coupon_code


def _why_nothing(cart: Cart) -> Reason:
    """Why a coupon that counts takes nothing off: it is for what the cart does not have, or not yet."""
    if not cart.items:
        return Reason.CART_EMPTY
    return Reason.ADDRESS_REQUIRED if cart.shipping_address is None else Reason.NO_SHIPPING_COST
