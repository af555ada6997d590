from collections.abc import Sequence

import pytest

from libs.common.tests.events.world import World, eventually, note, note_one, running
from lumi_common.db.database import Executor
from lumi_common.errors import FailedPrecondition, NotFound
from lumi_common.events.dead_letters import DeadLetter, DeadLetters
from lumi_common.events.event import Event
from lumi_common.events.handlers import Handler, InBatch, InTransaction, Remote


class Poison:
    """Handlers that refuse version 2 of `a` until it is cured."""

    cured = False

    def check(self, events: Sequence[Event]) -> None:
        for event in events:
            if not self.cured and (event.aggregate_id, event.version) == ("a", 2):
                raise FailedPrecondition("POISON")

    async def one(self, tx: Executor, event: Event) -> None:
        self.check([event])
        await note_one(tx, event)

    async def many(self, tx: Executor, events: Sequence[Event]) -> None:
        await note(tx, events)
        self.check(events)

    def handler(self, kind: str) -> Handler:
        return InBatch(self.many) if kind == "batch" else InTransaction(self.one)


async def letters_of(letters: DeadLetters, count: int) -> list[DeadLetter]:
    page: list[DeadLetter] = await eventually(lambda: _page(letters, count))
    return page


async def _page(letters: DeadLetters, count: int) -> list[DeadLetter]:
    page = await letters.page()
    return page if len(page) == count else []


@pytest.mark.parametrize("kind", ["one", "batch"])
async def test_poison_parks_its_aggregate_alone_until_it_is_redriven(here: World, kind: str) -> None:
    poison = Poison()
    consumer = here.consumer(poison.handler(kind), attempts=3)
    letters = DeadLetters(here.database, [consumer])
    async with running(here.relay().run(), consumer.run()):
        await here.tell("a", "a", "b", "a", "b")
        waiting = await letters_of(letters, 2)
        await eventually(lambda: _count(here, 3))
        assert sorted(await here.effects()) == [("a", 1), ("b", 1), ("b", 2)]
        assert [letter.attempts for letter in waiting] == [3, 0]
        assert "POISON" in waiting[0].error

        with pytest.raises(FailedPrecondition):
            await letters.redrive(waiting[0].id)
        assert [letter.attempts for letter in await letters.page()] == [4, 0]

        poison.cured = True
        assert await letters.redrive(waiting[0].id) == 2
        assert await letters.page() == []
        await here.tell("a")
        await eventually(lambda: _count(here, 6))
    assert await here.effects("a") == [("a", 1), ("a", 2), ("a", 3), ("a", 4)]


async def test_skipping_lets_what_waits_behind_go_on(here: World) -> None:
    consumer = here.consumer(InTransaction(Poison().one), attempts=1)
    letters = DeadLetters(here.database, [consumer])
    async with running(here.relay().run(), consumer.run()):
        await here.tell("a", "a", "a")
        waiting = await letters_of(letters, 2)
        assert await letters.skip(waiting[0].id) == 1
        await here.tell("a")
        await eventually(lambda: _count(here, 3))
    assert await here.effects() == [("a", 1), ("a", 3), ("a", 4)]


async def test_a_parked_aggregate_stays_parked_over_a_restart(here: World) -> None:
    async with running(here.relay().run()):
        poisoned = here.consumer(InTransaction(Poison().one), attempts=1)
        async with running(poisoned.run()):
            await here.tell("a", "a")
            [letter] = await letters_of(DeadLetters(here.database), 1)
        healthy = here.consumer()
        async with running(healthy.run()):
            await here.tell("a", "b")
            await eventually(lambda: _count(here, 2))
            letters = DeadLetters(here.database, [healthy])
            await letters_of(letters, 2)
            assert sorted(await here.effects()) == [("a", 1), ("b", 1)]
            await letters.redrive(letter.id)
    assert await here.effects("a") == [("a", 1), ("a", 2), ("a", 3)]


async def test_a_remote_handler_is_redriven_too(here: World) -> None:
    calls: list[int] = []
    cured = False

    async def call(event: Event) -> None:
        calls.append(event.version)
        if event.version == 1 and not cured:
            raise FailedPrecondition("POISON")

    consumer = here.consumer(Remote(call), attempts=2)
    letters = DeadLetters(here.database, [consumer])
    async with running(here.relay().run(), consumer.run()):
        await here.tell("a", "a")
        waiting = await letters_of(letters, 2)
        cured = True
        assert await letters.redrive(waiting[0].id) == 2
    assert calls == [1, 1, 1, 2]
    assert await here.ask("select count(*) from inbox_events") == 2


async def test_what_is_no_event_can_only_be_skipped(here: World) -> None:
    consumer = here.consumer()
    letters = DeadLetters(here.database, [consumer])
    async with running(consumer.run()):
        session = await here.broker.session()
        await session.client.jetstream().publish(f"lumi.{here.name}.thing.changed", b"\xff")
        [letter] = await letters_of(letters, 1)
        with pytest.raises(FailedPrecondition):
            await letters.redrive(letter.id)
        assert await letters.skip(letter.id) == 0
    assert await letters.page() == []


async def test_a_letter_that_is_not_there_is_not_found(here: World) -> None:
    with pytest.raises(NotFound):
        await DeadLetters(here.database).redrive("c0")


async def _count(here: World, effects: int) -> bool:
    return len(await here.effects()) == effects
