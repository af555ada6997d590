"""Where Alembic meets the orders schema."""

from lumi_common.db.migrate import run_environment
from lumi_orders.storage.tables import metadata

run_environment(metadata)
