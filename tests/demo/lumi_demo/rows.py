"""Products as the rows of an import, in calls that the catalogue takes."""

import hashlib
from collections.abc import Iterable, Iterator

from lumi.catalogue.v1.product_pb2 import InventoryPolicy, ProductStatus
from lumi.catalogue.v1.transfer_pb2 import ImportProductsRequest, ProductRow, VariantRow

from lumi_demo.assortment import Product, Variant
from lumi_demo.convert import lasting_request_id, money, struct

_ROWS_PER_CALL = 500
_VARIANTS_PER_CALL = 2_000
_VARIANTS_PER_ROW = 1_000


def first_calls(products: Iterable[Product]) -> Iterator[ImportProductsRequest]:
    """Calls that bring in every product, with as many of its variants as one row takes; in any order."""
    rows: list[ProductRow] = []
    variants = 0
    for line, product in enumerate(products, start=1):
        row = _row(line, product, 0)
        if rows and (len(rows) == _ROWS_PER_CALL or variants + len(row.variants) > _VARIANTS_PER_CALL):
            yield _call(rows)
            rows, variants = [], 0
        rows.append(row)
        variants += len(row.variants)
    if rows:
        yield _call(rows)


def further_calls(products: Iterable[Product]) -> Iterator[ImportProductsRequest]:
    """Calls for the variants that did not fit into their product's first row; after the first ones, in order."""
    for line, product in enumerate(products, start=1):
        for start in range(_VARIANTS_PER_ROW, len(product.variants), _VARIANTS_PER_ROW):
            yield _call([_row(line, product, start)])


def _call(rows: list[ProductRow]) -> ImportProductsRequest:
    request = ImportProductsRequest(rows=rows)
    digest = hashlib.sha256(request.SerializeToString(deterministic=True)).hexdigest()
    request.request_id = lasting_request_id("import", digest)
    return request


def _row(line: int, product: Product, start: int) -> ProductRow:
    row = ProductRow(
        line=line,
        title=product.title,
        slug=product.slug,
        sku=str(product.id),
        status=ProductStatus.PRODUCT_STATUS_ACTIVE if product.sold else ProductStatus.PRODUCT_STATUS_DRAFT,
        price=money(product.variants[0].cents if product.sold else 0),
        inventory_policy=InventoryPolicy.INVENTORY_POLICY_TRACK,
        attributes=struct(product.attributes),
        category_slugs=[product.category.slug],
    )
    if product.sold and product.variants[0].compare_cents is not None:
        row.compare_at_price.CopyFrom(money(product.variants[0].compare_cents))
    part = product.variants[start : start + _VARIANTS_PER_ROW]
    row.variants.extend(_variant_row(product, variant, position) for position, variant in enumerate(part, start=start))
    return row


def _variant_row(product: Product, variant: Variant, position: int) -> VariantRow:
    row = VariantRow(
        title=f"{product.title} at ${variant.cents / 100:,.2f}",
        sku=variant.sku,
        price=money(variant.cents),
        is_primary=position == 0,
        position=position,
        initial_quantity=variant.stock,
    )
    if variant.compare_cents is not None:
        row.compare_at_price.CopyFrom(money(variant.compare_cents))
    return row
