"""Where Alembic meets the identity schema."""

from lumi_common.db.migrate import run_environment
from lumi_identity.storage.tables import metadata

run_environment(metadata)
