"""Which rows of an import are taken, and what each comes to: decided before anything is written."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lumi_catalogue.domain.errors import Reason
from lumi_catalogue.domain.price import Price
from lumi_catalogue.domain.product import InventoryPolicy, Product, ProductStatus, check_publishable
from lumi_catalogue.domain.variant import Variant
from lumi_common.cuid import cuid
from lumi_common.errors import LumiError


@dataclass(slots=True)
class VariantRow:
    """A variant as a row has it; `initial_quantity` counts only when the row makes the variant."""

    title: str
    sku: str
    price: Price
    attributes: dict[str, Any] | None = None
    is_primary: bool = False
    position: int = 0
    initial_quantity: int = 0


@dataclass(slots=True)
class ProductRow:
    """A product with its variants as a row has it; `line` is where the caller's file has it.

    A status of None means DRAFT for a product that the row makes, and for another whatever it has.
    """

    line: int
    title: str
    slug: str
    price: Price
    sku: str | None = None
    description: str | None = None
    summary: str | None = None
    status: str | None = None
    inventory_policy: str = InventoryPolicy.TRACK
    search_keywords: list[str] = field(default_factory=list)
    attributes: dict[str, Any] | None = None
    category_slugs: Sequence[str] = ()
    variants: Sequence[VariantRow] = ()


@dataclass(frozen=True, slots=True)
class RowError:
    """Why a row is not taken: the field at fault within the row, the reason, and a text for a person."""

    line: int
    field: str
    reason: str
    message: str


class RowRefused(LumiError):
    """A row that cannot be taken; the others are not concerned."""

    code = "FAILED_PRECONDITION"


class Known:
    """What is there of all that the rows name; products are the live ones.

    `variants` has those of the rows' SKUs and the primary ones of the products; `categories` maps slugs to ids;
    `backordered` are products of which more is sold than there is.
    """

    def __init__(
        self,
        products: Sequence[Product],
        variants: Sequence[Variant],
        categories: Mapping[str, str],
        backordered: Collection[str] = (),
    ) -> None:
        self.by_slug = {product.slug: product for product in products}
        self.by_sku = {product.sku: product for product in products if product.sku is not None}
        self.variants = {variant.sku: variant for variant in variants}
        self.primaries = {variant.product_id: variant for variant in variants if variant.is_primary}
        self.categories = categories
        self.backordered = backordered


@dataclass(slots=True)
class NewVariant:
    """A variant that is to be made."""

    id: str
    product_id: str
    row: VariantRow
    is_primary: bool


@dataclass(slots=True)
class ChangedVariant:
    """A variant that is to become what its row says, or to step back from being the primary one."""

    id: str
    product_id: str
    row: VariantRow
    is_primary: bool


@dataclass(slots=True)
class Taken:
    """What a row comes to; `old_category_ids` are where its product stood before."""

    row: ProductRow
    product_id: str
    status: str
    is_new: bool = False
    is_changed: bool = False
    old_category_ids: list[str] = field(default_factory=list)
    new_category_ids: list[str] = field(default_factory=list)
    new_variants: list[NewVariant] = field(default_factory=list)
    changed_variants: list[ChangedVariant] = field(default_factory=list)
    variants_unchanged: int = 0


class Plan:
    """The rows of one call, taken one after another."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self._seen: set[tuple[str, str]] = set()

    def take(self, row: ProductRow) -> Taken:
        """What the row comes to; raises LumiError when it cannot be taken."""
        product = self._product(row)
        keys = self._keys(row, product)
        category_ids = [self._category(number, slug) for number, slug in enumerate(row.category_slugs)]
        if product is None:
            status = row.status or ProductStatus.DRAFT
            taken = Taken(row, cuid(), status, is_new=True, new_category_ids=category_ids)
        else:
            status = row.status or product.status
            if product.id in self._known.backordered and row.inventory_policy != InventoryPolicy.CONTINUE:
                raise RowRefused(Reason.STOCK_BACKORDERED, "more is sold than there is", field="inventory_policy")
            missing = [id for id in category_ids if id not in product.category_ids]
            changed = bool(missing) or _differs(row, status, product)
            taken = Taken(row, product.id, status, False, changed, product.category_ids, missing)
        self._variants(taken)
        if status == ProductStatus.ACTIVE:
            sold = bool(row.variants) or taken.product_id in self._known.primaries
            check_publishable(has_variants=sold, field="status")
        self._seen |= keys
        return taken

    def _product(self, row: ProductRow) -> Product | None:
        """The product that the row is about: of its SKU, or of its slug where it has no SKU."""
        of_slug = self._known.by_slug.get(row.slug)
        if row.sku is None:
            return of_slug
        of_sku = self._known.by_sku.get(row.sku)
        if of_slug is not None and of_slug is not of_sku:
            if of_sku is None:
                raise RowRefused(Reason.SLUG_TAKEN, "another product has it", field="slug")
            raise RowRefused(Reason.ROW_CONFLICT, "SKU and slug name two products", field="sku")
        return of_sku

    def _keys(self, row: ProductRow, product: Product | None) -> set[tuple[str, str]]:
        """The names under which no second row may come; raises when one came before."""
        keys: dict[tuple[str, str], str] = {("slug", row.slug): "slug"}
        if row.sku is not None:
            keys["sku", row.sku] = "sku"
        if product is not None:
            keys["product", product.id] = "slug" if row.sku is None else "sku"
        for number, variant in enumerate(row.variants):
            if ("variant", variant.sku) in keys:
                raise RowRefused(Reason.ROW_REPEATED, "the row names this SKU twice", field=f"variants[{number}].sku")
            keys["variant", variant.sku] = f"variants[{number}].sku"
        for key, path in keys.items():
            if key in self._seen:
                raise RowRefused(Reason.ROW_REPEATED, "an earlier row of the call has it", field=path)
        return set(keys)

    def _category(self, number: int, slug: str) -> str:
        if slug not in self._known.categories:
            raise RowRefused(Reason.CATEGORY_NOT_FOUND, f"no category {slug}", field=f"category_slugs[{number}]")
        return self._known.categories[slug]

    def _variants(self, taken: Taken) -> None:
        before = self._known.primaries.get(taken.product_id)
        primary = self._primary(taken.row, before)
        for number, row in enumerate(taken.row.variants):
            variant = self._known.variants.get(row.sku)
            is_primary = row.sku == primary
            if variant is None:
                taken.new_variants.append(NewVariant(cuid(), taken.product_id, row, is_primary))
            elif variant.product_id != taken.product_id:
                raise RowRefused(Reason.ROW_CONFLICT, "the SKU is another product's", field=f"variants[{number}].sku")
            elif _variant_differs(row, is_primary, variant):
                taken.changed_variants.append(ChangedVariant(variant.id, variant.product_id, row, is_primary))
            else:
                taken.variants_unchanged += 1
        named = {row.sku for row in taken.row.variants}
        if before is not None and primary != before.sku and before.sku not in named:
            taken.changed_variants.append(ChangedVariant(before.id, before.product_id, _as_it_is(before), False))

    def _primary(self, row: ProductRow, before: Variant | None) -> str | None:
        """SKU of the product's primary variant: the one the row marks, else the one before, else its first."""
        marked = [variant.sku for variant in row.variants if variant.is_primary]
        if len(marked) > 1:
            raise RowRefused(Reason.ROW_CONFLICT, "more than one variant is marked as primary", field="variants")
        if marked:
            return marked[0]
        if before is not None:
            return before.sku
        return row.variants[0].sku if row.variants else None


def error_of(line: int, error: LumiError) -> RowError:
    """A refusal as the answer lists it."""
    return RowError(line, error.field or "", error.reason, error.message)


def _as_it_is(variant: Variant) -> VariantRow:
    price = Price(variant.price, variant.currency, variant.compare_at_price)
    return VariantRow(variant.title, variant.sku, price, variant.attributes, position=variant.position)


def _differs(row: ProductRow, status: str, product: Product) -> bool:
    return (
        row.title,
        row.slug,
        row.sku,
        row.description,
        row.summary,
        status,
        row.price.amount,
        row.price.compare_at,
        row.price.currency,
        row.inventory_policy,
        row.search_keywords,
        row.attributes,
    ) != (
        product.title,
        product.slug,
        product.sku,
        product.description,
        product.summary,
        product.status,
        product.price,
        product.compare_at_price,
        product.currency,
        product.inventory_policy,
        product.search_keywords,
        product.attributes,
    )


def _variant_differs(row: VariantRow, is_primary: bool, variant: Variant) -> bool:
    return (
        row.title,
        row.price.amount,
        row.price.compare_at,
        row.price.currency,
        row.attributes,
        is_primary,
        row.position,
    ) != (
        variant.title,
        variant.price,
        variant.compare_at_price,
        variant.currency,
        variant.attributes,
        variant.is_primary,
        variant.position,
    )
