"""Orders' settings beyond those that every service has."""

from datetime import timedelta

from pydantic import Field

from lumi_common.settings import Settings

_MONTH = 30 * 24 * 3600


class OrdersSettings(Settings):
    """All in seconds.

    `order_expiry_seconds`: how long an order may wait for its money; `cart_expiry_seconds`: how long a cart may be left
    alone; `sweep_seconds`: how often both, and what a crash left, are looked for; `retry_seconds`: the first pause
    before what failed is tried again.
    """

    order_expiry_seconds: float = Field(3600, gt=0)
    cart_expiry_seconds: float = Field(_MONTH, gt=0)
    sweep_seconds: float = Field(15, gt=0)
    retry_seconds: float = Field(5, gt=0)

    @property
    def retry(self) -> timedelta:
        return timedelta(seconds=self.retry_seconds)
