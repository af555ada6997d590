"""A session and its refresh token: opaque, rotated at every use, never good twice."""

import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import NamedTuple

import bcrypt

# A client whose answer was lost may ask again for this long, and is given the same successor.
GRACE = timedelta(seconds=10)
# The secret is random, so that a low cost is as good as a high one.
_COST = 4
_TOKEN = re.compile(r"(?P<session>c[a-z0-9]{24})\.(?P<secret>[A-Za-z0-9_-]{43})")


class Use(Enum):
    """What a refresh token is to its session."""

    CURRENT = "the one that is good"
    REPEATED = "the one before, used a moment ago: its successor was lost on the way"
    REUSED = "a used one: somebody else may have it"
    UNKNOWN = "never one of this session"


@dataclass(frozen=True)
class Session:
    """A session as its row has it; `now` is the database's time when it was read."""

    id: str
    user_id: str
    family_id: str
    generation: int
    refresh_token_hash: str
    previous_token_hash: str | None
    rotated_at: datetime | None
    expires_at: datetime
    now: datetime


class Presented(NamedTuple):
    """The two parts of a refresh token."""

    session_id: str
    secret: str


class RefreshTokens:
    """Makes and judges refresh tokens, `<session id>.<43 characters that stand for 256 bits>`.

    The secret part is derived from `key`, session and generation, so that the same successor can be given again.
    What is stored is its bcrypt hash, and that is what decides: a token outlives a change of the key. Of older ones
    there is no hash: by the `retired` keys those are known that were made before a change.
    """

    def __init__(self, key: bytes, *, retired: Iterable[bytes] = ()) -> None:
        self._key, self._keys = key, (key, *retired)

    def secret(self, session_id: str, generation: int) -> str:
        """The secret part of this generation's token."""
        return _derived(self._key, session_id, generation)

    def token(self, session_id: str, generation: int) -> str:
        """What the client keeps."""
        return f"{session_id}.{self.secret(session_id, generation)}"

    def hash(self, session_id: str, generation: int) -> str:
        """What the session's row keeps; takes a millisecond."""
        return bcrypt.hashpw(self.secret(session_id, generation).encode(), bcrypt.gensalt(_COST)).decode()

    def judge(self, session: Session, secret: str) -> Use:
        """What a secret that was presented for this session is to it; takes some milliseconds."""
        if _matches(secret, session.refresh_token_hash):
            return Use.CURRENT
        if session.previous_token_hash and _matches(secret, session.previous_token_hash):
            recent = session.rotated_at is not None and session.now - session.rotated_at <= GRACE
            return Use.REPEATED if recent else Use.REUSED
        given = secret.encode()
        for generation in range(session.generation - 2, 0, -1):
            for key in self._keys:
                if hmac.compare_digest(given, _derived(key, session.id, generation).encode()):
                    return Use.REUSED
        return Use.UNKNOWN


def parse(token: str) -> Presented | None:
    """The parts of a refresh token, None for what does not look like one."""
    parts = _TOKEN.fullmatch(token)
    return None if parts is None else Presented(parts["session"], parts["secret"])


def _derived(key: bytes, session_id: str, generation: int) -> str:
    digest = hmac.digest(key, f"{session_id}.{generation}".encode(), "sha256")
    return urlsafe_b64encode(digest).decode().rstrip("=")


def _matches(secret: str, hashed: str) -> bool:
    return bcrypt.checkpw(secret.encode(), hashed.encode())
