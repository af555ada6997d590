"""What customers say of a product."""

from enum import StrEnum


class ReviewStatus(StrEnum):
    """PENDING until staff decides; only what is APPROVED is shown."""

    PENDING = "PENDING"
    APPROVED = "APPROVED"
    REJECTED = "REJECTED"
