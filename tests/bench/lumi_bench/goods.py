"""What is bought and by whom: rows written as superuser before anything is measured, with ids made of a number."""

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg
from lumi.identity.v1.auth_pb2 import SignInRequest, SignInResponse, SignUpRequest

from lumi_bench.load import Call, Client, Load
from lumi_bench.stack import BenchStack

PRODUCTS = 1000
BUYERS = 200
_CATEGORIES = 20
_STOCK = 1_000_000
PASSWORD = "correct horse battery staple"
_AUTH = "/lumi.identity.v1.AuthService"
EMAILS = [f"buyer-{number}@example.com" for number in range(BUYERS)]

# The kinds of ids, in the shape of cuids.
_DIGITS = 20
PRODUCT, VARIANT, INVENTORY, CATEGORY = "cprod", "cvari", "cinve", "ccate"
CART, ITEM, USER = "ccart", "citem", "cuser"


def id_of(kind: str, number: int) -> str:
    return f"{kind}{number:0{_DIGITS}d}"


def id_in_sql(kind: str, number: str) -> str:
    """The same id as an SQL expression of an expression for the number."""
    return f"('{kind}' || lpad(({number})::text, {_DIGITS}, '0'))"


def slug_of(number: int) -> str:
    return f"a-product-of-the-bench-{number}"


def variants_of(cart: int) -> tuple[int, int]:
    """The numbers of the two variants in a cart."""
    return cart * 2 % PRODUCTS, (cart * 2 + 1) % PRODUCTS


@dataclass(frozen=True, slots=True)
class Buyer:
    """Somebody signed in."""

    id: str
    token: str

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {self.token}"),)


async def stock_shelves(dsn: str) -> None:
    """ACTIVE products, each in a category, with a text, attributes and one variant that does not run out."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(_SHELVES)
    finally:
        await connection.close()


async def fill_carts(dsn: str, first: int, users: Sequence[str]) -> None:
    """An ACTIVE cart with an address and two lines for each user, numbered from `first`."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(_CARTS, first, list(users))
        await connection.execute(_LINES, first, len(users))
    finally:
        await connection.close()


def sign_in_buyers(stack: BenchStack, client: Client) -> list[Buyer]:
    """Buyers with live tokens, through identity's own calls."""
    up = [Call(SignUpRequest(email=email, password=PASSWORD).SerializeToString()) for email in EMAILS]
    client.answers(Load(stack.public("identity"), f"{_AUTH}/SignUp", up, in_flight=4))
    return [Buyer(response.user.id, response.tokens.access_token) for response in sign_in(stack, client)]


def sign_in(stack: BenchStack, client: Client) -> list[SignInResponse]:
    """A new session of each buyer."""
    calls = [Call(SignInRequest(email=email, password=PASSWORD).SerializeToString()) for email in EMAILS]
    answers = client.answers(Load(stack.public("identity"), f"{_AUTH}/SignIn", calls, in_flight=4))
    return list(map(SignInResponse.FromString, answers))


_SHELVES = f"""
insert into catalogue.categories (id, name, slug)
select {id_in_sql(CATEGORY, "n")}, 'Category ' || n, 'category-' || n from generate_series(0, {_CATEGORIES - 1}) n;

insert into catalogue.products
  (id, title, slug, sku, description, summary, status, price, compare_at_price, currency, search_keywords, attributes)
select {id_in_sql(PRODUCT, "n")}, 'A product of the bench, number ' || n, 'a-product-of-the-bench-' || n, 'BENCH-' || n,
  'A thing that people buy, described in two sentences as a shop would do it. It comes in one size and keeps for a '
  || 'year in a dry place.', 'A thing that people buy', 'ACTIVE', 1 + n % 50 + 0.99, 2 + n % 50 + 0.99, 'USD',
  array['thing', 'bench'],
  jsonb_build_object('brand', 'National', 'department', 'GROCERY', 'package_size', (n % 30) || ' OZ')
from generate_series(0, {PRODUCTS - 1}) n;

insert into catalogue.product_categories (product_id, category_id)
select {id_in_sql(PRODUCT, "n")}, {id_in_sql(CATEGORY, f"n % {_CATEGORIES}")} from generate_series(0, {PRODUCTS - 1}) n;

insert into catalogue.product_variants (id, product_id, title, sku, price, currency, is_primary)
select {id_in_sql(VARIANT, "n")}, {id_in_sql(PRODUCT, "n")}, 'The one size', 'BENCH-' || n, 1 + n % 50 + 0.99, 'USD',
  true
from generate_series(0, {PRODUCTS - 1}) n;

insert into catalogue.inventories (id, product_variant_id, quantity_on_hand, quantity_available)
select {id_in_sql(INVENTORY, "n")}, {id_in_sql(VARIANT, "n")}, {_STOCK}, {_STOCK}
from generate_series(0, {PRODUCTS - 1}) n;

analyze;
"""
_CARTS = f"""
insert into orders.carts (id, user_id, currency, shipping_address)
select {id_in_sql(CART, "$1::int + n - 1")}, buyer, 'USD', jsonb_build_object(
    'id', {id_in_sql("caddr", "n")}, 'full_name', 'Ada Buyer', 'line1', '1 Main Street', 'city', 'Springfield',
    'postal_code', '12345', 'country', 'US')
from unnest($2::text[]) with ordinality as given (buyer, n)
"""
_LINES = f"""
insert into orders.cart_items (id, cart_id, product_variant_id, quantity, unit_price, currency)
select {id_in_sql(ITEM, "n * 2 + line")}, {id_in_sql(CART, "n")}, {id_in_sql(VARIANT, f"(n * 2 + line) % {PRODUCTS}")},
  1 + line, 1 + (n * 2 + line) % {PRODUCTS} % 50 + 0.99, 'USD'
from generate_series($1::int, $1::int + $2::int - 1) n, generate_series(0, 1) line
"""
