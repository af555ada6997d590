"""Users, sessions, roles and permissions, signing keys, security events, audit logs and addresses."""

from alembic import op

from lumi_common.db.steps import create_common_tables, drop_common_tables

revision = "20261122_1600"
down_revision = None

ID = 'text collate "C"'
STAMPS = "created_at timestamptz not null default now(), updated_at timestamptz not null default now()"


def upgrade() -> None:
    create_common_tables("identity")
    op.execute("create type identity.user_status as enum ('ACTIVE', 'SUSPENDED', 'DELETED')")
    op.execute(f"""
        create table identity.users (
            id {ID} not null,
            email extensions.citext not null,
            password_hash text not null,
            first_name text,
            last_name text,
            phone text,
            email_verified boolean not null default false,
            email_verified_at timestamptz,
            failed_login_count integer not null default 0,
            lockout_until timestamptz,
            two_factor_secret text,
            two_factor_enabled boolean not null default false,
            status identity.user_status not null default 'ACTIVE',
            deleted_at timestamptz,
            not_before timestamptz,
            last_totp_step bigint,
            version integer not null default 1,
            {STAMPS},
            constraint users_pkey primary key (id),
            constraint users_email_key unique (email)
        )""")
    _index("users", "deleted_at")
    op.execute(f"""
        create table identity.user_sessions (
            id {ID} not null,
            user_id {ID} not null,
            refresh_token_hash text not null,
            fingerprint text,
            ip_address text,
            user_agent text,
            expires_at timestamptz not null,
            revoked_at timestamptz,
            family_id {ID} not null,
            generation integer not null default 1,
            not_before timestamptz,
            previous_token_hash text,
            rotated_at timestamptz,
            {STAMPS},
            constraint user_sessions_pkey primary key (id),
            {_reference("user_sessions", "user_id", "users", "cascade")}
        )""")
    _index("user_sessions", "user_id")
    _index("user_sessions", "family_id")
    _index("user_sessions", "expires_at", "revoked_at")
    for table, name in (("roles", "name"), ("permissions", "key")):
        op.execute(f"""
            create table identity.{table} (
                id {ID} not null,
                {name} text not null,
                description text,
                {STAMPS},
                constraint {table}_pkey primary key (id),
                constraint {table}_{name}_key unique ({name})
            )""")
    _link("role_permissions", ("role_id", "roles"), ("permission_id", "permissions"))
    _link("user_roles", ("user_id", "users"), ("role_id", "roles"))
    _link("user_permissions", ("user_id", "users"), ("permission_id", "permissions"))
    op.execute(f"""
        create table identity.signing_keys (
            id {ID} not null,
            kid text not null,
            public_jwk jsonb not null,
            private_key bytea not null,
            not_before timestamptz not null,
            retire_at timestamptz not null,
            {STAMPS},
            constraint signing_keys_pkey primary key (id),
            constraint signing_keys_kid_key unique (kid)
        )""")
    op.execute(f"""
        create table identity.security_events (
            id {ID} not null,
            user_id {ID},
            type text not null,
            payload jsonb,
            ip_address text,
            user_agent text,
            {STAMPS},
            constraint security_events_pkey primary key (id),
            {_reference("security_events", "user_id", "users", "set null")}
        )""")
    _index("security_events", "user_id")
    _index("security_events", "type")
    op.execute(f"""
        create table identity.audit_logs (
            id {ID} not null,
            user_id {ID},
            actor_type text not null,
            action text not null,
            entity text not null,
            entity_id {ID} not null,
            before jsonb,
            after jsonb,
            ip_address text,
            user_agent text,
            {STAMPS},
            constraint audit_logs_pkey primary key (id),
            {_reference("audit_logs", "user_id", "users", "set null")}
        )""")
    _index("audit_logs", "user_id")
    _index("audit_logs", "created_at")
    _index("audit_logs", "entity", "entity_id", "created_at")
    # Append-only: what the schema's default grants gave, taken back but for the one column.
    op.execute("revoke all on identity.audit_logs from lumi_identity")
    op.execute("grant select, insert, update (user_id) on identity.audit_logs to lumi_identity")
    op.execute(f"""
        create table identity.addresses (
            id {ID} not null,
            user_id {ID} not null,
            label text,
            full_name text not null,
            phone text,
            line1 text not null,
            line2 text,
            city text not null,
            state text,
            postal_code text not null,
            country text not null,
            is_default boolean not null default false,
            {STAMPS},
            constraint addresses_pkey primary key (id),
            {_reference("addresses", "user_id", "users", "cascade")}
        )""")
    _index("addresses", "user_id")
    op.execute("create unique index addresses_one_default_key on identity.addresses (user_id) where is_default")


def downgrade() -> None:
    for table in (
        "addresses",
        "audit_logs",
        "security_events",
        "signing_keys",
        "user_permissions",
        "user_roles",
        "role_permissions",
        "permissions",
        "roles",
        "user_sessions",
        "users",
    ):
        op.execute(f"drop table identity.{table}")
    op.execute("drop type identity.user_status")
    drop_common_tables("identity")


def _reference(table: str, column: str, target: str, rule: str) -> str:
    return f"constraint {table}_{column}_fkey foreign key ({column}) references identity.{target} (id) on delete {rule}"


def _index(table: str, *columns: str) -> None:
    op.execute(f"create index {table}_{'_'.join(columns)}_idx on identity.{table} ({', '.join(columns)})")


def _link(table: str, one: tuple[str, str], other: tuple[str, str]) -> None:
    op.execute(f"""
        create table identity.{table} (
            {one[0]} {ID} not null,
            {other[0]} {ID} not null,
            assigned_at timestamptz not null default now(),
            {STAMPS},
            constraint {table}_pkey primary key ({one[0]}, {other[0]}),
            {_reference(table, one[0], one[1], "cascade")},
            {_reference(table, other[0], other[1], "cascade")}
        )""")
    _index(table, other[0])
