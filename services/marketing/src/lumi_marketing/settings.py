"""Marketing's settings: those that every service has."""

from lumi_common.settings import Settings


class MarketingSettings(Settings):
    """Nothing of its own."""
