"""Staff bring in the catalogue, the coupons and the stock; all of it can be done again and changes nothing then."""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

from lumi.catalogue.v1.category_pb2 import Category
from lumi.catalogue.v1.transfer_pb2 import ImportProductsRequest
from lumi.marketing.v1.coupon_pb2 import Coupon, CouponType
from lumi_client import AlreadyExists, Session

from lumi_demo.assortment import Assortment
from lumi_demo.baskets import coupon_code
from lumi_demo.convert import lasting_request_id, money
from lumi_demo.progress import Bar
from lumi_demo.rows import first_calls, further_calls

_PAGE = 1000


class RowsRefused(Exception):
    """The catalogue did not take rows that the plan holds."""


class Importer:
    """What staff do before the shop opens."""

    def __init__(self, staff: Session, calls_in_flight: int) -> None:
        self._staff = staff
        self._in_flight = calls_in_flight

    async def categories(self, assortment: Assortment, bar: Bar) -> None:
        """Make the category tree, leaving what is there."""
        there = self._staff.categories.list_categories(page_size=_PAGE)
        ids = {category.slug: category.id async for category in there}
        for category in assortment.categories():
            if category.slug not in ids:
                wanted = Category(
                    name=category.name, slug=category.slug, parent_id=ids[category.parent] if category.parent else ""
                )
                request_id = lasting_request_id("category", category.slug, wanted.parent_id)
                made = await self._staff.categories.create_category(category=wanted, request_id=request_id)
                ids[category.slug] = made.id
            bar.advance()

    async def products(self, assortment: Assortment, bar: Bar) -> None:
        """Import every product with its variants; RowsRefused when any row is not taken."""
        await self._at_once(self._import(request, bar) for request in first_calls(assortment))
        for request in further_calls(assortment):
            await self._import(request, None)

    async def coupons(self, coupons: Iterable[tuple[int, int]], bar: Bar) -> None:
        """Make each basket's coupon (basket id and cents), leaving what is there."""
        await self._at_once(self._coupon(basket, amount, bar) for basket, amount in coupons)

    async def stock(self, deltas: Iterable[tuple[str, int]], bar: Bar) -> None:
        """Add to the stock of variants (id and units), for baskets that an earlier run did not choose."""
        await self._at_once(self._adjust(variant, delta, bar) for variant, delta in deltas)

    async def _import(self, request: ImportProductsRequest, bar: Bar | None) -> None:
        answer = await self._staff.transfers.import_products(rows=request.rows, request_id=request.request_id)
        if answer.errors:
            first = answer.errors[0]
            why = f"line {first.line}: {first.field} {first.reason} {first.message}"
            raise RowsRefused(f"{answer.rows_refused} rows were not taken, the first is {why}")
        if bar is not None:
            bar.advance(len(request.rows))

    async def _coupon(self, basket: int, amount: int, bar: Bar) -> None:
        code = coupon_code(basket)
        coupon = Coupon(code=code, type=CouponType.COUPON_TYPE_FIXED_AMOUNT, amount=money(amount), usage_limit=1)
        with suppress(AlreadyExists):
            await self._staff.coupons.create_coupon(
                coupon=coupon, request_id=lasting_request_id("coupon", code, amount)
            )
        bar.advance()

    async def _adjust(self, variant: str, delta: int, bar: Bar) -> None:
        await self._staff.inventories.adjust_inventory(
            product_variant_id=variant, delta=delta, reason="the chosen baskets"
        )
        bar.advance()

    async def _at_once(self, calls: Iterator[Any]) -> None:
        """Await calls, so many at a time, taking the next one only when there is room for it."""

        async def work() -> None:
            for waiting in calls:
                await waiting

        async with asyncio.TaskGroup() as group:
            for _ in range(self._in_flight):
                group.create_task(work())
