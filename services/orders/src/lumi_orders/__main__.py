"""`python -m lumi_orders [serve | migrate]`."""

from pathlib import Path

from lumi_common.service import run
from lumi_orders.server import REFUSALS, compose
from lumi_orders.settings import OrdersSettings
from lumi_orders.storage.tables import metadata

if __name__ == "__main__":
    run(
        "orders",
        OrdersSettings,
        compose,
        metadata=metadata,
        migrations=Path(__file__).parents[2] / "migrations",
        refusals=REFUSALS,
    )
