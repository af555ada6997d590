"""What marketing refers to of other services, and what becomes of it when that goes."""

from lumi_common.db.referrer import Referrer
from lumi_marketing.storage.tables import COUPON, COUPON_USAGE, common, metadata

# Everything here that has records of its own.
AGGREGATES = (COUPON, COUPON_USAGE)

REFERRER = Referrer(metadata, common, AGGREGATES)
