"""The client: a process of its own that keeps so many calls in flight, the same code whatever server it calls."""

import asyncio
import itertools
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import grpc
import uvloop

from lumi_bench.measure import percentile
from lumi_bench.process import cpu_seconds
from lumi_common.settings import TlsFiles

Metadata = tuple[tuple[str, str], ...]

DEADLINE = 30.0
_WARM_UP_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Call:
    """A serialized request and its metadata; `refused` names the status that has to be its answer, if not OK."""

    request: bytes
    metadata: Metadata = ()
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Load:
    """Calls of one method of a server, over and over for `seconds`, or each once where that is None.

    `pids` are the processes whose CPU time is read when the clock starts and when it stops. With `tls` the client
    shows a certificate, and wants one that the same authority signed.
    """

    target: str
    method: str
    calls: Sequence[Call]
    in_flight: int
    seconds: float | None = None
    pids: tuple[int, ...] = ()
    tls: TlsFiles | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """So many calls answered in `seconds`, the servers' CPU time in them, and how long callers waited."""

    calls: int
    seconds: float
    cpu_seconds: float
    p50_ms: float
    p99_ms: float

    @property
    def rate(self) -> float:
        return self.calls / self.seconds


class Client:
    """The client's process; leave the block to end it."""

    def __enter__(self) -> "Client":
        self._process = ProcessPoolExecutor(1, mp_context=get_context("spawn"))
        return self

    def __exit__(self, *_: object) -> None:
        self._process.shutdown()

    def run(self, load: Load) -> Sample:
        """Put the load on the server; raises RuntimeError for a call that was not answered well."""
        return self._process.submit(_run, load).result()

    def answers(self, load: Load) -> list[bytes]:
        """Each call once, unmeasured: the answers, in order."""
        return self._process.submit(_answers, load).result()


def _run(load: Load) -> Sample:
    return uvloop.run(_measure(load))


def _answers(load: Load) -> list[bytes]:
    return uvloop.run(_collect(load))


def _channel(load: Load) -> grpc.aio.Channel:
    if load.tls is None:
        return grpc.aio.insecure_channel(load.target)
    ca, key, certificate = (file.read_bytes() for file in (load.tls.ca, load.tls.key, load.tls.cert))
    return grpc.aio.secure_channel(load.target, grpc.ssl_channel_credentials(ca, key, certificate))


async def _measure(load: Load) -> Sample:
    async with _channel(load) as channel:
        await channel.channel_ready()
        send = _Sender(channel, load.method)
        if load.seconds is not None:
            await _keep(send, itertools.cycle(load.calls), load.in_flight, _WARM_UP_SECONDS)
            send.waited.clear()
        calls = iter(load.calls) if load.seconds is None else itertools.cycle(load.calls)
        cpu, started = cpu_seconds(load.pids), time.perf_counter()
        await _keep(send, calls, load.in_flight, load.seconds)
        seconds, cpu = time.perf_counter() - started, cpu_seconds(load.pids) - cpu
    waited = sorted(send.waited)
    return Sample(len(waited), seconds, cpu, percentile(waited, 50) * 1e3, percentile(waited, 99) * 1e3)


async def _collect(load: Load) -> list[bytes]:
    async with _channel(load) as channel:
        await channel.channel_ready()
        send = _Sender(channel, load.method)
        gate = asyncio.Semaphore(load.in_flight)

        async def one(call: Call) -> bytes:
            async with gate:
                return await send(call)

        return await asyncio.gather(*map(one, load.calls))


class _Sender:
    """Sends bytes, keeps how long the answer took."""

    def __init__(self, channel: grpc.aio.Channel, method: str) -> None:
        self._send = channel.unary_unary(method)
        self._method = method
        self.waited: list[float] = []

    async def __call__(self, call: Call) -> bytes:
        began, code = time.perf_counter(), ""
        try:
            answer: bytes = await self._send(call.request, metadata=call.metadata, timeout=DEADLINE)
        except grpc.aio.AioRpcError as error:
            # Of grpc's own error only the words can be sent to another process.
            code, answer = error.code().name, b""
            if code != call.refused:
                raise RuntimeError(f"{self._method}: {code}: {error.details()}") from None
        if code != call.refused:
            raise RuntimeError(f"{self._method}: answered where {call.refused} was due")
        self.waited.append(time.perf_counter() - began)
        return answer


async def _keep(send: _Sender, calls: Iterator[Call], in_flight: int, seconds: float | None) -> None:
    end = None if seconds is None else time.perf_counter() + seconds

    async def one_after_the_other() -> None:
        for call in calls:
            await send(call)
            if end is not None and time.perf_counter() >= end:
                return

    try:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(in_flight):
                tasks.create_task(one_after_the_other())
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
