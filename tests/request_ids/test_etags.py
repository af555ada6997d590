"""Whoever changes a row that has a version may say which one they saw: a stale one is refused, and nothing written."""

from typing import Any

import pytest

from tests.kit.buying import request_id
from tests.request_ids.callers import Caller
from tests.request_ids.scenes import CASES, Case
from tests.request_ids.world import World, new_trace, under

# What changes no row of a cart, an order or a payment that anybody could have read.
NEW = {
    "lumi.orders.v1.CartService.CreateCart",
    "lumi.payments.v1.PaymentService.CreatePayment",
}
VERSIONED = [case for case in CASES if case.schema in ("orders", "payments") and "OperationsService" not in case.name]


def field_of(case: Case) -> str:
    """The field of the request in which the version is named; empty when there is none."""
    return next((name for name in ("etag", "cart_etag") if name in case.method.input_type.fields_by_name), "")


def saying(etag: str, case: Case, request: Any) -> Any:
    """The request, under an id of its own, from somebody who saw this version."""
    asked = under(request_id(), request)
    setattr(asked, field_of(case), etag)
    return asked


async def etag_of(world: World, caller: Caller, request: Any) -> str:
    """The version of the row that a request is about."""
    names = {field.name for field in request.DESCRIPTOR.fields}
    service = request.DESCRIPTOR.full_name
    if "guest_token" in names:
        assert caller.user is not None
        query, id = "select version from orders.carts where status = 'ACTIVE' and user_id = $1", caller.user.id
    elif "cart_id" in names or "Cart" in service or "Coupon" in service:
        query, id = "select version from orders.carts where id = $1", getattr(request, "cart_id", "") or request.id
    elif service.startswith("lumi.payments."):
        query = "select version from payments.payments where id = $1"
        id = request.payment_id if "payment_id" in names else request.id
    else:
        query = "select version from orders.orders where id = $1"
        id = request.order.id if "order" in names else request.id
    return str(await world.books.fetchval(query, id))


SAYING = [case for case in CASES if field_of(case)]
each = pytest.mark.parametrize("case", SAYING, ids=lambda case: case.id)


def test_every_change_of_a_cart_an_order_or_a_payment_takes_an_etag() -> None:
    assert len(VERSIONED) > 20
    assert sorted({case.name for case in VERSIONED if not field_of(case)}) == sorted(NEW)


@each
async def test_a_stale_etag_is_refused_and_nothing_is_written(world: World, case: Case) -> None:
    caller = await world.caller(case)
    scene = await world.play(case, caller)
    for etag in ("999999", "0", "-1", "no such thing", "1' or ''='"):
        asked, trace = saying(etag, case, scene.request), new_trace()

        told = await world.tell(case, caller, asked, trace)

        assert told.refusal is not None, etag
        assert (told.refusal.code, told.reason) == ("ABORTED", "ETAG_MISMATCH"), told
        assert not await world.written(trace), etag
        assert await world.kept(asked) == 0, etag
    assert not (await world.tell(case, caller, saying("", case, scene.request))).refusal


@pytest.mark.parametrize("case", [case for case in VERSIONED if field_of(case)], ids=lambda case: case.id)
async def test_the_etag_of_now_is_taken(world: World, case: Case) -> None:
    caller = await world.caller(case)
    scene = await world.play(case, caller)
    asked = saying(await etag_of(world, caller, scene.request), case, scene.request)

    told = await world.tell(case, caller, asked)

    assert not told.refusal, told.refusal
