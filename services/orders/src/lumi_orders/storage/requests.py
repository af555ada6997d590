"""Answers kept under a request id by statements that record no change of an aggregate."""

from sqlalchemy import CTE, Insert, LargeBinary, Text, bindparam, func, insert, literal_column, select
from sqlalchemy.types import Interval

from lumi_common.db.statement import Statement
from lumi_orders.storage.tables import common

# What a statement with a request record is given where nobody asked under an id.
UNASKED = {"principal": "", "method": "", "request_id": "", "request_hash": b"", "response": b""}


def kept(after: CTE | None = None) -> Insert:
    """The request record of a call, if it has an id; only `after` that part of the statement did something."""
    request_id = bindparam("request_id", type_=Text)
    record = select(
        bindparam("principal", type_=Text),
        bindparam("method", type_=Text),
        request_id,
        bindparam("request_hash", type_=LargeBinary),
        bindparam("response", type_=LargeBinary),
        func.now() + literal_column("interval '24 hours'", Interval),
    ).where(request_id != literal_column("''"))
    if after is not None:
        record = record.select_from(after)
    return insert(common.request_ids).from_select(
        ["principal", "method", "request_id", "request_hash", "response", "expires_at"], record
    )


# A call that found nothing to change: only its answer is kept.
UNCHANGED = Statement(kept())
