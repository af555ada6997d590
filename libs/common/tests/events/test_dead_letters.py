import asyncio
from collections.abc import Sequence

import pytest
from lumi.common.v1 import operations_pb2 as pb

from libs.common.tests.events.staff import REQUEST_ID, Staff
from libs.common.tests.events.world import World, eventually, note, note_one, running
from lumi_common.context import Context
from lumi_common.db.database import Executor
from lumi_common.errors import FailedPrecondition, InvalidArgument, NotFound, Unavailable
from lumi_common.events.dead_letters import DeadLetters
from lumi_common.events.event import Event
from lumi_common.events.handlers import Handler, InBatch, InTransaction, Remote

AT_ONCE = 30


class Poison:
    """Handlers that refuse these versions of `a` until they are cured."""

    def __init__(self, *versions: int, error: Exception | None = None) -> None:
        self.versions = set(versions or (2,))
        self.error = error or FailedPrecondition("POISON")

    def check(self, events: Sequence[Event]) -> None:
        for event in events:
            if event.aggregate_id == "a" and event.version in self.versions:
                raise self.error

    async def one(self, tx: Executor, event: Event) -> None:
        self.check([event])
        await note_one(tx, event)

    async def many(self, tx: Executor, events: Sequence[Event]) -> None:
        await note(tx, events)
        self.check(events)

    def handler(self, kind: str = "one") -> Handler:
        return InBatch(self.many) if kind == "batch" else InTransaction(self.one)


@pytest.mark.parametrize("kind", ["one", "batch"])
async def test_poison_parks_its_aggregate_alone_until_it_is_redriven(here: World, kind: str) -> None:
    poison = Poison()
    consumer = here.consumer(poison.handler(kind), attempts=3)
    staff = Staff(here, consumer)
    async with running(here.relay().run(), consumer.run()):
        await here.tell("a", "a", "b", "a", "b")
        waiting = await staff.wait_for(2)
        await eventually(lambda: _count(here, 3))
        assert sorted(await here.effects()) == [("a", 1), ("b", 1), ("b", 2)]
        assert [(each.aggregate_id, each.version, each.attempts) for each in waiting] == [("a", 2, 3), ("a", 3, 0)]
        assert "POISON" in waiting[0].error
        assert waiting[1].error == "waits behind an earlier event of Thing a"

        with pytest.raises(FailedPrecondition) as refused:
            await staff.redrive(waiting[0].id)
        assert refused.value.reason == "DEAD_LETTER_REFUSED"
        assert refused.value.facts == {"dead_letter": waiting[0].id, "error": "FAILED_PRECONDITION POISON"}
        assert [letter.attempts for letter in await staff.letters()] == [4, 0]

        poison.versions.clear()
        answer = await staff.redrive(waiting[0].id)
        assert (answer.id, answer.attempts) == (waiting[0].id, 4)
        assert await staff.letters() == []
        await here.tell("a")
        await eventually(lambda: _count(here, 6))
    assert await here.effects("a") == [("a", 1), ("a", 2), ("a", 3), ("a", 4)]


async def test_skipping_lets_what_waits_behind_go_on(here: World) -> None:
    consumer = here.consumer(Poison().handler(), attempts=1)
    staff = Staff(here, consumer)
    async with running(here.relay().run(), consumer.run()):
        await here.tell("a", "a", "a")
        waiting = await staff.wait_for(2)
        await staff.skip(waiting[0].id)
        await here.tell("a")
        await eventually(lambda: _count(here, 3))
    assert await here.effects() == [("a", 1), ("a", 3), ("a", 4)]


async def test_what_waits_behind_goes_as_far_as_it_can(here: World) -> None:
    poison = Poison(1, 3)
    consumer = here.consumer(poison.handler(), attempts=1)
    staff = Staff(here, consumer)
    async with running(here.relay().run(), consumer.run()):
        await here.tell("a", "a", "a", "a")
        waiting = await staff.wait_for(4)
        await staff.skip(waiting[0].id)
        assert [(each.version, each.attempts) for each in await staff.letters()] == [(3, 1), (4, 0)]
        assert await here.effects() == [("a", 2)]

        await here.tell("a")
        await staff.wait_for(3)
        await staff.skip(waiting[2].id)
        assert await staff.letters() == []
    assert await here.effects() == [("a", 2), ("a", 4), ("a", 5)]


async def test_a_letter_behind_another_is_applied_after_it_or_not_at_all(here: World) -> None:
    poison = Poison()
    consumer = here.consumer(poison.handler(), attempts=1)
    staff = Staff(here, consumer)
    async with running(here.relay().run(), consumer.run()):
        await here.tell("a", "a", "a")
        waiting = await staff.wait_for(2)
        for way_out in (staff.redrive, staff.skip):
            with pytest.raises(FailedPrecondition) as refused:
                await way_out(waiting[1].id)
            assert refused.value.facts["dead_letter"] == waiting[0].id
        poison.versions.clear()
        await staff.redrive(waiting[1].id)
    assert await here.effects() == [("a", 1), ("a", 2), ("a", 3)]
    assert await staff.letters() == []


async def test_a_repeat_is_answered_alike_and_another_body_is_refused(here: World) -> None:
    poison = Poison(1)
    consumer = here.consumer(poison.handler(), attempts=1)
    staff = Staff(here, consumer)
    async with running(here.relay().run(), consumer.run()):
        await here.tell("a", "b")
        [letter] = await staff.wait_for(1)
        with pytest.raises(FailedPrecondition):
            await staff.redrive(letter.id, REQUEST_ID)
        poison.versions.clear()

        first = await staff.redrive(letter.id, REQUEST_ID)
        assert await staff.redrive(letter.id, REQUEST_ID) == first
        with pytest.raises(InvalidArgument):
            await staff.redrive("c" + "0" * 24, REQUEST_ID)
        with pytest.raises(NotFound):
            await staff.redrive(letter.id)
        with pytest.raises(NotFound):
            await staff.skip(letter.id, REQUEST_ID)
    assert await here.effects("a") == [("a", 1)]


@pytest.mark.parametrize("request_id", [REQUEST_ID, ""])
async def test_of_many_who_redrive_at_once_one_does(here: World, request_id: str) -> None:
    poison = Poison(1)
    consumer = here.consumer(poison.handler(), attempts=1)
    staff = Staff(here, consumer)
    async with running(here.relay().run(), consumer.run()):
        await here.tell(*(["a"] * 5))
        waiting = await staff.wait_for(5)
        poison.versions.clear()

        answers = await asyncio.gather(
            *(staff.redrive(waiting[0].id, request_id) for _ in range(AT_ONCE)), return_exceptions=True
        )
        await eventually(lambda: _count(here, 5))
    done = [answer for answer in answers if isinstance(answer, pb.DeadLetter)]
    assert len(done) == (AT_ONCE if request_id else 1)
    assert all(isinstance(answer, NotFound) for answer in answers if answer not in done)
    assert await here.effects() == [("a", version) for version in range(1, 6)]
    assert await here.ask("select count(*) from dead_letters") == 0
    assert not await here.ask("select bool_or(parked) from inbox_versions")


async def test_of_redriving_and_skipping_at_once_one_counts(here: World) -> None:
    poison = Poison(1)
    consumer = here.consumer(poison.handler(), attempts=1)
    staff = Staff(here, consumer)
    async with running(here.relay().run(), consumer.run()):
        await here.tell("a", "a")
        waiting = await staff.wait_for(2)
        poison.versions.clear()
        ways_out = [way(waiting[0].id) for _ in range(AT_ONCE // 2) for way in (staff.redrive, staff.skip)]
        answers = await asyncio.gather(*ways_out, return_exceptions=True)
        await eventually(lambda: here.ask("select not bool_or(parked) from inbox_versions"))
    [winner] = [place for place, answer in enumerate(answers) if isinstance(answer, pb.DeadLetter)]
    applied = [("a", 1), ("a", 2)] if winner % 2 == 0 else [("a", 2)]
    assert await here.effects() == applied


async def test_a_repeat_goes_on_where_a_crash_cut_it_off(here: World, monkeypatch: pytest.MonkeyPatch) -> None:
    poison = Poison(1)
    consumer = here.consumer(poison.handler(), attempts=1)
    staff = Staff(here, consumer)
    async with running(here.relay().run(), consumer.run()):
        await here.tell("a", "a")
        waiting = await staff.wait_for(2)
        poison.versions.clear()

        async def die(*_: object) -> None:
            raise ConnectionError("as if the process had died here")

        with monkeypatch.context() as patch:
            patch.setattr(DeadLetters, "follow", die)
            with pytest.raises(ConnectionError):
                await staff.redrive(waiting[0].id, REQUEST_ID)
        assert await here.effects() == [("a", 1)]

        await staff.redrive(waiting[0].id, REQUEST_ID)
        await here.tell("a")
        await eventually(lambda: _count(here, 3))
    assert await here.effects() == [("a", 1), ("a", 2), ("a", 3)]


async def test_a_parked_aggregate_stays_parked_over_a_restart(here: World) -> None:
    async with running(here.relay().run()):
        poisoned = here.consumer(Poison().handler(), attempts=1)
        async with running(poisoned.run()):
            await here.tell("a", "a")
            [letter] = await Staff(here).wait_for(1)
        healthy = here.consumer()
        async with running(healthy.run()):
            await here.tell("a", "b")
            await eventually(lambda: _count(here, 2))
            staff = Staff(here, healthy)
            await staff.wait_for(2)
            assert sorted(await here.effects()) == [("a", 1), ("b", 1)]
            await staff.redrive(letter.id)
    assert await here.effects("a") == [("a", 1), ("a", 2), ("a", 3)]


async def test_a_remote_handler_is_redriven_too(here: World) -> None:
    calls: list[int] = []
    cured = False

    async def call(event: Event) -> None:
        calls.append(event.version)
        if event.version == 1 and not cured:
            raise FailedPrecondition("POISON")

    consumer = here.consumer(Remote(call), attempts=2)
    staff = Staff(here, consumer)
    async with running(here.relay().run(), consumer.run()):
        await here.tell("a", "a")
        waiting = await staff.wait_for(2)
        cured = True
        await staff.redrive(waiting[0].id)
    assert calls == [1, 1, 1, 2]
    assert await here.ask("select count(*) from inbox_events") == 2


async def test_a_passing_failure_says_that_it_passes(here: World) -> None:
    poison = Poison(1)
    consumer = here.consumer(poison.handler(), attempts=1)
    staff = Staff(here, consumer)
    async with running(here.relay().run(), consumer.run()):
        await here.tell("a")
        [letter] = await staff.wait_for(1)
        poison.error = ConnectionRefusedError("the way to a neighbour")
        with pytest.raises(Unavailable):
            await staff.redrive(letter.id)
    assert [each.attempts for each in await staff.letters()] == [1]


async def test_what_is_applied_again_is_done_in_the_consumers_name(here: World) -> None:
    seen: list[Context] = []

    async def look(tx: Executor, event: Event) -> None:
        context = tx.context  # type: ignore[attr-defined]
        seen.append(context)
        if len(seen) == 1:
            raise FailedPrecondition("POISON")

    consumer = here.consumer(InTransaction(look), attempts=1)
    staff = Staff(here, consumer)
    async with running(here.relay().run(), consumer.run()):
        await here.tell("a")
        [letter] = await staff.wait_for(1)
        await staff.redrive(letter.id, REQUEST_ID)
    assert [(context.actor.type, context.actor.id, context.ip) for context in seen] == [
        ("service", consumer.name, "")
    ] * 2


async def test_texts_that_may_quote_values_are_not_shown(here: World) -> None:
    poison = Poison(1, error=KeyError("ada@example.com"))
    consumer = here.consumer(poison.handler(), attempts=1)
    staff = Staff(here, consumer)
    async with running(here.relay().run(), consumer.run()):
        await here.tell("a")
        [letter] = await staff.wait_for(1)
        with pytest.raises(FailedPrecondition) as refused:
            await staff.redrive(letter.id)
    assert letter.error == refused.value.facts["error"] == "KeyError"
    assert await here.ask("select error from dead_letters") == "KeyError('ada@example.com')"


async def test_letters_come_in_pages_and_by_consumer(here: World) -> None:
    for number in range(5):
        await here.run(
            "insert into dead_letters (id, consumer, event_id, subject, payload, error, attempts)"
            f" values ('c{number}', 'reader-{number % 2}', 'x', 'lumi.x', '', '<Odd thing: b@example.com>', 1)"
        )
    staff = Staff(here)
    assert [each.id for each in await staff.letters("reader-1")] == ["c1", "c3"]
    assert {each.error for each in await staff.letters()} == {"Odd"}

    ids, token = [], ""
    for _ in range(3):
        request = pb.ListDeadLettersRequest(page_size=2, page_token=token)
        page = await staff.service.ListDeadLetters(request, Context.system("test"))
        ids += [each.id for each in page.dead_letters]
        token = page.next_page_token
    assert (ids, token) == (["c0", "c1", "c2", "c3", "c4"], "")


async def test_what_is_no_event_can_only_be_skipped(here: World) -> None:
    consumer = here.consumer()
    staff = Staff(here, consumer)
    async with running(consumer.run()):
        session = await here.broker.session()
        await session.client.jetstream().publish(f"lumi.{here.name}.thing.changed", b"\xff")
        [letter] = await staff.wait_for(1)
        with pytest.raises(FailedPrecondition):
            await staff.redrive(letter.id)
        await staff.skip(letter.id)
    assert await staff.letters() == []


async def test_what_a_consumer_left_that_is_no_more_can_only_be_skipped(here: World) -> None:
    async with running(here.relay().run()):
        consumer = here.consumer(Poison(1).handler(), attempts=1)
        async with running(consumer.run()):
            await here.tell("a")
            [letter] = await Staff(here).wait_for(1)
    with pytest.raises(FailedPrecondition):
        await Staff(here).redrive(letter.id)
    await Staff(here).skip(letter.id)
    assert await Staff(here).letters() == []


async def test_a_letter_that_is_not_there_is_not_found(here: World) -> None:
    with pytest.raises(NotFound):
        await Staff(here).redrive("c0")


async def test_who_redrove_or_skipped_it_is_told_to_the_audit(here: World) -> None:
    poison = Poison(1)
    consumer = here.consumer(poison.handler(), attempts=1)
    staff = Staff(here, consumer)
    async with running(here.relay().run(), consumer.run()):
        await here.tell("a", "a")
        first, _ = await staff.wait_for(2)
        poison.versions = {2}
        await staff.redrive(first.id)
        [second] = await staff.letters()
        await staff.skip(second.id)

    rows = await here.database.pool.fetch(
        "select aggregate_id, type, records, headers from outbox_events where aggregate = 'DeadLetter' order by seq"
    )
    assert [(row["aggregate_id"], row["type"]) for row in rows] == [
        (first.id, "dead_letter.redriven"), (second.id, "dead_letter.skipped"),
    ]  # fmt: skip
    assert {(row["headers"]["actor_type"], row["headers"]["actor_id"]) for row in rows} == {("user", "ada")}
    [record] = rows[0]["records"]
    assert (record["entity"], record["id"], record["audit"]) == ("DeadLetter", first.id, True)
    assert record["before"] == {
        "consumer": consumer.name, "event_id": first.event_id, "subject": first.subject, "attempts": 1,
    }  # fmt: skip


async def _count(here: World, effects: int) -> bool:
    return len(await here.effects()) == effects
