"""One name, many who want it at one moment: one has it, and the others are told so."""

import asyncio
from collections import Counter
from itertools import pairwise

import pytest

from tests.kit.buying import request_id
from tests.request_ids.scenes import CASES, Case
from tests.request_ids.world import Told, World, new_trace, under

AT_ONCE = 12
# What each makes there may be only one of: of a slug, a SKU, a code, a name, a key, an e-mail, an ACTIVE cart.
UNIQUE = {
    "lumi.catalogue.v1.CategoryService.CreateCategory",
    "lumi.catalogue.v1.ProductService.CreateProduct",
    "lumi.catalogue.v1.VariantService.CreateVariant",
    "lumi.identity.v1.AccessService.CreatePermission",
    "lumi.identity.v1.AccessService.CreateRole",
    "lumi.identity.v1.UserService.CreateUser",
    "lumi.marketing.v1.CouponService.CreateCoupon",
    "lumi.orders.v1.CartService.CreateCart",
}
ONCE = [case for case in CASES if case.name in UNIQUE]
PAIRS = [
    (first, second)
    for first, second in pairwise(CASES)
    if first.schema == second.schema and first.kind == second.kind == "staff" and first.name != second.name
]


def test_each_of_them_is_tried() -> None:
    assert {case.name for case in ONCE} == UNIQUE
    assert len(PAIRS) > 20


@pytest.mark.parametrize("case", ONCE, ids=lambda case: case.id)
async def test_of_many_who_want_one_name_one_has_it(world: World, case: Case) -> None:
    caller = await world.caller(case)
    scene = await world.play(case, caller)
    traces = [new_trace() for _ in range(AT_ONCE)]

    told: list[Told] = await asyncio.gather(
        *(world.tell(case, caller, under(request_id(), scene.request), trace) for trace in traces)
    )

    codes = Counter(each.refusal.code if each.refusal else "OK" for each in told)
    assert codes == {"OK": 1, "ALREADY_EXISTS": AT_ONCE - 1}, [each.refusal for each in told]
    wrote = [bool(await world.written(trace)) for trace in traces]
    assert wrote == [each.refusal is None for each in told]


@pytest.mark.parametrize(("first", "second"), PAIRS, ids=[f"{one.id}-{two.id}" for one, two in PAIRS])
async def test_the_answer_of_one_method_is_not_given_for_another(world: World, first: Case, second: Case) -> None:
    caller, id = world.staff, request_id()
    one, two = await world.play(first, caller), await world.play(second, caller)
    assert not (await world.tell(first, caller, under(id, one.request))).refusal
    trace = new_trace()

    told = await world.tell(second, caller, under(id, two.request), trace)

    if told.refusal is not None:
        assert told.reason == "REQUEST_ID_REUSED"
        assert not await world.written(trace)
    elif two.happened is not None:
        assert await two.happened() == 1
    else:
        assert await world.written(trace)
