"""(a) A product by its slug against a bare server that returns the same bytes; (b) its SQL through pgbench."""

import random
from collections import defaultdict
from collections.abc import Callable, Sequence

from lumi.catalogue.v1.product_pb2 import GetProductBySlugRequest

from lumi_bench.bare import bare_server
from lumi_bench.goods import PRODUCTS, Buyer, slug_of
from lumi_bench.load import Call, Client, Load, Sample
from lumi_bench.measure import Budget, Result, Round
from lumi_bench.pgbench import Pgbench
from lumi_bench.recording import record
from lumi_bench.script import script
from lumi_bench.stack import BenchStack

METHOD = "/lumi.catalogue.v1.ProductService/GetProductBySlug"
BUDGET = Budget("ratio", at_least=0.45)
SECONDS = 2
QUERIES, QUERIES_ALONE = 40_000, 10_000
STEPS_A_ROUND = 9  # three measurements at three numbers in flight


def reads(buyers: Sequence[Buyer]) -> list[Call]:
    """A read of each product by its slug, in no particular order, each with somebody's token."""
    slugs = [slug_of(number) for number in random.Random(1).sample(range(PRODUCTS), PRODUCTS)]
    requests = [GetProductBySlugRequest(slug=slug).SerializeToString() for slug in slugs]
    return [Call(request, buyers[place % len(buyers)].metadata) for place, request in enumerate(requests)]


class Product:
    """Rates per second of the server's CPU time, and per second of the clock beside pgbench."""

    def __init__(self, stack: BenchStack, client: Client, pgbench: Pgbench, buyers: Sequence[Buyer]) -> None:
        self._stack, self._client, self._pgbench = stack, client, pgbench
        self._calls = reads(buyers)
        self._answer = b""
        self._script = ""

    def prepare(self) -> None:
        """Look at one call: the bytes that it returns and the SQL that it sends."""
        one = Load(self._stack.public("catalogue"), METHOD, self._calls[:1], in_flight=1)
        self._client.answers(one)  # keys are fetched, statements prepared

        def call() -> None:
            [self._answer] = self._client.answers(one)

        executed = record(self._stack, call)
        slug = GetProductBySlugRequest.FromString(self._calls[0].request).slug
        prefix = slug.rpartition("-")[0]
        head = [f"\\set n random(0, {PRODUCTS - 1})"]
        self._script = script(executed, {slug: f"('{prefix}-' || (:n)::text)"}, head)

    def rounds(self, count: int, in_flight: Sequence[int], step: Callable[[], None]) -> list[Result]:
        """Measure; `step` is called after each of STEPS_A_ROUND measurements."""
        calls: dict[int, list[Round]] = defaultdict(list)
        queries: dict[int, list[Round]] = defaultdict(list)
        pid = self._stack.pids()["catalogue"]
        with bare_server(self._answer, self._stack.folder) as (bare_address, bare_pid):
            for _ in range(count):
                for number in in_flight:
                    bare = self._measure(bare_address, bare_pid, number)
                    step()
                    ours = self._measure(self._stack.public("catalogue"), pid, number)
                    step()
                    ran = self._pgbench.run(
                        self._stack.postgres,
                        self._script,
                        self._stack.folder,
                        clients=number,
                        each=QUERIES_ALONE if number == 1 else QUERIES // number,
                    )
                    step()
                    calls[number].append(
                        Round(
                            ceiling=bare.calls / bare.cpu_seconds,
                            lumi=ours.calls / ours.cpu_seconds,
                            cpu_ms=ours.cpu_seconds / ours.calls * 1e3,
                            p50_ms=ours.p50_ms,
                            p99_ms=ours.p99_ms,
                        )
                    )
                    queries[number].append(
                        Round(ceiling=ran.rate, lumi=ours.rate, p50_ms=ours.p50_ms, p99_ms=ours.p99_ms)
                    )
        name = f"product by slug, per second, beside its SQL through pgbench{self._pgbench.note}"
        return [
            *(
                Result("product by slug, per CPU second, beside a bare servicer", number, calls[number], BUDGET)
                for number in in_flight
            ),
            *(Result(name, number, queries[number]) for number in in_flight),
        ]

    def _measure(self, target: str, pid: int, in_flight: int) -> Sample:
        return self._client.run(Load(target, METHOD, self._calls, in_flight, SECONDS, (pid,)))
