"""The world of all scenes, for whoever means ill in it."""

import pytest

from lumi_common.rpc.access import MethodPolicy, read_policy
from lumi_envoy.contract import all_methods
from tests.request_ids import callers
from tests.request_ids.callers import Caller
from tests.request_ids.conftest import world
from tests.request_ids.world import World

__all__ = ["world"]


class Senders:
    """Somebody who may call, for each kind of access."""

    def __init__(self, staff: Caller, customer: Caller) -> None:
        self._staff, self._customer = staff, customer

    def of(self, policy: MethodPolicy) -> Caller:
        if not policy.on_public_port:
            return Caller("service", service=min(policy.services))
        return self._staff if policy.permission else self._customer


@pytest.fixture(scope="session")
async def senders(world: World) -> Senders:
    permissions = {read_policy(method).permission for method in all_methods()} - {""}
    return Senders(await callers.staff(world.shop, *sorted(permissions)), await callers.shopper(world.shop))
