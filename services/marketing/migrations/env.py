"""Where Alembic meets the marketing schema."""

from lumi_common.db.migrate import run_environment
from lumi_marketing.storage.tables import metadata

run_environment(metadata)
