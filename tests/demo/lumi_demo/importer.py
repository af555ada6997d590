"""Staff bring in the catalogue, the coupons and the stock; all of it can be done again and changes nothing then."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any

import grpc.aio
from lumi.catalogue.v1.category_pb2 import Category, CreateCategoryRequest, ListCategoriesRequest
from lumi.catalogue.v1.category_pb2_grpc import CategoryServiceStub
from lumi.catalogue.v1.inventory_pb2 import AdjustInventoryRequest
from lumi.catalogue.v1.inventory_pb2_grpc import InventoryServiceStub
from lumi.catalogue.v1.transfer_pb2 import ImportProductsRequest, ImportProductsResponse
from lumi.catalogue.v1.transfer_pb2_grpc import TransferServiceStub
from lumi.marketing.v1.coupon_pb2 import Coupon, CouponType, CreateCouponRequest
from lumi.marketing.v1.coupon_pb2_grpc import CouponServiceStub

from lumi_demo.assortment import Assortment
from lumi_demo.baskets import coupon_code
from lumi_demo.convert import money
from lumi_demo.gateway import Refused, Session, lasting_request_id, new_request_id, stub
from lumi_demo.progress import Bar
from lumi_demo.rows import first_calls, further_calls

_IMPORT_DEADLINE = 60.0
_PAGE = 1000


class RowsRefused(Exception):
    """The catalogue did not take rows that the plan holds."""


class Importer:
    """What staff do before the shop opens."""

    def __init__(self, staff: Session, calls_in_flight: int) -> None:
        channel: grpc.aio.Channel = staff.channel
        self._staff = staff
        self._in_flight = calls_in_flight
        self._categories = stub(CategoryServiceStub, channel)
        self._transfer = stub(TransferServiceStub, channel)
        self._inventory = stub(InventoryServiceStub, channel)
        self._coupons = stub(CouponServiceStub, channel)

    async def categories(self, assortment: Assortment, bar: Bar) -> None:
        """Make the category tree, leaving what is there."""
        ids = {category.slug: category.id async for category in self._existing_categories()}
        for category in assortment.categories():
            if category.slug not in ids:
                wanted = Category(
                    name=category.name, slug=category.slug, parent_id=ids[category.parent] if category.parent else ""
                )
                request_id = lasting_request_id("category", category.slug, wanted.parent_id)
                request = CreateCategoryRequest(category=wanted, request_id=request_id)
                ids[category.slug] = (await self._staff.call(self._categories.CreateCategory, request)).id
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

    async def _existing_categories(self) -> AsyncIterator[Any]:
        request = ListCategoriesRequest(page_size=_PAGE)
        while True:
            page = await self._staff.call(self._categories.ListCategories, request)
            for category in page.categories:
                yield category
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def _import(self, request: ImportProductsRequest, bar: Bar | None) -> None:
        answer: ImportProductsResponse = await self._staff.call(
            self._transfer.ImportProducts, request, deadline=_IMPORT_DEADLINE
        )
        if answer.errors:
            first = answer.errors[0]
            why = f"line {first.line}: {first.field} {first.reason} {first.message}"
            raise RowsRefused(f"{answer.rows_refused} rows were not taken, the first is {why}")
        if bar is not None:
            bar.advance(len(request.rows))

    async def _coupon(self, basket: int, amount: int, bar: Bar) -> None:
        code = coupon_code(basket)
        coupon = Coupon(code=code, type=CouponType.COUPON_TYPE_FIXED_AMOUNT, amount=money(amount), usage_limit=1)
        request = CreateCouponRequest(coupon=coupon, request_id=lasting_request_id("coupon", code, amount))
        try:
            await self._staff.call(self._coupons.CreateCoupon, request)
        except Refused as refused:
            if refused.code != "ALREADY_EXISTS":
                raise
        bar.advance()

    async def _adjust(self, variant: str, delta: int, bar: Bar) -> None:
        request = AdjustInventoryRequest(
            product_variant_id=variant, delta=delta, reason="the chosen baskets", request_id=new_request_id()
        )
        await self._staff.call(self._inventory.AdjustInventory, request)
        bar.advance()

    async def _at_once(self, calls: Iterator[Any]) -> None:
        """Await calls, so many at a time, taking the next one only when there is room for it."""

        async def work() -> None:
            for waiting in calls:
                await waiting

        async with asyncio.TaskGroup() as group:
            for _ in range(self._in_flight):
                group.create_task(work())
