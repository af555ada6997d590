"""The same basket is bought by JSON over HTTP and by native gRPC, and refusals read alike."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import grpc.aio
import httpx
import pytest
from lumi.catalogue.v1.product_pb2 import ListProductsRequest
from lumi.catalogue.v1.product_pb2_grpc import ProductServiceStub
from lumi.orders.v1.order_pb2 import ORDER_STATUS_PAID
from lumi_client import NotFound, PermissionDenied

from tests.kit.buying import usd
from tests.kit.door import PASSWORD, Door
from tests.stories.acts import fill, place, put_on_sale


async def posted(door: Door, path: str, body: dict[str, Any], token: str = "") -> dict[str, Any]:
    """The answer to a POST that has to succeed."""
    headers = {"authorization": f"Bearer {token}"} if token else {}
    answer = await door.http.post(path, json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def refusal(answer: httpx.Response) -> tuple[int, int, str]:
    """HTTP status, canonical code and reason of a refusal."""
    body = answer.json()
    return answer.status_code, body["code"], body["details"][0]["reason"]


async def test_a_basket_is_bought_by_curl(door: Door) -> None:
    soup = await put_on_sale(await door.staff())
    email = f"{uuid4().hex}@example.com"

    await posted(door, "/v1/auth:signUp", {"email": email, "password": PASSWORD})
    tokens = (await posted(door, "/v1/auth:signIn", {"email": email, "password": PASSWORD}))["tokens"]
    token = tokens["accessToken"]
    home = {"fullName": "Ada", "line1": "12 St James's Square", "city": "London", "postalCode": "SW1Y", "country": "GB"}
    address = await posted(door, "/v1/addresses", {"address": {"postalAddress": home}}, token)
    cart = await posted(door, "/v1/carts", {"currencyCode": "USD"}, token)
    item = {"productVariantId": soup, "quantity": 2}
    await posted(door, f"/v1/carts/{cart['id']}/items", item, token)
    request = {
        "cartId": cart["id"],
        "shippingAddressId": address["id"],
        "paymentProvider": "PAYMENT_PROVIDER_MANUAL",
        "requestId": str(uuid4()),
    }
    placed = await posted(door, "/v1/orders", request, token)
    again = await posted(door, "/v1/orders", request, token)

    assert placed["order"]["status"] == "ORDER_STATUS_PAID"
    assert placed["order"]["totalAmount"] == {"currencyCode": "USD", "units": "5", "nanos": 0}
    assert again == placed
    found = await door.http.get(f"/v1/orders/{placed['order']['id']}", headers={"authorization": f"Bearer {token}"})
    assert found.json() == placed["order"]


async def test_a_basket_is_bought_by_the_typed_client(door: Door) -> None:
    soup = await put_on_sale(await door.staff())
    ada = await door.customer()

    placed = await place(ada, await fill(ada, (soup, 3)))

    assert placed.order.status == ORDER_STATUS_PAID
    assert placed.order.total_amount == usd(750)
    assert [order async for order in ada.orders.list_orders()] == [placed.order]


async def test_generated_stubs_of_any_language_will_do(door: Door) -> None:
    await put_on_sale(await door.staff())

    async with grpc.aio.insecure_channel(door.address.removeprefix("http://")) as channel:
        page = await ProductServiceStub(channel).ListProducts(ListProductsRequest(page_size=1), timeout=10)

    assert len(page.products) == 1


async def test_refusals_are_status_json_with_reason_and_field(door: Door) -> None:
    nobody = await door.http.get("/v1/carts:active")
    nowhere = await door.http.get("/v1/nowhere")
    short = await door.http.post("/v1/auth:signUp", json={"email": "ada@example.com", "password": "short"})
    wrong = await door.http.post("/v1/auth:signIn", json={"email": "none@example.com", "password": PASSWORD})

    assert refusal(nobody) == (401, 16, "TOKEN_MISSING")
    assert refusal(nowhere)[:2] == (404, 5)
    assert refusal(short) == (400, 3, "INVALID_REQUEST")
    assert short.json()["details"][1]["fieldViolations"][0]["field"] == "password"
    assert refusal(wrong) == (401, 16, "CREDENTIALS_INVALID")


async def test_a_price_in_a_shoppers_call_changes_nothing(door: Door) -> None:
    soup = await put_on_sale(await door.staff())
    ada = await door.customer()
    cart = await fill(ada, (soup, 1))

    item = {"productVariantId": soup, "quantity": 1, "unitPrice": {"currencyCode": "USD", "units": "0"}}
    headers = {"authorization": f"Bearer {ada.access_token}"}
    answer = await door.http.post(f"/v1/carts/{cart.id}/items", json=item, headers=headers)

    assert answer.status_code in (200, 400)
    placed = await place(ada, cart)
    assert placed.order.items[0].unit_price == usd(250)


async def test_staff_operate_every_service_through_the_gateway_and_customers_none(door: Door) -> None:
    staff, ada = await door.staff(), await door.customer()
    for context in ("identity", "catalogue", "orders", "payments", "marketing"):
        operations = getattr(staff, f"{context}_operations")
        assert [letter async for letter in operations.list_dead_letters(consumer="nobody")] == []
        with pytest.raises(NotFound):
            await operations.redrive_dead_letter(id="c" + "0" * 24)
        answer = await operations.republish_events(start_time=datetime(2199, 1, 1, tzinfo=UTC))
        assert (answer.event_count, answer.next_seq) == (0, 0)
        with pytest.raises(PermissionDenied):
            await getattr(ada, f"{context}_operations").republish_events()
