"""A user's address book, over the wire."""

from typing import Any
from uuid import uuid4

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from lumi.common.v1.address_pb2 import PostalAddress
from lumi.identity.v1.address_pb2 import (
    Address,
    CreateAddressRequest,
    DeleteAddressRequest,
    GetAddressRequest,
    ListAddressesRequest,
    ResolveAddressRequest,
    SetDefaultAddressRequest,
    UpdateAddressRequest,
)

from lumi_common.cuid import cuid
from lumi_common.errors import FailedPrecondition, InvalidArgument, NotFound, PermissionDenied, Unimplemented
from services.identity.tests.rpc.clients import Identity, SignedIn


def somewhere(**facts: Any) -> PostalAddress:
    given = {"full_name": "Ada Lovelace", "line1": "1 Main St", "city": "London", "postal_code": "N1", "country": "GB"}
    return PostalAddress(**given | facts)


async def add(user: SignedIn, *, label: str = "", make_default: bool = False, request_id: str = "") -> Any:
    address = Address(label=label, postal_address=somewhere())
    return await user.client.CreateAddress(
        CreateAddressRequest(address=address, make_default=make_default, request_id=request_id)
    )


async def listed(user: SignedIn) -> list[tuple[str, bool]]:
    answer = await user.client.ListAddresses(ListAddressesRequest())
    return [(address.label, address.is_default) for address in answer.addresses]


async def test_addresses_are_added_read_changed_and_removed(identity: Identity) -> None:
    ada = await identity.user()
    home = await add(ada, label="Home")

    changed = await ada.client.UpdateAddress(
        UpdateAddressRequest(address=Address(id=home.id, postal_address=somewhere(city="Paris", country="FR")))
    )

    assert home.is_default
    assert (changed.label, changed.postal_address.city, changed.postal_address.country) == ("Home", "Paris", "FR")
    assert await ada.client.GetAddress(GetAddressRequest(id=home.id)) == changed
    await ada.client.DeleteAddress(DeleteAddressRequest(id=home.id))
    with pytest.raises(NotFound):
        await ada.client.GetAddress(GetAddressRequest(id=home.id))
    assert await listed(ada) == []


async def test_the_mask_decides_what_changes(identity: Identity) -> None:
    ada = await identity.user()
    home = await add(ada, label="Home")
    moved = Address(id=home.id, label="", postal_address=somewhere(city="Paris"))

    unnamed = await ada.client.UpdateAddress(
        UpdateAddressRequest(address=moved, update_mask=FieldMask(paths=["label"]))
    )

    assert (unnamed.label, unnamed.postal_address.city) == ("", "London")
    for path in ("is_default", "user_id", "postal_address.city", "nonsense"):
        with pytest.raises(InvalidArgument) as refusal:
            await ada.client.UpdateAddress(UpdateAddressRequest(address=moved, update_mask=FieldMask(paths=[path])))
        assert (refusal.value.reason, refusal.value.field) == ("FIELD_MASK_INVALID", "update_mask")
    with pytest.raises(InvalidArgument):
        await ada.client.UpdateAddress(
            UpdateAddressRequest(address=Address(id=home.id), update_mask=FieldMask(paths=["postal_address"]))
        )


async def test_the_default_moves_and_is_none_when_it_is_removed(identity: Identity) -> None:
    ada = await identity.user()
    home, work = await add(ada, label="Home"), await add(ada, label="Work")

    await ada.client.SetDefaultAddress(SetDefaultAddressRequest(id=work.id))
    assert await listed(ada) == [("Home", False), ("Work", True)]

    await add(ada, label="Summer", make_default=True)
    assert await listed(ada) == [("Home", False), ("Work", False), ("Summer", True)]

    await ada.client.SetDefaultAddress(SetDefaultAddressRequest(id=home.id))
    await ada.client.DeleteAddress(DeleteAddressRequest(id=home.id))
    assert await listed(ada) == [("Work", False), ("Summer", False)]


async def test_one_request_id_adds_one_address(identity: Identity) -> None:
    ada, request_id = await identity.user(), str(uuid4())

    assert await add(ada, request_id=request_id) == await add(ada, request_id=request_id)
    with pytest.raises(InvalidArgument, match="REQUEST_ID_REUSED"):
        await add(ada, label="Another", request_id=request_id)
    assert len(await listed(ada)) == 1


async def test_a_full_book_refuses_one_more(identity: Identity) -> None:
    ada = await identity.user()
    for _ in range(4):
        await add(ada)

    with pytest.raises(FailedPrecondition) as refusal:
        await add(ada)
    assert (refusal.value.reason, refusal.value.facts) == ("TOO_MANY_ADDRESSES", {"limit": "4"})


async def test_a_country_that_is_none_is_the_field_at_fault(identity: Identity) -> None:
    ada = await identity.user()

    with pytest.raises(InvalidArgument) as refusal:
        await ada.client.CreateAddress(CreateAddressRequest(address=Address(postal_address=somewhere(country="XX"))))
    assert refusal.value.field == "address.postal_address.country"


async def test_anothers_address_is_a_missing_one(identity: Identity) -> None:
    ada, bob = await identity.user(), await identity.user()
    home = await add(ada)
    answers = set()
    for id in (home.id, cuid()):
        for call in (
            bob.client.GetAddress(GetAddressRequest(id=id)),
            bob.client.UpdateAddress(UpdateAddressRequest(address=Address(id=id, label="Mine"))),
            bob.client.DeleteAddress(DeleteAddressRequest(id=id)),
            bob.client.SetDefaultAddress(SetDefaultAddressRequest(id=id)),
        ):
            with pytest.raises(NotFound) as refusal:
                await call
            answers.add((refusal.value.reason, refusal.value.message))

    assert len(answers) == 1


async def test_orders_resolves_an_address_of_that_user_alone(identity: Identity) -> None:
    ada, bob = await identity.user(), await identity.user()
    home = await add(ada)

    assert await identity.service("orders").ResolveAddress(ResolveAddressRequest(id=home.id, user_id=ada.id)) == home
    with pytest.raises(NotFound):
        await identity.service("orders").ResolveAddress(ResolveAddressRequest(id=home.id, user_id=bob.id))
    with pytest.raises(PermissionDenied):
        await identity.service("payments").ResolveAddress(ResolveAddressRequest(id=home.id, user_id=ada.id))
    with pytest.raises(Unimplemented):
        await ada.client.ResolveAddress(ResolveAddressRequest(id=home.id, user_id=ada.id))
