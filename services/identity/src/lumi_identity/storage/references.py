"""What identity refers to of other services, and what becomes of it when that goes."""

from lumi_common.db.referrer import Referrer
from lumi_identity.storage.tables import ADDRESS, PERMISSION, ROLE, USER, common, metadata

# Everything here that has records of its own.
AGGREGATES = (USER, ROLE, PERMISSION, ADDRESS)

REFERRER = Referrer(metadata, common, AGGREGATES)
