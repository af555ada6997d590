"""Services send a request id with every change: a call without one is refused."""

import pytest

from tests.kit.buying import request_id
from tests.request_ids.scenes import CASES, Case
from tests.request_ids.world import World, new_trace, under

BETWEEN_SERVICES = [case for case in CASES if case.kind == "service"]


def test_there_are_such_methods() -> None:
    assert {case.name.split(".")[1] for case in BETWEEN_SERVICES} >= {"catalogue", "payments", "marketing"}


@pytest.mark.parametrize("case", BETWEEN_SERVICES, ids=lambda case: case.id)
async def test_a_service_without_a_request_id_is_refused(world: World, case: Case) -> None:
    caller = await world.caller(case)
    scene = await world.play(case, caller)
    trace = new_trace()

    told = await world.tell(case, caller, scene.request, trace)

    assert told.refusal is not None
    assert (told.refusal.code, told.reason) == ("INVALID_ARGUMENT", "REQUEST_ID_REQUIRED")
    assert told.refusal.field == "request_id"
    assert not await world.written(trace)
    assert not (await world.tell(case, caller, under(request_id(), scene.request))).refusal
