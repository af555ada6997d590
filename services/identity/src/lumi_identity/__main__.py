"""`python -m lumi_identity [serve | migrate | bootstrap | rotate-keys | withdraw-key KID]`."""

from pathlib import Path

from lumi_common.service import run
from lumi_identity.server import REFUSALS, bootstrap, compose, rotate_keys, withdraw_key
from lumi_identity.settings import IdentitySettings
from lumi_identity.storage.tables import metadata

if __name__ == "__main__":
    run(
        "identity",
        IdentitySettings,
        compose,
        metadata=metadata,
        migrations=Path(__file__).parents[2] / "migrations",
        commands={"bootstrap": bootstrap, "rotate-keys": rotate_keys, "withdraw-key KID": withdraw_key},
        refusals=REFUSALS,
    )
