"""Where an order goes: out of its buyer's address book, or as its buyer says."""

from typing import NamedTuple

from lumi_common.context import Context
from lumi_orders.clients.identity import Identity
from lumi_orders.domain.checkout import Address
from lumi_orders.workflows.refusals import asked, of_address


class Addresses(NamedTuple):
    """What a call names; None where it names nothing."""

    shipping: Address | None = None
    billing: Address | None = None


class AddressBook:
    """Asks identity for addresses, to freeze them."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity

    async def resolve(self, owner: str, shipping_id: str, billing_id: str, context: Context) -> Addresses:
        """The addresses of these ids, empty for none; raises FailedPrecondition for one that is not the owner's."""
        shipping = await self._one(shipping_id, owner, "shipping_address_id", context)
        if billing_id and billing_id == shipping_id:
            return Addresses(shipping, shipping)
        return Addresses(shipping, await self._one(billing_id, owner, "billing_address_id", context))

    async def _one(self, id: str, owner: str, field: str, context: Context) -> Address | None:
        if not id:
            return None
        # A guest's id is in nobody's book: identity says so.
        return await asked(self._identity.address(id, owner, context), of_address(field))
