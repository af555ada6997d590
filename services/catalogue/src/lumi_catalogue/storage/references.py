"""What catalogue refers to of other services, and what becomes of it when that goes."""

from lumi_catalogue.storage.tables import CATEGORY, INVENTORY, PRODUCT, REVIEW, VARIANT, common, metadata
from lumi_common.db.referrer import Referrer

# Everything here that has records of its own.
AGGREGATES = (PRODUCT, VARIANT, INVENTORY, CATEGORY, REVIEW)

REFERRER = Referrer(metadata, common, AGGREGATES)
