"""A shop on Lumi from Python.

async with Lumi("https://shop.example") as shop:
    ada = await shop.sign_in("ada@example.com", password)
    async for order in ada.orders.list_orders():
        print(order.reference, amount(order.total_amount))
"""

from lumi_client.client import Lumi, Session
from lumi_client.errors import (
    Aborted,
    AlreadyExists,
    DeadlineExceeded,
    FailedPrecondition,
    FieldViolation,
    Internal,
    InvalidArgument,
    LumiError,
    NotFound,
    PermissionDenied,
    ResourceExhausted,
    SecondFactorWanted,
    Unauthenticated,
    Unavailable,
)
from lumi_client.money import amount, money

__all__ = [
    "Aborted",
    "AlreadyExists",
    "DeadlineExceeded",
    "FailedPrecondition",
    "FieldViolation",
    "Internal",
    "InvalidArgument",
    "Lumi",
    "LumiError",
    "NotFound",
    "PermissionDenied",
    "ResourceExhausted",
    "SecondFactorWanted",
    "Session",
    "Unauthenticated",
    "Unavailable",
    "amount",
    "money",
]
