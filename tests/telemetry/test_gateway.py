"""The gateway begins the trace, or goes on with the client's, and its span is the parent of the service's."""

import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from lumi.orders.v1.cart_pb2_grpc import CartServiceStub

from libs.common.tests.rpc.collector import Collector, attributes, collecting
from lumi_envoy.settings import CONTEXTS, LOOPBACK, Settings
from lumi_local.process import free_port
from tests.gateway.gateway import running_envoy
from tests.kit.waiting import until
from tests.telemetry.traced import Given, Spot, TracedShop

PLACE = "lumi.orders.v1.OrderService/PlaceOrder"
LIST = "lumi.catalogue.v1.ProductService/ListProducts"


@dataclass
class TracingGateway:
    """A gateway before the traced shop, and where its spans go."""

    http: httpx.AsyncClient
    collector: Collector
    log: Path

    async def span(self, trace: str) -> Any:
        """The gateway's only span in a trace, once it is exported."""

        def found() -> list[Any]:
            return [span for _, span in self.collector.spans if span.trace_id.hex() == trace]

        async def arrived() -> bool:
            await self.http.get("/nowhere")  # a few spans are sent at once, a single one waits for seconds
            return bool(found())

        await until(arrived, "the gateway's span is exported", seconds=20)
        (span,) = found()
        return span


@pytest.fixture(scope="module")
async def gateway(traced: TracedShop) -> AsyncIterator[TracingGateway]:
    """Every request is traced, whatever its client says."""
    upstreams = {name: f"{LOOPBACK}:{traced.shop.runtimes[name].server.public_port}" for name in CONTEXTS}
    with collecting() as collector, tempfile.TemporaryDirectory(prefix="lumi-gateway-") as folder:
        settings = Settings(
            env="local",
            port_base=free_port() - 901,
            gateway_port=free_port(),
            upstreams=upstreams,
            otlp_endpoint=collector.endpoint,
            trace_ratio=1.0,
        )
        with running_envoy(settings, Path(folder)):
            url = f"http://{LOOPBACK}:{settings.gateway_port}"
            async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=20) as http:
                yield TracingGateway(http, collector, Path(folder) / "envoy.log")


def servers(traced: TracedShop, name: str) -> list[Spot]:
    return [each for each in traced.all() if (each.kind, each.name) == ("SERVER", name)]


async def test_a_purchase_through_the_gateway_is_one_trace(traced: TracedShop, gateway: TracingGateway) -> None:
    shelf, shopper = await traced.shop.staff(), await traced.shop.shopper()
    soup = await shelf.put(10, 250)
    cart = await shopper.fill((soup, 2))
    order, carts, browser = shopper.order_for(cart), shopper.stub(CartServiceStub), Given(sampled=False)

    answer = await gateway.http.post(
        "/v1/orders",
        json={
            "cartId": order.cart_id,
            "shippingAddressId": order.shipping_address_id,
            "paymentProvider": "PAYMENT_PROVIDER_MANUAL",
            "requestId": order.request_id,
        },
        headers={"authorization": dict(carts.metadata)["authorization"], "traceparent": browser.traceparent},
    )

    assert answer.status_code == 200, answer.text

    async def followed() -> bool:
        return "process lumi.orders.order.paid" in {each.name for each in traced.spots(browser.trace)}

    await until(followed, "what was paid for is committed")
    entrance = await gateway.span(browser.trace)
    assert (entrance.name, entrance.parent_span_id.hex()) == (PLACE, browser.span)
    (placing,) = [each for each in traced.spots(browser.trace) if each.name == PLACE]
    assert (placing.kind, placing.parent) == ("SERVER", entrance.span_id.hex())
    assert {each.service for each in traced.spots(browser.trace)} >= {"orders", "catalogue", "payments"}


async def test_the_gateway_begins_a_trace_where_the_client_has_none(
    traced: TracedShop, gateway: TracingGateway
) -> None:
    before = servers(traced, LIST)
    assert (await gateway.http.get("/v1/products?pageSize=7")).status_code == 200

    (served,) = servers(traced, LIST)[len(before) :]
    entrance = await gateway.span(f"{served.span.context.trace_id:032x}")
    assert (served.parent, entrance.parent_span_id) == (entrance.span_id.hex(), b"")


async def test_the_gateways_span_says_nothing_about_who_asks_or_for_what(gateway: TracingGateway) -> None:
    given = Given()
    headers = {"user-agent": "planted-agent/1", "traceparent": given.traceparent}

    async def is_logged() -> bool:
        return given.trace in gateway.log.read_text()

    await gateway.http.get("/v1/nowhere/planted@example.com?token=planted-secret")
    await gateway.http.get("/v1/products?pageToken=planted-secret", headers=headers)

    told = attributes(await gateway.span(given.trace))
    assert "planted" not in str(told)
    assert told["peer.address"] == "-"
    await until(is_logged, "the later of the two calls is in the log")
    assert "planted" not in gateway.log.read_text()
