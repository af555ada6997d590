"""AddressService: the caller's address book, and one address for an order to freeze."""

from google.protobuf.empty_pb2 import Empty
from lumi.identity.v1.address_pb2 import (
    Address,
    CreateAddressRequest,
    DeleteAddressRequest,
    GetAddressRequest,
    ListAddressesRequest,
    ListAddressesResponse,
    ResolveAddressRequest,
    SetDefaultAddressRequest,
    UpdateAddressRequest,
)
from lumi.identity.v1.address_pb2_grpc import AddressServiceServicer

from lumi_common.clock import Clock
from lumi_common.context import Context
from lumi_common.cuid import cuid
from lumi_common.db.database import Database
from lumi_common.errors import InvalidArgument, Reason
from lumi_common.rpc.convert import masked
from lumi_identity.api import convert
from lumi_identity.domain import address as domain
from lumi_identity.storage.addresses import LISTING, AddressRepository

_SETTABLE = ("label", "postal_address")


class AddressService(AddressServiceServicer):
    def __init__(self, db: Database, clock: Clock, *, limit: int) -> None:
        self._db, self._clock, self._limit = db, clock, limit

    async def GetAddress(self, request: GetAddressRequest, context: Context) -> Address:
        address = await AddressRepository(self._db).get(request.id, owner=context.principal.id)
        return convert.address_to_proto(address)

    async def ListAddresses(self, request: ListAddressesRequest, context: Context) -> ListAddressesResponse:
        page = await LISTING.page(
            self._db,
            AddressRepository.row,
            size=request.page_size,
            token=request.page_token,
            user_id=context.principal.id,
        )
        return ListAddressesResponse(
            addresses=map(convert.address_to_proto, page.items), next_page_token=page.next_page_token
        )

    async def CreateAddress(self, request: CreateAddressRequest, context: Context) -> Address:
        given, now = request.address, self._clock()
        columns = convert.postal_columns(given.postal_address)
        async with self._db.command(request, context) as command:
            if command.fresh:
                addresses = AddressRepository(command)
                book = await addresses.lock_book(context.principal.id)
                book.check_room(self._limit)
                address = domain.Address(
                    id=cuid(),
                    user_id=context.principal.id,
                    label=given.label or None,
                    is_default=request.make_default or not book.has_default,
                    created_at=now,
                    updated_at=now,
                    **columns,
                )
                command.answer = convert.address_to_proto(await addresses.add(address))
        return command.answer

    async def UpdateAddress(self, request: UpdateAddressRequest, context: Context) -> Address:
        given, paths = request.address, masked(request.update_mask, request.address, _SETTABLE)
        if "postal_address" in paths and not given.HasField("postal_address"):
            raise InvalidArgument(
                Reason.INVALID_REQUEST, "the mask names it and it is not there", field="address.postal_address"
            )
        changes: dict[str, str | None] = {}
        if "label" in paths:
            changes["label"] = given.label or None
        if "postal_address" in paths:
            changes |= convert.postal_columns(given.postal_address)
        async with self._db.command(request, context) as command:
            if command.fresh:
                addresses = AddressRepository(command)
                address = await addresses.lock(given.id, owner=context.principal.id)
                if address.change(changes):
                    address = await addresses.save(address, "address.updated")
                command.answer = convert.address_to_proto(address)
        return command.answer

    async def DeleteAddress(self, request: DeleteAddressRequest, context: Context) -> Empty:
        async with self._db.command(request, context) as command:
            if command.fresh:
                addresses = AddressRepository(command)
                address = await addresses.lock(request.id, owner=context.principal.id)
                await addresses.purge(address.id, "address.deleted")
                command.answer = Empty()
        return command.answer

    async def SetDefaultAddress(self, request: SetDefaultAddressRequest, context: Context) -> Address:
        async with self._db.command(request, context) as command:
            if command.fresh:
                addresses = AddressRepository(command)
                await addresses.lock_book(context.principal.id)
                address = await addresses.lock(request.id, owner=context.principal.id)
                if not address.is_default:
                    address = await addresses.set_default(address)
                command.answer = convert.address_to_proto(address)
        return command.answer

    async def ResolveAddress(self, request: ResolveAddressRequest, context: Context) -> Address:
        address = await AddressRepository(self._db).get(request.id, owner=request.user_id)
        return convert.address_to_proto(address)
