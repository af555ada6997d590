"""Sessions and the tokens that carry them: begun, refreshed and ended."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from lumi_common.context import Context
from lumi_common.cuid import cuid
from lumi_common.db.database import Database, Executor, Row
from lumi_common.errors import Unauthenticated
from lumi_common.principal import Principal
from lumi_identity.domain.errors import Reason
from lumi_identity.domain.session import RefreshTokens, Use, parse
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


class Sessions:
    """Sessions of users; `life` is how long one lives without being refreshed."""

    def __init__(
        self, database: Database, *, tokens: RefreshTokens, keyring: Keyring, threads: Threads, life: timedelta
    ) -> None:
        self._database, self._refresh_tokens, self._keyring = database, tokens, keyring
        self._token_threads, self._life = threads, life

    async def begin(self, context: Context, user: User, *, fingerprint: str | None) -> Tokens | None:
        """A new session; None for a user who was suspended, deleted or given another password since they were read."""
        session_id = cuid()
        row = await self._database.fetchrow(
            sessions.OPEN,
            user_id=user.id,
            password_hash=user.password_hash,
            session_id=session_id,
            refresh_token_hash=await self._token_threads.run(self._refresh_tokens.hash, session_id, 1),
            fingerprint=fingerprint,
            lifetime=self._life,
            **facts(context),
        )
        return None if row is None else self._tokens(session_id, 1, row)

    async def refresh(self, context: Context, refresh_token: str) -> Tokens:
        """The successors of a refresh token; raises Unauthenticated for one that is not good, or no longer."""
        presented = parse(refresh_token)
        while presented is not None:
            row = await self._database.fetchrow(sessions.FIND, session_id=presented.session_id)
            if row is None:
                break
            session = sessions.session(row)
            use = await self._token_threads.run(self._refresh_tokens.judge, session, presented.secret)
            if use is Use.CURRENT:
                rotated = await self._rotate(session.id, session.generation)
                if rotated is not None:
                    return self._tokens(session.id, session.generation + 1, rotated)
                continue  # another call came first: look again at what this token is by now
            if use is Use.REPEATED:
                return self._tokens(session.id, session.generation, row)
            if use is Use.REUSED:
                await self._database.fetch(sessions.REVOKE_FAMILY, family_id=session.family_id, **facts(context))
                raise Unauthenticated(Reason.REFRESH_TOKEN_REUSED, "the refresh token was used before")
            break
        raise Unauthenticated(Reason.REFRESH_TOKEN_INVALID, "the refresh token is not good")

    async def sign_out(self, on: Executor, context: Context) -> None:
        """End the session of the caller's access token."""
        principal = context.principal
        await on.fetch(sessions.SIGN_OUT, session_id=principal.session_id, user_id=principal.id, **facts(context))

    async def _rotate(self, session_id: str, generation: int) -> Row | None:
        hashed = await self._token_threads.run(self._refresh_tokens.hash, session_id, generation + 1)
        return await self._database.fetchrow(
            sessions.ROTATE,
            session_id=session_id,
            generation=generation,
            refresh_token_hash=hashed,
            lifetime=self._life,
        )

    def _tokens(self, session_id: str, generation: int, row: Row) -> Tokens:
        principal = Principal.user(row["user_id"], row["permissions"], session_id)
        access_token, expires = self._keyring.sign(principal)
        return Tokens(
            session_id=session_id,
            access_token=access_token,
            access_expires_at=datetime.fromtimestamp(expires, UTC),
            refresh_token=self._refresh_tokens.token(session_id, generation),
            refresh_expires_at=row["expires_at"],
        )
