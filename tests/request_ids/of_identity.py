"""Scenes of identity."""

from lumi.identity.v1 import access_pb2, address_pb2, auth_pb2, user_pb2
from lumi.identity.v1.access_pb2_grpc import AccessServiceStub
from lumi.identity.v1.address_pb2_grpc import AddressServiceStub
from lumi.identity.v1.user_pb2_grpc import UserServiceStub

from lumi_common.cuid import cuid
from tests.kit.buying import HOME, request_id
from tests.request_ids.callers import Caller, shopper
from tests.request_ids.scenes import Scene, scene
from tests.request_ids.world import World


async def role(world: World) -> str:
    """The id of a new role; none is seeded where no admin is made."""
    return str(await world.books.fetchval("insert into identity.roles (id, name) values ($1, $1) returning id", cuid()))


async def somebody(world: World) -> str:
    """The id of a new user."""
    user = (await shopper(world.shop)).user
    assert user is not None
    return user.id


async def somebody_deleted(world: World) -> str:
    """The id of a user who has been deleted."""
    id = await somebody(world)
    await world.stub(UserServiceStub).DeleteUser(user_pb2.DeleteUserRequest(id=id))
    return id


async def address(world: World, caller: Caller) -> str:
    """The id of one more address in the caller's book."""
    made = await caller.client(world.shop, AddressServiceStub).CreateAddress(
        address_pb2.CreateAddressRequest(
            address=address_pb2.Address(label="Home", postal_address=HOME), request_id=request_id()
        )
    )
    return str(made.id)


@scene("identity.v1.AccessService.AssignRole")
async def assign_role(world: World, caller: Caller) -> Scene:
    asked, id = access_pb2.AssignRoleRequest, await role(world)
    first, second = await somebody(world), await somebody(world)
    return Scene(asked(user_id=first, role_id=id), (asked(user_id=second, role_id=id),))


@scene("identity.v1.AccessService.UnassignRole")
async def unassign_role(world: World, caller: Caller) -> Scene:
    asked, id = access_pb2.UnassignRoleRequest, await role(world)
    users = [await somebody(world), await somebody(world)]
    for user in users:
        await world.stub(AccessServiceStub).AssignRole(access_pb2.AssignRoleRequest(user_id=user, role_id=id))
    return Scene(asked(user_id=users[0], role_id=id), (asked(user_id=users[1], role_id=id),))


@scene("identity.v1.AddressService.CreateAddress")
async def create_address(world: World, caller: Caller) -> Scene:
    def asked(label: str, *, make_default: bool = False) -> address_pb2.CreateAddressRequest:
        given = address_pb2.Address(label=label, postal_address=HOME)
        return address_pb2.CreateAddressRequest(address=given, make_default=make_default)

    return Scene(asked("Home"), (asked("Work"), asked("Home", make_default=True)))


@scene("identity.v1.AddressService.UpdateAddress")
async def update_address(world: World, caller: Caller) -> Scene:
    def asked(id: str, label: str = "Cabin") -> address_pb2.UpdateAddressRequest:
        return address_pb2.UpdateAddressRequest(address=address_pb2.Address(id=id, label=label))

    first, second = await address(world, caller), await address(world, caller)
    return Scene(asked(first), (asked(first, "Boat"), asked(second)))


@scene("identity.v1.AddressService.DeleteAddress")
async def delete_address(world: World, caller: Caller) -> Scene:
    asked = address_pb2.DeleteAddressRequest
    return Scene(asked(id=await address(world, caller)), (asked(id=await address(world, caller)),))


@scene("identity.v1.AddressService.SetDefaultAddress")
async def set_default_address(world: World, caller: Caller) -> Scene:
    asked = address_pb2.SetDefaultAddressRequest
    first, second, third = [await address(world, caller) for _ in range(3)]
    return Scene(asked(id=second), (asked(id=third), asked(id=first)))


@scene("identity.v1.AuthService.SignOut")
async def sign_out(world: World, caller: Caller) -> Scene:
    async def signed_out() -> int:
        assert caller.user is not None
        query = "select count(*) from identity.security_events where user_id = $1 and type = 'signed_out'"
        return int(await world.books.fetchval(query, caller.user.id))

    return Scene(auth_pb2.SignOutRequest(), (), signed_out)


@scene("identity.v1.UserService.DeleteUser")
async def delete_user(world: World, caller: Caller) -> Scene:
    asked = user_pb2.DeleteUserRequest
    if caller.kind == "staff":
        id = await somebody(world)
        return Scene(asked(id=id), (asked(id=await somebody(world)), asked(id=id, etag="1")))
    assert caller.user is not None
    return Scene(asked(id=caller.user.id), (asked(id=caller.user.id, etag="1"),))


@scene("identity.v1.UserService.UndeleteUser")
async def undelete_user(world: World, caller: Caller) -> Scene:
    asked, id = user_pb2.UndeleteUserRequest, await somebody_deleted(world)
    return Scene(asked(id=id), (asked(id=await somebody_deleted(world)), asked(id=id, etag="2")))


@scene("identity.v1.UserService.PurgeUser")
async def purge_user(world: World, caller: Caller) -> Scene:
    asked, id = user_pb2.PurgeUserRequest, await somebody_deleted(world)
    return Scene(asked(id=id), (asked(id=await somebody_deleted(world)), asked(id=id, etag="2")))
