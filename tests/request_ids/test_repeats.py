"""The same request id again: the first answer, byte for byte, and one effect; with another body a refusal."""

import pytest

from tests.kit.buying import request_id
from tests.request_ids.scenes import CASES, LEAVING, Case
from tests.request_ids.world import World, new_trace, under

each_way = pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)


@each_way
async def test_a_repeat_has_one_effect_and_the_same_answer(world: World, case: Case) -> None:
    caller = await world.caller(case)
    scene = await world.play(case, caller)
    request, first_trace, second_trace = under(request_id(), scene.request), new_trace(), new_trace()

    first = await world.tell(case, caller, request, first_trace)
    second = await world.tell(case, caller, request, second_trace)

    assert not first.refusal, first.refusal
    assert second == first
    if scene.happened is None:
        assert await world.written(first_trace), "the first call wrote nothing to the outbox"
    else:
        assert await scene.happened() == 1
    assert not await world.written(second_trace)
    assert await world.kept(request) == 1


@each_way
async def test_another_body_under_the_same_id_is_refused_and_writes_nothing(world: World, case: Case) -> None:
    caller = await world.caller(case)
    scene = await world.play(case, caller)
    id = request_id()
    first = await world.tell(case, caller, under(id, scene.request))
    assert not first.refusal, first.refusal

    assert scene.others or [field.name for field in case.method.input_type.fields] == ["request_id"]
    for other in scene.others:
        trace = new_trace()
        told = await world.tell(case, caller, under(id, other), trace)
        assert told.refusal is not None, other
        assert (told.refusal.code, told.reason) == ("INVALID_ARGUMENT", "REQUEST_ID_REUSED"), (other, told)
        assert told.refusal.field == "request_id"
        assert not await world.written(trace), other

    assert await world.tell(case, caller, under(id, scene.request)) == first


@each_way
async def test_what_was_done_already_is_answered_and_kept_under_the_next_id_too(world: World, case: Case) -> None:
    caller = await world.caller(case)
    scene = await world.play(case, caller)
    assert not (await world.tell(case, caller, under(request_id(), scene.request))).refusal
    again = under(request_id(), scene.request)

    told = await world.tell(case, caller, again)

    assert await world.kept(again) == (0 if told.refusal else 1)
    if not told.refusal:
        await world.mark(case, again)
        assert (await world.tell(case, caller, again)).is_from_memory


@pytest.mark.parametrize("case", LEAVING, ids=lambda case: case.id)
async def test_whoever_left_is_told_so_by_a_repeat_and_nothing_happens_again(world: World, case: Case) -> None:
    caller = await world.caller(case)
    scene = await world.play(case, caller)
    request, first_trace, second_trace = under(request_id(), scene.request), new_trace(), new_trace()

    first = await world.tell(case, caller, request, first_trace)
    second = await world.tell(case, caller, request, second_trace)

    assert not first.refusal, first.refusal
    assert second.reason == "TOKEN_INVALID"
    if scene.happened is None:
        assert await world.written(first_trace), "the first call wrote nothing to the outbox"
    else:
        assert await scene.happened() == 1
    assert not await world.written(second_trace)
    assert await world.kept(request) == 1
