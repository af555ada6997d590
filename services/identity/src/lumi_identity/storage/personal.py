"""What of identity is about people, and what only looks as if it could be."""

from sqlalchemy import Text, bindparam, or_, select

from lumi_common.db.personal import People
from lumi_identity.storage.tables import mails, metadata, security_events, users

_USER_ID = bindparam("user_id", type_=Text)
_ADDRESS = select(users.c.email).where(users.c.id == _USER_ID).scalar_subquery()

PEOPLE = People(
    metadata,
    {
        # Of personal columns the audit tells no value.
        "audit_logs": "actor_type action entity before after",
        "erasures": "step guest_ids cart_ids services",
        "mails": "template",
        "one_time_tokens": "purpose",
        "permissions": "key description",
        "roles": "name description",
        "security_events": "type payload",
        "signing_keys": "kid public_jwk private_key",
    },
    # An earlier address of theirs, too.
    of={"mails": or_(mails.c.recipient == _ADDRESS, mails.c.payload["user_id"].astext == _USER_ID)},
    # Whoever of the staff did something to somebody's account is not shown to them.
    withheld={
        "security_events": (
            security_events.c.payload.has_key("by"),
            (security_events.c.payload, security_events.c.ip_address, security_events.c.user_agent),
        ),
    },
)
