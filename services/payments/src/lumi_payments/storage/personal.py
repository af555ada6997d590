"""What of payments is about people, and what only looks as if it could be."""

from sqlalchemy import false

from lumi_common.db.personal import People
from lumi_payments.storage.tables import metadata

PEOPLE = People(
    metadata,
    {
        "payments": "transaction_id conversation_id currency failure_code order_reference",
        "payment_refunds": "currency status transaction_id",
        "payment_steps": "kind provider_event_id",
        "webhook_events": "event_id",
    },
    # Whose payment a provider tells of, it says in words of its own; it goes with its time.
    of={"webhook_events": false()},
)
