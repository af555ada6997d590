"""Payments' settings beyond those that every service has."""

from typing import Annotated, Literal

from lumi_common.settings import OnlyLocal, Settings


class PaymentsSettings(Settings):
    """`manual_payments`: MANUAL payments wait for staff to `record` them, or (local profile only) `settle` at once."""

    manual_payments: Annotated[
        Literal["record", "settle"], OnlyLocal(lambda how: how == "settle", "settling MANUAL payments at once")
    ] = "record"
