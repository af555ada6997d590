"""Sessions and the tokens that carry them: begun, refreshed and ended."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from lumi_common.context import Context
from lumi_common.cuid import cuid
from lumi_common.db.database import Database, Executor, Row
from lumi_common.errors import Reason as Common
from lumi_common.errors import Unauthenticated
from lumi_common.principal import Principal
from lumi_identity.domain.errors import Reason
from lumi_identity.domain.session import RefreshTokens, Session, Use, parse
from lumi_identity.domain.user import User
from lumi_identity.storage import sessions
from lumi_identity.storage.security import facts
from lumi_identity.threads import Threads
from lumi_identity.workflows.keyring import Keyring


@dataclass(frozen=True)
class Tokens:
    """What a client carries through a session, with the times at which each ends."""

    session_id: str
    access_token: str
    access_expires_at: datetime
    refresh_token: str
    refresh_expires_at: datetime


class AccessToken(NamedTuple):
    """An access token by itself, and when it ends."""

    token: str
    expires_at: datetime


class Prepared(NamedTuple):
    """A session to begin with, and the hash of its first token."""

    session_id: str
    refresh_token_hash: str


class Sessions:
    """Sessions of users.

    `life` is how long one lives without being refreshed, `stepped_up` how long a proof counts that was given anew.
    """

    def __init__(
        self,
        database: Database,
        *,
        tokens: RefreshTokens,
        keyring: Keyring,
        threads: Threads,
        life: timedelta,
        stepped_up: timedelta = timedelta(minutes=5),
    ) -> None:
        self._database, self._refresh_tokens, self._keyring = database, tokens, keyring
        self._token_threads, self._life, self._stepped_up = threads, life, stepped_up

    async def prepare(self) -> Prepared:
        """What costs time of a new session; raises ResourceExhausted when there is no room for it."""
        session_id = cuid()
        return Prepared(session_id, await self._token_threads.run(self._refresh_tokens.hash, session_id, 1))

    async def begin(
        self, context: Context, user: User, *, fingerprint: str | None, prepared: Prepared | None = None
    ) -> Tokens | None:
        """A new session; None for a user who was suspended, deleted or given another password since they were read."""
        session_id, hashed = prepared or await self.prepare()
        known = {"user_id": user.id, "password_hash": user.password_hash}
        while (found := await self._database.fetchrow(sessions.FIND_USER, **known)) is not None:
            opened = await self._database.fetchrow(
                sessions.OPEN,
                session_id=session_id,
                not_before=found["not_before"],
                refresh_token_hash=hashed,
                fingerprint=fingerprint,
                lifetime=self._life,
                **known,
                **facts(context),
            )
            if opened is not None:
                return self._tokens(opened)
        return None

    async def refresh(self, context: Context, refresh_token: str) -> Tokens:
        """The successors of a refresh token; raises Unauthenticated for one that is not good, or no longer."""
        presented, judged = parse(refresh_token), 0
        while presented is not None:
            row = await self._database.fetchrow(sessions.FIND, session_id=presented.session_id)
            if row is None:
                break
            session = sessions.session(row)
            if session.generation != judged:
                use, successor = await self._token_threads.run(self._judge, session, presented.secret)
                judged = session.generation
            if use is Use.CURRENT:
                issued = await self._rotate(session, row, successor)
            elif use is Use.REPEATED:
                issued = await self._reissue(session, row)
            elif use is Use.REUSED:
                await self._database.fetch(sessions.REVOKE_FAMILY, family_id=session.family_id, **facts(context))
                raise Unauthenticated(Reason.REFRESH_TOKEN_REUSED, "the refresh token was used before")
            else:
                break
            if issued is not None:
                return self._tokens(issued)
            # Another call came first, or what the user may do has changed: look again.
        raise Unauthenticated(Reason.REFRESH_TOKEN_INVALID, "the refresh token is not good")

    async def step_up(self, context: Context) -> AccessToken:
        """An access token of the caller's own session that counts as a fresh proof; raises Unauthenticated when the
        session is over.

        Whoever calls this has just proved who they are.
        """
        while (
            row := await self._database.fetchrow(sessions.FIND, session_id=context.principal.session_id)
        ) is not None:
            issued = await self._reissue(sessions.session(row), row)
            if issued is not None:
                return self._access_token(issued, stepped_up_until=issued["issued_at"] + self._stepped_up)
        raise Unauthenticated(Common.TOKEN_INVALID, "the session is over")

    async def sign_out(self, on: Executor, context: Context) -> None:
        """End the session of the caller's access token."""
        principal = context.principal
        await on.fetch(sessions.SIGN_OUT, session_id=principal.session_id, user_id=principal.id, **facts(context))

    def _judge(self, session: Session, secret: str) -> tuple[Use, str]:
        """What the secret is to the session and, of the good one, the hash of its successor."""
        use = self._refresh_tokens.judge(session, secret)
        successor = self._refresh_tokens.hash(session.id, session.generation + 1) if use is Use.CURRENT else ""
        return use, successor

    async def _rotate(self, session: Session, found: Row, successor: str) -> Row | None:
        return await self._database.fetchrow(
            sessions.ROTATE,
            session_id=session.id,
            generation=session.generation,
            user_id=session.user_id,
            not_before=found["not_before"],
            refresh_token_hash=successor,
            lifetime=self._life,
        )

    async def _reissue(self, session: Session, found: Row) -> Row | None:
        return await self._database.fetchrow(
            sessions.REISSUE,
            session_id=session.id,
            generation=session.generation,
            user_id=session.user_id,
            not_before=found["not_before"],
        )

    def _tokens(self, issued: Row) -> Tokens:
        access = self._access_token(issued)
        return Tokens(
            session_id=issued["id"],
            access_token=access.token,
            access_expires_at=access.expires_at,
            refresh_token=self._refresh_tokens.token(issued["id"], issued["generation"]),
            refresh_expires_at=issued["expires_at"],
        )

    def _access_token(self, issued: Row, *, stepped_up_until: datetime | None = None) -> AccessToken:
        until = 0 if stepped_up_until is None else int(stepped_up_until.timestamp())
        principal = Principal("user", issued["user_id"], issued["id"], frozenset(issued["permissions"]), until)
        token, expires = self._keyring.sign(principal, issued["issued_at"])
        return AccessToken(token, datetime.fromtimestamp(expires, UTC))
