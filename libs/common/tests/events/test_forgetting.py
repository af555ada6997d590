"""What a service keeps of somebody's calls is emptied, and its stream is let go of once everybody has heard it."""

from typing import Any

import pytest
from lumi.common.v1.event_pb2 import Event
from sqlalchemy import text

from libs.common.tests.events.world import World, eventually, running
from lumi_common.context import Context
from lumi_common.cuid import cuid
from lumi_common.db.personal import People
from lumi_common.db.statement import Statement
from lumi_common.db.tables import schema
from lumi_common.errors import Unavailable
from lumi_common.events.broker import Broker
from lumi_common.events.forgetting import Memory
from lumi_common.events.streams import Durable
from lumi_common.personal import ANSWERS_AT_ONCE, EVENTS_AT_ONCE, Erased, Person, PersonalData

_TELL = Statement(
    text(
        "insert into outbox_events (aggregate, aggregate_id, version, type, records, headers, published_at)"
        " values ('User', :of, 1, 'user.changed', '[]', cast(:headers as jsonb),"
        " case when :published then now() end)"
    )
)
_ANSWER = Statement(
    text(
        "insert into request_ids (principal, method, request_id, request_hash, response, expires_at)"
        " values (:principal, 'm', :id, '', convert_to(:response, 'UTF8'), now() + interval '1 day')"
    )
)
_LETTER = Statement(
    text(
        "insert into dead_letters (id, consumer, event_id, subject, payload, error, attempts)"
        " values (:id, 'reader', 'e', 's', :payload, 'ValueError(ada@example.com)', 3)"
    )
)


async def tell(here: World, actor: str, of: str = "", *, kind: str = "user", published: bool = True) -> None:
    headers = {"actor_type": kind, "actor_id": actor, "ip_address": "192.0.2.7", "user_agent": None}
    await here.database.fetch(_TELL, of=of or cuid(), headers=headers, published=published)


async def erase(here: World, person: Person, start: int = 0) -> Erased:
    data = PersonalData(here.database, People(schema(here.name), {}), here.broker)
    async with here.database.transaction(Context.system("test")) as tx:
        return await data.erase(tx, person, start)


async def origins(here: World) -> list[Any]:
    rows = await here.database.fetch(
        Statement(text("select headers ->> 'actor_id', headers ->> 'ip_address' from outbox_events order by seq"))
    )
    return [tuple(row) for row in rows]


async def test_events_of_a_person_no_longer_say_where_they_were(here: World) -> None:
    ada, guest, bob = cuid(), cuid(), cuid()
    await tell(here, ada)
    await tell(here, guest, kind="guest")
    await tell(here, bob)
    await tell(here, "", of=ada, kind="anonymous")
    await tell(here, "", of=bob, kind="anonymous")

    done = await erase(here, Person(ada, [guest]))

    there = "192.0.2.7"
    assert await origins(here) == [(ada, None), (guest, None), (bob, there), ("", None), ("", there)]
    assert (done.erased["outbox_events"], done.left["outbox_events"], done.next_seq) == (3, 0, 0)
    assert (await erase(here, Person(ada, [guest]))).erased.total() == 0


async def test_what_is_not_published_yet_is_left(here: World) -> None:
    ada = cuid()
    await tell(here, ada, published=False)

    assert (await erase(here, Person(ada))).left["outbox_events"] == 1
    assert await origins(here) == [(ada, None)]
    await here.run("update outbox_events set published_at = now()")
    assert (await erase(here, Person(ada))).left["outbox_events"] == 0


async def test_events_are_looked_at_a_part_at_a_time_and_the_rest_with_the_last(here: World) -> None:
    ada = cuid()
    await tell(here, ada)
    await here.database.fetch(_ANSWER, principal=f"user:{ada}", id="hers", response="x")
    names = "aggregate, aggregate_id, version, type, records, headers, published_at"
    await here.run(
        f"insert into outbox_events ({names}) select {names} from outbox_events, generate_series(1, {EVENTS_AT_ONCE})"
    )

    first = await erase(here, Person(ada))
    second = await erase(here, Person(ada), first.next_seq)

    assert (first.erased, first.next_seq > 0) == ({"outbox_events": EVENTS_AT_ONCE}, True)
    assert (second.erased, second.next_seq) == ({"outbox_events": 1, "request_ids": 1, "dead_letters": 0}, 0)


async def test_answers_are_looked_at_a_part_at_a_time_and_the_rest_with_the_last(here: World) -> None:
    ada, bob = cuid(), cuid()
    for id, principal, response in (("first", f"user:{ada}", "x"), ("last", f"user:{bob}", f"... {ada} ...")):
        await here.database.fetch(_ANSWER, principal=principal, id=id, response=response)
    names = "principal, method, request_id, request_hash, response, expires_at"
    rows = 2 * ANSWERS_AT_ONCE + 100  # seven of each moment: a part would end between them
    await here.run(
        f"insert into request_ids ({names}) select 'user:bob', 'm', cast(n as text), '', '',"
        f" now() + interval '1 hour' * (n / 7) from generate_series(1, {rows}) n"
    )
    await here.run("update request_ids set expires_at = now() + interval '9 years' where request_id = 'last'")

    first = await erase(here, Person(ada))
    await tell(here, ada)
    second = await erase(here, Person(ada), first.next_seq)
    third = await erase(here, Person(ada), second.next_seq)

    assert [each.erased["request_ids"] for each in (first, second, third)] == [1, 0, 1]
    assert [each.next_seq > 0 for each in (first, second, third)] == [True, True, False]
    assert "dead_letters" not in {**first.erased, **second.erased}
    # What was told after the events were looked at.
    assert third.erased["outbox_events"] == 1
    assert await here.ask("select count(*) from request_ids") == rows


async def test_beyond_the_last_answer_there_is_nothing_to_do(here: World) -> None:
    await here.database.fetch(_ANSWER, principal="user:bob", id="his", response="x")

    assert (await erase(here, Person(cuid()), 2**63 - 2)).next_seq == 0


async def test_of_who_was_many_guests_fewer_answers_are_looked_at_and_none_is_missed(here: World) -> None:
    ada, guests = cuid(), [cuid() for _ in range(1000)]
    await here.run(
        "insert into request_ids (principal, method, request_id, request_hash, response, expires_at)"
        " select 'user:bob', 'm', cast(n as text), '', '', now() + interval '1 hour' from generate_series(1, 600) n"
    )
    await here.database.fetch(_ANSWER, principal=f"guest:{guests[-1]}", id="theirs", response="x")

    first = await erase(here, Person(ada, guests))
    second = await erase(here, Person(ada, guests), first.next_seq)

    assert (first.erased["request_ids"], second.erased["request_ids"], second.next_seq) == (0, 1, 0)


async def test_answers_to_them_and_about_them_go(here: World) -> None:
    ada, bob = cuid(), cuid()
    for id, principal, response in (
        ("hers", f"user:{ada}", "x"),
        ("about her", f"user:{bob}", f"... {ada} ..."),
        ("his", f"user:{bob}", "x"),
    ):
        await here.database.fetch(_ANSWER, principal=principal, id=id, response=response)

    assert (await erase(here, Person(ada))).erased["request_ids"] == 2
    assert await here.ask("select string_agg(request_id, ' ') from request_ids") == "his"


async def test_events_that_were_given_up_no_longer_say_where_they_were(here: World) -> None:
    ada, bob = cuid(), cuid()
    letters = {}
    for who in (ada, bob):
        event = Event(id="e", aggregate="Thing", aggregate_id=cuid(), version=3)
        event.actor.type, event.actor.id, event.actor.ip_address = "user", who, "192.0.2.7"
        letters[who] = cuid()
        await here.database.fetch(_LETTER, id=letters[who], payload=event.SerializeToString())
    await here.database.fetch(_LETTER, id=cuid(), payload=f"no event {ada}".encode())

    done = await erase(here, Person(ada))

    assert done.erased["dead_letters"] == 1
    rows = await here.database.fetch(Statement(text("select id, payload, error from dead_letters")))
    found = {row["id"]: row for row in rows}
    hers, his = (Event.FromString(found[letters[who]]["payload"]) for who in (ada, bob))
    assert (hers.actor.id, hers.actor.ip_address, hers.version) == (ada, "", 3)
    assert his.actor.ip_address == "192.0.2.7"
    assert found[letters[ada]]["error"] == "ValueError"
    assert (await erase(here, Person(ada))).erased["dead_letters"] == 0


async def test_a_stream_is_let_go_of_once_everybody_has_heard_it(here: World) -> None:
    memory = Memory(here.broker, [here.durable])
    await eventually(lambda: _is(here.broker.connected))
    assert await memory.end() == 0
    async with running(here.relay().run()):
        await here.tell("a", "b", "c")
        await eventually(here.published)
    end = await memory.end()
    assert end == 3

    assert await memory.forget(end) is False
    assert len(await here.stored()) == 3
    async with running(here.consumer().run()):
        await eventually(lambda: memory.forget(end))
    assert await memory.end() == 3

    # Nobody moves its end by asking for more than there is.
    assert await memory.forget(2**63 - 2) is True
    assert await memory.end() == 3

    # What comes later stays, also when the same is asked for again.
    async with running(here.relay().run()):
        await here.tell("d")
        await eventually(here.published)
    assert await memory.forget(end) is True
    assert len(await here.stored()) == 1


async def test_of_a_stream_that_was_lost_there_is_nothing_left_to_let_go_of(here: World) -> None:
    broker = Broker(here.nats_url, cuid())
    broker.start()
    await broker.session()
    memory = Memory(broker, [Durable("some-reader", (broker.service,))])

    assert await memory.end() == 0
    assert await memory.forget(7) is True
    await broker.stop()


async def test_without_a_broker_nothing_is_said_to_be_forgotten(here: World) -> None:
    memory = Memory(Broker("nats://127.0.0.1:1", here.name), [here.durable])

    for call in (memory.end(), memory.forget(1)):
        with pytest.raises(Unavailable):
            await call


async def _is(value: bool) -> bool:
    return value
