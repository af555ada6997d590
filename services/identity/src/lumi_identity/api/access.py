"""AccessService: roles, permissions, and who holds them."""

from lumi.identity.v1.access_pb2 import (
    AssignRoleRequest,
    EffectivePermissions,
    GetEffectivePermissionsRequest,
    GetRoleRequest,
    ListPermissionsRequest,
    ListPermissionsResponse,
    ListRolesRequest,
    ListRolesResponse,
    Role,
    UnassignRoleRequest,
)
from lumi.identity.v1.access_pb2_grpc import AccessServiceServicer

from lumi_common.context import Context
from lumi_common.db.database import Database
from lumi_identity.api import convert
from lumi_identity.storage.access import (
    PERMISSIONS,
    ROLES,
    PermissionRepository,
    RoleRepository,
    get_holdings,
    role,
)
from lumi_identity.storage.users import UserRepository


class AccessService(AccessServiceServicer):
    def __init__(self, db: Database) -> None:
        self._db = db

    async def GetRole(self, request: GetRoleRequest, context: Context) -> Role:
        return convert.role_to_proto(await RoleRepository(self._db).get_with_permissions(request.id))

    async def ListRoles(self, request: ListRolesRequest, context: Context) -> ListRolesResponse:
        page = await ROLES.page(self._db, role, size=request.page_size, token=request.page_token)
        return ListRolesResponse(roles=map(convert.role_to_proto, page.items), next_page_token=page.next_page_token)

    async def ListPermissions(self, request: ListPermissionsRequest, context: Context) -> ListPermissionsResponse:
        page = await PERMISSIONS.page(
            self._db, PermissionRepository.row, size=request.page_size, token=request.page_token
        )
        return ListPermissionsResponse(
            permissions=map(convert.permission_to_proto, page.items), next_page_token=page.next_page_token
        )

    async def AssignRole(self, request: AssignRoleRequest, context: Context) -> EffectivePermissions:
        async with self._db.command(request, context) as command:
            if command.fresh:
                roles = RoleRepository(command)
                role = await roles.lock_with_permissions(request.role_id)
                user = await UserRepository(command).lock(request.user_id)
                if not await roles.is_held(role.id, user.id):
                    await roles.assign(role.id, user.id)
                command.answer = convert.holdings_to_proto(await get_holdings(command, user.id))
        answer: EffectivePermissions = command.answer
        return answer

    async def UnassignRole(self, request: UnassignRoleRequest, context: Context) -> EffectivePermissions:
        async with self._db.command(request, context) as command:
            if command.fresh:
                roles = RoleRepository(command)
                role = await roles.lock_with_permissions(request.role_id)
                user = await UserRepository(command).lock(request.user_id)
                if await roles.is_held(role.id, user.id):
                    role.check_leaving(await roles.other_holders(role.id, user.id))
                    await roles.unassign(role.id, user.id)
                command.answer = convert.holdings_to_proto(await get_holdings(command, user.id))
        answer: EffectivePermissions = command.answer
        return answer

    async def GetEffectivePermissions(
        self, request: GetEffectivePermissionsRequest, context: Context
    ) -> EffectivePermissions:
        if context.owner_only and request.user_id != context.principal.id:
            raise UserRepository.not_found(request.user_id)
        return convert.holdings_to_proto(await get_holdings(self._db, request.user_id))
