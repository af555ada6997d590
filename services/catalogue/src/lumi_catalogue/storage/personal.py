"""What of the catalogue is about people, and what only looks as if it could be."""

from lumi_catalogue.storage.tables import metadata
from lumi_common.db.personal import People

PEOPLE = People(
    metadata,
    {
        "categories": "name slug description",
        "collections": "title slug description",
        "media": "asset_id url mime_type alt",
        "products": "title slug sku description summary currency search_keywords attributes",
        "product_variants": "title sku currency attributes",
        "reviews": "moderated_by",  # an id
        "stock_movements": "reason",
    },
)
