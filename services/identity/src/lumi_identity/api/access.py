"""AccessService: roles, permissions, and who holds them.

Each change first takes the one lock of them all, under which what the caller holds is read and stays as it is.
"""

from google.protobuf.empty_pb2 import Empty
from lumi.identity.v1 import access_pb2 as pb
from lumi.identity.v1.access_pb2 import EffectivePermissions, Permission, Role
from lumi.identity.v1.access_pb2_grpc import AccessServiceServicer

from lumi_common.clock import Clock
from lumi_common.context import Context
from lumi_common.cuid import cuid
from lumi_common.db.database import Database
from lumi_common.errors import InvalidArgument, Reason
from lumi_common.rpc.convert import masked
from lumi_identity.api import convert
from lumi_identity.domain import role as domain
from lumi_identity.storage.access import (
    HOLDERS,
    PERMISSIONS,
    ROLES,
    PermissionRepository,
    RoleRepository,
    get_holdings,
    lock_authority,
    role,
)
from lumi_identity.storage.users import UserRepository


class AccessService(AccessServiceServicer):
    def __init__(self, db: Database, clock: Clock) -> None:
        self._db, self._clock = db, clock

    async def GetRole(self, request: pb.GetRoleRequest, context: Context) -> Role:
        return convert.role_to_proto(await RoleRepository(self._db).get_with_permissions(request.id))

    async def ListRoles(self, request: pb.ListRolesRequest, context: Context) -> pb.ListRolesResponse:
        page = await ROLES.page(self._db, role, size=request.page_size, token=request.page_token)
        return pb.ListRolesResponse(roles=map(convert.role_to_proto, page.items), next_page_token=page.next_page_token)

    async def CreateRole(self, request: pb.CreateRoleRequest, context: Context) -> Role:
        given, now = request.role, self._clock()
        domain.check_role_name(given.name)
        async with self._db.command(request, context) as command:
            if command.fresh:
                await lock_authority(command, context.principal.id)
                made = domain.Role(cuid(), given.name, given.description or None, now, now)
                command.answer = convert.role_to_proto(await RoleRepository(command).insert(made, "role.created"))
        return command.answer

    async def UpdateRole(self, request: pb.UpdateRoleRequest, context: Context) -> Role:
        changes = _changes(request, request.role, required="name")
        async with self._db.command(request, context) as command:
            if command.fresh:
                caller, roles = await lock_authority(command, context.principal.id), RoleRepository(command)
                role = await roles.lock_with_permissions(request.role.id)
                caller.check_covers(role.permissions)
                if role.change(changes):
                    role.updated_at = (await roles.save(role, "role.updated")).updated_at
                command.answer = convert.role_to_proto(role)
        return command.answer

    async def DeleteRole(self, request: pb.DeleteRoleRequest, context: Context) -> Empty:
        async with self._db.command(request, context) as command:
            if command.fresh:
                caller, roles = await lock_authority(command, context.principal.id), RoleRepository(command)
                role = await roles.lock_with_permissions(request.id)
                caller.check_covers(role.permissions)
                role.check_deletable(len(await roles.holders(role.id)))
                await roles.purge(role.id, "role.deleted")
                command.answer = Empty()
        return command.answer

    async def ListRoleHolders(self, request: pb.ListRoleHoldersRequest, context: Context) -> pb.ListRoleHoldersResponse:
        await RoleRepository(self._db).get(request.role_id)
        page = await HOLDERS.page(
            self._db,
            lambda row: str(row["user_id"]),
            size=request.page_size,
            token=request.page_token,
            role_id=request.role_id,
        )
        return pb.ListRoleHoldersResponse(user_ids=page.items, next_page_token=page.next_page_token)

    async def AddRolePermission(self, request: pb.AddRolePermissionRequest, context: Context) -> Role:
        async with self._db.command(request, context) as command:
            if command.fresh:
                caller, roles = await lock_authority(command, context.principal.id), RoleRepository(command)
                role = await roles.lock_with_permissions(request.role_id)
                permission = await PermissionRepository(command).get(request.permission_id)
                caller.check_covers(role.permissions, [permission.key])
                if permission.key not in role.permissions:
                    await roles.add_permissions(role.id, [permission.key], context)
                command.answer = convert.role_to_proto(await roles.get_with_permissions(role.id))
        return command.answer

    async def RemoveRolePermission(self, request: pb.RemoveRolePermissionRequest, context: Context) -> Role:
        async with self._db.command(request, context) as command:
            if command.fresh:
                caller, roles = await lock_authority(command, context.principal.id), RoleRepository(command)
                role = await roles.lock_with_permissions(request.role_id)
                permission = await PermissionRepository(command).get(request.permission_id)
                caller.check_covers(role.permissions)
                role.check_narrowing()
                if permission.key in role.permissions:
                    await roles.remove_permissions(role.id, [permission.key], context)
                command.answer = convert.role_to_proto(await roles.get_with_permissions(role.id))
        return command.answer

    async def GetPermission(self, request: pb.GetPermissionRequest, context: Context) -> Permission:
        return convert.permission_to_proto(await PermissionRepository(self._db).get(request.id))

    async def ListPermissions(self, request: pb.ListPermissionsRequest, context: Context) -> pb.ListPermissionsResponse:
        page = await PERMISSIONS.page(
            self._db, PermissionRepository.row, size=request.page_size, token=request.page_token
        )
        return pb.ListPermissionsResponse(
            permissions=map(convert.permission_to_proto, page.items), next_page_token=page.next_page_token
        )

    async def CreatePermission(self, request: pb.CreatePermissionRequest, context: Context) -> Permission:
        given, now = request.permission, self._clock()
        domain.check_permission_key(given.key)
        async with self._db.command(request, context) as command:
            if command.fresh:
                await lock_authority(command, context.principal.id)
                made = domain.Permission(cuid(), given.key, given.description or None, now, now)
                roles = RoleRepository(command)
                made = await PermissionRepository(command).insert(made, "permission.created")
                if (admins := await roles.lock_admins()) is not None:
                    await roles.include(admins, made.key)
                command.answer = convert.permission_to_proto(made)
        return command.answer

    async def UpdatePermission(self, request: pb.UpdatePermissionRequest, context: Context) -> Permission:
        changes = _changes(request, request.permission, required="key")
        async with self._db.command(request, context) as command:
            if command.fresh:
                caller, permissions = await lock_authority(command, context.principal.id), PermissionRepository(command)
                permission = await permissions.lock(request.permission.id)
                caller.check_covers([permission.key])
                if permission.change(changes, **await permissions.grants(permission.id)):
                    permission = await permissions.save(permission, "permission.updated")
                command.answer = convert.permission_to_proto(permission)
        return command.answer

    async def DeletePermission(self, request: pb.DeletePermissionRequest, context: Context) -> Empty:
        async with self._db.command(request, context) as command:
            if command.fresh:
                caller, permissions = await lock_authority(command, context.principal.id), PermissionRepository(command)
                permission, roles = await permissions.lock(request.id), RoleRepository(command)
                caller.check_covers([permission.key])
                permission.check_deletable(**await permissions.grants(permission.id))
                admins = await roles.lock_admins()
                if admins is not None and permission.key in admins.permissions:
                    await roles.exclude(admins, permission.key)
                await permissions.purge(permission.id, "permission.deleted")
                command.answer = Empty()
        return command.answer

    async def AssignRole(self, request: pb.AssignRoleRequest, context: Context) -> EffectivePermissions:
        async with self._db.command(request, context) as command:
            if command.fresh:
                caller, roles = await lock_authority(command, context.principal.id), RoleRepository(command)
                role = await roles.lock_with_permissions(request.role_id)
                user = await UserRepository(command).lock(request.user_id)
                held = await get_holdings(command, user.id)
                caller.check_covers(held.permissions, role.permissions)
                if role.name not in held.roles:
                    await roles.assign(role.id, user.id, context)
                    held = await get_holdings(command, user.id)
                command.answer = convert.holdings_to_proto(held)
        return command.answer

    async def UnassignRole(self, request: pb.UnassignRoleRequest, context: Context) -> EffectivePermissions:
        async with self._db.command(request, context) as command:
            if command.fresh:
                caller, roles = await lock_authority(command, context.principal.id), RoleRepository(command)
                role = await roles.lock_with_permissions(request.role_id)
                user = await UserRepository(command).lock(request.user_id, include_deleted=True)
                held = await get_holdings(command, user.id, include_deleted=True)
                caller.check_covers(held.permissions)
                if role.name in held.roles:
                    role.check_leaving(await roles.other_holders(role.id, user.id))
                    await roles.unassign(role.id, user.id, context)
                    held = await get_holdings(command, user.id, include_deleted=True)
                command.answer = convert.holdings_to_proto(held)
        return command.answer

    async def GrantPermission(self, request: pb.GrantPermissionRequest, context: Context) -> EffectivePermissions:
        async with self._db.command(request, context) as command:
            if command.fresh:
                caller, permissions = await lock_authority(command, context.principal.id), PermissionRepository(command)
                permission = await permissions.get(request.permission_id)
                user = await UserRepository(command).lock(request.user_id)
                held = await get_holdings(command, user.id)
                caller.check_covers(held.permissions, [permission.key])
                if not await permissions.is_granted(permission.id, user.id):
                    await permissions.grant(permission.id, user.id, context)
                    held = await get_holdings(command, user.id)
                command.answer = convert.holdings_to_proto(held)
        return command.answer

    async def RevokePermission(self, request: pb.RevokePermissionRequest, context: Context) -> EffectivePermissions:
        async with self._db.command(request, context) as command:
            if command.fresh:
                caller, permissions = await lock_authority(command, context.principal.id), PermissionRepository(command)
                permission = await permissions.get(request.permission_id)
                user = await UserRepository(command).lock(request.user_id, include_deleted=True)
                held = await get_holdings(command, user.id, include_deleted=True)
                caller.check_covers(held.permissions)
                if await permissions.is_granted(permission.id, user.id):
                    await permissions.revoke(permission.id, user.id, context)
                    held = await get_holdings(command, user.id, include_deleted=True)
                command.answer = convert.holdings_to_proto(held)
        return command.answer

    async def GetEffectivePermissions(
        self, request: pb.GetEffectivePermissionsRequest, context: Context
    ) -> EffectivePermissions:
        if context.owner_only and request.user_id != context.principal.id:
            raise UserRepository.not_found(request.user_id)
        return convert.holdings_to_proto(await get_holdings(self._db, request.user_id))


def _changes(
    request: pb.UpdateRoleRequest | pb.UpdatePermissionRequest, given: Role | Permission, *, required: str
) -> dict[str, str | None]:
    """The columns to change: those of the mask, or those that are set where there is none."""
    paths = masked(request.update_mask, given, ("description", required))
    if required in paths and not getattr(given, required):
        raise InvalidArgument(Reason.INVALID_REQUEST, f"{required} must be given", field="update_mask")
    return {name: getattr(given, name) or None for name in paths}
