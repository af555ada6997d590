"""Every method of every service against everybody who may not call it, read off the contract itself."""

from importlib import import_module
from typing import Any

import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message_factory import GetMessageClass
from lumi.identity.v1.auth_pb2 import CreateGuestSessionRequest
from lumi.identity.v1.auth_pb2_grpc import AuthServiceStub

from lumi_common.errors import LumiError
from lumi_common.rpc.access import MethodPolicy, read_policy
from lumi_envoy.contract import all_methods
from lumi_identity.domain.role import SEEDED_ROLES, SeededRole
from tests.kit.shop import Shop

METHODS = [(method, read_policy(method)) for method in all_methods()]
FOR_STAFF = [(method, policy) for method, policy in METHODS if policy.permission and not policy.owner]
FOR_USERS = [(method, policy) for method, policy in METHODS if policy.user]
PROTECTED = [(method, policy) for method, policy in METHODS if policy.on_public_port and not policy.public]
INTERNAL = [(method, policy) for method, policy in METHODS if not policy.on_public_port]
PERMISSIONS = sorted({policy.permission for _, policy in METHODS} - {""})


@pytest.fixture(scope="module")
async def customer(shop: Shop) -> str:
    return (await shop.user()).token


@pytest.fixture(scope="module")
async def guest(shop: Shop) -> str:
    session = await shop.stub(AuthServiceStub).CreateGuestSession(CreateGuestSessionRequest())
    return str(session.access_token)


async def refusal(shop: Shop, token: str, method: MethodDescriptor) -> tuple[str, str, dict[str, Any]] | None:
    """Code, reason and facts of what an empty request is told: who may call is decided before what they say."""
    module = import_module(method.containing_service.file.name.replace("/", ".").replace(".proto", "_pb2_grpc"))
    stub = shop.stub(getattr(module, f"{method.containing_service.name}Stub"), token)
    try:
        await getattr(stub, method.name)(GetMessageClass(method.input_type)())
    except LumiError as error:
        return error.code, error.reason, error.facts
    return None


def kept_out(policy: MethodPolicy) -> tuple[str, str, dict[str, Any]]:
    return "PERMISSION_DENIED", "PERMISSION_MISSING", {"permission": policy.permission}


def test_there_is_something_to_try() -> None:
    contexts = {method.full_name.split(".")[1] for method, _ in FOR_STAFF}
    assert contexts == {"identity", "catalogue", "orders", "payments", "marketing"}
    assert FOR_USERS
    assert INTERNAL


async def test_customers_and_guests_are_refused_by_every_method_for_staff(
    shop: Shop, customer: str, guest: str
) -> None:
    for method, policy in FOR_STAFF:
        for token in (customer, guest):
            assert await refusal(shop, token, method) == kept_out(policy), method.full_name


async def test_guests_are_refused_by_every_method_for_users(shop: Shop, guest: str) -> None:
    for method, _ in FOR_USERS:
        assert await refusal(shop, guest, method) == ("PERMISSION_DENIED", "USER_REQUIRED", {}), method.full_name


async def test_nobody_gets_further_without_a_token(shop: Shop) -> None:
    for method, _ in PROTECTED:
        assert await refusal(shop, "", method) == ("UNAUTHENTICATED", "TOKEN_MISSING", {}), method.full_name


async def test_what_is_between_services_is_unknown_to_everybody_else(shop: Shop, customer: str) -> None:
    everything = (await shop.user(*PERMISSIONS)).token
    for method, _ in INTERNAL:
        for token in ("", customer, everything):
            told = await refusal(shop, token, method)
            assert told is not None, method.full_name
            assert told[0] == "UNIMPLEMENTED", method.full_name


@pytest.mark.parametrize("permission", PERMISSIONS)
async def test_a_permission_opens_its_own_methods_and_no_other(shop: Shop, permission: str) -> None:
    holder = (await shop.user(permission)).token
    for method, policy in FOR_STAFF:
        is_kept_out = await refusal(shop, holder, method) == kept_out(policy)
        assert is_kept_out is (policy.permission != permission), method.full_name


@pytest.mark.parametrize("role", SEEDED_ROLES, ids=lambda role: role.name)
async def test_a_role_opens_the_methods_of_its_permissions_and_no_other(shop: Shop, role: SeededRole) -> None:
    holder = (await shop.user(*role.permissions)).token
    for method, policy in FOR_STAFF:
        is_kept_out = await refusal(shop, holder, method) == kept_out(policy)
        assert is_kept_out is (policy.permission not in role.permissions), method.full_name
