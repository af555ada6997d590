"""`python -m lumi_identity [serve | migrate | bootstrap]`."""

from pathlib import Path

from lumi_common.service import run
from lumi_identity.server import REFUSALS, bootstrap, compose
from lumi_identity.settings import IdentitySettings
from lumi_identity.storage.tables import metadata

if __name__ == "__main__":
    run(
        "identity",
        IdentitySettings,
        compose,
        metadata=metadata,
        migrations=Path(__file__).parents[2] / "migrations",
        commands={"bootstrap": bootstrap},
        refusals=REFUSALS,
    )
