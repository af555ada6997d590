"""(c) Placing an order of two lines, end to end, against pgbench running the statements that it runs."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from uuid import uuid4

from lumi.orders.v1.order_pb2 import PlaceOrderRequest, PlaceOrderResponse
from lumi.payments.v1.payment_pb2 import PAYMENT_PROVIDER_MANUAL

from lumi_bench.goods import (
    CART,
    ITEM,
    PRODUCT,
    PRODUCTS,
    USER,
    VARIANT,
    Buyer,
    fill_carts,
    id_in_sql,
    id_of,
    variants_of,
)
from lumi_bench.load import Call, Client, Load, Sample
from lumi_bench.measure import Budget, Result, Round
from lumi_bench.pgbench import Pgbench
from lumi_bench.process import cpu_seconds
from lumi_bench.recording import record
from lumi_bench.records import check_orders, count_orders
from lumi_bench.script import script
from lumi_bench.stack import BenchStack

METHOD = "/lumi.orders.v1.OrderService/PlaceOrder"
REQUEST_PATH = Budget("cpu_ms", at_most=9)
AFTERWARDS = Budget("cpu_ms", at_most=6)
STEPS_A_ROUND = 9
# Orders of one measurement by how many are in flight; alone they take their time.
ORDERS, ORDERS_ALONE = 200, 100
# Transactions of pgbench's by client: a server process's first ones still plan, and must not weigh.
EACH, EACH_OF_MANY = 200, 20
_MANY = 16


class PlacedOrders:
    """Orders placed on the orders service's own port, and what the five services spend on them.

    The request path is measured while NATS is away, so that nothing but it happens; then with everything running,
    until the last event is filed, and the difference is what relay, audit filing and committing the stock take.
    """

    def __init__(self, stack: BenchStack, client: Client, pgbench: Pgbench, buyers: Sequence[Buyer]) -> None:
        self._stack, self._client, self._pgbench, self._buyers = stack, client, pgbench, buyers
        self._ceiling = stack.copy_database("ceiling")
        self._carts = self._ceiling_carts = self._placed = 0
        self._script = ""

    def prepare(self) -> None:
        """Buy once for every buyer, so that all is warm, and look at one order's statements."""
        self._client.run(self._load(len(self._buyers), in_flight=16))
        [load] = [self._load(1, in_flight=1)]
        cart, answers = self._carts - 1, list[bytes]()
        with self._stack.broker_away():
            executed = record(self._stack, lambda: answers.extend(self._client.answers(load)))
        order = PlaceOrderResponse.FromString(answers[0]).order
        known = {order.reference: "('R' || lpad((:n)::text, 9, '0'))", id_of(CART, cart): id_in_sql(CART, ":n")}
        known[self._buyers[0].id] = id_in_sql(USER, ":n")
        for line, variant in enumerate(variants_of(cart)):
            known[id_of(ITEM, cart * 2 + line)] = id_in_sql(ITEM, f":n * 2 + {line}")
            known[id_of(VARIANT, variant)] = id_in_sql(VARIANT, f":v{line}")
            known[id_of(PRODUCT, variant)] = id_in_sql(PRODUCT, f":v{line}")
        head = [
            "\\set i :i + 1",
            "\\set n :first + :client_id * :each + :i",
            f"\\set v0 (:n * 2) % {PRODUCTS}",
            f"\\set v1 (:n * 2 + 1) % {PRODUCTS}",
        ]
        self._script = script(executed, known, head)
        self._stack.wait_until_filed()

    def rounds(self, count: int, in_flight: Sequence[int], step: Callable[[], None]) -> list[Result]:
        """Measure; `step` is called after each of STEPS_A_ROUND measurements."""
        placing: dict[int, list[Round]] = defaultdict(list)
        afterwards: dict[int, list[Round]] = defaultdict(list)
        for _ in range(count):
            path: dict[int, float] = {}
            with self._stack.broker_away():
                for number in in_flight:
                    path[number], _sample = self._place(number, filed=False)
                    step()
            self._stack.wait_until_filed()
            live: dict[int, tuple[float, Sample]] = {}
            for number in in_flight:
                live[number] = self._place(number, filed=True)
                step()
            for number in in_flight:
                ceiling = self._same_statements(number)
                step()
                whole, sample = live[number]
                placing[number].append(
                    Round(
                        ceiling=ceiling,
                        lumi=sample.rate,
                        cpu_ms=path[number],
                        p50_ms=sample.p50_ms,
                        p99_ms=sample.p99_ms,
                    )
                )
                afterwards[number].append(Round(cpu_ms=whole - path[number]))
        asyncio.run(check_orders(self._stack.postgres.dsn_superuser, self._placed))
        name = f"placing an order of two lines, per second, beside its SQL through pgbench{self._pgbench.note}"
        return [
            *(Result(name, number, placing[number], REQUEST_PATH) for number in in_flight),
            *(
                Result("relay, audit filing and stock of an order", number, afterwards[number], AFTERWARDS)
                for number in in_flight
            ),
        ]

    def _place(self, in_flight: int, *, filed: bool) -> tuple[float, Sample]:
        """CPU time of all services per order, in milliseconds, until all is `filed` or just until the answers."""
        orders = ORDERS_ALONE if in_flight == 1 else ORDERS
        load, pids = self._load(orders, in_flight), self._stack.pids().values()
        before = cpu_seconds(pids)
        sample = self._client.run(load)
        if filed:
            self._stack.wait_until_filed()
        return (cpu_seconds(pids) - before) / orders * 1e3, sample

    def _load(self, orders: int, in_flight: int) -> Load:
        """Orders of freshly filled carts, one for each of the first buyers."""
        buyers, first = self._buyers[:orders], self._carts
        asyncio.run(fill_carts(self._stack.postgres.dsn_superuser, first, [buyer.id for buyer in buyers]))
        self._carts += len(buyers)
        self._placed += len(buyers)
        calls = [
            Call(
                PlaceOrderRequest(
                    cart_id=id_of(CART, first + place),
                    payment_provider=PAYMENT_PROVIDER_MANUAL,
                    request_id=str(uuid4()),
                ).SerializeToString(),
                buyer.metadata,
            )
            for place, buyer in enumerate(buyers)
        ]
        return Load(self._stack.public("orders"), METHOD, calls, in_flight)

    def _same_statements(self, clients: int) -> float:
        """Orders per second of pgbench, on a database of their own, so that no relay has to carry them."""
        each = EACH if clients == 1 else EACH_OF_MANY * max(1, _MANY * 2 // clients)
        first, orders = self._ceiling_carts, clients * each
        users = [id_of(USER, first + number) for number in range(orders)]
        asyncio.run(fill_carts(self._ceiling.dsn_superuser, first, users))
        self._ceiling_carts += orders
        ran = self._pgbench.run(
            self._ceiling,
            self._script,
            self._stack.folder,
            clients=clients,
            each=each,
            variables={"i": -1, "first": first, "each": each},
        )
        asyncio.run(count_orders(self._ceiling.dsn_superuser, self._ceiling_carts))
        return ran.rate
