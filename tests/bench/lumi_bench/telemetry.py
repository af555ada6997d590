"""(e) A product by its slug with telemetry off, on without traces, and with every call traced."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from lumi_bench.goods import Buyer
from lumi_bench.load import Client, Load, Sample
from lumi_bench.measure import Result, Round
from lumi_bench.product import METHOD, SECONDS, reads
from lumi_bench.sink import sink
from lumi_bench.stack import BenchStack
from lumi_bench.start import launched
from lumi_local.process import LOOPBACK, StackError, free_port

OFF, MEASURED, TRACED = "telemetry off", "on, nothing traced", "on, every call traced"
STEPS_A_ROUND = 9  # three processes at three numbers in flight


class TelemetryCost:
    """Three processes of the catalogue beside the stack's own, alike but for what they are told of telemetry.

    Each gets the same reads, round by round one after the other; what they export goes to a sink of the bench's.
    """

    def __init__(self, stack: BenchStack, client: Client, buyers: Sequence[Buyer]) -> None:
        self._stack, self._client, self._calls = stack, client, reads(buyers)

    def rounds(self, count: int, in_flight: Sequence[int], step: Callable[[], None]) -> list[Result]:
        """Measure; `step` is called after each of STEPS_A_ROUND measurements."""
        rounds: dict[tuple[str, int], list[Round]] = defaultdict(list)
        with sink() as taker, ExitStack() as processes:
            told = {
                OFF: {},
                MEASURED: {"LUMI_OTLP_ENDPOINT": taker.endpoint, "LUMI_TRACE_RATIO": "0"},
                TRACED: {"LUMI_OTLP_ENDPOINT": taker.endpoint, "LUMI_TRACE_RATIO": "1"},
            }
            servers: dict[str, tuple[str, int]] = {}
            for kind, environment in told.items():
                address = f"{LOOPBACK}:{free_port()}"
                ports = {"LUMI_PUBLIC_ADDRESS": address, "LUMI_INTERNAL_ADDRESS": f"{LOOPBACK}:{free_port()}"}
                pid = processes.enter_context(launched(self._stack, "catalogue", **ports, **environment))
                servers[kind] = address, pid
            for _ in range(count):
                for number in in_flight:
                    off = 0.0
                    for kind, server in servers.items():
                        sample = self._measure(*server, number)
                        rate = sample.calls / sample.cpu_seconds
                        off = rate if kind == OFF else off
                        rounds[kind, number].append(
                            Round(
                                ceiling=None if kind == OFF else off,
                                lumi=rate,
                                cpu_ms=sample.cpu_seconds / sample.calls * 1e3,
                                p50_ms=sample.p50_ms,
                                p99_ms=sample.p99_ms,
                            )
                        )
                        step()
        if not taker.spans or not taker.exports:
            raise StackError("nothing arrived at the sink: telemetry was not on where it should have been")
        beside = {OFF: "", MEASURED: ", beside it off", TRACED: ", beside it off"}
        return [
            Result(f"product by slug, {kind}, per CPU second{beside[kind]}", number, rounds[kind, number])
            for kind in told
            for number in in_flight
        ]

    def _measure(self, target: str, pid: int, in_flight: int) -> Sample:
        return self._client.run(Load(target, METHOD, self._calls, in_flight, SECONDS, (pid,)))
