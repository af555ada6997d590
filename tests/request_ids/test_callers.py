"""A kept answer is for whoever earned it, and only for as long as they may call."""

import pytest

from lumi_common.errors import LumiError
from tests.kit.buying import request_id
from tests.kit.shop import SERVICES
from tests.request_ids import callers
from tests.request_ids.callers import Caller
from tests.request_ids.scenes import CASES, Case
from tests.request_ids.world import Told, World, new_trace, under

each_way = pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
for_staff = pytest.mark.parametrize("case", [case for case in CASES if case.kind == "staff"], ids=lambda case: case.id)


async def _strangers(world: World, case: Case) -> list[tuple[Caller, str]]:
    """Those who may not call in this way, with what they are told."""
    if case.kind == "service":
        others = sorted(set(SERVICES) - case.policy.services)
        return [(Caller("service", service=name), "SERVICE_NOT_ALLOWED") for name in others]
    found = [(Caller("nobody"), "TOKEN_MISSING")]
    if case.policy.user:
        found.append((await callers.guest(world.shop), "USER_REQUIRED"))
    if case.policy.permission and not case.policy.owner:
        found += [(await callers.guest(world.shop), "PERMISSION_MISSING")]
        found += [(await callers.shopper(world.shop), "PERMISSION_MISSING")]
    return found


@each_way
async def test_an_answer_is_kept_from_everybody_else(world: World, case: Case) -> None:
    caller, another = await world.caller(case), await world.another(case)
    scene = await world.play(case, caller)
    request = under(request_id(), scene.request)
    first = await world.tell(case, caller, request)
    assert not first.refusal, first.refusal
    await world.mark(case, request)

    if another is not None:
        told = await world.tell(case, another, request)
        assert not told.is_from_memory, "somebody else was given the first one's answer"
        assert told.reason != "REQUEST_ID_REUSED", "somebody else was told that the id is in use"
    for stranger, reason in await _strangers(world, case):
        trace = new_trace()
        assert (await world.tell(case, stranger, request, trace)).reason == reason
        assert not await world.written(trace)
    assert (await world.tell(case, caller, request)).is_from_memory, "it was kept for the first one alone"


@for_staff
async def test_an_answer_is_kept_from_staff_who_may_no_longer_ask(world: World, case: Case) -> None:
    caller = await callers.staff(world.shop, case.policy.permission)
    scene = await world.play(case, caller)
    request, trace = under(request_id(), scene.request), new_trace()
    first = await world.tell(case, caller, request)
    assert not first.refusal, first.refusal
    await world.mark(case, request)
    assert (await world.tell(case, caller, request)).is_from_memory

    told: Told = await world.tell(case, await callers.without_permissions(world.shop, caller), request, trace)

    assert isinstance(told.refusal, LumiError), "they were given the answer that they earned as staff"
    expected = ("NOT_FOUND", "NOT_FOUND") if case.policy.owner else ("PERMISSION_DENIED", "PERMISSION_MISSING")
    assert (told.refusal.code, told.reason) == expected
    assert not await world.written(trace)
