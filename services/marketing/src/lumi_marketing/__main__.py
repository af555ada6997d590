"""`python -m lumi_marketing [serve | migrate]`."""

from pathlib import Path

from lumi_common.service import run
from lumi_marketing.server import REFUSALS, compose
from lumi_marketing.settings import MarketingSettings
from lumi_marketing.storage.tables import metadata

run(
    "marketing",
    MarketingSettings,
    compose,
    metadata=metadata,
    migrations=Path(__file__).parents[2] / "migrations",
    refusals=REFUSALS,
)
