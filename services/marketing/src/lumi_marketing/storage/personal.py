"""What of marketing is about people, and what only looks as if it could be."""

from lumi_common.db.personal import People
from lumi_marketing.storage.tables import metadata

PEOPLE = People(metadata, {"coupons": "code currency description"})
