"""Signing keys."""

from sqlalchemy import LargeBinary, Text, bindparam, func, insert, select, update
from sqlalchemy.dialects.postgresql import JSONB

from lumi_common.cuid import cuid
from lumi_common.db.database import Executor
from lumi_common.db.statement import Statement
from lumi_common.db.tables import timestamp
from lumi_identity.domain.signing_key import SigningKey
from lumi_identity.storage.tables import signing_keys

_COLUMNS = tuple(SigningKey.__dataclass_fields__)

_PUBLISHED = Statement(
    select(*(signing_keys.c[name] for name in _COLUMNS))
    .where(signing_keys.c.retire_at > func.now())
    .order_by(signing_keys.c.not_before)
)
_INSERT = Statement(
    insert(signing_keys).values(
        id=bindparam("id", type_=Text),
        kid=bindparam("kid", type_=Text),
        public_jwk=bindparam("public_jwk", type_=JSONB),
        private_key=bindparam("private_key", type_=LargeBinary),
        not_before=bindparam("not_before", type_=timestamp),
        retire_at=bindparam("retire_at", type_=timestamp),
    )
)
_KID = bindparam("of_kid", type_=Text)
_RESEAL = Statement(
    update(signing_keys)
    .where(signing_keys.c.kid == _KID, signing_keys.c.private_key == bindparam("before", type_=LargeBinary))
    .values(private_key=bindparam("after", type_=LargeBinary), updated_at=func.now())
)
_WITHDRAW = Statement(
    update(signing_keys)
    .where(signing_keys.c.kid == _KID, signing_keys.c.retire_at > func.now())
    .values(retire_at=func.now(), updated_at=func.now())
    .returning(signing_keys.c.id)
)


async def published(on: Executor) -> list[SigningKey]:
    """Every key that is not retired, the oldest first."""
    return [SigningKey(**{name: row[name] for name in _COLUMNS}) for row in await on.fetch(_PUBLISHED)]


async def insert_key(on: Executor, key: SigningKey) -> None:
    """Keep a new key."""
    await on.fetch(_INSERT, id=cuid(), **{name: getattr(key, name) for name in _COLUMNS})


async def reseal_key(on: Executor, kid: str, *, before: bytes, after: bytes) -> None:
    """Keep the same private key under another seal."""
    await on.fetch(_RESEAL, of_kid=kid, before=before, after=after)


async def withdraw_key(on: Executor, kid: str) -> bool:
    """Publish a key no longer, though it lived; False when there is none of this name."""
    return await on.fetchrow(_WITHDRAW, of_kid=kid) is not None
