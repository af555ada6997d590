"""The identity schema, as Alembic compares it."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Enum,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    cast,
    func,
    literal_column,
    text,
)
from sqlalchemy.dialects.postgresql import CITEXT, JSONB

from lumi_common.db.personal import personal
from lumi_common.db.record import Aggregate
from lumi_common.db.tables import (
    common_tables,
    id_column,
    identifier,
    schema,
    stamps,
    timestamp,
    version,
)
from lumi_identity.domain.user import UserStatus

metadata = schema("identity")
common = common_tables(metadata)

user_status = Enum(UserStatus, name="user_status", schema="identity")

users = Table(
    "users",
    metadata,
    id_column(),
    Column("email", CITEXT, nullable=False, unique=True, info=personal("e-mail address")),
    Column("password_hash", Text, nullable=False, info=personal("password", shown=False)),
    Column("first_name", Text, info=personal("name")),
    Column("last_name", Text, info=personal("name")),
    Column("phone", Text, info=personal("phone number")),
    Column("email_verified", Boolean, nullable=False, server_default=text("false")),
    Column("email_verified_at", timestamp),
    Column("failed_login_count", Integer, nullable=False, server_default=text("0")),
    Column("lockout_until", timestamp),
    Column("two_factor_secret", Text, info=personal("second factor", shown=False)),
    Column("two_factor_enabled", Boolean, nullable=False, server_default=text("false")),
    Column("status", user_status, nullable=False, server_default=UserStatus.ACTIVE),
    # Where undeleting leads back to.
    Column("status_before_deletion", user_status),
    Column("deleted_at", timestamp, index=True),
    Column("not_before", timestamp),
    Column("last_totp_step", BigInteger),
    version(),
    *stamps(),
    Index(None, "not_before", postgresql_where=literal_column("not_before is not null")),
)
Index(
    "users_email_prefix_idx",
    func.lower(cast(users.c.email, Text)).label("prefix"),
    postgresql_ops={"prefix": "text_pattern_ops"},
)

user_sessions = Table(
    "user_sessions",
    metadata,
    id_column(),
    Column("user_id", identifier, ForeignKey(users.c.id, ondelete="CASCADE"), nullable=False, index=True),
    Column("refresh_token_hash", Text, nullable=False, info=personal("token", shown=False)),
    Column("fingerprint", Text, info=personal("device")),
    Column("ip_address", Text, info=personal("network address")),
    Column("user_agent", Text, info=personal("device")),
    Column("expires_at", timestamp, nullable=False),
    Column("revoked_at", timestamp),
    Column("family_id", identifier, nullable=False, index=True),
    Column("generation", Integer, nullable=False, server_default=text("1")),
    Column("not_before", timestamp),
    Column("previous_token_hash", Text, info=personal("token", shown=False)),
    Column("rotated_at", timestamp),
    *stamps(),
    Index(None, "expires_at", "revoked_at"),
    Index(None, "not_before", postgresql_where=literal_column("not_before is not null")),
)

roles = Table(
    "roles",
    metadata,
    id_column(),
    Column("name", Text, nullable=False, unique=True),
    Column("description", Text),
    *stamps(),
)

permissions = Table(
    "permissions",
    metadata,
    id_column(),
    Column("key", Text, nullable=False, unique=True),
    Column("description", Text),
    *stamps(),
)


def _link(name: str, one: Table, one_id: str, other: Table, other_id: str) -> Table:
    """A junction; its key leads with the one's id, so that only the other's needs an index."""
    return Table(
        name,
        metadata,
        Column(one_id, identifier, ForeignKey(one.c.id, ondelete="CASCADE"), primary_key=True),
        Column(other_id, identifier, ForeignKey(other.c.id, ondelete="CASCADE"), primary_key=True, index=True),
        Column("assigned_at", timestamp, nullable=False, server_default=func.now()),
        *stamps(),
    )


role_permissions = _link("role_permissions", roles, "role_id", permissions, "permission_id")
user_roles = _link("user_roles", users, "user_id", roles, "role_id")
user_permissions = _link("user_permissions", users, "user_id", permissions, "permission_id")

signing_keys = Table(
    "signing_keys",
    metadata,
    id_column(),
    Column("kid", Text, nullable=False, unique=True),
    Column("public_jwk", JSONB, nullable=False),
    Column("private_key", LargeBinary, nullable=False),
    Column("not_before", timestamp, nullable=False),
    Column("retire_at", timestamp, nullable=False),
    *stamps(),
)

security_events = Table(
    "security_events",
    metadata,
    id_column(),
    Column("user_id", identifier, ForeignKey(users.c.id, ondelete="SET NULL"), index=True),
    Column("type", Text, nullable=False, index=True),
    Column("payload", JSONB),
    Column("ip_address", Text, info=personal("network address", "blanked")),
    Column("user_agent", Text, info=personal("device", "blanked")),
    *stamps(),
)

# Append-only by grants: the service may insert and select, and update `user_id` alone.
audit_logs = Table(
    "audit_logs",
    metadata,
    id_column(),
    Column("user_id", identifier, ForeignKey(users.c.id, ondelete="SET NULL"), index=True),
    Column("actor_type", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("entity", Text, nullable=False),
    Column("entity_id", identifier, nullable=False),
    Column("before", JSONB),
    Column("after", JSONB),
    Column("ip_address", Text, info=personal("network address", "blanked")),
    Column("user_agent", Text, info=personal("device", "blanked")),
    Column("created_at", timestamp, nullable=False, server_default=func.now(), index=True),
    Column("updated_at", timestamp, nullable=False, server_default=func.now()),
    Index(None, "entity", "entity_id", "created_at"),
)

addresses = Table(
    "addresses",
    metadata,
    id_column(),
    Column("user_id", identifier, ForeignKey(users.c.id, ondelete="CASCADE"), nullable=False, index=True),
    Column("label", Text, info=personal("address")),
    Column("full_name", Text, nullable=False, info=personal("name")),
    Column("phone", Text, info=personal("phone number")),
    Column("line1", Text, nullable=False, info=personal("address")),
    Column("line2", Text, info=personal("address")),
    Column("city", Text, nullable=False, info=personal("address")),
    Column("state", Text, info=personal("address")),
    Column("postal_code", Text, nullable=False, info=personal("address")),
    Column("country", Text, nullable=False, info=personal("address")),
    Column("is_default", Boolean, nullable=False, server_default=text("false")),
    *stamps(),
    Index("addresses_one_default_key", "user_id", unique=True, postgresql_where=literal_column("is_default")),
)

# Of one account and one source, or with an empty source of an account and all that it does not know; both by keyed
# digests. An address without an account has rows too, so that guessing at it goes alike.
sign_in_attempts = Table(
    "sign_in_attempts",
    metadata,
    Column("account_key", Text, primary_key=True, info=personal("e-mail address", shown=False)),
    Column("source_key", Text, primary_key=True, info=personal("network address", shown=False)),
    Column("user_id", identifier, ForeignKey(users.c.id, ondelete="CASCADE"), index=True),
    Column("failures", Integer, nullable=False),
    # Until when the failures count.
    Column("counts_until", timestamp, nullable=False),
    Column("blocked_until", timestamp),
    # Until when the account is known to sign in from there.
    Column("known_until", timestamp),
    Column("expires_at", timestamp, nullable=False, index=True),
    *stamps(),
)

recovery_codes = Table(
    "recovery_codes",
    metadata,
    id_column(),
    Column("user_id", identifier, ForeignKey(users.c.id, ondelete="CASCADE"), nullable=False, index=True),
    Column("code_hash", Text, nullable=False, info=personal("second factor", shown=False)),
    Column("used_at", timestamp),
    *stamps(),
)

one_time_tokens = Table(
    "one_time_tokens",
    metadata,
    id_column(),
    Column("user_id", identifier, ForeignKey(users.c.id, ondelete="CASCADE"), nullable=False, index=True),
    Column("purpose", Text, nullable=False),
    Column("token_hash", Text, nullable=False, unique=True, info=personal("token", shown=False)),
    Column("expires_at", timestamp, nullable=False),
    Column("used_at", timestamp),
    # How often something that it needs beside it was wrong.
    Column("tries", Integer, nullable=False, server_default=text("0")),
    *stamps(),
)

# What is sent is deleted: the only place that keeps an address and a message together.
mails = Table(
    "mails",
    metadata,
    id_column(),
    Column("recipient", Text, nullable=False, info=personal("e-mail address")),
    Column("template", Text, nullable=False),
    Column("payload", JSONB, nullable=False, info=personal("message", shown=False)),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("next_attempt_at", timestamp, nullable=False, index=True),
    *stamps(),
)

# The intent and, in the end, the receipt: it outlives whom it is about, and so refers to nobody.
erasures = Table(
    "erasures",
    metadata,
    id_column(),
    Column("subject_id", identifier, nullable=False, unique=True),
    Column("requested_by", identifier, nullable=False),
    Column("step", Text, nullable=False),
    # The guests that they were before they signed in, and the carts that were those guests'.
    Column("guest_ids", JSONB, nullable=False, server_default=text("'[]'")),
    Column("cart_ids", JSONB, nullable=False, server_default=text("'[]'")),
    # How far each service has come, by its name.
    Column("services", JSONB, nullable=False, server_default=text("'{}'")),
    Column("next_attempt_at", timestamp, nullable=False, server_default=func.now()),
    Column("completed_at", timestamp),
    *stamps(),
    CheckConstraint("step in ('COUNT', 'ERASE', 'COMPLETE')", name="step"),
)
Index("erasures_due_idx", erasures.c.next_attempt_at, postgresql_where=erasures.c.step != text("'COMPLETE'"))

# Failed sign-ins are counted beside the aggregate: each has a security event, and the count follows from those.
USER = Aggregate(
    "User",
    users,
    shows="email_verified email_verified_at failed_login_count lockout_until two_factor_enabled status "
    "status_before_deletion deleted_at not_before",
)
# Roles and permissions of their own belong to their user: the records are the user's, and so is the version that moves
# with them.
USER_ROLE = Aggregate("User", user_roles, id="user_id", shows="role_id assigned_at")
USER_PERMISSION = Aggregate("User", user_permissions, id="user_id", shows="permission_id assigned_at")
ROLE = Aggregate("Role", roles, shows="name description")
PERMISSION = Aggregate("Permission", permissions, shows="key description")
ADDRESS = Aggregate("Address", addresses, shows="user_id is_default", keys="user_id")
ERASURE = Aggregate("Erasure", erasures, shows="subject_id requested_by step completed_at")
