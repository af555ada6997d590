"""Many at once under one request id: one effect, and one answer for all."""

import asyncio
from collections import Counter

import pytest

from tests.kit.buying import request_id
from tests.kit.shop import SERVICES
from tests.kit.waiting import until
from tests.request_ids.scenes import CASES, Case
from tests.request_ids.world import Told, World, new_trace, under

AT_ONCE = 10
# What some of many at once may be told; asked again, they get the answer.
RETRYABLE = {
    "lumi.orders.v1.OrderService.PlaceOrder": {"CART_BEING_PLACED"},
    "lumi.orders.v1.OrderService.RetryPayment": {"PAYMENT_BEING_RETRIED"},
    "lumi.orders.v1.OrderService.DeleteOrder": {"DELETION_UNDER_WAY"},
    "lumi.catalogue.v1.ProductService.PurgeProduct": {"DELETION_UNDER_WAY"},
    "lumi.catalogue.v1.VariantService.DeleteVariant": {"DELETION_UNDER_WAY"},
}

each_way = pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)

# What was done in the traces $1 and is filed more or less often than the outboxes tell of it.
_MISFILED = """
    with told as ({told}),
    ours as (
        select entity, id, action, count(*) as times from told
        group by entity, id, action having bool_or(trace = any($1))
    )
    select * from ours where times <> (
        select count(*) from identity.audit_logs filed
        where (filed.entity, filed.entity_id, filed.action) = (ours.entity, ours.id, ours.action)
    )
""".format(
    told=" union all ".join(
        "select headers->>'traceparent' as trace, r->>'entity' as entity, r->>'id' as id, r->>'action' as action "
        f"from {schema}.outbox_events cross join jsonb_array_elements(records) as r where (r->>'audit')::boolean"
        for schema in SERVICES
    )
)


@each_way
async def test_many_at_once_have_one_effect_and_one_answer(world: World, case: Case) -> None:
    once, many = new_trace(), new_trace()
    caller = await world.caller(case)
    scene = await world.play(case, caller)
    alone = await world.tell(case, caller, under(request_id(), scene.request), once)
    assert not alone.refusal, alone.refusal
    caller = await world.caller(case)
    scene = await world.play(case, caller)
    request = under(request_id(), scene.request)

    told = await asyncio.gather(*(world.tell(case, caller, request, many) for _ in range(AT_ONCE)))

    refused = Counter(each.reason for each in told if each.refusal)
    assert refused.keys() <= RETRYABLE.get(case.name, set()), refused
    assert refused.total() < AT_ONCE, refused
    answers: set[Told] = {each for each in told if not each.refusal}
    answers.add(await world.tell(case, caller, request))
    assert len(answers) == 1, answers
    if scene.happened is not None:
        assert await scene.happened() == 1

    async def alike() -> bool:
        return await world.written(many) == await world.written(once)

    try:
        await until(alike, "they wrote what one writes", seconds=5)
    except AssertionError:
        assert await world.written(many) == await world.written(once)
        raise


@each_way
async def test_of_two_bodies_at_once_under_one_id_one_takes_effect(world: World, case: Case) -> None:
    caller = await world.caller(case)
    scene = await world.play(case, caller)
    if not scene.others:
        pytest.skip("its request has nothing but the id")
    id = request_id()
    bodies = [under(id, scene.request), under(id, scene.others[0])]
    traces = [new_trace() for _ in bodies]

    told = await asyncio.gather(*(world.tell(case, caller, bodies[n % 2], traces[n % 2]) for n in range(AT_ONCE)))

    answers = {n % 2: each for n, each in enumerate(told) if not each.refusal}
    refused = {each.reason for each in told if each.refusal}
    assert len(answers) == 1, answers
    assert refused <= {"REQUEST_ID_REUSED"} | RETRYABLE.get(case.name, set())
    ((winner, answer),) = answers.items()
    assert {each for each in told if not each.refusal} == {answer}
    assert (await world.tell(case, caller, bodies[1 - winner], traces[1 - winner])).reason == "REQUEST_ID_REUSED"
    assert await world.written(traces[winner]) or scene.happened
    assert not await world.written(traces[1 - winner])


async def test_what_was_done_once_is_filed_once(world: World) -> None:
    case = next(case for case in CASES if case.name.endswith("AddressService.CreateAddress"))
    caller = await world.caller(case)
    request, trace = under(request_id(), (await world.play(case, caller)).request), new_trace()
    await asyncio.gather(*(world.tell(case, caller, request, trace) for _ in range(AT_ONCE)))

    async def is_filed() -> bool:
        return await world.books.fetch(_MISFILED, list(world.traces)) == []

    await until(is_filed, "each audit record of these tests is filed as often as the outboxes tell of it")
    audited = [row.audited for row in (await world.written(trace)).elements()]
    assert audited == [("Address address.created",)]
