"""Where shoppers find what they want: a product by its slug, then the variant at the price of the day."""

import asyncio
from collections.abc import Mapping

from lumi_client import Session

from lumi_demo.baskets import Line

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
        product = await shopper.products.get_product_by_slug(slug=self._slugs[product_id])
        variants = shopper.variants.list_variants(product_id=product.id, page_size=_PAGE)
        return {variant.sku: variant.id async for variant in variants}
