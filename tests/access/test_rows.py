"""Somebody else's row and one that is not there are answered alike, to the last byte but the id."""

from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any, NamedTuple

import grpc
import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from lumi.catalogue.v1 import product_pb2, variant_pb2
from lumi.catalogue.v1.product_pb2_grpc import ProductServiceStub
from lumi.catalogue.v1.variant_pb2_grpc import VariantServiceStub
from lumi.identity.v1 import auth_pb2
from lumi.identity.v1.auth_pb2_grpc import AuthServiceStub

from lumi_common.cuid import cuid
from lumi_common.rpc.status import DETAILS_KEY
from tests.access.declared import METHODS, access_of
from tests.access.doors import http_request
from tests.access.rows import NAMING, Owner, Rows, a_customer, a_guest
from tests.conftest import Edge
from tests.gateway.gateway import grpc_path
from tests.kit.buying import usd
from tests.kit.client import TIMEOUT
from tests.kit.shop import Shop

OF_OWNERS = {str(method.full_name).removeprefix("lumi."): method for method in METHODS if access_of(method).owner}
# Of each answer over HTTP, whatever was asked.
OF_THE_CALL = {"date", "x-envoy-upstream-service-time", "traceparent"}
# What would have changed if a stranger had got through.
KEPT = (
    "select u.status, u.version, s.revoked_at, a.label, a.is_default from identity.users u "
    "join identity.user_sessions s on s.user_id = u.id left join identity.addresses a on a.user_id = u.id "
    "where u.id = any($1) order by s.id, a.id",
    "select c.id, c.version, c.status::text, i.quantity from orders.carts c "
    "left join orders.cart_items i on i.cart_id = c.id where c.id = any($1) "
    "union all select id, 0, status::text, 0 from orders.orders where id = any($1) order by 1, 2",
    "select status::text, refunded_amount, captured_amount from payments.payments where id = any($1)",
)
# Who has no account has no rows in identity, so a list of somebody's is theirs to see as it is: empty.
FOR_USERS = {name for name in NAMING if name.startswith("identity.")} | {"orders.v1.OrderService.ListOrders"}


@pytest.fixture(scope="module")
async def owners(shop: Shop) -> dict[str, Owner]:
    return {owner.name: owner for owner in (await a_customer(shop), await a_guest(shop))}


@pytest.fixture(scope="module")
async def strangers(shop: Shop) -> dict[str, str]:
    """Tokens of two who own nothing of theirs."""
    guest = await shop.stub(AuthServiceStub).CreateGuestSession(auth_pb2.CreateGuestSessionRequest())
    return {"another customer": (await shop.user()).token, "another guest": guest.access_token}


@pytest.fixture(scope="module")
async def books(shop: Shop) -> AsyncIterator[Any]:
    async with shop.database("identity") as books:
        yield books


CASES = [
    pytest.param(name, owner, stranger, id=f"{name} of a {owner} for {stranger}")
    for name in NAMING
    for owner in ("customer", "guest")
    for stranger in ("another customer", "another guest")
    if not (owner == "guest" and name in FOR_USERS)
    if not (stranger == "another guest" and name in OF_OWNERS and access_of(OF_OWNERS[name]).user)
]


def test_every_method_of_owners_names_a_row_here_or_has_no_field_for_one() -> None:
    without = OF_OWNERS.keys() - NAMING.keys()
    ids = {
        str(field.full_name)
        for name in without
        for field in OF_OWNERS[name].input_type.fields
        if field.name == "id" or (field.name.endswith("_id") and field.name != "request_id")
    }

    assert NAMING.keys() <= OF_OWNERS.keys()
    assert ids == set()
    assert len(without) > 10


@pytest.mark.parametrize(("name", "owner", "stranger"), CASES)
async def test_a_row_of_somebody_else_is_answered_as_one_that_is_not_there(
    owners: dict[str, Owner],
    strangers: dict[str, str],
    shop: Shop,
    edge: Edge,
    books: Any,
    name: str,
    owner: str,
    stranger: str,
) -> None:
    rows, token, method = owners[owner].rows, strangers[stranger], OF_OWNERS[name]
    before = await everything_of(books, rows)

    for channel in (shop.channel(name.partition(".")[0]), edge.channel):
        theirs, missing = [await by_grpc(channel, method, token, which) for which in (rows, rows.missing())]
        assert theirs == missing
        assert theirs.tells_nothing, theirs
    theirs, missing = [await by_http(edge, method, token, which) for which in (rows, rows.missing())]
    assert theirs == missing

    assert all(before[1:])
    assert await everything_of(books, rows) == before


@pytest.mark.parametrize("name", [name for name in NAMING if ".Get" in name or ".List" in name])
async def test_the_owner_is_shown_what_others_are_not(shop: Shop, owners: dict[str, Owner], name: str) -> None:
    owner = owners["customer"]

    told = await by_grpc(shop.channel(name.partition(".")[0]), OF_OWNERS[name], owner.token, owner.rows)

    assert (told.code, bool(told.body)) == ("OK", True)


async def test_an_order_goes_to_no_address_of_somebody_else(shop: Shop, owners: dict[str, Owner], edge: Edge) -> None:
    rows, stranger = owners["customer"].rows, await a_customer(shop)
    method = OF_OWNERS["orders.v1.OrderService.PlaceOrder"]

    async def told(address: str) -> Told:
        request: Any = NAMING["orders.v1.OrderService.PlaceOrder"](stranger.rows)
        request.shipping_address_id = address
        return await sent(edge.channel, method, stranger.token, request, (address,))

    theirs, missing = await told(rows.address), await told(cuid())

    assert theirs == missing
    assert theirs.code in ("NOT_FOUND", "FAILED_PRECONDITION")


async def test_a_draft_is_answered_as_a_product_that_is_not_there(
    shop: Shop, edge: Edge, strangers: dict[str, str]
) -> None:
    staff, key = (await shop.user("products.write")).token, cuid()
    draft = await shop.stub(ProductServiceStub, staff).CreateProduct(
        product_pb2.CreateProductRequest(product=product_pb2.Product(title="Tea", slug=key, price=usd(250)))
    )
    variant = await shop.stub(VariantServiceStub, staff).CreateVariant(
        variant_pb2.CreateVariantRequest(
            product_id=draft.id, variant=variant_pb2.ProductVariant(title="Tin", sku=key, price=usd(250))
        )
    )
    asked: dict[str, tuple[Callable[[str], Message], str]] = {
        "ProductService.GetProduct": (lambda id: product_pb2.GetProductRequest(id=id), draft.id),
        "ProductService.GetProductBySlug": (lambda slug: product_pb2.GetProductBySlugRequest(slug=slug), key),
        "VariantService.GetVariant": (lambda id: variant_pb2.GetVariantRequest(id=id), variant.id),
        "VariantService.ListVariants": (lambda id: variant_pb2.ListVariantsRequest(product_id=id), draft.id),
    }
    methods = {str(method.full_name).removeprefix("lumi.catalogue.v1."): method for method in METHODS}

    for name, (request, id) in asked.items():
        for channel in (shop.channel("catalogue"), edge.channel):
            for token in strangers.values():
                hidden, missing = [
                    await sent(channel, methods[name], token, request(each), (each,)) for each in (id, cuid())
                ]
                assert hidden == missing
                assert hidden.tells_nothing, name
            shown = await sent(channel, methods[name], staff, request(id), ())
            assert (shown.code, id.encode() in shown.body) == ("OK", True), name


class Told(NamedTuple):
    """An answer with the ids of rows taken out of it."""

    code: str
    message: str
    body: bytes

    @property
    def tells_nothing(self) -> bool:
        """Whether it is a refusal as of a row that is not there, an empty list, or a demand to prove more."""
        return self.code == "NOT_FOUND" or (self.code == "OK" and not self.body) or b"STEP_UP_REQUIRED" in self.body


async def by_grpc(channel: Any, method: MethodDescriptor, token: str, rows: Rows) -> Told:
    request = NAMING[str(method.full_name).removeprefix("lumi.")](rows)
    return await sent(channel, method, token, request, rows.own)


async def sent(channel: Any, method: MethodDescriptor, token: str, request: Message, ids: Iterable[str]) -> Told:
    call = channel.unary_unary(grpc_path(method), request_serializer=lambda request: request.SerializeToString())
    try:
        answer = await call(request, metadata=(("authorization", f"Bearer {token}"),), timeout=TIMEOUT)
    except grpc.aio.AioRpcError as error:
        details = dict(error.trailing_metadata() or ()).get(DETAILS_KEY, b"")
        return Told(error.code().name, error.details() or "", without(ids, details))
    return Told("OK", "", without(ids, answer))


async def by_http(edge: Edge, method: MethodDescriptor, token: str, rows: Rows) -> Told:
    request = http_request(method, NAMING[str(method.full_name).removeprefix("lumi.")](rows))
    answer = await edge.http.request(**request, headers={"authorization": f"Bearer {token}"})
    kept = {name: value for name, value in answer.headers.items() if name not in OF_THE_CALL}
    return Told(str(answer.status_code), str(kept), without(rows.own, answer.content))


def without(ids: Iterable[str], body: bytes) -> bytes:
    for id in ids:
        body = body.replace(id.encode(), b"?" * len(id))
    return body


async def everything_of(books: Any, rows: Rows) -> list[list[Any]]:
    return [await books.fetch(query, rows.own) for query in KEPT]
