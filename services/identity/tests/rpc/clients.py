"""Identity in this process, and clients of its two ports."""

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, Self

import grpc
from lumi.identity.v1.access_pb2_grpc import AccessServiceStub
from lumi.identity.v1.address_pb2_grpc import AddressServiceStub
from lumi.identity.v1.audit_pb2_grpc import AuditServiceStub
from lumi.identity.v1.auth_pb2 import SignInRequest, SignUpRequest, StepUpRequest
from lumi.identity.v1.auth_pb2_grpc import AuthServiceStub
from lumi.identity.v1.privacy_pb2_grpc import PrivacyServiceStub
from lumi.identity.v1.security_event_pb2_grpc import SecurityEventServiceStub
from lumi.identity.v1.session_pb2_grpc import SessionServiceStub
from lumi.identity.v1.two_factor_pb2_grpc import TwoFactorServiceStub
from lumi.identity.v1.user_pb2_grpc import UserServiceStub

from lumi_common.rpc.caller import SERVICE_KEY
from lumi_common.rpc.status import from_call_error
from lumi_common.service import Runtime
from lumi_identity.settings import IdentitySettings
from services.identity.tests.kit import PASSWORD, an_email

ADMIN_EMAIL = "admin@lumi.example"
ADMIN_PASSWORD = "seven blue bicycles at dawn"


class Client:
    """Every method of identity's by its name; a refusal comes as the LumiError that it was."""

    def __init__(self, channel: Any, metadata: tuple[tuple[str, str], ...] = ()) -> None:
        stubs = (
            *(AuthServiceStub, UserServiceStub, AccessServiceStub, AddressServiceStub, AuditServiceStub),
            *(PrivacyServiceStub, SecurityEventServiceStub, SessionServiceStub, TwoFactorServiceStub),
        )
        self._stubs, self._metadata = [stub(channel) for stub in stubs], metadata

    def __getattr__(self, name: str) -> Callable[[Any], Awaitable[Any]]:
        method = next(getattr(stub, name) for stub in self._stubs if hasattr(stub, name))

        async def call(request: Any) -> Any:
            try:
                return await method(request, metadata=self._metadata, timeout=20)
            except grpc.aio.AioRpcError as error:
                raise from_call_error(error, "identity") from error

        return call


class SignedIn(NamedTuple):
    id: str
    email: str
    client: Client
    tokens: Any


class Identity:
    """The running service."""

    def __init__(self, runtime: Runtime[IdentitySettings]) -> None:
        self.runtime, self.db = runtime, runtime.db
        self.public = grpc.aio.insecure_channel(f"127.0.0.1:{runtime.server.public_port}")
        self._internal = grpc.aio.insecure_channel(f"127.0.0.1:{runtime.server.internal_port}")
        self.anybody = Client(self.public)

    def holder_of(self, token: str) -> Client:
        """A client of the public port with this access token."""
        return Client(self.public, (("authorization", f"Bearer {token}"),))

    def service(self, name: str) -> Client:
        """Another service at the internal port."""
        return Client(self._internal, ((SERVICE_KEY, name),))

    async def user(self) -> SignedIn:
        """A new user with a session."""
        email = an_email()
        await self.anybody.SignUp(SignUpRequest(email=email, password=PASSWORD))
        return await self.signed_in(email, PASSWORD)

    async def staff(self, *permissions: str) -> SignedIn:
        """A new user with a session, who holds these permissions of their own."""
        email = an_email()
        id = (await self.anybody.SignUp(SignUpRequest(email=email, password=PASSWORD))).id
        await self.db.pool.execute(
            "insert into user_permissions (user_id, permission_id) select $1, id from permissions where key = any($2)",
            id,
            list(permissions),
        )
        return await self.stepped_up(await self.signed_in(email, PASSWORD))

    async def admin(self) -> SignedIn:
        """The admin with a session, stepped up."""
        return await self.stepped_up(await self.signed_in(ADMIN_EMAIL, ADMIN_PASSWORD), ADMIN_PASSWORD)

    async def stepped_up(self, user: SignedIn, password: str = PASSWORD) -> SignedIn:
        """The same session, with a token that counts as a fresh proof."""
        answer = await user.client.StepUp(StepUpRequest(password=password))
        return user._replace(client=self.holder_of(answer.access_token))

    async def signed_in(self, email: str, password: str) -> SignedIn:
        """A session of this user."""
        answer = await self.anybody.SignIn(SignInRequest(email=email, password=password))
        return SignedIn(answer.user.id, email, self.holder_of(answer.tokens.access_token), answer.tokens)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.public.close()
        await self._internal.close()
