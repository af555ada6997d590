"""What payments refers to of other services, and what becomes of it when that goes."""

from lumi_common.db.referrer import Referrer
from lumi_payments.storage.tables import PAYMENT, PAYMENT_REFUND, SAVED_CARD, common, metadata

# Everything here that has records of its own.
AGGREGATES = (PAYMENT, PAYMENT_REFUND, SAVED_CARD)

REFERRER = Referrer(metadata, common, AGGREGATES)
