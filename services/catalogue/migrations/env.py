from lumi_catalogue.storage.tables import metadata
from lumi_common.db.migrate import run_environment

run_environment(metadata)
