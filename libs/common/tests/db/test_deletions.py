"""Deleting what others refer to: each step of it given up, left by a crash, overtaken, or come too late."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from lumi.common.v1 import references_pb2 as pb
from sqlalchemy import text

from libs.common.tests.db.crossing import (
    PRODUCTS,
    PURGE,
    REFERRER,
    REMOVE_VARIANT,
    VARIANTS,
    Crossing,
    variant,
)
from lumi_common import deletions as module
from lumi_common.context import Context
from lumi_common.db.referrer import Target
from lumi_common.db.statement import Statement
from lumi_common.deletions import Deletion, Deletions
from lumi_common.errors import Aborted, DeadlineExceeded, FailedPrecondition, NotFound, PermissionDenied, Unavailable
from lumi_common.principal import Principal
from lumi_common.rpc.references import ReferenceMethods

Step = Callable[[], Awaitable[None]]


class Wire:
    """The way to those who refer: what they are asked they answer, unless a test stands in between.

    `before` is run ahead of a call of this name, `after` once it has been answered there; either may raise.
    """

    def __init__(self, crossing: Crossing) -> None:
        self._there = ReferenceMethods(crossing.orders, REFERRER, lambda name: self)  # type: ignore[arg-type, return-value]
        self.peers: list[str] = []
        self.calls: list[tuple[str, Any]] = []
        self.before: dict[str, Step] = {}
        self.after: dict[str, Step] = {}

    def to(self, peer: str) -> Any:
        self.peers.append(peer)
        return self

    def operation(self, method: str, request: Any, response: Any, *, timeout: float = 0) -> Any:
        async def call(asked: Any, context: Context) -> Any:
            self.calls.append((method, asked))
            if method in self.before:
                await self.before[method]()
            answer = await self.deliver(method, asked)
            if method in self.after:
                await self.after[method]()
            return answer

        return call

    async def deliver(self, method: str, asked: Any, by: str = "catalogue") -> Any:
        """The call as it arrives there."""
        caller = Context(f"/lumi.orders.v1.OperationsService/{method}", Principal.service(by))
        return await getattr(self._there, method)(asked, caller)


class Owner:
    """The owner of products and variants, who deletes them."""

    def __init__(self, crossing: Crossing, context: Context) -> None:
        self.crossing, self._context = crossing, context
        self.wire = Wire(crossing)
        self.deletions = Deletions(crossing.catalogue, self.wire.to)

    @asynccontextmanager
    async def deleting(self, *targets: Target) -> AsyncIterator[Deletion]:
        async with self.deletions.deleting(targets, self._context) as deletion:
            yield deletion

    async def remove(self, id: str, meanwhile: Step | None = None, then: Step | None = None) -> None:
        """Delete a variant as a service does; `meanwhile` all have agreed, `then` it is committed."""
        async with self.deleting(variant(id)) as deletion:
            if meanwhile:
                await meanwhile()
            await self.commit(deletion, id)
            if then:
                await then()

    async def commit(self, deletion: Deletion, id: str) -> None:
        async with self.crossing.catalogue.transaction(self._context) as tx:
            assert await tx.fetchrow(REMOVE_VARIANT, id=id) is not None
            await deletion.end(tx)

    async def steps(self) -> list[str]:
        rows = await self.crossing.catalogue.pool.fetch("select step from deletions order by id")
        return [row["step"] for row in rows]

    async def is_there(self, id: str) -> bool:
        there: bool = await self.crossing.catalogue.pool.fetchval(
            "select exists(select from product_variants where id = $1)", id
        )
        return there

    async def is_marked(self, id: str) -> bool:
        return await self.crossing.mark(id) is not None

    async def sweep_later(self) -> None:
        """Sweep, when the time of every intent is over."""
        await self.crossing.catalogue.pool.fetch("update deletions set deadline = clock_timestamp()")
        await self.deletions.sweep()


@pytest.fixture
def owner(crossing: Crossing, context: Context) -> Owner:
    return Owner(crossing, context)


async def lose() -> None:
    raise Unavailable("UNAVAILABLE", "it is away")


async def test_what_everybody_agreed_to_is_gone_for_ever(owner: Owner, crossing: Crossing) -> None:
    _, [id, other] = await crossing.product(2)

    await owner.remove(id)

    assert not await owner.is_there(id) and await owner.is_there(other)
    assert await owner.is_marked(id)
    assert await owner.steps() == []
    assert [name for name, _ in owner.wire.calls] == ["FenceReference"]
    assert set(owner.wire.peers) == {"orders"}
    with pytest.raises(FailedPrecondition, match="REFERENCE_GONE"):
        await crossing.bill(variant_id=id)
    await owner.sweep_later()
    assert await owner.is_marked(id)


async def test_what_somebody_needs_stays_and_all_of_it_is_free_at_once(owner: Owner, crossing: Crossing) -> None:
    product, [free, named] = await crossing.product(2)
    await crossing.bill(variant_id=named)
    entered = False

    with pytest.raises(FailedPrecondition, match="REFERENCED") as refusal:
        async with owner.deleting(Target(PRODUCTS, product), variant(free), variant(named)):
            entered = True

    assert not entered
    assert refusal.value.facts["id"] == named
    assert not any([await owner.is_marked(id) for id in (product, free, named)])
    await crossing.bill(variant_id=free, product_id=product)
    # No fence of it can come any more once its time is over: until then somebody remembers it.
    assert await owner.steps() == ["UNFENCE"] * 3
    await owner.deletions.sweep()
    assert await owner.steps() == ["UNFENCE"] * 3
    await owner.sweep_later()
    assert await owner.steps() == []


async def test_what_the_owner_refuses_in_the_end_is_free_at_once(owner: Owner, crossing: Crossing) -> None:
    _, [id] = await crossing.product()

    async def refuse() -> None:
        assert await owner.is_marked(id)
        raise LookupError

    with pytest.raises(LookupError):
        await owner.remove(id, meanwhile=refuse)

    assert not await owner.is_marked(id)


async def test_what_ends_without_being_deleted_is_free_at_once(owner: Owner, crossing: Crossing) -> None:
    """As a repeat does, that found its answer."""
    _, [id] = await crossing.product()

    async with owner.deleting(variant(id)):
        pass

    assert await crossing.bill(variant_id=id)


async def test_whoever_is_cancelled_leaves_nothing_fenced(owner: Owner, crossing: Crossing) -> None:
    _, [id] = await crossing.product()
    inside = asyncio.Event()

    async def hang() -> None:
        async with owner.deleting(variant(id)):
            inside.set()
            await asyncio.Event().wait()

    hanging = asyncio.create_task(hang())
    await inside.wait()
    hanging.cancel()
    with pytest.raises(asyncio.CancelledError):
        await hanging

    assert not await owner.is_marked(id)


# What a crash leaves.


@pytest.mark.parametrize("fenced", [False, True], ids=["before anybody was asked", "after all agreed"])
async def test_what_a_crash_left_is_taken_back(
    owner: Owner, crossing: Crossing, context: Context, fenced: bool
) -> None:
    _, [id] = await crossing.product()
    intents = await owner.deletions._intend([variant(id)], context)
    if fenced:
        await owner.deletions._fence(intents, context)

    # Before its time is over it may be somebody who is only slow.
    await owner.deletions.sweep()
    assert await owner.steps() == ["FENCE"]
    assert await owner.is_marked(id) == fenced
    with pytest.raises(Aborted, match="DELETION_UNDER_WAY"):
        await owner.remove(id)
    await owner.sweep_later()

    assert await owner.steps() == []
    assert await crossing.bill(variant_id=id)


async def test_nothing_is_deleted_once_its_intent_was_taken_back(owner: Owner, crossing: Crossing) -> None:
    _, [id] = await crossing.product()

    async def swept() -> None:
        await owner.sweep_later()
        await crossing.bill(variant_id=id)

    with pytest.raises(Aborted, match="DELETION_UNDER_WAY"):
        await owner.remove(id, meanwhile=swept)

    assert await owner.is_there(id)
    assert await crossing.told(crossing.catalogue) == []


async def test_nothing_is_deleted_once_its_time_is_over(owner: Owner, crossing: Crossing) -> None:
    """Though no sweeper has come by: one may come between the look and the commit."""
    _, [id] = await crossing.product()

    async def late() -> None:
        await crossing.catalogue.pool.fetch("update deletions set deadline = clock_timestamp()")

    with pytest.raises(Aborted, match="DELETION_UNDER_WAY"):
        await owner.remove(id, meanwhile=late)

    assert await owner.is_there(id)


async def test_a_commit_whose_reply_was_lost_is_not_taken_back(owner: Owner, crossing: Crossing) -> None:
    _, [id] = await crossing.product()

    with pytest.raises(Unavailable):
        await owner.remove(id, then=lose)
    await owner.sweep_later()

    assert not await owner.is_there(id)
    assert await owner.is_marked(id)


async def test_the_sweeper_lets_a_commit_that_is_under_way_pass(
    owner: Owner, crossing: Crossing, context: Context
) -> None:
    _, [id] = await crossing.product()

    async with owner.deleting(variant(id)), crossing.catalogue.transaction(context) as tx:
        await tx.fetchrow(REMOVE_VARIANT, id=id)
        # Its time ends just after it was looked at.
        await crossing.catalogue.pool.fetch("update deletions set deadline = clock_timestamp()")
        await tx.fetch(Statement(text("delete from deletions")))
        await asyncio.wait_for(owner.deletions.sweep(), timeout=10)

    assert not await owner.is_there(id)
    assert await owner.is_marked(id)


# What is lost on the way, and what comes too late.


async def test_a_fence_whose_answer_was_lost_is_taken_back_at_once(owner: Owner, crossing: Crossing) -> None:
    _, [id] = await crossing.product()
    owner.wire.after["FenceReference"] = lose

    with pytest.raises(Unavailable):
        await owner.remove(id)

    assert not await owner.is_marked(id)
    assert await owner.is_there(id)


async def test_while_they_are_away_a_deletion_is_remembered_until_it_is_taken_back(
    owner: Owner, crossing: Crossing
) -> None:
    _, [id] = await crossing.product()
    owner.wire.before["UnfenceReference"] = lose

    with pytest.raises(LookupError):
        async with owner.deleting(variant(id)):
            raise LookupError
    await owner.sweep_later()
    assert (await owner.steps(), await owner.is_marked(id)) == (["UNFENCE"], True)
    del owner.wire.before["UnfenceReference"]
    await owner.sweep_later()

    assert (await owner.steps(), await owner.is_marked(id)) == ([], False)


async def test_a_fence_that_comes_after_the_sweep_does_nothing(
    owner: Owner, crossing: Crossing, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, [id] = await crossing.product()
    monkeypatch.setattr(module, "FENCE_SECONDS", 0)
    owner.wire.before["FenceReference"] = owner.sweep_later

    with pytest.raises(DeadlineExceeded):
        await owner.remove(id)

    assert (await owner.steps(), await owner.is_marked(id)) == ([], False)


async def test_a_fence_is_taken_for_less_long_than_its_intent_lives() -> None:
    assert module.FENCE_SECONDS + module.ANSWER_SECONDS <= module.INTENT_SECONDS


# Two deletions of the same.


async def test_of_two_at_once_one_is_under_way(owner: Owner, crossing: Crossing) -> None:
    _, [id, other] = await crossing.product(2)

    async with owner.deleting(variant(id)) as deletion:
        with pytest.raises(Aborted, match="DELETION_UNDER_WAY"):
            async with owner.deleting(variant(other), variant(id)):
                raise AssertionError
        assert await owner.steps() == ["FENCE"]
        await owner.commit(deletion, id)

    with pytest.raises(NotFound) as refusal:
        await owner.remove(id)
    assert refusal.value.facts == {"target": VARIANTS, "id": id}
    # Whoever comes too late does not take the fence back of what is gone.
    await owner.sweep_later()
    assert await owner.is_marked(id)
    await owner.remove(other)


async def test_a_new_deletion_does_not_wait_until_the_last_is_forgotten(owner: Owner, crossing: Crossing) -> None:
    _, [id] = await crossing.product()
    bill = await crossing.bill(variant_id=id)
    with pytest.raises(FailedPrecondition):
        await owner.remove(id)
    await crossing.orders.pool.fetch("delete from bills where id = $1", bill)

    await owner.remove(id)

    assert (await owner.steps(), await owner.is_marked(id), await owner.is_there(id)) == ([], True, False)


async def test_what_the_last_deletion_still_does_does_not_undo_the_next(owner: Owner, crossing: Crossing) -> None:
    _, [id] = await crossing.product()
    with pytest.raises(LookupError):
        async with owner.deleting(variant(id)):
            raise LookupError
    late = dict(owner.wire.calls)

    async with owner.deleting(variant(id)) as deletion:
        # Its fence was long on its way; then it is taken back once more.
        for name in ("FenceReference", "UnfenceReference"):
            late[name].request_id = ""
            await owner.wire.deliver(name, late[name])
        assert await owner.is_marked(id)
        await owner.commit(deletion, id)

    assert await owner.is_marked(id)


async def test_who_began_before_the_last_deletion_does_not_come_after_it(
    owner: Owner, crossing: Crossing, context: Context
) -> None:
    """Its fence would bear the older time, and be taken back with the other's."""
    _, [id] = await crossing.product()

    async with crossing.catalogue.transaction(context) as tx:
        await tx.fetch(module.there(VARIANTS), ids=[])
        with pytest.raises(LookupError):
            async with owner.deleting(variant(id)):
                raise LookupError
        taken = await tx.fetch(module._INTEND, ids=["mine"], kinds=[VARIANTS], entity_ids=[id])

    assert taken == []
    assert await owner.steps() == ["UNFENCE"]


async def test_many_who_delete_and_name_the_same_leave_nothing_dangling(owner: Owner, crossing: Crossing) -> None:
    for number in range(8):
        _, [id] = await crossing.product()
        calls: list[Any] = [owner.remove(id) for _ in range(5)]
        calls[number % 5 : number % 5] = [crossing.bill(variant_id=id) for _ in range(5)]

        told = await asyncio.gather(*calls, return_exceptions=True)

        reasons = {each.reason for each in told if isinstance(each, (Aborted, FailedPrecondition, NotFound))}
        assert reasons <= {"DELETION_UNDER_WAY", "REFERENCED", "REFERENCE_GONE", "NOT_FOUND"}
        assert len([each for each in told if isinstance(each, Exception)]) == sum(
            isinstance(each, (Aborted, FailedPrecondition, NotFound)) for each in told
        )
        named = await crossing.orders.pool.fetchval("select count(*) from bills where variant_id = $1", id)
        there = await owner.is_there(id)
        assert there or not named
        assert await owner.is_marked(id) == (not there)
        assert named == sum(isinstance(each, str) for each in told)


# What is asked.


async def test_more_than_a_call_takes_is_asked_in_several(owner: Owner, crossing: Crossing, context: Context) -> None:
    product, _ = await crossing.product(0)
    await crossing.catalogue.pool.fetch(
        "insert into product_variants (id, product_id) select 'v' || n, $1 from generate_series(1, 1001) n", product
    )
    targets = [Target(PRODUCTS, product), *(variant(f"v{number}") for number in range(1, 1002))]

    with pytest.raises(LookupError):
        async with owner.deleting(*targets):
            raise LookupError
    assert [len(asked.targets) for _, asked in owner.wire.calls] == [1000, 2] * 2
    marked = "select count(*) from reference_targets where gone_at is not null"
    assert await crossing.orders.pool.fetchval(marked) == 0
    await owner.sweep_later()
    assert await owner.steps() == []
    async with owner.deleting(*targets) as deletion, crossing.catalogue.transaction(context) as tx:
        await tx.fetchrow(PURGE, id=product)
        await deletion.end(tx)
    assert await crossing.orders.pool.fetchval(marked) == 1002


async def test_only_its_owner_fences_a_row(owner: Owner, crossing: Crossing) -> None:
    _, [id] = await crossing.product()
    await owner.remove(id)
    asked = pb.FenceReferenceRequest()
    asked.CopyFrom(owner.wire.calls[0][1])

    with pytest.raises(PermissionDenied):
        await owner.wire.deliver("FenceReference", asked, by="payments")


def test_whoever_asks_need_not_have_imported_the_others_protos() -> None:
    """In a process of its own: here other tests have."""
    program = """
import asyncio, sys
from lumi.common.v1 import references_pb2 as pb
from lumi_common.rpc.channel import PeerChannel

async def main():
    channel = PeerChannel("orders", "127.0.0.1:1", caller="catalogue", tls=None)
    assert "lumi.orders.v1.operations_pb2" not in sys.modules
    print(channel.operation("FenceReference", pb.FenceReferenceRequest, pb.FenceReferenceResponse).name)
    await channel.close()

asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "lumi.orders.v1.OperationsService/FenceReference", done.stderr
