"""Whoever fills in what is not theirs to set has set nothing: ids, owners, statuses, amounts, times, versions."""

from typing import Any

import pytest
from google.api import annotations_pb2
from google.protobuf import json_format
from google.protobuf.message import Message
from lumi.orders.v1 import cart_pb2
from lumi.orders.v1.cart_pb2_grpc import CartServiceStub

from tests.abuse.planting import WITH_RESOURCE, output_only, planted
from tests.access.doors import http_request, json_name
from tests.conftest import Edge
from tests.kit.buying import request_id
from tests.kit.shop import PASSWORD
from tests.request_ids.callers import send
from tests.request_ids.scenes import Case
from tests.request_ids.world import World, new_trace, under

# What a mask may not name, beside the fields for answers: columns that no message has, and odd spellings.
ODD_PATHS = (
    "*", "password_hash", "version", "lockout_until", "totp_secret", "permissions.key", "createTime", "userId", "ID",
    "id ", "notes.x", "metadata.a", "no_such_field", "..", "description\n",
)  # fmt: skip
# Where somebody might look for a door: not in the message, not in the contract.
ELSEWHERE = {
    "isAdmin": True,
    "is_admin": True,
    "permissions": ["users.write"],
    "roles": ["admin"],
    "passwordHash": "x",
    "password_hash": "x",
    "version": 7,
    "__proto__": {"status": 1},
    "deletedAt": None,
}

each_resource = pytest.mark.parametrize(
    ("case", "field"), WITH_RESOURCE, ids=[f"{case.id}-{field}" for case, field in WITH_RESOURCE]
)
MASKED = [each for each in WITH_RESOURCE if "update_mask" in each[0].method.input_type.fields_by_name]


def taken_over(answer: Any, request: Message, field: str, changed_by_itself: set[str]) -> list[str]:
    """The planted fields that an answer says as they were planted."""
    resource = getattr(request, field)
    return [
        str(each.name)
        for each in output_only(resource.DESCRIPTOR)
        if each.name not in changed_by_itself and getattr(answer, each.name) == getattr(resource, each.name)
    ]


def test_there_is_something_of_every_service_that_takes_a_resource() -> None:
    assert {case.schema for case, _ in WITH_RESOURCE} == {"catalogue", "identity", "marketing", "orders"}
    assert len(WITH_RESOURCE) >= 14 and len(MASKED) >= 5


@each_resource
async def test_what_is_not_theirs_to_set_is_set_by_nobody(world: World, case: Case, field: str) -> None:
    caller = await world.caller(case)
    plain, loaded = await world.play(case, caller), await world.play(case, caller)
    honest = await send(world.shop, case.method, caller, under(request_id(), plain.request))
    request = under(request_id(), planted(loaded.request, field))

    answer = await send(world.shop, case.method, caller, request)

    kept = {"id"} if getattr(loaded.request, field).id else set()
    # What a new row has by itself may be what was planted: a coupon is active, an address the first one.
    by_itself = {
        each.name for each in output_only(answer.DESCRIPTOR)
        if each.type == each.TYPE_BOOL and getattr(answer, each.name) == getattr(honest, each.name)
    }  # fmt: skip
    assert taken_over(answer, request, field, kept | by_itself) == []


@pytest.mark.parametrize(("case", "field"), MASKED, ids=[f"{case.id}-{field}" for case, field in MASKED])
async def test_a_mask_names_only_what_is_theirs_to_set(world: World, case: Case, field: str) -> None:
    caller = await world.caller(case)
    asked, trace = planted((await world.play(case, caller)).request, field), new_trace()
    theirs = [each.name for each in output_only(getattr(asked, field).DESCRIPTOR)]

    for path in (*theirs, *ODD_PATHS):
        request = under(request_id(), asked)
        request.update_mask.paths.append(path)
        told = await world.tell(case, caller, request, trace)
        assert told.refusal is not None, path
        assert (told.refusal.code, told.reason) == ("INVALID_ARGUMENT", "FIELD_MASK_INVALID"), path
    assert not await world.written(trace)


@pytest.mark.parametrize("in_snake_case", [False, True], ids=["camelCase", "snake_case"])
@each_resource
async def test_a_body_sets_nothing_else_either(
    world: World, edge: Edge, case: Case, field: str, in_snake_case: bool
) -> None:
    caller = await world.caller(case)
    request = under(request_id(), planted((await world.play(case, caller)).request, field))
    said = http_request(case.method, request)
    body = json_format.MessageToDict(request, preserving_proto_field_name=in_snake_case)
    inner = body[field if in_snake_case else json_name(field)]
    if "{" in path_of(case):
        inner.pop("id", None)  # the path says it
    inner |= {key: value for key, value in ELSEWHERE.items() if key not in inner}

    answer = await edge.http.request(
        **said | {"json": body | ELSEWHERE}, headers={"authorization": f"Bearer {caller.token}"}
    )

    assert answer.is_success, answer.text
    told = json_format.Parse(answer.content, type(getattr(request, field))(), ignore_unknown_fields=True)
    kept = {"id"} if "{" in path_of(case) else set()
    bools = {each.name for each in output_only(told.DESCRIPTOR) if each.type == each.TYPE_BOOL}
    assert taken_over(told, request, field, kept | bools) == []


def path_of(case: Case) -> str:
    rule: Any = case.method.GetOptions().Extensions[annotations_pb2.http]
    return str(getattr(rule, rule.WhichOneof("pattern")))


async def test_nobody_signs_up_as_staff(world: World, edge: Edge) -> None:
    email = f"{request_id()}@example.com"
    body = {"email": email, "password": PASSWORD, "user": ELSEWHERE, **ELSEWHERE}

    answer = await edge.http.post("/v1/auth:signUp", json=body)

    assert answer.is_success, answer.text
    rows = await world.books.fetch(
        "select u.status, u.email_verified_at, r.role_id, p.permission_id from identity.users u "
        "left join identity.user_roles r on r.user_id = u.id left join identity.user_permissions p on p.user_id = u.id "
        "where u.email = $1",
        email,
    )
    assert [tuple(row) for row in rows if row["permission_id"] is not None] == []
    assert len(rows) == 1 and rows[0]["email_verified_at"] is None


async def test_nobody_becomes_another_by_saying_so(world: World) -> None:
    user, other = await world.shop.user(), await world.shop.user()
    client = world.shop.stub(CartServiceStub, user.token)
    client.metadata = (
        *client.metadata,
        *((f"x-lumi-{key}", other.id) for key in ("actor", "user", "principal", "sub")),
    )

    cart = await client.CreateCart(cart_pb2.CreateCartRequest(request_id=request_id()))

    assert cart.user_id == user.id
