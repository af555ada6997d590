"""An order is its buyer's: every method that tells of one or changes it, read off the contract."""

from importlib import import_module
from typing import Any

import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message_factory import GetMessageClass
from lumi.payments.v1.payment_pb2 import PAYMENT_PROVIDER_MANUAL

from lumi_common.errors import NotFound
from lumi_common.rpc.access import read_policy
from lumi_envoy.contract import all_methods
from services.orders.tests.rpc.books import sell, sold
from services.orders.tests.rpc.floor import Floor

METHODS = [(method, read_policy(method)) for method in all_methods() if method.full_name.startswith("lumi.orders.v1.")]
FOR_OWNERS = [(method, policy) for method, policy in METHODS if policy.permission and policy.owner]


async def call(floor: Floor, token: str, method: MethodDescriptor, **fields: Any) -> Any:
    """What a request with these fields is answered; who may call is decided before what they say."""
    module = import_module(method.containing_service.file.name.replace("/", ".").replace(".proto", "_pb2_grpc"))
    stub = floor.shop.stub(getattr(module, f"{method.containing_service.name}Stub"), token)
    return await getattr(stub, method.name)(GetMessageClass(method.input_type)(**fields))


async def test_an_order_is_not_there_for_whoever_may_not_see_it(floor: Floor) -> None:
    sale = await sell(floor)
    names = {
        "id": sale.id,
        "reference": sale.placed.order.reference,
        "payment_provider": PAYMENT_PROVIDER_MANUAL,
    }
    keys = {policy.permission for _, policy in METHODS} - {""}
    for method, policy in FOR_OWNERS:
        given = {name: value for name, value in names.items() if name in method.input_type.fields_by_name}
        # Another customer, somebody from another department, a guest.
        for token in (
            (await floor.shop.user()).token,
            (await floor.shop.user(*(keys - {policy.permission}))).token,
            (await floor.guest()).token,
        ):
            if given:
                with pytest.raises(NotFound, match="NOT_FOUND"):
                    await call(floor, token, method, **given)
            else:
                assert sale.id not in [order.id for order in (await call(floor, token, method)).orders]
    await sale.expect(sold("PAID"))
