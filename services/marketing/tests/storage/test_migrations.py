"""Migrations lead to the tables, and back."""

from pathlib import Path

from lumi_common.db import migrate
from lumi_local import testing
from lumi_marketing.storage.tables import metadata

FOLDER = Path(__file__).parents[2] / "migrations"


def test_up_down_up_leaves_the_schema_that_the_tables_say() -> None:
    with testing.postgres("marketing_migrations") as server:
        dsn = server.dsn_superuser
        migrate.upgrade(dsn, metadata, FOLDER)
        migrate.downgrade(dsn, metadata, FOLDER)
        migrate.upgrade(dsn, metadata, FOLDER)

        assert migrate.differences(dsn, metadata) == []
