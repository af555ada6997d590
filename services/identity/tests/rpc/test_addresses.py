"""A user's address book, over the wire."""

import asyncio
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


async def test_one_that_is_added_where_none_is_the_default_becomes_it(identity: Identity) -> None:
    ada = await identity.user()
    home, _ = await add(ada, label="Home"), await add(ada, label="Work")
    await ada.client.DeleteAddress(DeleteAddressRequest(id=home.id))

    await add(ada, label="Summer")

    assert await listed(ada) == [("Work", False), ("Summer", True)]


async def test_the_default_stays_where_it_is_when_it_is_set_again_or_changed(identity: Identity) -> None:
    ada = await identity.user()
    home = await add(ada, label="Home")

    again = await ada.client.SetDefaultAddress(SetDefaultAddressRequest(id=home.id))
    changed = await ada.client.UpdateAddress(UpdateAddressRequest(address=Address(id=home.id, label="House")))

    assert again == home
    assert (changed.label, changed.is_default) == ("House", True)


async def test_whoever_moves_changes_or_removes_the_default_at_once_at_most_one_is_left(identity: Identity) -> None:
    ada = await identity.user()
    home, work, summer = [await add(ada, label=label) for label in ("Home", "Work", "Summer")]

    def set_default(id: str) -> Any:
        return ada.client.SetDefaultAddress(SetDefaultAddressRequest(id=id))

    def rename(id: str) -> Any:
        return ada.client.UpdateAddress(UpdateAddressRequest(address=Address(id=id, label=f"{id[-3:]}")))

    results = await asyncio.gather(
        *(call(each.id) for _ in range(5) for each in (home, work, summer) for call in (set_default, rename)),
        ada.client.DeleteAddress(DeleteAddressRequest(id=home.id)),
        add(ada, label="Winter", make_default=True),
        return_exceptions=True,
    )

    assert all(isinstance(result, NotFound) for result in results if isinstance(result, Exception))
    assert sum(is_default for _, is_default in await listed(ada)) <= 1
    await set_default(work.id)
    assert [label for label, is_default in await listed(ada) if is_default] == [work.id[-3:]]


async def test_of_two_who_set_the_default_at_once_one_has_it_and_both_are_told_of(identity: Identity) -> None:
    ada = await identity.user()
    home, work, summer = [await add(ada, label=label) for label in ("Home", "Work", "Summer")]

    answers = await asyncio.gather(
        *(ada.client.SetDefaultAddress(SetDefaultAddressRequest(id=each.id)) for each in (work, summer))
    )

    assert [answer.is_default for answer in answers] == [True, True]
    [last] = [label for label, is_default in await listed(ada) if is_default]
    assert last in ("Work", "Summer")
    told = await identity.db.pool.fetch(
        "select records from outbox_events where type = 'address.default_set' and aggregate_id = any($1) order by seq",
        [work.id, summer.id],
    )
    moves = [{record["action"]: record["id"] for record in row["records"]} for row in told]
    [first, second] = moves
    assert first["address.default_cleared"] == home.id
    assert second["address.default_cleared"] == first["address.default_set"]


async def test_pages_hold_every_address_once_and_those_of_the_caller_alone(identity: Identity) -> None:
    ada, bob = await identity.user(), await identity.user()
    mine = [(await add(ada)).id for _ in range(3)]
    await add(bob)
    request = ListAddressesRequest(page_size=2)
    first = await ada.client.ListAddresses(request)
    request.page_token = first.next_page_token
    second = await ada.client.ListAddresses(request)

    assert [address.id for page in (first, second) for address in page.addresses] == mine
    assert not second.next_page_token
    for client, token in ((bob.client, first.next_page_token), (ada.client, "not one of ours")):
        with pytest.raises(InvalidArgument, match="PAGE_TOKEN_INVALID"):
            await client.ListAddresses(ListAddressesRequest(page_token=token))


async def test_a_repeat_is_answered_as_the_first_whatever_came_since(identity: Identity) -> None:
    ada = await identity.user()
    home, work = await add(ada, label="Home"), await add(ada, label="Work")
    calls: list[tuple[str, Any]] = [
        ("UpdateAddress", UpdateAddressRequest(address=Address(id=home.id, label="House"), request_id=str(uuid4()))),
        ("SetDefaultAddress", SetDefaultAddressRequest(id=work.id, request_id=str(uuid4()))),
        ("DeleteAddress", DeleteAddressRequest(id=home.id, request_id=str(uuid4()))),
    ]
    first = [await getattr(ada.client, name)(request) for name, request in calls]
    await ada.client.DeleteAddress(DeleteAddressRequest(id=work.id))

    assert [await getattr(ada.client, name)(request) for name, request in calls] == first
    assert await listed(ada) == []


async def test_what_is_missing_or_too_long_is_named(identity: Identity) -> None:
    ada = await identity.user()
    for address, field in (
        (Address(label="Home"), "address"),
        (Address(label="x" * 101, postal_address=somewhere()), "address.label"),
        (Address(postal_address=somewhere(city="")), "address.postal_address.city"),
        (Address(postal_address=somewhere(phone="0532")), "address.postal_address.phone"),
        (Address(postal_address=somewhere(phone="+999123456789")), "address.postal_address.phone"),
    ):
        with pytest.raises(InvalidArgument) as refusal:
            await ada.client.CreateAddress(CreateAddressRequest(address=address))
        assert refusal.value.field == field


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
