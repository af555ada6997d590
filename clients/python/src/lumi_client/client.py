"""A shop, and somebody in it."""

import asyncio
import time
from contextlib import suppress
from typing import Self

import grpc
from google.protobuf.timestamp_pb2 import Timestamp
from lumi.identity.v1 import auth_pb2, user_pb2

from lumi_client.calls import Caller, Connection
from lumi_client.errors import LumiError, SecondFactorWanted, Unauthenticated
from lumi_client.services import Services

_RENEW_BEFORE = 30.0  # seconds before an access token's end


class Lumi(Services):
    """A shop on Lumi, seen by nobody in particular; `sign_in` and `guest` give what a person may do.

    `url` is the gateway's (`https://shop.example`, `http://127.0.0.1:8080`). `timeout` is how long a call may take with
    all its tries, in seconds, where the call itself says nothing. `credentials` replace the machine's own trust in
    certificates. Use it as `async with Lumi(url) as shop`, or `close` it.
    """

    def __init__(self, url: str, *, timeout: float = 20.0, credentials: grpc.ChannelCredentials | None = None) -> None:
        self._connection = Connection(url, timeout=timeout, credentials=credentials)
        super().__init__(Caller(self._connection, _Nobody()))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End the connection; its sessions end with it, though not on the server."""
        await self._connection.close()

    async def sign_in(self, email: str, password: str, *, fingerprint: str = "") -> "Session":
        """Start a session; raises Unauthenticated where e-mail and password do not fit.

        Raises SecondFactorWanted where the account has a second factor: `verify` takes its challenge with a code.
        """
        answer = await self.auth.sign_in(email=email, password=password, fingerprint=fingerprint)
        if answer.HasField("two_factor_challenge"):
            raise SecondFactorWanted(answer.two_factor_challenge.token)
        return Session(self._connection, answer.tokens, user=answer.user)

    async def verify(
        self, challenge: str, *, code: str = "", recovery_code: str = "", fingerprint: str = ""
    ) -> "Session":
        """Start the session that a challenge stands for, by a code of the authenticator or a recovery code."""
        answer = await self.auth.verify_two_factor(
            challenge=challenge, code=code, recovery_code=recovery_code, fingerprint=fingerprint
        )
        return Session(self._connection, answer.tokens, user=answer.user)

    async def resume(self, refresh_token: str) -> "Session":
        """Go on with a session whose refresh token was kept; raises Unauthenticated where it has ended."""
        answer = await self.auth.refresh_token(refresh_token=refresh_token)
        return Session(self._connection, answer.tokens)

    async def guest(self) -> "Session":
        """Shop without an account."""
        answer = await self.auth.create_guest_session()
        tokens = auth_pb2.Tokens(
            access_token=answer.access_token,
            access_token_expire_time=answer.expire_time,
            session_id=answer.session_id,
        )
        return Session(self._connection, tokens)


class Session(Services):
    """Somebody in the shop: a user or a guest. Their access token is renewed before it ends, while it can be.

    `user` is who signed in (None for a guest and after `resume`). `refresh_token` changes with every renewal: whoever
    keeps it to `resume` from keeps the present one.
    """

    def __init__(self, connection: Connection, tokens: auth_pb2.Tokens, *, user: user_pb2.User | None = None) -> None:
        self._token = _Renewed(connection, tokens)
        self.user = user
        super().__init__(Caller(connection, self._token))

    @property
    def id(self) -> str:
        """The session's id."""
        return self._token.tokens.session_id

    @property
    def access_token(self) -> str:
        """The access token of now, such as a guest's for MergeGuestCart."""
        return self._token.tokens.access_token

    @property
    def refresh_token(self) -> str:
        """What `Lumi.resume` goes on from; empty for a guest."""
        return self._token.tokens.refresh_token

    async def step_up(self, *, password: str = "", code: str = "", recovery_code: str = "") -> None:
        """Prove anew who one is, for calls that ask for that: by the password, or by a code where there is a second
        factor. It counts for some minutes, and until the access token is renewed.
        """
        answer = await self.auth.step_up(password=password, code=code, recovery_code=recovery_code)
        self._token.step_up(answer)

    async def sign_out(self) -> None:
        """End the session on the server too, if it is not over already."""
        with suppress(Unauthenticated):  # what a repeat is told whose first answer was lost
            await self.auth.sign_out()


class _Nobody:
    async def current(self) -> str:
        return ""

    async def replace(self, refused: str) -> bool:
        return False


class _Renewed:
    """A session's tokens; of many who find the access token at its end, one renews it for all."""

    def __init__(self, connection: Connection, tokens: auth_pb2.Tokens) -> None:
        self.tokens = tokens
        self._services = Services(Caller(connection, _Nobody()))
        self._renewing = asyncio.Lock()

    async def current(self) -> str:
        if self._ends_soon():
            async with self._renewing:
                if self._ends_soon():
                    await self._renew()
        return self.tokens.access_token

    async def replace(self, refused: str) -> bool:
        async with self._renewing:
            if self.tokens.access_token == refused:
                if not self.tokens.refresh_token:
                    return False
                await self._renew()
        return True

    def step_up(self, answer: auth_pb2.StepUpResponse) -> None:
        """Go on with the access token that counts as a fresh proof."""
        tokens = auth_pb2.Tokens()
        tokens.CopyFrom(self.tokens)
        tokens.access_token = answer.access_token
        tokens.access_token_expire_time.CopyFrom(answer.access_token_expire_time)
        self.tokens = tokens

    async def _renew(self) -> None:
        try:
            answer = await self._services.auth.refresh_token(refresh_token=self.tokens.refresh_token)
        except Unauthenticated:
            raise
        except LumiError:
            if _seconds_left(self.tokens.access_token_expire_time) <= 0:
                raise
            return  # the one we have is good for this call
        self.tokens = answer.tokens

    def _ends_soon(self) -> bool:
        return bool(self.tokens.refresh_token) and _seconds_left(self.tokens.access_token_expire_time) < _RENEW_BEFORE


def _seconds_left(end: Timestamp) -> float:
    return end.seconds - time.time()
