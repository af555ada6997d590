"""Where Alembic meets the payments schema."""

from lumi_common.db.migrate import run_environment
from lumi_payments.storage.tables import metadata

run_environment(metadata)
