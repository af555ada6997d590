"""(h) Reserving one hot variant: at the repository's door beside pgbench, through gRPC beside a bare echo."""

import asyncio
import socket
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import uuid4

from lumi.catalogue.v1.inventory_pb2 import ReserveStockRequest, StockLine

from lumi_bench.again import reserve_again
from lumi_bench.bare import bare_server
from lumi_bench.door import METHOD, Door, Wanted
from lumi_bench.goods import PRODUCTS, USER, VARIANT, id_of
from lumi_bench.load import Call, Client, Load, Sample
from lumi_bench.measure import Budget, Result, Round
from lumi_bench.pgbench import Pgbench
from lumi_bench.reserved import Ledger
from lumi_bench.stack import BenchStack
from lumi_bench.start import launched
from lumi_common.context import new_traceparent
from lumi_common.cuid import cuid
from lumi_common.rpc.caller import ACTOR_KEY, AGENT_KEY, IP_KEY
from lumi_common.tracing import TRACEPARENT
from lumi_local.postgres import PostgresServer
from lumi_local.process import LOOPBACK, free_port

IN_FLIGHT = 64
AT_THE_DOOR, OVER_GRPC = Budget("ratio", at_least=5), Budget("ratio", at_least=0.6)
STEPS_A_ROUND = 11
# Of one measurement: enough that the first ones, for which connections are made and statements planned, do not weigh.
AT_ONCE, CALLS, TRANSACTIONS = 4_800, 5_000, 20 * IN_FLIGHT
HOT = id_of(VARIANT, PRODUCTS - 1)
# More than are left as soon as one is reserved, and the most that a request may ask for.
TOO_MUCH = 1_000_000
FITTING, EVERY_THIRD_NOT = "", ", every third asking for too much"
KINDS = (FITTING, EVERY_THIRD_NOT)


class HotVariant:
    """Everybody wants one of the same: an UPDATE of its row is a queue, which the service's gathering gets around.

    The door, pgbench and a catalogue whose broker is deaf take turns at a copy of the database, so that nothing but
    reserving happens; then the stack's own catalogue is called, with everything running. Calls go to the internal
    port, with the certificate of orders.
    """

    def __init__(self, stack: BenchStack, client: Client, pgbench: Pgbench, copy: PostgresServer) -> None:
        self._stack, self._client, self._pgbench, self._copy = stack, client, pgbench, copy
        self._ledger = Ledger(copy.dsn_superuser, HOT)
        self._live_ledger = Ledger(stack.postgres.dsn_superuser, HOT)
        self._answer = b""
        self._scripts: dict[str, str] = {}
        self._transactions = 0

    def prepare(self) -> None:
        """Reserve one in each database, and look at the answer and at the rows that it left."""
        load = self._load(self._stack.internal("catalogue"), 1, FITTING)
        [self._answer] = self._client.answers(load)
        self._live_ledger.reserved(1)
        [first] = wants(1, FITTING)
        with Door() as door:
            self._reserve(door, [first])
        request = ReserveStockRequest.FromString(first.request)
        for kind, too_much in zip(KINDS, (None, TOO_MUCH), strict=True):
            again = reserve_again(self._copy.dsn_superuser, request.order_id, request.request_id, too_much)
            self._scripts[kind] = f"\\set i :i + 1\n\\set n :first + :client_id * :each + :i\n{asyncio.run(again)}"

    def rounds(self, count: int, step: Callable[[], None]) -> list[Result]:
        """Measure; `step` is called after each of STEPS_A_ROUND measurements."""
        door, path, live = (defaultdict[str, list[Round]](list) for _ in range(3))
        certificates, catalogue = self._stack.certificates("catalogue"), self._stack.internal("catalogue")
        pid = self._stack.pids()["catalogue"]
        with (
            Door() as process,
            bare_server(self._answer, self._stack.folder, certificates) as bare,
            self._without_broker() as alone,
        ):
            for address, number in (bare, alone):
                self._call(address, number, FITTING)  # warm
            self._ledger.reserved(CALLS)
            for _ in range(count):
                for kind in KINDS:
                    door[kind].append(self._at_the_door(process, kind, step))
                # Before and after each, so that what passes over the machine meanwhile is in both.
                echoes, paths = [self._call(*bare, FITTING, step)], dict[str, Sample]()
                for kind in KINDS:
                    paths[kind] = self._call(*alone, kind, step)
                    echoes.append(self._call(*bare, FITTING, step))
                for kind in KINDS:
                    self._ledger.reserved(fitting(CALLS, kind))
                self._ledger.check()
                lives = {kind: self._call(catalogue, pid, kind, step) for kind in KINDS}
                self._stack.wait_until_filed()
                for kind in KINDS:
                    self._live_ledger.reserved(fitting(CALLS, kind))
                self._live_ledger.check()
                echo = sum(each.calls for each in echoes) / sum(each.seconds for each in echoes)
                for kind in KINDS:
                    path[kind].append(_round(paths[kind], echo))
                    live[kind].append(_round(lives[kind], echo))
        told: list[tuple[str, dict[str, list[Round]], Budget | None]] = [
            (f"at the door, beside its rows through pgbench{self._pgbench.note}", door, AT_THE_DOOR),
            ("over gRPC, beside a bare echo", path, OVER_GRPC),
            ("over gRPC with relay and filing running, beside a bare echo", live, None),
        ]
        return [
            Result(f"reserving a hot variant {where}, per second{kind}", IN_FLIGHT, rounds[kind], budget)
            for where, rounds, budget in told
            for kind in KINDS
        ]

    def _at_the_door(self, door: Door, kind: str, step: Callable[[], None]) -> Round:
        ran = self._pgbench.run(
            self._copy,
            self._scripts[kind],
            self._stack.folder,
            clients=IN_FLIGHT,
            each=TRANSACTIONS // IN_FLIGHT,
            variables={"i": -1, "first": self._transactions, "each": TRANSACTIONS // IN_FLIGHT},
        )
        numbers = range(self._transactions, self._transactions + TRANSACTIONS)
        self._ledger.reserved(sum(kind == FITTING or number % 3 != 2 for number in numbers))
        self._transactions += TRANSACTIONS
        step()
        sample = self._reserve(door, wants(AT_ONCE, kind))
        step()
        self._ledger.check()
        return _round(sample, ran.rate)

    def _reserve(self, door: Door, wanted: list[Wanted]) -> Sample:
        sample = door.reserve(self._copy.dsn("lumi_catalogue"), wanted, IN_FLIGHT)
        self._ledger.reserved(sum(not each.too_much for each in wanted))
        return sample

    def _call(self, address: str, pid: int, kind: str, step: Callable[[], None] = lambda: None) -> Sample:
        sample = self._client.run(self._load(address, CALLS, kind, pid))
        step()
        return sample

    def _load(self, address: str, count: int, kind: str, *pids: int) -> Load:
        """As many calls as orders makes them, each for an order and a user of its own."""
        calls = [
            Call(each.request, _metadata(place), refused="FAILED_PRECONDITION" if each.too_much else "")
            for place, each in enumerate(wants(count, kind))
        ]
        return Load(address, f"/{METHOD}", calls, IN_FLIGHT, pids=pids, tls=self._stack.certificates("orders"))

    @contextmanager
    def _without_broker(self) -> Iterator[tuple[str, int]]:
        """A catalogue of the copy, whose events stay in the outbox: its internal address and its process id."""
        address = f"{LOOPBACK}:{free_port()}"
        with socket.socket() as deaf:
            deaf.bind((LOOPBACK, 0))
            deaf.listen(64)
            with launched(
                self._stack,
                "catalogue",
                LUMI_POSTGRES_DSN=self._copy.dsn("lumi_catalogue"),
                LUMI_NATS_URL=f"nats://{LOOPBACK}:{deaf.getsockname()[1]}",
                LUMI_PUBLIC_ADDRESS=f"{LOOPBACK}:{free_port()}",
                LUMI_INTERNAL_ADDRESS=address,
            ) as pid:
                yield address, pid


def wants(count: int, kind: str) -> list[Wanted]:
    """Requests for one unit of the hot variant; of the other kind every third asks for more than there are."""
    return [_wanted(kind == EVERY_THIRD_NOT and place % 3 == 2) for place in range(count)]


def fitting(count: int, kind: str) -> int:
    """How many of so many requests get what they ask for."""
    return count if kind == FITTING else count - count // 3


def _wanted(too_much: bool) -> Wanted:
    line = StockLine(product_variant_id=HOT, quantity=TOO_MUCH if too_much else 1)
    request = ReserveStockRequest(order_id=cuid(), lines=[line], request_id=str(uuid4()))
    return Wanted(request.SerializeToString(), too_much)


def _metadata(place: int) -> tuple[tuple[str, str], ...]:
    return (
        (ACTOR_KEY, f"user:{id_of(USER, place)}"),
        (IP_KEY, "192.0.2.7"),
        (AGENT_KEY, "bench/1"),
        (TRACEPARENT, new_traceparent()),
    )


def _round(sample: Sample, ceiling: float) -> Round:
    return Round(
        ceiling=ceiling,
        lumi=sample.rate,
        cpu_ms=sample.cpu_seconds / sample.calls * 1e3,
        p50_ms=sample.p50_ms,
        p99_ms=sample.p99_ms,
    )
