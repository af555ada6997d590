"""Doing a thing one at a time in the whole deployment."""

from sqlalchemy import Text, bindparam, func, select

from lumi_common.db.database import Executor
from lumi_common.db.statement import Statement

_LOCK = Statement(select(func.pg_advisory_xact_lock(func.hashtextextended(bindparam("name", type_=Text), 0))))


async def one_at_a_time(on: Executor, name: str) -> None:
    """Wait until nobody else does what has this name, and hold them off until the transaction ends."""
    await on.fetch(_LOCK, name=f"lumi:identity:{name}")
