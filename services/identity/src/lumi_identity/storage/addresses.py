"""Addresses, and the one of them that is the default."""

from typing import Any

from sqlalchemy import Select, Text, bindparam, false, func, insert, select, update

from lumi_common.db.page import Listing
from lumi_common.db.record import Change, recorded
from lumi_common.db.repository import Repository, live
from lumi_common.db.statement import Statement
from lumi_common.errors import NotFound, Reason
from lumi_identity.domain.address import Address, Book
from lumi_identity.storage.tables import ADDRESS, addresses, common, users

_ID, _USER_ID = bindparam("id", type_=Text), bindparam("user_id", type_=Text)
_OF_USER = addresses.c.user_id == _USER_ID

_LOCK_BOOK = Statement(
    select(users.c.id).where(users.c.id == _USER_ID, users.c.deleted_at.is_(None)).with_for_update(key_share=True)
)
# Read after the lock, in a statement of its own, so that it sees what the one before did.
_BOOK = Statement(
    select(
        func.count().label("size"), func.coalesce(func.bool_or(addresses.c.is_default), false()).label("has_default")
    ).where(_OF_USER)
)

# Clears before the other part sets: that part reads this one's count, else the unique index would meet both.
_cleared = ADDRESS.change(
    update(addresses)
    .where(_OF_USER, addresses.c.is_default, addresses.c.id != _ID)
    .values(is_default=False, updated_at=func.now()),
    "address.default_cleared",
    name="cleared",
)
_AFTER_CLEARING = select(func.count()).select_from(_cleared.cte).scalar_subquery() >= 0


def _in_place_of_the_default(change: Change) -> Statement:
    return recorded(common, change, _cleared, root=change)


_SET_DEFAULT = _in_place_of_the_default(
    ADDRESS.change(
        update(addresses)
        .where(addresses.c.id == _ID, _OF_USER, addresses.c.is_default.is_(False), _AFTER_CLEARING)
        .values(is_default=True, updated_at=func.now()),
        "address.default_set",
    )
)


def _new() -> Select[Any]:
    return select(*(bindparam(name, type_=addresses.c[name].type) for name in AddressRepository.columns())).where(
        _AFTER_CLEARING
    )


class AddressRepository(Repository[Address]):
    """A user's addresses; whoever changes which is the default locks the book first."""

    aggregate, common, entity, owner = ADDRESS, common, Address, "user_id"

    @classmethod
    def columns(cls) -> tuple[str, ...]:
        """The columns of an address, in the order of its dataclass."""
        return cls._names

    async def lock_book(self, user_id: str) -> Book:
        """Hold the user's addresses as a whole until the transaction ends; raises NotFound for no such user."""
        if await self._on.fetchrow(_LOCK_BOOK, user_id=user_id) is None:
            raise NotFound(Reason.NOT_FOUND, "no such user", entity="User", id=user_id)
        row = await self._on.fetchrow(_BOOK, user_id=user_id)
        assert row is not None
        return Book(row["size"], row["has_default"])

    async def add(self, address: Address) -> Address:
        """Write a new address; one that is the default takes that from whichever had it."""
        if not address.is_default:
            return await self.insert(address, "address.created")
        row = await self._on.fetchrow(_INSERT_DEFAULT, **self.values(address))
        assert row is not None
        return self.row(row)

    async def set_default(self, address: Address) -> Address:
        """Give the default to this address, which has not got it."""
        row = await self._on.fetchrow(_SET_DEFAULT, id=address.id, user_id=address.user_id)
        assert row is not None
        return self.row(row)


_INSERT_DEFAULT = _in_place_of_the_default(
    ADDRESS.change(insert(addresses).from_select(AddressRepository.columns(), _new()), "address.created")
)

LISTING = Listing(live(addresses), addresses.c.id, {"user_id": _OF_USER})
"""Addresses by age."""
