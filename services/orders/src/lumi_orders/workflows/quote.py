"""What a cart would cost now: prices and stock from catalogue, the discount from marketing."""

from dataclasses import replace

from lumi_common.context import Context
from lumi_common.errors import LumiError
from lumi_orders.clients.catalogue import Catalogue
from lumi_orders.clients.marketing import Discount, Marketing
from lumi_orders.domain.cart import Cart
from lumi_orders.domain.errors import Reason
from lumi_orders.domain.pricing import ZERO
from lumi_orders.domain.quote import Quote, quote, quote_lines, subtotal
from lumi_orders.workflows.refusals import coupon_gives_nothing, coupon_refused


class Quotes:
    """Quotes for carts; they promise nothing."""

    def __init__(self, catalogue: Catalogue, marketing: Marketing) -> None:
        self._catalogue, self._marketing = catalogue, marketing

    async def quote(self, cart: Cart, context: Context) -> Quote:
        """The cart's lines and price as they are now."""
        ids = [item.product_variant_id for item in cart.items]
        lines = quote_lines(cart, await self._catalogue.offers(ids, context) if ids else {})
        discount, refusal = Discount(cart.coupon_code or "", ZERO), ""
        if cart.coupon_code:
            try:
                discount = await self._marketing.evaluate(
                    cart.coupon_code, cart.user_id, subtotal(lines), cart.currency, context
                )
            except LumiError as error:
                refused = coupon_refused(error)
                if refused is None:
                    raise
                refusal = str(refused.facts["reason"])
        return quote(cart, lines, discount.amount, discount.code, refusal)

    async def accept(self, cart: Cart, code: str, context: Context) -> str:
        """The code of a coupon, as it was written on creation, that gives this cart something now.

        Raises FailedPrecondition with marketing's reason when it gives nothing.
        """
        quoted = await self.quote(replace(cart, coupon_code=code), context)
        if quoted.coupon_refusal or not quoted.price.discount:
            raise coupon_gives_nothing(quoted.coupon_refusal or Reason.CART_EMPTY)
        return quoted.coupon_code
