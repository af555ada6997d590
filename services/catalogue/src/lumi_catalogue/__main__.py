"""`python -m lumi_catalogue [serve | migrate]`."""

from pathlib import Path

from lumi_catalogue.server import REFUSALS, compose
from lumi_catalogue.settings import CatalogueSettings
from lumi_catalogue.storage.tables import metadata
from lumi_common.service import run

if __name__ == "__main__":
    run(
        "catalogue",
        CatalogueSettings,
        compose,
        metadata=metadata,
        migrations=Path(__file__).parents[2] / "migrations",
        refusals=REFUSALS,
    )
