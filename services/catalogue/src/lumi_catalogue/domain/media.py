"""Pictures, films and papers that are shown with products, variants and reviews."""

from enum import StrEnum


class MediaType(StrEnum):
    """What an asset is."""

    IMAGE = "IMAGE"
    VIDEO = "VIDEO"
    DOCUMENT = "DOCUMENT"


class MediaProvider(StrEnum):
    """Where an asset is kept."""

    CLOUDINARY = "CLOUDINARY"
    S3 = "S3"
