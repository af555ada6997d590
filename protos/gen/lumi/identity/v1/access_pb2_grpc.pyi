from collections.abc import Awaitable
from typing import Any

import grpc.aio
import lumi._aio
import lumi.identity.v1.access_pb2

class AccessServiceStub:
    def __init__(self, channel: grpc.aio.Channel) -> None: ...
    GetRole: lumi._aio.Unary[lumi.identity.v1.access_pb2.GetRoleRequest, lumi.identity.v1.access_pb2.Role]
    ListRoles: lumi._aio.Unary[lumi.identity.v1.access_pb2.ListRolesRequest, lumi.identity.v1.access_pb2.ListRolesResponse]
    ListPermissions: lumi._aio.Unary[lumi.identity.v1.access_pb2.ListPermissionsRequest, lumi.identity.v1.access_pb2.ListPermissionsResponse]
    AssignRole: lumi._aio.Unary[lumi.identity.v1.access_pb2.AssignRoleRequest, lumi.identity.v1.access_pb2.EffectivePermissions]
    UnassignRole: lumi._aio.Unary[lumi.identity.v1.access_pb2.UnassignRoleRequest, lumi.identity.v1.access_pb2.EffectivePermissions]
    GetEffectivePermissions: lumi._aio.Unary[lumi.identity.v1.access_pb2.GetEffectivePermissionsRequest, lumi.identity.v1.access_pb2.EffectivePermissions]

class AccessServiceServicer:
    def GetRole(self, request: lumi.identity.v1.access_pb2.GetRoleRequest, context: Any) -> Awaitable[lumi.identity.v1.access_pb2.Role]: ...
    def ListRoles(self, request: lumi.identity.v1.access_pb2.ListRolesRequest, context: Any) -> Awaitable[lumi.identity.v1.access_pb2.ListRolesResponse]: ...
    def ListPermissions(self, request: lumi.identity.v1.access_pb2.ListPermissionsRequest, context: Any) -> Awaitable[lumi.identity.v1.access_pb2.ListPermissionsResponse]: ...
    def AssignRole(self, request: lumi.identity.v1.access_pb2.AssignRoleRequest, context: Any) -> Awaitable[lumi.identity.v1.access_pb2.EffectivePermissions]: ...
    def UnassignRole(self, request: lumi.identity.v1.access_pb2.UnassignRoleRequest, context: Any) -> Awaitable[lumi.identity.v1.access_pb2.EffectivePermissions]: ...
    def GetEffectivePermissions(self, request: lumi.identity.v1.access_pb2.GetEffectivePermissionsRequest, context: Any) -> Awaitable[lumi.identity.v1.access_pb2.EffectivePermissions]: ...

def add_AccessServiceServicer_to_server(
    servicer: AccessServiceServicer, server: grpc.aio.Server
) -> None: ...
