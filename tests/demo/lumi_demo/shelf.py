"""Where shoppers find what they want: a product by its slug, then the variant at the price of the day."""

import asyncio
from collections.abc import Mapping

from lumi.catalogue.v1.product_pb2 import GetProductBySlugRequest
from lumi.catalogue.v1.product_pb2_grpc import ProductServiceStub
from lumi.catalogue.v1.variant_pb2 import ListVariantsRequest
from lumi.catalogue.v1.variant_pb2_grpc import VariantServiceStub

from lumi_demo.baskets import Line
from lumi_demo.gateway import Session, stub

_PAGE = 1000


class Shelf:
    """Variant ids by SKU, asked for once a product, whoever comes first."""

    def __init__(self, slugs: Mapping[int, str]) -> None:
        self._slugs = slugs
        self._variants: dict[int, asyncio.Task[dict[str, str]]] = {}

    async def find(self, shopper: Session, line: Line) -> str:
        """The id of the variant that a line names; KeyError when the shop does not have it."""
        if line.product_id not in self._variants:
            self._variants[line.product_id] = asyncio.create_task(self._look(shopper, line.product_id))
        return (await self._variants[line.product_id])[line.sku]

    async def _look(self, shopper: Session, product_id: int) -> dict[str, str]:
        products, variants = stub(ProductServiceStub, shopper.channel), stub(VariantServiceStub, shopper.channel)
        by_slug = GetProductBySlugRequest(slug=self._slugs[product_id])
        product = await shopper.call(products.GetProductBySlug, by_slug)
        request = ListVariantsRequest(product_id=product.id, page_size=_PAGE)
        found: dict[str, str] = {}
        while True:
            page = await shopper.call(variants.ListVariants, request)
            found.update((variant.sku, variant.id) for variant in page.variants)
            if not page.next_page_token:
                return found
            request.page_token = page.next_page_token
