"""Sends random messages to every method of every service, and says which were answered as none may be."""

import asyncio
import json
import logging
import traceback
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from lumi_common.rpc.access import MethodPolicy, read_policy
from lumi_common.rpc.status import from_call_error
from lumi_common.rpc.validation import violations
from lumi_envoy.contract import all_methods
from tests.fuzz.breaking import broken
from tests.fuzz.making import Making
from tests.fuzz.people import KINDS, Caller, People
from tests.fuzz.pool import Pool
from tests.kit.shop import SERVICES, Shop, tls_files

AT_ONCE = 24
TIMEOUT = 30.0
# What a message may be told that asks for too much, with each method counted; what none may be told.
WAITED = {"RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED"}
NEVER = {"INTERNAL", "UNKNOWN", "UNAVAILABLE", "DATA_LOSS", "UNIMPLEMENTED", "CANCELLED"}
# Of what is inside, in the words of a refusal.
_INSIDE = ("traceback", "asyncpg", "sqlalchemy", "psycopg", "select ", "insert into", "update ", ".py", "lumi_")
_MOST_LEARNT = 60_000  # bytes of an answer
_WIDE = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


@dataclass(frozen=True)
class Target:
    """A method at one of its ports."""

    method: MethodDescriptor
    policy: MethodPolicy
    inside: bool

    @property
    def name(self) -> str:
        return str(self.method.full_name)

    @property
    def service(self) -> str:
        return self.name.split(".")[1]


@dataclass(frozen=True)
class Shot:
    """A message that was sent, and what it was told."""

    seed: int
    number: int
    target: Target
    caller: str
    data: bytes
    told: str = ""

    def __str__(self) -> str:
        """A line of JSON, for `Fuzzer.replay`."""
        return json.dumps(
            {
                "seed": self.seed,
                "number": self.number,
                "method": self.target.name,
                "inside": self.target.inside,
                "caller": self.caller,
                "told": self.told,
                "message": b64encode(self.data).decode(),
            }
        )


@dataclass
class Outcome:
    """What came of a run."""

    seed: int
    sent: Counter[str] = field(default_factory=Counter)  # by method, as are the next three
    valid: Counter[str] = field(default_factory=Counter)
    answered: Counter[str] = field(default_factory=Counter)
    waited: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    faults: list[Shot] = field(default_factory=list)
    traces: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        total, valid = self.sent.total(), self.valid.total()
        return (
            f"seed {self.seed}: {total:,} messages to {len(self.sent)} methods, {valid / max(total, 1):.0%} of them "
            f"valid, {len(self.answered)} methods answered some; "
            + ", ".join(f"{count:,} {code}" for code, count in self.codes.most_common())
            + (f"; waited for: {dict(self.waited)}" if self.waited else "")
        )

    def complaint(self) -> str:
        """The first fault of each method with each code, and what the services logged; empty where there is none."""
        first: dict[tuple[str, str], Shot] = {}
        for shot in self.faults:
            first.setdefault((shot.target.name, shot.told), shot)
        return "\n".join(
            [*map(str, first.values()), *(f"{count} times: {said}" for said, count in self.traces.items())]
        )


def targets(*, inside: bool) -> list[Target]:
    """Every method that one of the two ports of its service knows."""
    found = [Target(method, read_policy(method), inside) for method in all_methods()]
    return [each for each in found if (each.policy.on_internal_port if inside else each.policy.on_public_port)]


class Fuzzer:
    """A shop under fire; what its answers tell is used in later messages."""

    def __init__(self, shop: Shop, people: People, pool: Pool, channels: dict[tuple[str, str], Any]) -> None:
        self.people, self._pool = people, pool
        self._shop, self._channels = shop, channels
        self._calls: dict[tuple[str, str], Any] = {}

    @classmethod
    @asynccontextmanager
    async def open(cls, shop: Shop, certificates: Path) -> AsyncIterator["Fuzzer"]:
        """Bring people, goods and channels into a shop."""
        pool = Pool()
        people = People(shop, pool)
        await people.open()
        async with AsyncExitStack() as stack:
            channels: dict[tuple[str, str], Any] = {}
            for name, runtime in shop.runtimes.items():
                address = f"127.0.0.1:{runtime.server.public_port}"
                channels[name, ""] = await stack.enter_async_context(grpc.aio.insecure_channel(address, options=_WIDE))
                for caller in SERVICES:
                    files = tls_files(certificates, caller)
                    credentials = grpc.ssl_channel_credentials(
                        *(files[each].read_bytes() for each in ("tls_ca", "tls_key", "tls_cert"))
                    )
                    address = f"127.0.0.1:{runtime.server.internal_port}"
                    channels[name, caller] = await stack.enter_async_context(
                        grpc.aio.secure_channel(address, credentials, options=_WIDE)
                    )
            fuzzer = cls(shop, people, pool, channels)
            await fuzzer.look_around()
            yield fuzzer

    async def look_around(self) -> None:
        """Learn what everybody sees who asks for nothing in particular, and what kinds of rows there are."""
        for target in targets(inside=False):
            if not target.policy.mutating:
                for kind in KINDS:
                    caller = self.people.by_kind(kind)
                    _, refusal, answer = await self._call(target, caller, b"")
                    if refusal is None:
                        self._learn(target, caller, answer)
        for name in SERVICES:
            for table in import_module(f"lumi_{name}.storage.tables").metadata.tables.values():
                self._pool.put("kind", f"{name}.{table.name}")
                self._pool.put("table", table.name)

    async def run(self, targets: Iterable[Target], messages: int, seed: int, *, first: int = 0) -> Outcome:
        """Send so many messages, to each of these in turn; their numbers begin at `first`."""
        outcome, targets = Outcome(seed), list(targets)
        numbers = iter(range(first, first + messages))

        async def keep_sending() -> None:
            for number in numbers:
                await self._send_one(targets[number % len(targets)], Random(f"{seed} {number}"), number, outcome)

        with _traces(outcome.traces):
            async with asyncio.TaskGroup() as group:
                for _ in range(AT_ONCE):
                    group.create_task(keep_sending())
        return outcome

    async def replay(self, line: str) -> str:
        """Send a message again that was printed; what it is told."""
        said = json.loads(line)
        method = next(each for each in all_methods() if each.full_name == said["method"])
        target = Target(method, read_policy(method), said["inside"])
        code, _, _ = await self._call(target, self.people.by_kind(said["caller"]), b64decode(said["message"]))
        return code

    async def _send_one(self, target: Target, random: Random, number: int, outcome: Outcome) -> None:
        caller = self.people.somebody(random, target.policy, inside=target.inside)
        request = Making(random, self._pool, caller.kind).request(target.method)
        if target.inside and target.policy.takes_request_id and not request.request_id:  # type: ignore[attr-defined]
            request.request_id = f"00000000-0000-4000-8000-{random.getrandbits(48):012x}"  # type: ignore[attr-defined]
        data = broken(random, request) if random.random() < 0.45 else request.SerializeToString()
        is_valid = _is_valid(target.method, data)
        code, refusal, answer = await self._call(target, caller, data)
        outcome.sent[target.name] += 1
        outcome.valid[target.name] += is_valid
        outcome.codes[code] += 1
        told = code
        if code == "OK":
            outcome.answered[target.name] += 1
            self._learn(target, caller, answer)
            if not is_valid:
                told = "OK, and breaks its rules"
        else:
            await self.people.see_off(caller, refusal.reason)
            if any(word in refusal.message.lower() for word in _INSIDE):
                told = f"{code}, in words of the inside: {refusal.message}"
        if code in WAITED:
            outcome.waited[f"{target.name} {code}"] += 1
        if code in NEVER or told != code:
            outcome.faults.append(Shot(outcome.seed, number, target, caller.kind, data, told))

    def _learn(self, target: Target, caller: Caller, answer: bytes) -> None:
        if len(answer) <= _MOST_LEARNT:
            self._pool.learn(caller.kind, GetMessageClass(target.method.output_type).FromString(answer))

    async def _call(self, target: Target, caller: Caller, data: bytes) -> tuple[str, Any, bytes]:
        """The code, the refusal or None, and the answer."""
        door = caller.kind if target.inside else ""
        key = target.name, door
        if key not in self._calls:
            path = f"/{target.policy.name}"
            self._calls[key] = self._channels[target.service, door].unary_unary(path)
        try:
            return "OK", None, await self._calls[key](data, metadata=caller.headers, timeout=TIMEOUT)
        except grpc.aio.AioRpcError as error:
            return error.code().name, from_call_error(error, target.service), b""


def _is_valid(method: MethodDescriptor, data: bytes) -> bool:
    """Whether these bytes are a request that keeps every rule."""
    try:
        request = GetMessageClass(method.input_type).FromString(data)
    except DecodeError:
        return False
    return not violations(request)


@contextmanager
def _traces(seen: Counter[str]) -> Iterator[None]:
    """Count the errors that services log while the block runs, by what and where."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            error = record.exc_info[1] if record.exc_info else None
            if error is None:
                seen[f"{record.getMessage()}: {vars(record).get('reason', '')}"] += 1
                return
            where = "".join(traceback.format_tb(error.__traceback__)[-2:])
            seen[f"{record.getMessage()}: {type(error).__name__}: {str(error)[:300]}\n{where}"] += 1

    handler = Handler(logging.ERROR)
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
