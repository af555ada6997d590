"""Which services there are, and which event streams each of them reads."""

SERVICES = ("identity", "catalogue", "orders", "payments", "marketing")

# Durable consumers, made at deploy: name (`<service>-<purpose>`) -> the contexts whose streams it reads.
CONSUMERS: dict[str, tuple[str, ...]] = {
    "identity-audit": SERVICES,
    "catalogue-reservations": ("orders",),
    "orders-payments": ("payments",),
}

# Revocations (a raised `not_before`) go to every process, outside any durable consumer.
HEARD_BY_ALL = "identity"


def stream(context: str) -> str:
    """Name of a context's JetStream stream."""
    return f"LUMI_{context.upper()}"


def subjects(context: str) -> str:
    """The subjects of a context's events."""
    return f"lumi.{context}.>"
