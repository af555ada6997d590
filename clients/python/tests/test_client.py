import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from time import monotonic
from uuid import UUID

import pytest
from google.type.money_pb2 import Money
from grpc import StatusCode
from lumi.identity.v1.auth_pb2 import RefreshTokenRequest
from lumi_client import (
    AlreadyExists,
    DeadlineExceeded,
    FailedPrecondition,
    InvalidArgument,
    Lumi,
    LumiError,
    ResourceExhausted,
    SecondFactorWanted,
    Unauthenticated,
    Unavailable,
    amount,
    money,
)

from clients.python.tests.gateway import ORDERS, Gateway, open_gateway, status


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    async with open_gateway() as gateway:
        yield gateway


@pytest.fixture
async def shop(gateway: Gateway) -> AsyncIterator[Lumi]:
    async with Lumi(gateway.url) as shop:
        yield shop


async def test_a_call_that_does_not_get_through_is_sent_again_as_the_same_call(gateway: Gateway, shop: Lumi) -> None:
    gateway.refuse.extend([status(StatusCode.UNAVAILABLE), status(StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")])

    cart = await shop.carts.create_cart(currency_code="USD")

    assert cart.currency_code == "USD"
    [first, *again] = [request.request_id for request, _ in gateway.calls]  # type: ignore[attr-defined]
    assert UUID(first)
    assert again == [first, first]


async def test_a_request_id_of_ones_own_is_kept(gateway: Gateway, shop: Lumi) -> None:
    await shop.carts.create_cart(request_id="0193e2a4-7b1c-7d3e-9f00-5a6b7c8d9e0f")

    assert gateway.calls[0][0].request_id == "0193e2a4-7b1c-7d3e-9f00-5a6b7c8d9e0f"  # type: ignore[attr-defined]


async def test_what_must_not_happen_twice_is_not_sent_twice(gateway: Gateway, shop: Lumi) -> None:
    gateway.refuse.append(status(StatusCode.UNAVAILABLE))

    with pytest.raises(Unavailable):
        await shop.auth.sign_up(email="ada@example.com", password="correct horse")

    assert len(gateway.calls) == 1


@pytest.mark.parametrize("reason", ["REQUEST_TOO_LARGE", "HEADERS_TOO_LARGE"])
async def test_what_is_too_large_is_not_sent_again(gateway: Gateway, shop: Lumi, reason: str) -> None:
    gateway.refuse.append(status(StatusCode.RESOURCE_EXHAUSTED, reason))

    with pytest.raises(ResourceExhausted):
        await shop.carts.create_cart()

    assert len(gateway.calls) == 1


async def test_a_refusal_has_its_reason_and_is_not_argued_with(gateway: Gateway, shop: Lumi) -> None:
    gateway.refuse.append(status(StatusCode.ALREADY_EXISTS, "ACTIVE_CART_EXISTS", cart_id="cother"))
    with pytest.raises(AlreadyExists) as refused:
        await shop.carts.create_cart()

    error = refused.value
    assert (error.reason, error.domain, error.facts) == ("ACTIVE_CART_EXISTS", "orders.lumi", {"cart_id": "cother"})
    assert str(error) == "CreateCart: ACTIVE_CART_EXISTS: so it is"
    assert len(gateway.calls) == 1


async def test_a_refusal_names_the_fields_at_fault(gateway: Gateway, shop: Lumi) -> None:
    gateway.refuse.append(status(StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST", field="currency_code"))
    with pytest.raises(InvalidArgument) as refused:
        await shop.carts.create_cart(currency_code="usd")

    assert refused.value.violations == (("currency_code", "is wrong"),)


async def test_a_refusal_without_details_has_its_code_for_a_reason(gateway: Gateway, shop: Lumi) -> None:
    gateway.refuse.append(status(StatusCode.FAILED_PRECONDITION))
    with pytest.raises(FailedPrecondition) as refused:
        await shop.carts.create_cart()
    assert refused.value.reason == "FAILED_PRECONDITION"

    gateway.refuse.append(status(StatusCode.DATA_LOSS))
    with pytest.raises(LumiError) as unknown:
        await shop.carts.create_cart()
    assert unknown.value.reason == "DATA_LOSS"


async def test_all_tries_together_take_no_longer_than_was_allowed() -> None:
    started = monotonic()
    async with Lumi("http://127.0.0.1:1") as nobody:
        with pytest.raises((Unavailable, DeadlineExceeded)):
            await nobody.carts.create_cart(timeout=0.6)

    assert monotonic() - started < 2


async def test_a_list_is_read_page_by_page_as_it_is_wanted(gateway: Gateway, shop: Lumi) -> None:
    ids = [order.id async for order in shop.orders.list_orders(page_size=2)]

    assert ids == [f"c{number}" for number in range(ORDERS)]
    assert len(gateway.calls) == 3

    async for _ in shop.orders.list_orders(page_size=2):
        break
    assert len(gateway.calls) == 4


async def test_whoever_is_signed_in_calls_with_their_token(gateway: Gateway, shop: Lumi) -> None:
    ada = await shop.sign_in("ada@example.com", "correct horse")
    await ada.carts.create_cart()
    await shop.carts.create_cart()

    assert [token for _, token in gateway.calls] == ["", "access-0", ""]
    assert ada.id == "csession"


async def test_a_token_near_its_end_is_renewed_once_for_all(gateway: Gateway, shop: Lumi) -> None:
    gateway.token_seconds = 10
    ada = await shop.sign_in("ada@example.com", "correct horse")
    gateway.token_seconds = 600

    await asyncio.gather(*(ada.carts.create_cart() for _ in range(20)))

    assert gateway.refreshed == 1
    assert [token for _, token in gateway.calls[2:]] == ["access-1"] * 20
    assert ada.refresh_token == "refresh-1"


async def test_a_token_that_is_refused_is_replaced_once(gateway: Gateway, shop: Lumi) -> None:
    ada = await shop.sign_in("ada@example.com", "correct horse")
    gateway.refuse.append(status(StatusCode.UNAUTHENTICATED, "TOKEN_INVALID"))
    await ada.carts.create_cart()
    assert [token for _, token in gateway.calls] == ["", "access-0", "", "access-1"]

    invalid = status(StatusCode.UNAUTHENTICATED, "TOKEN_INVALID")
    gateway.refuse.append(invalid)
    gateway.refuse.append(status(StatusCode.UNAUTHENTICATED, "REFRESH_TOKEN_INVALID"))
    with pytest.raises(Unauthenticated) as ended:
        await ada.carts.create_cart()
    assert ended.value.reason == "REFRESH_TOKEN_INVALID"


async def test_renewing_can_wait_while_the_token_lasts(gateway: Gateway, shop: Lumi) -> None:
    gateway.token_seconds = 20
    ada = await shop.sign_in("ada@example.com", "correct horse")
    gateway.refuse.append(status(StatusCode.INTERNAL))

    await ada.carts.create_cart()

    assert [token for _, token in gateway.calls] == ["", "", "access-0"]


async def test_a_session_is_resumed_from_its_refresh_token(gateway: Gateway, shop: Lumi) -> None:
    ada = await shop.resume("refresh-kept")
    await ada.carts.create_cart()

    assert gateway.calls[0][0] == RefreshTokenRequest(refresh_token="refresh-kept")
    assert gateway.calls[1][1] == "access-1"


@pytest.mark.parametrize("url", ["127.0.0.1:8080", "ftp://shop.example", "http://shop.example/v1", "https://"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="the gateway's address looks like"):
        Lumi(url)


def test_money_keeps_every_cent() -> None:
    assert money("12.34", "EUR") == Money(currency_code="EUR", units=12, nanos=340_000_000)
    assert money("-0.05", "EUR") == Money(currency_code="EUR", units=0, nanos=-50_000_000)
    assert amount(Money(units=12, nanos=340_000_000)) == Decimal("12.34")
    assert str(amount(Money(units=5))) == "5.00"
    with pytest.raises(ValueError, match="too many decimals"):
        money("0.0000000001", "EUR")


async def test_a_second_factor_is_asked_for_before_the_session(gateway: Gateway, shop: Lumi) -> None:
    gateway.second_factor = True

    with pytest.raises(SecondFactorWanted) as wanted:
        await shop.sign_in("ada@example.com", "correct horse")
    ada = await shop.verify(wanted.value.challenge, code="123456")

    assert (wanted.value.challenge, ada.access_token) == ("a challenge", "access-0")
    request, _ = gateway.calls[-1]
    assert (request.challenge, request.code) == ("a challenge", "123456")  # type: ignore[attr-defined]


async def test_whoever_stepped_up_calls_with_that_token(gateway: Gateway, shop: Lumi) -> None:
    ada = await shop.sign_in("ada@example.com", "correct horse")

    await ada.step_up(password="correct horse")
    await ada.carts.create_cart(currency_code="USD")

    assert [token for _, token in gateway.calls] == ["", "access-0", "stepped-up"]
    assert ada.refresh_token == "refresh-0"
