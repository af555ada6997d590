"""What is done in a service comes to the audit log by way of outbox, stream and inbox."""

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import Any

from lumi.common.v1.address_pb2 import PostalAddress
from lumi.identity.v1.address_pb2 import Address, CreateAddressRequest, SetDefaultAddressRequest
from lumi.identity.v1.audit_pb2 import GetEntityTimelineRequest

from services.identity.tests.rpc.clients import Client, Identity

SOMEWHERE = PostalAddress(full_name="Ada Lovelace", line1="1 Main St", city="London", postal_code="N1", country="GB")


async def timeline(client: Client, entity: str, id: str, until: Callable[[list[Any]], bool]) -> list[Any]:
    """The entity's records, as soon as they are what is waited for."""
    deadline = monotonic() + 15
    while True:
        answer = await client.GetEntityTimeline(GetEntityTimelineRequest(entity=entity, entity_id=id))
        logs = list(answer.audit_logs)
        if until(logs) or monotonic() > deadline:
            return logs
        await asyncio.sleep(0.05)


async def test_every_change_is_filed_once_with_its_actor_and_nothing_personal(identity_with_nats: Identity) -> None:
    ada, admin = await identity_with_nats.user(), await identity_with_nats.admin()
    home = await ada.client.CreateAddress(CreateAddressRequest(address=Address(postal_address=SOMEWHERE)))
    work = await ada.client.CreateAddress(CreateAddressRequest(address=Address(postal_address=SOMEWHERE)))
    await ada.client.SetDefaultAddress(SetDefaultAddressRequest(id=work.id))

    of_home = await timeline(admin.client, "Address", home.id, lambda logs: len(logs) == 2)
    of_work = await timeline(admin.client, "Address", work.id, lambda logs: len(logs) == 2)
    of_ada = await timeline(admin.client, "User", ada.id, lambda logs: len(logs) == 1)

    assert [log.action for log in of_home] == ["address.created", "address.default_cleared"]
    assert [log.action for log in of_work] == ["address.created", "address.default_set"]
    assert [(log.user_id, log.actor_type) for log in of_home] == [(ada.id, "user")] * 2
    assert (of_home[0].after["city"], of_home[0].after["is_default"]) == ("[redacted]", True)
    assert [(log.action, log.actor_type) for log in of_ada] == [("user.signed_up", "anonymous")]
    assert "London" not in str([*of_home, *of_work, *of_ada])
    assert ada.email not in str(of_ada)
