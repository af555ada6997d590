"""A shop whose spans and figures stay in memory, and the trace of one call in it."""

import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from libs.common.tests.rpc.collector import KeptFigures
from lumi_common.rpc.caller import GATEWAY_KEY
from lumi_common.telemetry import Telemetry
from lumi_local.nats import NatsServer
from lumi_local.postgres import PostgresServer
from tests.kit.buying import Shopper
from tests.kit.client import Client
from tests.kit.shop import SERVICES, Shop, open_shop


@dataclass
class Given:
    """A traceparent as the gateway would send it."""

    sampled: bool = True
    trace: str = field(default_factory=lambda: f"{random.getrandbits(128):032x}")
    span: str = field(default_factory=lambda: f"{random.getrandbits(64):016x}")

    @property
    def traceparent(self) -> str:
        return f"00-{self.trace}-{self.span}-{'01' if self.sampled else '00'}"

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        return (("traceparent", self.traceparent), (GATEWAY_KEY, "192.0.2.7"))


@dataclass(frozen=True)
class Spot:
    """A span and the service that made it."""

    service: str
    span: ReadableSpan

    @property
    def id(self) -> str:
        return f"{self.span.context.span_id:016x}"

    @property
    def parent(self) -> str:
        return f"{self.span.parent.span_id:016x}" if self.span.parent else ""

    @property
    def kind(self) -> str:
        return str(self.span.kind.name)

    @property
    def name(self) -> str:
        return str(self.span.name)

    @property
    def attributes(self) -> dict[str, Any]:
        return dict(self.span.attributes or {})

    @property
    def is_statement(self) -> bool:
        return "db.query.summary" in self.attributes


@dataclass
class TracedShop:
    """The shop with exporters for each service; nothing is sampled that does not ask for it."""

    shop: Shop
    exporters: dict[str, InMemorySpanExporter]
    figures: dict[str, KeptFigures]

    def spots(self, trace: str) -> list[Spot]:
        """Every span of a trace that has ended, whoever made it."""
        return [each for each in self.all() if f"{each.span.context.trace_id:032x}" == trace]

    def all(self) -> Iterator[Spot]:
        """Every span there is."""
        for service, exporter in self.exporters.items():
            yield from (Spot(service, span) for span in exporter.get_finished_spans())

    def tracing(self, shopper: Shopper, given: Given) -> Shopper:
        """The same customer; from now on their calls come with this traceparent."""

        def stub(stub_class: Any) -> Client:
            plain: Any = shopper.stub(stub_class)
            return Client(plain._stub, plain.metadata + given.metadata)

        traced = Shopper(stub)
        traced.address = shopper.address
        return traced

    def stub(self, stub_class: Any, *, given: Given, token: str = "") -> Client:
        """A stub whose calls come with this traceparent."""
        plain = self.shop.stub(stub_class, token)
        return Client(plain._stub, plain.metadata + given.metadata)

    def points(self, service: str) -> dict[str, list[Any]]:
        """The data points of each metric of a service, as they are now."""
        telemetry = self.shop.runtimes[service].telemetry
        assert telemetry is not None
        telemetry.flush()
        return self.figures[service].points()


@asynccontextmanager
async def open_traced_shop(postgres: PostgresServer, nats: NatsServer, folder: Path) -> AsyncIterator[TracedShop]:
    """Open a shop of which everything that it tells stays here."""
    exporters: dict[str, InMemorySpanExporter] = {}
    figures: dict[str, KeptFigures] = {}

    def telemetry(name: str) -> Telemetry:
        exporters[name], figures[name] = InMemorySpanExporter(), KeptFigures()
        return Telemetry(name, 0.0, spans=SimpleSpanProcessor(exporters[name]), metrics=figures[name])

    often = {name: {"invariants_seconds": 0.5} for name in SERVICES}
    async with open_shop(postgres, nats, folder, telemetry=telemetry, **often) as shop:
        yield TracedShop(shop, exporters, figures)
