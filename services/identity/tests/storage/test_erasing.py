"""An erasure comes to its end whoever is away, whoever dies and however often it is taken up."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from lumi.common.v1.personal_pb2 import PersonalRow
from lumi.identity.v1.privacy_pb2 import EraseUserRequest

from lumi_common.clock import utc_now
from lumi_common.context import Context
from lumi_common.cuid import cuid
from lumi_common.db.database import Database
from lumi_common.db.personal import Key
from lumi_common.errors import NotFound, Unavailable
from lumi_common.personal import Person
from lumi_common.principal import Principal
from lumi_identity.clients.holders import Told
from lumi_identity.domain.erasure import Erasure, Step
from lumi_identity.storage.erasures import Erasures
from lumi_identity.storage.users import UserRepository
from lumi_identity.workflows.erasure import Erasing
from services.identity.tests.kit import a_user, doors_of

NAMES = ("identity", "orders", "payments")


@dataclass
class Holder:
    """A service with so many rows, which names the person until `frees` more questions; away so many times."""

    rows: int = 2
    frees: int = 0
    away: int = 0
    parts: int = 1
    stream_end: int = 7
    heard: bool = True
    asked: list[str] = field(default_factory=list)
    answers: dict[str, Told] = field(default_factory=dict)
    people: list[Person] = field(default_factory=list)
    forgotten: list[int] = field(default_factory=list)

    async def export(
        self, user_id: str, after: Key, limit: int, context: Context
    ) -> tuple[Sequence[PersonalRow], Key | None]:
        left = self.rows - int(after.key or 0)
        rows = [PersonalRow(table=f"{user_id}.{number}") for number in range(min(left, limit))]
        return rows, Key("rows", str(int(after.key or 0) + limit)) if left > limit else None

    async def erase(self, person: Person, start_seq: int, request_id: str, context: Context) -> Told:
        self._be_away()
        self.asked.append(request_id)
        if request_id not in self.answers:  # a repeat is answered as the first
            left = 0
            if not start_seq:  # what is left is in the first part
                left, self.frees = self.frees, max(0, self.frees - 1)
            further = start_seq + 1 if start_seq + 1 < self.parts else 0
            self.answers[request_id] = Told({"x.request_ids": self.rows}, {"x.things": left} if left else {}, further)
            self.rows = 0
        self.people.append(person)
        return self.answers[request_id]

    async def forget_events(self, until_seq: int, request_id: str, context: Context) -> tuple[bool, int]:
        self._be_away()
        if not until_seq:
            return self.stream_end == 0, self.stream_end
        if self.heard:
            self.forgotten.append(until_seq)
        return self.heard, until_seq

    def _be_away(self) -> None:
        if self.away:
            self.away -= 1
            raise Unavailable("UNAVAILABLE", "it is away")


class World:
    """Erasing among such services; `ada` is who is erased."""

    def __init__(self, db: Database, user: Any) -> None:
        self.db, self.ada = db, user
        self.holders = {name: Holder() for name in NAMES}
        self.erasing = self.another()

    def another(self) -> Erasing:
        """Another process of the service."""
        made = {name: (lambda holder=holder: holder) for name, holder in self.holders.items()}
        return Erasing(self.db, utc_now, made, settle=timedelta(0))

    async def begin(self) -> None:
        request = EraseUserRequest(id=self.ada.id)
        context = Context("lumi.identity.v1.PrivacyService/EraseUser", Principal.user(self.ada.id, ["users.purge"]))
        async with self.db.command(request, context) as command:
            await self.erasing.begin(command, self.ada.id, "")

    async def now(self) -> Erasure:
        found = await Erasures(self.db).find(self.ada.id)
        assert found is not None
        return found

    async def go_on(self, erasing: Erasing | None = None) -> Erasure:
        """One turn of the sweeper, which may take it up at once."""
        await self.db.pool.execute(
            "update erasures set next_attempt_at = now(), updated_at = now() where subject_id = $1", self.ada.id
        )
        await (erasing or self.erasing).sweep()
        return await self.now()


@pytest.fixture
async def world(db: Database, context: Context) -> World:
    # What other tests have left is nobody's to finish here.
    await db.pool.execute("update erasures set step = 'COMPLETE', updated_at = now()")
    return World(db, await a_user(await doors_of(db), context))


async def test_it_counts_then_purges_then_asks_until_nothing_is_left(world: World) -> None:
    world.holders["orders"].frees = 3  # the first time it is only counted
    await world.begin()

    assert (await world.go_on()).step is Step.ERASE
    with pytest.raises(NotFound):
        await UserRepository(world.db).get(world.ada.id, include_deleted=True)
    waiting = await world.go_on()
    assert (waiting.step, waiting.of("orders").confirmed_at) == (Step.ERASE, "")
    assert waiting.of("payments").confirmed_at
    assert (await world.go_on()).step is Step.ERASE
    done = await world.go_on()

    assert (done.step, done.completed_at is not None) == (Step.COMPLETE, True)
    assert done.of("orders").rows == {"x.request_ids": 2, "x.things": 3}
    assert all(holder.forgotten == [7] for holder in world.holders.values())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("turns", [0, 1])
async def test_a_service_that_is_away_holds_up_the_end_and_nothing_else(world: World, name: str, turns: int) -> None:
    await world.begin()
    for _ in range(turns):
        await world.go_on()
    world.holders[name].away = 2

    for _ in range(2):
        waiting = await world.go_on()
        assert waiting.step is (Step.ERASE if turns else Step.COUNT)
        others = [each for each in NAMES if each != name]
        assert all(waiting.of(each).counted and bool(waiting.of(each).confirmed_at) == bool(turns) for each in others)
    for _ in range(2 - turns):
        done = await world.go_on()

    assert done.step is Step.COMPLETE
    assert {each: done.of(each).rows for each in NAMES} == {each: {"x.request_ids": 2} for each in NAMES}


async def test_what_is_left_in_the_first_part_of_many_holds_up_the_end(world: World) -> None:
    orders = world.holders["orders"]
    orders.parts, orders.frees = 3, 2
    await world.begin()
    await world.go_on()

    waiting = await world.go_on()

    assert (waiting.step, waiting.of("orders").left) == (Step.ERASE, {"x.things": 1})
    assert waiting.of("orders").next_seq == 0
    assert (await world.go_on()).step is Step.COMPLETE


async def test_a_consumer_that_has_not_heard_holds_up_the_end(world: World) -> None:
    world.holders["orders"].heard = False
    await world.begin()
    for _ in range(3):
        waiting = await world.go_on()
    assert (waiting.step, waiting.of("orders").until_seq) == (Step.ERASE, 7)

    world.holders["orders"].heard, world.holders["orders"].stream_end = True, 9

    assert (await world.go_on()).step is Step.COMPLETE
    assert world.holders["orders"].forgotten == [7]  # what was told later is not about them


async def test_an_answer_that_was_not_kept_is_counted_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.begin()

    async def die(*_: object) -> None:
        raise ConnectionResetError

    with monkeypatch.context() as patch:
        patch.setattr(Erasures, "keep", die)
        await world.go_on()
    assert (await world.now()).services == {}
    for _ in range(2):
        done = await world.go_on()

    assert done.step is Step.COMPLETE
    assert done.of("identity").rows == {"x.request_ids": 2}


async def test_two_processes_bring_it_on_once(world: World) -> None:
    await world.begin()
    other = world.another()

    for _ in range(3):
        await asyncio.gather(world.go_on(), world.go_on(other))

    assert (await world.now()).step is Step.COMPLETE
    types = "select type from outbox_events where aggregate_id = any($1) order by seq"
    told = [row["type"] for row in await world.db.pool.fetch(types, [(await world.now()).id, world.ada.id])]
    assert told[-3:] == ["user.purged", "erasure.purged", "erasure.completed"]
    assert len(told) == len(set(told))


async def test_one_that_is_claimed_is_nobody_elses_for_a_while(world: World) -> None:
    await world.begin()

    claimed = await Erasures(world.db).claim()
    assert claimed is not None and claimed.subject_id == world.ada.id
    assert await Erasures(world.db).claim() is None


async def test_each_is_claimed_when_its_turn_comes(world: World, context: Context) -> None:
    """However long another takes that is due with it: by then it could be somebody else's."""
    await world.begin()
    bob = World(world.db, await a_user(await doors_of(world.db), context))
    await bob.begin()

    assert {(await Erasures(world.db).claim()).subject_id for _ in range(2)} == {world.ada.id, bob.ada.id}
    assert await Erasures(world.db).claim() is None


async def test_a_receipt_stays_as_it_was_when_somebody_comes_late(world: World) -> None:
    await world.begin()
    late = await Erasures(world.db).claim()
    assert late is not None
    for _ in range(2):
        done = await world.go_on()
    assert done.step is Step.COMPLETE

    await Erasures(world.db).keep(late, "orders")

    assert await world.now() == done


async def test_who_they_were_before_is_asked_for_too_and_their_origins_go(world: World) -> None:
    guest, cart, audit = cuid(), cuid(), [cuid() for _ in range(4)]
    for id, user, kind, action, before, after in (
        (audit[0], None, "guest", "cart.created", None, {"session_id": guest}),
        (audit[1], world.ada.id, "user", "cart.merged", {"session_id": guest}, {"user_id": world.ada.id}),
        (audit[2], None, "guest", "cart.item_added", None, None),
    ):
        await world.db.pool.execute(
            "insert into audit_logs (id, user_id, actor_type, action, entity, entity_id, before, after, ip_address) "
            "values ($1, $2, $3, $4, 'Cart', $5, $6, $7, '192.0.2.7')",
            id, user, kind, action, cart, before, after,
        )  # fmt: skip
    await world.db.pool.execute(
        "insert into audit_logs (id, actor_type, action, entity, entity_id, ip_address) "
        "values ($1, 'guest', 'cart.created', 'Cart', $1, '192.0.2.7')",
        audit[3],
    )
    await world.begin()

    for _ in range(2):
        done = await world.go_on()

    assert (done.guest_ids, done.cart_ids) == ([guest], [cart])
    assert world.holders["orders"].people[-1] == Person(world.ada.id, (guest,))
    rows = await world.db.pool.fetch("select id, ip_address from audit_logs where id = any($1)", audit)
    assert {row["id"]: row["ip_address"] for row in rows} == {**dict.fromkeys(audit[:3]), audit[3]: "192.0.2.7"}


async def test_pages_go_through_all_services_in_their_order(world: World) -> None:
    world.holders["orders"].rows, world.holders["payments"].rows = 5, 1
    context = Context.system("test")

    sizes: list[int] = []
    further: tuple[str, Key] | None = ("identity", Key("", ""))
    while further is not None:
        rows, further = await world.erasing.export(world.ada.id, further, 3, context)
        sizes.append(len(rows))

    assert (sum(sizes), max(sizes)) == (8, 3)
