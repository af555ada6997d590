"""Measures on a stack of its own what calls cost, beside the bare programs beneath them: `python -m lumi_bench`.

Exit 1 when a budget is missed or something went wrong.
"""

import argparse
import asyncio
import signal
import sys
import time
from collections.abc import Callable
from types import FrameType

from rich.console import Console

from lumi_bench import (
    audit,
    events,
    goods,
    order,
    product,
    report,
    reservation,
    sessions,
    sign_ins,
    stages,
    start,
    telemetry,
)
from lumi_bench.load import Client
from lumi_bench.measure import Result
from lumi_bench.pgbench import Pgbench
from lumi_bench.stack import BenchStack, bench_stack
from lumi_local.process import StackError
from lumi_local.settings import Settings
from lumi_local.topology import SERVICES

IN_FLIGHT = (1, 16, 64)
ROUNDS = 5
CASES = ("product", "order", "events", "reservation", "audit", "telemetry", "sessions", "sign_ins", "stages", "start")
_WIDTH_OF_A_FILE = 170


def measure(stack: BenchStack, client: Client, console: Console, cases: list[str], rounds: int) -> list[Result]:
    """The results of these cases, in the order of CASES."""
    pgbench = Pgbench(stack.programs)
    results: list[Result] = []
    with report.bar(console, "products on the shelves, buyers signed in", 2) as step:
        asyncio.run(goods.stock_shelves(stack.postgres.dsn_superuser))
        step()
        buyers = goods.sign_in_buyers(stack, client)
        stack.wait_until_filed()
        step()
    if "product" in cases:
        reads = product.Product(stack, client, pgbench, buyers)
        with report.bar(console, "product by slug", rounds * product.STEPS_A_ROUND) as step:
            reads.prepare()
            results += reads.rounds(rounds, IN_FLIGHT, step)
    if "order" in cases:
        placed = order.PlacedOrders(stack, client, pgbench, buyers)
        with report.bar(console, "placing an order", rounds * order.STEPS_A_ROUND) as step:
            placed.prepare()
            results += placed.rounds(rounds, IN_FLIGHT, step)
    if "events" in cases:
        heard = events.Events(stack, client, buyers)
        with report.bar(console, "events, from commit to applied", rounds * events.STEPS_A_ROUND) as step:
            heard.prepare()
            results += heard.rounds(rounds, step)
    if "reservation" in cases or "audit" in cases:
        alone = stack.copy_database("alone")
    if "reservation" in cases:
        hot = reservation.HotVariant(stack, client, pgbench, alone)
        with report.bar(console, "reserving a hot variant", rounds * reservation.STEPS_A_ROUND) as step:
            hot.prepare()
            results += hot.rounds(rounds, step)
    if "audit" in cases:
        with report.bar(console, "audit and outbox rows", rounds * audit.STEPS_A_ROUND) as step:
            results += audit.Audit(alone).rounds(rounds, step)
    if "telemetry" in cases:
        cost = telemetry.TelemetryCost(stack, client, buyers)
        with report.bar(console, "telemetry", rounds * telemetry.STEPS_A_ROUND) as step:
            results += cost.rounds(rounds, IN_FLIGHT, step)
    if "sessions" in cases:
        refreshes = sessions.Refreshes(stack, client)
        with report.bar(console, "refreshing sessions", rounds * sessions.STEPS_A_ROUND) as step:
            refreshes.prepare()
            results += refreshes.rounds(rounds, step)
    if "sign_ins" in cases:
        signing = sign_ins.SignIns(stack, client)
        with report.bar(console, "signing in", rounds * sign_ins.STEPS_A_ROUND) as step:
            results += signing.rounds(rounds, step)
    if "stages" in cases:
        with report.bar(console, "validation and access checks", rounds * len(stages.STAGES)) as step:
            results += stages.rounds(rounds, step)
    if "start" in cases:
        results += start.memory(stack)
        with report.bar(console, "time to ready", rounds * len(SERVICES)) as step:
            results += start.time_to_ready(stack, rounds, step)
    return results


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m lumi_bench", description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="case", help=f"some of {', '.join(CASES)}; all unless given")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    arguments = parser.parse_args()
    if unknown := set(arguments.cases) - set(CASES):
        parser.error(f"no such case: {', '.join(sorted(unknown))}")
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _WIDTH_OF_A_FILE
    signal.signal(signal.SIGTERM, _end)
    started, file = time.monotonic(), Settings().home / "bench.json"
    try:
        with Client() as client, bench_stack(_teller(console)) as stack:
            results = measure(stack, client, console, arguments.cases or list(CASES), arguments.rounds)
    except (StackError, RuntimeError, OSError) as error:
        console.print("[red]✗[/]", end=" ")
        console.print(str(error), markup=False)
        return 1
    except KeyboardInterrupt:
        console.print("Stopped.")
        return 1
    report.show(console, results, arguments.rounds)
    report.save(results, file)
    console.print(f"[dim]{time.monotonic() - started:.0f} s; the rows are in {file}[/]")
    return 0 if all(result.kept for result in results) else 1


def _teller(console: Console) -> Callable[[str, Callable[[], None]], None]:
    """Tells of each step of bringing the stack up."""

    def step(title: str, work: Callable[[], None]) -> None:
        started = time.monotonic()
        work()
        console.print(f"[green]✓[/] {title} [dim]{time.monotonic() - started:.1f} s[/]")

    return step


def _end(_number: int, _frame: FrameType | None) -> None:
    """End in the ordinary way, so that the stack is stopped and removed."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
