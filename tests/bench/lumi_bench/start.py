"""(d) What each service's process takes: memory after all the work, time from exec to SERVING."""

import os
import socket
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lumi_bench.measure import Budget, Result, Round
from lumi_bench.process import memory_megabytes
from lumi_bench.stack import BenchStack
from lumi_local.child import INHERITED
from lumi_local.health import service_is_ready
from lumi_local.process import LOOPBACK, StackError
from lumi_local.settings import CHECKOUT
from lumi_local.topology import SERVICES

MEGABYTES, SECONDS = 100.0, 1.5
_PATIENCE, _PAUSE = 30.0, 0.002


def memory(stack: BenchStack) -> list[Result]:
    """Memory of each service as it stands after all the work: its share, held to the budget, and what is resident."""
    pids = stack.pids()
    shares, residents = list[Result](), list[Result]()
    for service in SERVICES:
        share, resident = memory_megabytes(pids[service])
        taken = [Round(ceiling=MEGABYTES, lumi=share)]
        shares.append(Result(f"memory of {service}, MB", None, taken, Budget("lumi", at_most=MEGABYTES)))
        residents.append(Result(f"resident memory of {service}, MB", None, [Round(ceiling=MEGABYTES, lumi=resident)]))
    return shares + residents


def time_to_ready(stack: BenchStack, count: int, step: Callable[[], None]) -> list[Result]:
    """Start each service alone, again and again, and stop it; those of the stack are stopped before."""
    for service in SERVICES:
        stack.stop(service)
    rounds: dict[str, list[Round]] = defaultdict(list)
    for _ in range(count):
        for service in SERVICES:
            rounds[service].append(Round(ceiling=SECONDS, lumi=_start(stack, service)))
            step()
    return [
        Result(f"time to ready of {service}, s", None, rounds[service], Budget("lumi", at_most=SECONDS))
        for service in SERVICES
    ]


def _start(stack: BenchStack, service: str) -> float:
    """Seconds from exec until the health service says SERVING."""
    began = time.perf_counter()
    with launched(stack, service):
        return time.perf_counter() - began


@contextmanager
def launched(stack: BenchStack, service: str, **environment: str) -> Iterator[int]:
    """A process of the service beside the stack's own, once it says SERVING: its process id.

    `environment` is what it is told beside what the stack's own is told.
    """
    inherited = {name: os.environ[name] for name in (*INHERITED, "PYTHONPATH") if name in os.environ}
    told = stack.environment(service) | environment
    port = int(told["LUMI_PUBLIC_ADDRESS"].rpartition(":")[2])
    with (stack.folder / "start.log").open("ab") as log:
        began = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", f"lumi_{service}"], cwd=CHECKOUT, env=inherited | told, stdout=log, stderr=log
        )
        try:
            while not (_listens(port) and service_is_ready(port)):
                if process.poll() is not None or time.perf_counter() - began > _PATIENCE:
                    raise StackError(f"{service} did not start (see {log.name})")
                time.sleep(_PAUSE)
            yield process.pid
        finally:
            process.kill()  # nobody asks anything of it any more, so there is nothing to drain
            process.wait()


def _listens(port: int) -> bool:
    """Far cheaper to ask than over gRPC, which would take CPU time from what is starting."""
    with socket.socket() as probe:
        return probe.connect_ex((LOOPBACK, port)) == 0
