"""Which services there are; their order decides their ports."""

SERVICES = ("identity", "catalogue", "orders", "payments", "marketing")
