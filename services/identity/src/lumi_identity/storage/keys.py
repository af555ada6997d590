"""Signing keys."""

from sqlalchemy import LargeBinary, Text, bindparam, func, insert, select
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


async def published(on: Executor) -> list[SigningKey]:
    """Every key that is not retired, the oldest first."""
    return [SigningKey(**{name: row[name] for name in _COLUMNS}) for row in await on.fetch(_PUBLISHED)]


async def insert_key(on: Executor, key: SigningKey) -> None:
    """Keep a new key."""
    await on.fetch(_INSERT, id=cuid(), **{name: getattr(key, name) for name in _COLUMNS})
