"""The API's page in a browser: all calls are there, nothing comes from elsewhere, and what it offers to try it does."""

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import pytest
from google.api import annotations_pb2
from selenium import webdriver

from lumi_common.rpc.access import read_policy
from lumi_envoy.contract import all_methods
from lumi_openapi.__main__ import DOCUMENT
from tests.docs.browser import Page
from tests.kit.door import PASSWORD, Door
from tests.kit.waiting import until

HOME = {
    "fullName": "Ada Lovelace",
    "line1": "12 St James's Square",
    "city": "London",
    "postalCode": "SW1Y",
    "country": "GB",
}


@pytest.fixture
def page(door: Door, browser: webdriver.Chrome) -> Page:
    return Page(browser, door.address)


def succeeded(answer: tuple[int, dict[str, Any]]) -> dict[str, Any]:
    """The answer to a call that has to succeed."""
    status, body = answer
    assert status == 200, body
    return body


@dataclass(frozen=True)
class Goods:
    """A variant on sale, and the admin who looks after it."""

    door: Door
    token: str
    variant: str

    @classmethod
    async def put_on_sale(cls, door: Door) -> "Goods":
        """Ten tins of a new soup at 12.50, imported as the document's own example shows."""
        token = (await asked(door, "POST", "/v1/auth:signIn", body=door.admin))["tokens"]["accessToken"]
        body = document()["paths"]["/v1/products:import"]["post"]["requestBody"]["content"]["application/json"]
        (row,) = body["example"]["rows"]
        key = uuid4().hex[:12]
        tin = row["variants"][0] | {"sku": f"TIN-{key}", "initialQuantity": 10}
        row |= {"slug": f"soup-{key}", "sku": f"SOUP-{key}", "categorySlugs": [], "variants": [tin]}
        assert (await asked(door, "POST", "/v1/products:import", token, {"rows": [row]}))["errors"] == []
        product = await asked(door, "GET", f"/v1/products:bySlug?slug={row['slug']}")
        found = await asked(door, "GET", f"/v1/products/{product['id']}/variants")
        return cls(door, token, found["variants"][0]["id"])

    async def are_sold(self) -> bool:
        """Whether two are gone."""
        stock = await asked(self.door, "GET", f"/v1/variants/{self.variant}/inventory", self.token)
        return (stock["quantityOnHand"], stock["quantityReserved"]) == (8, 0)


async def asked(door: Door, verb: str, path: str, token: str = "", body: Any = None) -> dict[str, Any]:
    """The answer to a call beside the page, which has to succeed."""
    headers = {"authorization": f"Bearer {token}"} if token else {}
    answer = await door.http.request(verb, path, json=body, headers=headers)
    return succeeded((answer.status_code, answer.json()))


def document() -> dict[str, Any]:
    """The document that the page shows."""
    found: dict[str, Any] = json.loads(DOCUMENT.read_text(encoding="utf-8"))
    return found


def shape(path: str) -> str:
    """A path whatever its variables are called."""
    return re.sub(r"\{[^}]*\}", "{}", path)


def buy(page: Page, soup: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Buy two of a variant as a newcomer, by clicks alone; what signing up and placing the order answered."""
    account = {"email": f"{uuid4().hex}@example.com", "password": PASSWORD}
    user = succeeded(page.call("Signing in", "SignUp", account))
    succeeded(page.call("Signing in", "SignIn", account))
    address = succeeded(page.call("Addresses", "CreateAddress", {"address": {"postalAddress": HOME}}))
    cart = succeeded(page.call("Carts", "CreateCart", {"currencyCode": "USD"}))
    succeeded(page.call("Carts", "AddCartItem", {"productVariantId": soup, "quantity": 2}, cartId=cart["id"]))
    order = {
        "cartId": cart["id"],
        "shippingAddressId": address["id"],
        "paymentProvider": "PAYMENT_PROVIDER_MANUAL",
        "requestId": str(uuid4()),
    }
    return user, succeeded(page.call("Orders", "PlaceOrder", order))["order"]


async def test_every_call_is_shown_and_nothing_is_fetched_from_elsewhere(door: Door, page: Page) -> None:
    await asyncio.to_thread(page.open)

    routed = [method for method in all_methods() if read_policy(method).on_public_port]
    rules = [method.GetOptions().Extensions[annotations_pb2.http] for method in routed]
    verbs = [rule.WhichOneof("pattern") for rule in rules]
    shown = page.calls()
    assert {(verb, shape(path)) for verb, path in shown} == {
        (verb, shape(getattr(rule, verb))) for rule, verb in zip(rules, verbs, strict=True)
    }
    assert len(shown) == len(routed)
    assert page.tags()[0] == "Signing in"
    assert page.errors() == []
    assert {httpx.URL(url).copy_with(path="/", query=None, fragment=None) for url in page.requested()} == {
        httpx.URL(door.address).copy_with(path="/")
    }


async def test_something_is_bought_by_clicks(door: Door, page: Page) -> None:
    soup = await Goods.put_on_sale(door)

    await asyncio.to_thread(page.open)
    user, order = await asyncio.to_thread(buy, page, soup.variant)

    assert (order["status"], order["userId"]) == ("ORDER_STATUS_PAID", user["id"])
    assert order["totalAmount"] == {"currencyCode": "USD", "units": "25", "nanos": 0}
    await until(soup.are_sold, "two of the ten are gone")
    assert page.errors() == []
    assert all(url.startswith(door.address) for url in page.requested())


async def test_a_token_from_elsewhere_is_taken_and_links_lead_to_calls(door: Door, page: Page) -> None:
    account = {"email": f"{uuid4().hex}@example.com", "password": PASSWORD}
    await asked(door, "POST", "/v1/auth:signUp", body=account)
    token = (await asked(door, "POST", "/v1/auth:signIn", body=account))["tokens"]["accessToken"]

    def see_me() -> tuple[int, dict[str, Any]]:
        page.open("#/Users/GetMe")
        page.shown("#operations-Users-GetMe .execute")
        page.authorize(token)
        page.follow("place the order", "#operations-Orders-PlaceOrder .execute")
        return page.call("Users", "GetMe")

    assert succeeded(await asyncio.to_thread(see_me))["email"] == account["email"]


async def test_the_page_is_kept_by_browsers_and_sent_packed(door: Door) -> None:
    first = await door.http.get("/docs/openapi.json")
    again = await door.http.get("/docs/openapi.json", headers={"if-none-match": first.headers["etag"]})
    plain = await door.http.get("/docs/openapi.json", headers={"accept-encoding": "identity"})

    assert first.headers["content-encoding"] == "gzip"
    assert first.json() == plain.json()
    assert (again.status_code, again.content, again.headers.get("location")) == (304, b"", None)
    assert "content-encoding" not in plain.headers
    assert "script-src 'self'" in (await door.http.get("/docs")).headers["content-security-policy"]
    assert (await door.http.get("/docs/")).headers["location"].endswith("/docs")
    assert (await door.http.head("/docs/start.js")).headers["content-type"] == "text/javascript; charset=utf-8"
    assert (await door.http.get("/docs/envoy.yaml")).status_code == 404
    assert (await door.http.post("/docs")).status_code == 404
