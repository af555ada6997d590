from collections.abc import Awaitable
from typing import Any

import grpc.aio
import lumi._aio
import google.protobuf.empty_pb2
import lumi.identity.v1.address_pb2

class AddressServiceStub:
    def __init__(self, channel: grpc.aio.Channel) -> None: ...
    GetAddress: lumi._aio.Unary[lumi.identity.v1.address_pb2.GetAddressRequest, lumi.identity.v1.address_pb2.Address]
    ListAddresses: lumi._aio.Unary[lumi.identity.v1.address_pb2.ListAddressesRequest, lumi.identity.v1.address_pb2.ListAddressesResponse]
    CreateAddress: lumi._aio.Unary[lumi.identity.v1.address_pb2.CreateAddressRequest, lumi.identity.v1.address_pb2.Address]
    UpdateAddress: lumi._aio.Unary[lumi.identity.v1.address_pb2.UpdateAddressRequest, lumi.identity.v1.address_pb2.Address]
    DeleteAddress: lumi._aio.Unary[lumi.identity.v1.address_pb2.DeleteAddressRequest, google.protobuf.empty_pb2.Empty]
    SetDefaultAddress: lumi._aio.Unary[lumi.identity.v1.address_pb2.SetDefaultAddressRequest, lumi.identity.v1.address_pb2.Address]
    ResolveAddress: lumi._aio.Unary[lumi.identity.v1.address_pb2.ResolveAddressRequest, lumi.identity.v1.address_pb2.Address]

class AddressServiceServicer:
    def GetAddress(self, request: lumi.identity.v1.address_pb2.GetAddressRequest, context: Any) -> Awaitable[lumi.identity.v1.address_pb2.Address]: ...
    def ListAddresses(self, request: lumi.identity.v1.address_pb2.ListAddressesRequest, context: Any) -> Awaitable[lumi.identity.v1.address_pb2.ListAddressesResponse]: ...
    def CreateAddress(self, request: lumi.identity.v1.address_pb2.CreateAddressRequest, context: Any) -> Awaitable[lumi.identity.v1.address_pb2.Address]: ...
    def UpdateAddress(self, request: lumi.identity.v1.address_pb2.UpdateAddressRequest, context: Any) -> Awaitable[lumi.identity.v1.address_pb2.Address]: ...
    def DeleteAddress(self, request: lumi.identity.v1.address_pb2.DeleteAddressRequest, context: Any) -> Awaitable[google.protobuf.empty_pb2.Empty]: ...
    def SetDefaultAddress(self, request: lumi.identity.v1.address_pb2.SetDefaultAddressRequest, context: Any) -> Awaitable[lumi.identity.v1.address_pb2.Address]: ...
    def ResolveAddress(self, request: lumi.identity.v1.address_pb2.ResolveAddressRequest, context: Any) -> Awaitable[lumi.identity.v1.address_pb2.Address]: ...

def add_AddressServiceServicer_to_server(
    servicer: AddressServiceServicer, server: grpc.aio.Server
) -> None: ...
