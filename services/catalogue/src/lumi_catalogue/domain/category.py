"""A category: a place in the tree that products are found by."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(slots=True)
class Category:
    """A category as its row has it; without `parent_id` it stands at the top."""

    id: str
    name: str
    slug: str
    description: str | None
    parent_id: str | None
    position: int
    created_at: datetime
    updated_at: datetime
