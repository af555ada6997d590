"""`python -m lumi_payments [serve | migrate]`."""

from pathlib import Path

from lumi_common.service import run
from lumi_payments.server import REFUSALS, compose
from lumi_payments.settings import PaymentsSettings
from lumi_payments.storage.tables import metadata

run(
    "payments",
    PaymentsSettings,
    compose,
    metadata=metadata,
    migrations=Path(__file__).parents[2] / "migrations",
    refusals=REFUSALS,
)
