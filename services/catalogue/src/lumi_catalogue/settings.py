"""What the catalogue is told by its environment, beside what every service is."""

from pydantic import Field

from lumi_common.settings import Settings


class CatalogueSettings(Settings):
    """How long stock is held before its order is asked about, and how often that is looked at, in seconds."""

    reservation_seconds: float = Field(900.0, gt=0)
