"""What scenes are made of: people who may call, goods on a shelf, and the books of all five schemas."""

import json
import secrets
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, NamedTuple

from google.protobuf.message import Message

from lumi_common.errors import LumiError
from services.orders.tests.rpc.floor import branch
from tests.kit.buying import Guest, Shelf, Shopper
from tests.kit.shop import SERVICES, Shop
from tests.request_ids import callers
from tests.request_ids.callers import Caller, send
from tests.request_ids.scenes import MUTATING, SCENES, Case, Scene

PERMISSIONS = sorted({policy.permission for _, policy in MUTATING} - {""} | {"products.read", "inventory.read"})
# A field that no message of ours has, at the end of a kept answer: whoever is given it was answered out of the books.
MARK = b"\xc2\xa9\x07\x0bfrom-memory"

_ROWS = " union all ".join(
    f"select '{schema}' as schema, seq, type, aggregate_id, records from {schema}.outbox_events "
    "where headers->>'traceparent' = $1"
    for schema in SERVICES
)


class Row(NamedTuple):
    """An outbox row, as far as it is the same for two who do the same."""

    schema: str
    type: str
    audited: tuple[str, ...]


class Told(NamedTuple):
    """What a call came to: the answer's bytes, or the refusal."""

    answer: bytes
    refusal: LumiError | None = None

    @property
    def reason(self) -> str:
        """Of the refusal; empty for an answer."""
        return self.refusal.reason if self.refusal else ""

    @property
    def is_from_memory(self) -> bool:
        """Whether a marked answer was given."""
        return MARK in self.answer


class World:
    """One shop with its staff; `staff` and `rival` hold every permission, and `by_hand` is where money settles late."""

    def __init__(self, shop: Shop, staff: Caller, rival: Caller, books: Any, by_hand: Shop) -> None:
        self.shop, self.staff, self.rival, self.books, self.by_hand = shop, staff, rival, books, by_hand
        self.shelf = Shelf(partial(shop.stub, token=staff.token))
        self.variants: list[str] = []
        self.traces: set[str] = set()

    async def open(self) -> None:
        """Put two articles on the shelf."""
        self.variants = [await self.shelf.put(100_000), await self.shelf.put(100_000)]

    def stub(self, stub_class: Any) -> Any:
        """A stub in the hands of staff."""
        return self.shop.stub(stub_class, self.staff.token)

    def orders(self, stub_class: Any) -> Any:
        """A stub in the hands of the orders service."""
        return self.shop.internal(stub_class, service="orders")

    async def caller(self, case: Case) -> Caller:
        """Somebody who may call; new where rows are their own."""
        if case.kind == "staff":
            return self.staff
        if case.kind == "service":
            return Caller("service", service=min(case.policy.services))
        return await (callers.guest if case.kind == "guest" else callers.shopper)(self.shop)

    async def another(self, case: Case) -> Caller | None:
        """Somebody else who may call, if there is anybody."""
        if case.kind in ("shopper", "guest"):
            return await self.caller(case)
        return self.rival if case.policy.permission else None

    async def play(self, case: Case, caller: Caller) -> Scene:
        """The scene of a method; it is the caller who acts in it."""
        return await SCENES[case.name](self, caller)

    async def buyer(self, caller: Caller) -> Shopper:
        """The caller as a shopper, or somebody new where that is staff's business."""
        if caller.buys is not None:
            if isinstance(caller.buys, Guest) or caller.buys.address:
                return caller.buys
            await caller.buys.move_in()
            return caller.buys
        buyer = (await callers.shopper(self.shop)).buys
        assert buyer is not None
        return buyer

    async def tell(self, case: Case, caller: Caller, request: Message, trace: str = "") -> Told:
        """Call, and say what it came to; the trace is remembered."""
        self.traces |= {trace} - {""}
        try:
            answer = await send(self.shop, case.method, caller, request, trace)
        except LumiError as refusal:
            return Told(b"", refusal)
        return Told(answer.SerializeToString(deterministic=True))

    async def written(self, trace: str) -> Counter[Row]:
        """The outbox rows of all schemas that a trace left behind."""
        rows = await self.books.fetch(_ROWS, trace)
        return Counter(
            Row(
                row["schema"],
                row["type"],
                tuple(sorted(f"{each['entity']} {each['action']}" for each in row["records"] if each["audit"])),
            )
            for row in rows
        )

    async def mark(self, case: Case, request: Any) -> None:
        """Make the kept answer of a request known from any other."""
        done = await self.books.execute(
            f"update {case.schema}.request_ids set response = response || $1, updated_at = now() "
            "where method = $2 and request_id = $3",
            MARK,
            f"{case.method.containing_service.full_name}/{case.method.name}",
            request.request_id,
        )
        assert done == "UPDATE 1", f"the answer is kept once: {done}"

    async def kept(self, request: Any) -> int:
        """How many answers are kept under a request's id, whoever asked."""
        counts = [
            await self.books.fetchval(
                f"select count(*) from {schema}.request_ids where request_id = $1", request.request_id
            )
            for schema in SERVICES
        ]
        return sum(counts)


@asynccontextmanager
async def open_world(shop: Shop) -> AsyncIterator[World]:
    """A world in this shop, open for as long as the block."""
    async with shop.database("identity") as books:
        await books.set_type_codec("jsonb", schema="pg_catalog", encoder=json.dumps, decoder=json.loads)
        staff, rival = [await callers.staff(shop, *PERMISSIONS) for _ in range(2)]
        # What is left in the shop is swept by the shop, not from here.
        async with branch(shop, by_hand=True, sweep_seconds=600.0) as by_hand:
            world = World(shop, staff, rival, books, by_hand.shop)
            await world.open()
            yield world


def new_trace() -> str:
    """A traceparent that nobody else is in."""
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-00"


def under(id: str, request: Any) -> Any:
    """The request with this request id."""
    asked = type(request)()
    asked.CopyFrom(request)
    asked.request_id = id
    return asked
