"""Every method of every service as everybody, by every way in, held against what its proto declares."""

from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from typing import NamedTuple

import pytest
from google.protobuf.descriptor import MethodDescriptor
from lumi.common.v1 import options_pb2

from lumi_common.rpc.caller import SERVICE_KEY
from tests.access.callers import Caller, holder, staff, strangers
from tests.access.declared import ADMITTED, METHODS, UNKNOWN, access_of, at_the_door, between_services, is_for_clients
from tests.access.doors import all_of, by_grpc, by_http, on_internal_port
from tests.conftest import Edge
from tests.kit.shop import SERVICES, Shop

FOR_CLIENTS = [method for method in METHODS if is_for_clients(access_of(method))]
PERMISSIONS = sorted({access_of(method).permission for method in METHODS} - {""})


class Told(NamedTuple):
    """What came of a method at a door for somebody: nothing when they were let in, else why not."""

    method: MethodDescriptor
    caller: Caller
    answer: str


@pytest.fixture(scope="module")
async def everybody(shop: Shop) -> list[Caller]:
    holders = await all_of(partial(holder, shop, permission) for permission in PERMISSIONS)
    return [*await strangers(shop), *await staff(shop), *holders]


@pytest.fixture(scope="module")
async def of_own_ports(shop: Shop, everybody: list[Caller]) -> list[Told]:
    """The answers at the services' own public ports, of all methods to everybody."""
    return await at_own_ports(shop, METHODS, everybody)


async def at_own_ports(shop: Shop, methods: list[MethodDescriptor], callers: list[Caller]) -> list[Told]:
    async def at_its_own(method: MethodDescriptor, caller: Caller) -> str:
        return await by_grpc(shop.channel(str(method.full_name).split(".")[1]), method, caller)

    return await told_by(at_its_own, methods, callers)


async def told_by(
    door: Callable[[MethodDescriptor, Caller], Awaitable[str]], methods: list[MethodDescriptor], callers: list[Caller]
) -> list[Told]:
    pairs = [(method, caller) for method in methods for caller in callers]
    answers = await all_of(partial(door, method, caller) for method, caller in pairs)
    return [Told(method, caller, answer) for (method, caller), answer in zip(pairs, answers, strict=True)]


def others_than_declared(
    told: list[Told], access: Callable[[MethodDescriptor], options_pb2.Access] = access_of
) -> list[str]:
    """Who was answered in another way than the options say, and how."""
    return [
        f"{method.full_name} for {caller.name}: {answer or 'let in'}, declared {expected or 'to be let in'}"
        for method, caller, answer in told
        if answer != (expected := at_the_door(access(method), caller))
    ]


def test_there_is_something_of_everything_to_try(everybody: list[Caller]) -> None:
    assert {str(method.full_name).split(".")[1] for method in METHODS} == set(SERVICES)
    assert len(FOR_CLIENTS) > 100
    assert len(METHODS) - len(FOR_CLIENTS) > 20
    assert {"support", "catalogue_manager", "finance", "admin", "admin, stepped up"} <= {
        each.name for each in everybody
    }
    declared = Counter(
        word for method in METHODS for word in ("public", "guest", "user", "owner", "step_up", "permission", "service")
        if getattr(access_of(method), word)
    )  # fmt: skip
    assert len(declared) == 7 and min(declared.values()) > 5


def test_a_services_own_port_answers_everybody_as_declared(of_own_ports: list[Told]) -> None:
    assert others_than_declared(of_own_ports) == []


async def test_the_gateway_answers_everybody_as_declared_by_grpc(edge: Edge, everybody: list[Caller]) -> None:
    callers = [caller for caller in everybody if not caller.name.startswith("holder")]

    assert others_than_declared(await told_by(partial(by_grpc, edge.channel), METHODS, callers)) == []


async def test_the_gateway_answers_everybody_as_declared_by_http(edge: Edge, everybody: list[Caller]) -> None:
    callers = [caller for caller in everybody if not caller.name.startswith("holder")]

    assert others_than_declared(await told_by(partial(by_http, edge.http), FOR_CLIENTS, callers)) == []


async def test_the_internal_port_answers_each_service_as_declared(shop: Shop) -> None:
    pairs = [(method, service) for method in METHODS for service in SERVICES]

    answers = await all_of(partial(on_internal_port, shop, method, service) for method, service in pairs)

    wrong = [
        f"{method.full_name} for {service}: {answer or 'let in'}, declared {expected or 'to be let in'}"
        for (method, service), answer in zip(pairs, answers, strict=True)
        if answer != (expected := between_services(access_of(method), service))
    ]
    assert wrong == []
    assert {ADMITTED, UNKNOWN, "SERVICE_NOT_ALLOWED"} == set(answers)


async def test_a_token_opens_no_method_between_services(shop: Shop, everybody: list[Caller]) -> None:
    admin = next(caller for caller in everybody if caller.name == "admin, stepped up")
    pairs = [
        (method, service)
        for method in METHODS
        for service in SERVICES
        if between_services(access_of(method), service) != ADMITTED
    ]

    answers = await all_of(partial(on_internal_port, shop, method, service, admin) for method, service in pairs)

    assert [f"{method.full_name} for {service}" for (method, service), told in zip(pairs, answers, strict=True)
            if told not in (UNKNOWN, "SERVICE_NOT_ALLOWED")] == []  # fmt: skip
    assert len(pairs) > 500


async def test_the_name_of_a_service_is_nothing_without_its_certificate(shop: Shop, edge: Edge) -> None:
    internal = [method for method in METHODS if not is_for_clients(access_of(method))]
    forged = [
        Caller(f"{service} by {header}", "anonymous", said=((header, service),))
        for service in SERVICES
        for header in (SERVICE_KEY, "x-forwarded-client-cert", "x-lumi-actor")
    ]

    told = [
        *await at_own_ports(shop, internal, forged),
        *await told_by(partial(by_grpc, edge.channel), internal, forged),
    ]

    assert others_than_declared(told) == []
    assert len(told) > 500


def without(word: str) -> Callable[[options_pb2.Access], options_pb2.Access | None]:
    """The same option without this; None where it has not got it, or would admit nobody."""

    def changed(access: options_pb2.Access) -> options_pb2.Access | None:
        other = options_pb2.Access()
        other.CopyFrom(access)
        other.ClearField(word)
        return other if getattr(access, word) and is_for_clients(other) else None

    return changed


def as_for(**who: object) -> Callable[[options_pb2.Access], options_pb2.Access | None]:
    """The option with others in place of whoever it names."""

    def changed(access: options_pb2.Access) -> options_pb2.Access | None:
        other = options_pb2.Access(step_up=access.step_up, **who)
        without_owner = not (access.owner and access.permission)
        same = without_owner and all(getattr(access, word) == value for word, value in who.items())
        return None if same or not is_for_clients(access) else other

    return changed


CHANGES = {
    "public": as_for(public=True),
    # Where owners do without the permission any token opens the door, and the rows are what is held back.
    "guest": lambda access: None if access.owner and access.permission else as_for(guest=True)(access),
    "user": as_for(user=True),
    **{permission: as_for(permission=permission) for permission in PERMISSIONS},
    "no step-up": without("step_up"),
    "no owner": lambda access: without("owner")(access) if access.permission else None,
}


@pytest.mark.parametrize("change", CHANGES)
def test_an_option_that_a_service_does_not_follow_is_found(of_own_ports: list[Told], change: str) -> None:
    by_method: dict[str, list[Told]] = {}
    for told in of_own_ports:
        by_method.setdefault(str(told.method.full_name), []).append(told)
    tried = 0

    for name, answers in by_method.items():
        changed = CHANGES[change](access_of(answers[0].method))
        if changed is None:
            continue
        tried += 1
        assert others_than_declared(answers, lambda _, changed=changed: changed), name
    assert tried > 3
