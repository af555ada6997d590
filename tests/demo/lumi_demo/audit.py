"""The audit records that a purchase leaves behind, by action: as many as there should be, and as many as there are."""

from dataclasses import dataclass

from lumi_demo.books import Books
from lumi_demo.expected import Figures
from lumi_demo.real_year import Plan


@dataclass(frozen=True, slots=True)
class Things:
    """How many there are of what is made before anything is bought."""

    households: int
    categories: int
    products: int
    variants: int

    @classmethod
    def of(cls, plan: Plan) -> "Things":
        return cls(
            households=len(plan.baskets.by_household()),
            categories=len(plan.assortment.categories()),
            products=len(plan.assortment),
            variants=plan.assortment.variant_count,
        )


def expected_records(figures: Figures, things: Things) -> dict[str, int]:
    """Records by action, as figures of a comparison."""
    records = {
        "user.signed_up": things.households,
        "address.created": things.households,
        "category.created": things.categories,
        "product.created": things.products,
        "product_variant.created": things.variants,
        "inventory.created": things.variants,
        "coupon.created": figures.coupons,
        "cart.created": figures.orders,
        "cart.item_added": figures.order_lines,
        "cart.coupon_applied": figures.coupons,
        "cart.checked_out": figures.orders,
        "order.placed": figures.orders,
        "order.paid": figures.orders,
        "payment.settled": figures.orders,
        "coupon_usage.redeemed": figures.coupons,
    }
    return {_figure(action): count for action, count in records.items()}


# What the demo made, by the names it gave. Of accounts and the catalogue only the making counts, since they go on
# living; of what was bought every record does.
_WATCHED = """
create temporary table watched as
select 'User' as entity, u.id as entity_id, true as making_only
    from identity.users u join entrants on u.email = entrants.email
union all select 'Address', (
        select a.id from identity.addresses a where a.user_id = u.id order by a.created_at, a.id limit 1
    ), true from identity.users u join entrants on u.email = entrants.email
union all select 'Category', c.id, true from catalogue.categories c join shelves using (slug)
union all select 'Product', p.id, true from catalogue.products p join goods on p.sku = goods.sku
union all select 'ProductVariant', v.id, true from catalogue.product_variants v join offers using (sku)
union all select 'Inventory', n.id, true
    from catalogue.inventories n join catalogue.product_variants v on v.id = n.product_variant_id
    join offers using (sku)
union all select 'Coupon', c.id, true
    from marketing.coupons c join chosen on c.code = 'CJ-' || chosen.basket_id
union all select 'CouponUsage', s.id, false
    from marketing.coupon_usages s join bought on bought.id = s.order_id
union all select 'Order', bought.id, false from bought
union all select 'Cart', bought.cart_id, false from bought
union all select 'Payment', p.id, false from payments.payments p join bought on bought.id = p.order_id
"""

# A cart that an interrupted run left is emptied and filled anew: what it held before is no part of the purchase.
_RECORDS = """
select a.action, count(*) as records
from watched join identity.audit_logs a using (entity, entity_id)
where case
    when making_only then a.action like '%.created' or a.action like '%.signed_up'
    when entity = 'Cart' then a.action = 'cart.created' or a.created_at > coalesce((
        select max(c.created_at) from identity.audit_logs c
        where c.entity = 'Cart' and c.entity_id = a.entity_id and c.action = 'cart.cleared'
    ), '-infinity')
    else true
end
group by a.action order by a.action
"""


class Trail:
    """The audit records of what a plan made and bought."""

    def __init__(self, books: Books) -> None:
        self._connection = books.connection

    @classmethod
    async def open(cls, books: Books, plan: Plan) -> "Trail":
        trail = cls(books)
        entrants = [(f"household-{household}@example.com",) for household in plan.baskets.by_household()]
        goods: list[tuple[str]] = []
        offers: list[tuple[str]] = []
        for product in plan.assortment:
            goods.append((str(product.id),))
            offers.extend((variant.sku,) for variant in product.variants)
        await trail._name("entrants", "email", entrants)
        await trail._name("shelves", "slug", [(category.slug,) for category in plan.assortment.categories()])
        await trail._name("goods", "sku", goods)
        await trail._name("offers", "sku", offers)
        return trail

    async def records(self) -> dict[str, int]:
        """Records by action, as figures of a comparison; after `Books.figures`, which finds what was bought."""
        async with self._connection.transaction():
            await self._connection.execute("drop table if exists watched")
            await self._connection.execute(_WATCHED)
            await self._connection.execute("analyze watched")
            rows = await self._connection.fetch(_RECORDS)
        return {_figure(row["action"]): row["records"] for row in rows}

    async def _name(self, table: str, column: str, names: list[tuple[str]]) -> None:
        await self._connection.execute(f"create temporary table {table} ({column} text primary key)")
        await self._connection.copy_records_to_table(table, records=names)
        await self._connection.execute(f"analyze {table}")


def _figure(action: str) -> str:
    return f"audit {action}"
