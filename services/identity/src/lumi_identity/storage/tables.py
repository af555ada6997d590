"""The identity schema, as Alembic compares it."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Enum,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    func,
    literal_column,
    text,
)
from sqlalchemy.dialects.postgresql import CITEXT, JSONB

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
    Column("email", CITEXT, nullable=False, unique=True),
    Column("password_hash", Text, nullable=False),
    Column("first_name", Text),
    Column("last_name", Text),
    Column("phone", Text),
    Column("email_verified", Boolean, nullable=False, server_default=text("false")),
    Column("email_verified_at", timestamp),
    Column("failed_login_count", Integer, nullable=False, server_default=text("0")),
    Column("lockout_until", timestamp),
    Column("two_factor_secret", Text),
    Column("two_factor_enabled", Boolean, nullable=False, server_default=text("false")),
    Column("status", user_status, nullable=False, server_default=UserStatus.ACTIVE),
    # Where undeleting leads back to.
    Column("status_before_deletion", user_status),
    Column("deleted_at", timestamp, index=True),
    Column("not_before", timestamp),
    Column("last_totp_step", BigInteger),
    version(),
    *stamps(),
)

user_sessions = Table(
    "user_sessions",
    metadata,
    id_column(),
    Column("user_id", identifier, ForeignKey(users.c.id, ondelete="CASCADE"), nullable=False, index=True),
    Column("refresh_token_hash", Text, nullable=False),
    Column("fingerprint", Text),
    Column("ip_address", Text),
    Column("user_agent", Text),
    Column("expires_at", timestamp, nullable=False),
    Column("revoked_at", timestamp),
    Column("family_id", identifier, nullable=False, index=True),
    Column("generation", Integer, nullable=False, server_default=text("1")),
    Column("not_before", timestamp),
    Column("previous_token_hash", Text),
    Column("rotated_at", timestamp),
    *stamps(),
    Index(None, "expires_at", "revoked_at"),
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
    Column("ip_address", Text),
    Column("user_agent", Text),
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
    Column("ip_address", Text),
    Column("user_agent", Text),
    Column("created_at", timestamp, nullable=False, server_default=func.now(), index=True),
    Column("updated_at", timestamp, nullable=False, server_default=func.now()),
    Index(None, "entity", "entity_id", "created_at"),
)

addresses = Table(
    "addresses",
    metadata,
    id_column(),
    Column("user_id", identifier, ForeignKey(users.c.id, ondelete="CASCADE"), nullable=False, index=True),
    Column("label", Text),
    Column("full_name", Text, nullable=False),
    Column("phone", Text),
    Column("line1", Text, nullable=False),
    Column("line2", Text),
    Column("city", Text, nullable=False),
    Column("state", Text),
    Column("postal_code", Text, nullable=False),
    Column("country", Text, nullable=False),
    Column("is_default", Boolean, nullable=False, server_default=text("false")),
    *stamps(),
    Index("addresses_one_default_key", "user_id", unique=True, postgresql_where=literal_column("is_default")),
)

recovery_codes = Table(
    "recovery_codes",
    metadata,
    id_column(),
    Column("user_id", identifier, ForeignKey(users.c.id, ondelete="CASCADE"), nullable=False, index=True),
    Column("code_hash", Text, nullable=False),
    Column("used_at", timestamp),
    *stamps(),
)

one_time_tokens = Table(
    "one_time_tokens",
    metadata,
    id_column(),
    Column("user_id", identifier, ForeignKey(users.c.id, ondelete="CASCADE"), nullable=False, index=True),
    Column("purpose", Text, nullable=False),
    Column("token_hash", Text, nullable=False, unique=True),
    Column("expires_at", timestamp, nullable=False),
    Column("used_at", timestamp),
    *stamps(),
)

# What is sent is deleted: the only place that keeps an address and a message together.
mails = Table(
    "mails",
    metadata,
    id_column(),
    Column("recipient", Text, nullable=False),
    Column("template", Text, nullable=False),
    Column("payload", JSONB, nullable=False),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("next_attempt_at", timestamp, nullable=False, index=True),
    *stamps(),
)

# Failed sign-ins are counted beside the aggregate: each has a security event, and the count follows from those.
USER = Aggregate(
    "User",
    users,
    shows="email_verified email_verified_at failed_login_count lockout_until two_factor_enabled status "
    "status_before_deletion deleted_at not_before",
)
# Roles belong to their user: the records are the user's, and so is the version that moves with them.
USER_ROLE = Aggregate("User", user_roles, id="user_id", shows="role_id assigned_at")
ROLE = Aggregate("Role", roles, shows="name description")
PERMISSION = Aggregate("Permission", permissions, shows="key description")
ADDRESS = Aggregate("Address", addresses, shows="user_id is_default", keys="user_id")
