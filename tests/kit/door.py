"""The gateway as clients meet it: native gRPC with generated stubs, and JSON over HTTP."""

from collections.abc import Mapping
from functools import partial
from typing import Any
from uuid import uuid4

import grpc
import httpx
from lumi.identity.v1 import auth_pb2
from lumi.identity.v1.auth_pb2_grpc import AuthServiceStub

from tests.kit.buying import Shelf, Shopper
from tests.kit.client import Client

PASSWORD = "correct horse battery staple"
PATIENCE = 30.0


class Door:
    """A running stack's gateway; `description` is its stack.json."""

    def __init__(self, description: Mapping[str, Any]) -> None:
        self.address = description["gateway"]
        self.admin = description["admin"]
        self.http = httpx.AsyncClient(base_url=self.address, timeout=20)
        self._channel = grpc.aio.insecure_channel(self.address.removeprefix("http://"))

    def stub(self, stub_class: Any, token: str = "") -> Client:
        """A stub through the gateway, with this token."""
        metadata = (("authorization", f"Bearer {token}"),) if token else ()
        return Client(stub_class(self._channel), metadata, patience=PATIENCE)

    async def sign_in(self, email: str, password: str) -> str:
        """An access token."""
        request = auth_pb2.SignInRequest(email=email, password=password)
        return str((await self.stub(AuthServiceStub).SignIn(request)).tokens.access_token)

    async def staff(self) -> Shelf:
        """The admin, filling shelves."""
        return Shelf(partial(self.stub, token=await self.sign_in(self.admin["email"], self.admin["password"])))

    async def shopper(self) -> Shopper:
        """A new customer."""
        email = f"{uuid4().hex}@example.com"
        await self.stub(AuthServiceStub).SignUp(auth_pb2.SignUpRequest(email=email, password=PASSWORD))
        return Shopper(partial(self.stub, token=await self.sign_in(email, PASSWORD)))

    async def close(self) -> None:
        """Hang up."""
        await self.http.aclose()
        await self._channel.close()
