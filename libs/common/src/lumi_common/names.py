"""Names as the contract, the events, the tables and the client spell them."""

import re


def snake(name: str) -> str:
    """`ProductVariant` as `product_variant`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def plural(noun: str) -> str:
    """`category` as `categories`."""
    if noun.endswith("y"):
        return f"{noun[:-1]}ies"
    return f"{noun}es" if noun.endswith("s") else f"{noun}s"
