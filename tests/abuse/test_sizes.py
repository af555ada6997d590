"""Messages that are too large or too deep are refused at once, and everybody else is served meanwhile."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from google.protobuf.struct_pb2 import Struct, Value
from lumi.catalogue.v1 import product_pb2
from lumi.identity.v1 import user_pb2
from lumi.orders.v1 import order_pb2

from tests.conftest import Edge
from tests.fuzz.breaking import varint
from tests.kit.buying import request_id, usd
from tests.kit.shop import SERVICES
from tests.request_ids.world import World

READ = {
    "identity": "/lumi.identity.v1.AuthService/GetJwks",
    "catalogue": "/lumi.catalogue.v1.ProductService/ListProducts",
    "orders": "/lumi.orders.v1.CartService/GetActiveCart",
    "payments": "/lumi.payments.v1.PaymentService/ListPayments",
    "marketing": "/lumi.marketing.v1.CouponService/ValidateCoupon",
}
CREATE_PRODUCT = "/lumi.catalogue.v1.ProductService/CreateProduct"
UPDATE_ME = "/lumi.identity.v1.UserService/UpdateMe"
UPDATE_ORDER = "/lumi.orders.v1.OrderService/UpdateOrder"
PLACE_ORDER = "/lumi.orders.v1.OrderService/PlaceOrder"
SECONDS = 2.0
REFUSED = {"INVALID_ARGUMENT", "RESOURCE_EXHAUSTED"}


@pytest.fixture(scope="module")
async def doors(world: World) -> AsyncIterator[dict[str, Any]]:
    """A channel to each service's own public port, which sends whatever it is given."""
    options = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
    channels = {
        name: grpc.aio.insecure_channel(f"127.0.0.1:{runtime.server.public_port}", options=options)
        for name, runtime in world.shop.runtimes.items()
    }
    yield channels
    await asyncio.gather(*(channel.close() for channel in channels.values()))


async def told(channel: Any, path: str, data: bytes, token: str, **metadata: str) -> tuple[str, float]:
    """The code, and how many seconds it took."""
    begun = time.monotonic()
    try:
        await channel.unary_unary(path)(
            data, metadata=(("authorization", f"Bearer {token}"), *metadata.items()), timeout=20
        )
        code = "OK"
    except grpc.aio.AioRpcError as error:
        code = error.code().name
    return code, time.monotonic() - begun


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("megabytes", [5, 64])
async def test_a_message_past_the_limit_is_refused_and_the_next_one_served(
    world: World, doors: dict[str, Any], service: str, megabytes: int
) -> None:
    token = (await world.shop.user()).token
    padding = b"\xfa\xff\x7f" + varint(megabytes << 20) + bytes(megabytes << 20)  # of a field that is nobody's

    large, small = await asyncio.gather(
        told(doors[service], READ[service], padding, token), told(doors[service], READ[service], b"", token)
    )

    assert large[0] == "RESOURCE_EXHAUSTED"
    assert small[0] not in ("INTERNAL", "UNKNOWN", "UNAVAILABLE", "RESOURCE_EXHAUSTED")
    assert (await told(doors[service], READ[service], b"", token))[0] == small[0]


@pytest.mark.parametrize("depth", [3, 30, 90, 101, 1_000, 20_000])
@pytest.mark.parametrize("kind", ["list", "struct"])
async def test_what_is_nested_is_refused_at_any_depth(
    world: World, doors: dict[str, Any], kind: str, depth: int
) -> None:
    token = (await world.shop.user()).token
    inner = Value(string_value="deep").SerializeToString()
    around = {"list": around_list, "struct": around_struct}[kind]
    for _ in range(depth):
        inner = around(inner)
        if len(inner) > 3 << 20:
            break
    number = order_pb2.PlaceOrderRequest.DESCRIPTOR.fields_by_name["metadata"].number
    data = order_pb2.PlaceOrderRequest(
        cart_id="c" + "0" * 24, payment_provider="PAYMENT_PROVIDER_MANUAL", request_id=request_id()
    ).SerializeToString() + field(number, field(1, field(1, b"a") + field(2, inner)))

    code, seconds = await told(doors["orders"], PLACE_ORDER, data, token)

    assert code == "INVALID_ARGUMENT"
    assert seconds < SECONDS


@pytest.mark.parametrize(("keys", "length"), [(51, 1), (50_000, 1), (1, 1_001), (1, 1_000_000), (50, 60_000)])
async def test_a_map_holds_so_much(world: World, doors: dict[str, Any], keys: int, length: int) -> None:
    token, metadata = (await world.shop.user()).token, Struct()
    metadata.update({f"k{number}": "x" * length for number in range(keys)})
    request = order_pb2.PlaceOrderRequest(
        cart_id="c" + "0" * 24, payment_provider="PAYMENT_PROVIDER_MANUAL", request_id=request_id(), metadata=metadata
    )

    code, seconds = await told(doors["orders"], PLACE_ORDER, request.SerializeToString(), token)

    assert code == "INVALID_ARGUMENT"
    assert seconds < SECONDS


async def test_metadata_past_the_limit_are_refused_and_the_next_call_served(
    world: World, doors: dict[str, Any]
) -> None:
    token = (await world.shop.user()).token

    code, _ = await told(doors["orders"], READ["orders"], b"", token, **{"x-more": "x" * 200_000})

    assert code in REFUSED
    assert (await told(doors["orders"], READ["orders"], b"", token))[0] == "NOT_FOUND"


async def test_others_are_served_while_somebody_sends_what_is_large(world: World, doors: dict[str, Any]) -> None:
    token = (await world.shop.user()).token
    metadata = Struct()
    metadata.update({f"k{number}": "x" * 1_000 for number in range(3_000)})
    heavy = order_pb2.PlaceOrderRequest(metadata=metadata).SerializeToString()

    flood = [asyncio.create_task(told(doors["orders"], PLACE_ORDER, heavy, token)) for _ in range(20)]
    served = [await told(doors["orders"], READ["orders"], b"", token) for _ in range(20)]
    codes = {code for code, _ in await asyncio.gather(*flood)}

    assert {code for code, _ in served} == {"NOT_FOUND"}
    assert max(seconds for _, seconds in served) < SECONDS  # each of the flood took one by itself, once
    assert codes == {"INVALID_ARGUMENT"}


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000, b'{"a":' * 50_000, b'{"metadata":' + b'{"a":' * 5_000 + b"1" + b"}" * 5_001,
        b'{"cartId":"' + b"x" * 2_000_000 + b'"}', b'{"cartId":' + b"9" * 100_000 + b"}", b'{"cartId":"\\ud800"}',
        b'{"cartId":"\xff\xfe"}', b'{"cartId":"c","cartId":"d"', b"\x00", b"{}" * 10, b'{"metadata":{"a":NaN}}',
        b'{"metadata":{"a":1e400}}', b'{"cartId":null,"paymentProvider":99}', b'{"paymentProvider":"NO_SUCH"}',
    ],
    ids=lambda body: repr(body[:24]),
)  # fmt: skip
async def test_json_that_is_too_much_or_none_is_refused(world: World, edge: Edge, body: bytes) -> None:
    token = (await world.shop.user()).token

    answer = await edge.http.post(
        "/v1/orders", content=body, headers={"authorization": f"Bearer {token}", "content-type": "application/json"}
    )

    assert answer.status_code in (400, 413), answer.text
    assert (await edge.http.get("/v1/products")).status_code == 200


@pytest.mark.parametrize("items", [51, 1_000, 20_000])
async def test_a_request_that_is_wrong_a_thousand_times_over_is_told_so(
    world: World, doors: dict[str, Any], items: int
) -> None:
    product = product_pb2.Product(title="Tea", slug="tea", price=usd(100), search_keywords=["x" * 65] * items)
    data = product_pb2.CreateProductRequest(product=product).SerializeToString()

    code, seconds = await told(doors["catalogue"], CREATE_PRODUCT, data, world.staff.token)

    assert code == "INVALID_ARGUMENT"
    assert seconds < SECONDS


async def test_a_mask_of_a_million_paths_is_refused_at_once(world: World, doors: dict[str, Any]) -> None:
    token = (await world.shop.user()).token
    mask = field(1, b"x") * 1_000_000
    number = user_pb2.UpdateMeRequest.DESCRIPTOR.fields_by_name["update_mask"].number
    data = user_pb2.UpdateMeRequest(user=user_pb2.User(first_name="Ada")).SerializeToString() + field(number, mask)

    code, seconds = await told(doors["identity"], UPDATE_ME, data, token)

    assert code == "INVALID_ARGUMENT"
    assert seconds < SECONDS


async def test_what_nobody_asked_for_costs_nothing_however_often_it_is_there(
    world: World, doors: dict[str, Any]
) -> None:
    order = order_pb2.Order(id="c" + "0" * 24, notes="mine")
    items = field(order_pb2.Order.DESCRIPTOR.fields_by_name["items"].number, b"") * 100_000
    data = field(1, order.SerializeToString() + items)

    code, seconds = await told(doors["orders"], UPDATE_ORDER, data, world.staff.token)

    assert code == "NOT_FOUND"
    assert seconds < SECONDS


def around_list(value: bytes) -> bytes:
    return field(6, field(1, value))


def around_struct(value: bytes) -> bytes:
    return field(5, field(1, field(1, b"a") + field(2, value)))


def field(number: int, data: bytes) -> bytes:
    """A field of bytes on the wire."""
    return varint(number << 3 | 2) + varint(len(data)) + data
