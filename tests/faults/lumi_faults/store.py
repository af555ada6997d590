"""What is for sale: a few goods of which there are few, and coupons that few may use; staff bring more."""

import asyncio
from uuid import uuid4

from google.type.decimal_pb2 import Decimal as Percent
from lumi.catalogue.v1.product_pb2 import Product
from lumi.catalogue.v1.variant_pb2 import ProductVariant
from lumi.marketing.v1.coupon_pb2 import Coupon
from lumi_client import money

from lumi_common.cuid import cuid
from lumi_faults.notes import Notes
from lumi_faults.people import Person
from lumi_faults.trips import COUPONS, GOODS, SCARCE

CURRENCY = "USD"
_PRICES = ("2.50", "3.99", "0.85", "12.40", "1.99", "7.25")
_FEW, _MANY = 12, 1_000_000
# How often a coupon may be used, and how often by one user.
_LIMITS: tuple[tuple[int, int | None], ...] = ((8, None), (30, 2))


class Store:
    """`goods` are variants' ids, `coupons` codes; both by the number that trips know them by."""

    def __init__(self, staff: Person, notes: Notes) -> None:
        self._staff, self._notes = staff, notes
        self._printing = asyncio.Lock()
        self.goods: list[str] = []
        self.coupons: list[str] = []

    async def open(self) -> None:
        """Put everything on sale."""
        for number in range(GOODS):
            self.goods.append(await self._put_on_sale(_PRICES[number]))
            await self.deliver(number, _FEW if number < SCARCE else _MANY, str(uuid4()))
        for number in range(COUPONS):
            self.coupons.append(await self._print(number, str(uuid4())))

    async def deliver(self, good: int, units: int, request_id: str) -> None:
        """Have more of a good."""
        variant = self.goods[good]
        await self._staff.ask(
            lambda staff: staff.inventories.adjust_inventory(
                product_variant_id=variant, delta=units, reason="delivery", request_id=request_id
            )
        )
        self._notes.received[variant] += units
        self._notes.happened["deliveries"] += 1

    async def replace(self, code: str, request_id: str) -> None:
        """Have a new coupon in the place of one that is used up, unless somebody saw to it before."""
        async with self._printing:
            if code in self.coupons:
                number = self.coupons.index(code)
                self.coupons[number] = await self._print(number, request_id)

    async def _print(self, number: int, request_id: str) -> str:
        code, (uses, uses_of_one) = f"C-{cuid()}", _LIMITS[number]
        coupon = Coupon(
            code=code,
            type="COUPON_TYPE_PERCENTAGE",
            percent=Percent(value="10"),
            usage_limit=uses,
            per_user_limit=uses_of_one,
        )
        await self._staff.ask(lambda staff: staff.coupons.create_coupon(coupon=coupon, request_id=request_id))
        self._notes.coupons[code] = uses
        return code

    async def _put_on_sale(self, price: str) -> str:
        key, staff = cuid(), await self._staff.come()
        product = await staff.products.create_product(
            product=Product(title=f"Tomato soup {key}", slug=f"tomato-soup-{key}", price=money(price, CURRENCY))
        )
        variant = await staff.variants.create_variant(
            product_id=product.id, variant=ProductVariant(title="Tin", sku=f"V-{key}", price=money(price, CURRENCY))
        )
        await staff.products.publish_product(id=product.id)
        return variant.id
