"""The live database is what the description says: nothing missing, nothing extra."""

from typing import Any

import pytest

from tests.schema.catalogue import facts, index_columns
from tests.schema.description import CONTEXTS, Described

MODELS = {
    "identity": "User UserSession Role Permission RolePermission UserRole UserPermission SecurityEvent AuditLog "
    "Address",
    "catalogue": "Product ProductVariant Inventory Media ProductMedia VariantMedia ProductCategory ProductCollection "
    "Category Collection Review ReviewMedia",
    "orders": "Cart CartItem Order OrderItem",
    "payments": "Payment PaymentRefund SavedCard",
    "marketing": "Coupon CouponUsage",
}
ENUMS = {
    "identity": "user_status",
    "catalogue": "product_status inventory_policy media_type media_provider review_status",
    "orders": "cart_status order_status",
    "payments": "payment_provider payment_status",
    "marketing": "coupon_type",
}


@pytest.mark.parametrize("context", CONTEXTS)
async def test_schema_is_as_described(live: Any, wanted: Any, context: str) -> None:
    found, expected = await facts(live, context), await facts(wanted, context)

    assert not [
        *(f"missing: {fact}" for fact in sorted(expected - found)),
        *(f"extra: {fact}" for fact in sorted(found - expected)),
    ]


def test_all_models_and_enums_of_the_seed_are_described(described: dict[str, Described]) -> None:
    models = {name: {t.model for t in schema.tables if t.model} for name, schema in described.items()}
    enums = {name: set(schema.enums) for name, schema in described.items()}
    enums["catalogue"].remove("stock_reservation_state")  # the design's

    assert models == {name: set(words.split()) for name, words in MODELS.items()}
    assert enums == {name: set(words.split()) for name, words in ENUMS.items()}
    assert (sum(map(len, models.values())), sum(map(len, enums.values()))) == (31, 11)


@pytest.mark.parametrize("context", CONTEXTS)
async def test_indexes_that_the_seed_names_are_served(live: Any, described: dict[str, Described], context: str) -> None:
    found = await index_columns(live, context)

    def served(table: str, index: str) -> bool:
        unique = index.startswith("unique ")
        columns = [name.strip() for name in index.removeprefix("unique ").split(",")]
        return any(
            row["table"] == table
            and row["whole"]
            and (row["unique"] and row["columns"] == columns if unique else row["columns"][: len(columns)] == columns)
            for row in found
        )

    unserved = [f"{t} ({i})" for t in described[context].tables for i in t.seed_indexes if not served(t.name, i)]
    assert unserved == []


@pytest.mark.parametrize("context", CONTEXTS)
async def test_marked_columns_lead_an_index(live: Any, described: dict[str, Described], context: str) -> None:
    led = {(row["table"], row["columns"][0]) for row in await index_columns(live, context)}
    marked = {
        (table.name, column.name) for table in described[context].tables for column in table.columns if column.leads
    }

    assert marked - led == set()


@pytest.mark.parametrize("context", CONTEXTS)
async def test_what_can_be_soft_deleted_is_indexed_by_it(
    live: Any, described: dict[str, Described], context: str
) -> None:
    led = {(row["table"], row["columns"][0]) for row in await index_columns(live, context) if row["whole"]}
    soft = {(table.name, "deleted_at") for table in described[context].tables if _has(table, "deleted_at")}

    assert soft <= led
    assert soft == {"identity": {("users", "deleted_at")}, "catalogue": {("products", "deleted_at")}}.get(
        context, set()
    )


@pytest.mark.parametrize("context", CONTEXTS)
async def test_ids_sort_as_bytes(live: Any, described: dict[str, Described], context: str) -> None:
    rows = await live.fetch(
        "select c.relname, l.collname from pg_attribute a join pg_class c on c.oid = a.attrelid "
        "left join pg_collation l on l.oid = a.attcollation "
        "where c.relnamespace = $1::regnamespace and c.relkind = 'r' and a.attname = 'id' "
        "and a.atttypid = 'text'::regtype",
        context,
    )

    assert {table for table, _ in rows} >= {table.name for table in described[context].tables if table.key == ("id",)}
    assert {collation for _, collation in rows} == {"C"}


@pytest.mark.parametrize(
    "change",
    [
        "alter table identity.users drop column phone",
        "alter table identity.users add column nickname text",
        "alter table identity.users alter column phone set not null",
        "alter table identity.users alter column version set default 2",
        "alter table identity.users alter column version drop default",
        "alter table identity.users alter column last_totp_step type integer",
        'alter table identity.user_sessions alter column user_id type text collate "default"',
        "alter type identity.user_status rename value 'SUSPENDED' to 'LOCKED'",
        "alter type identity.user_status add value 'NEW' before 'ACTIVE'",
        "drop index identity.users_deleted_at_idx",
        "create index on identity.users (phone)",
        "create unique index on identity.addresses (user_id) where label is null",
        "alter table identity.users drop constraint users_email_key",
        "alter table identity.user_sessions drop constraint user_sessions_user_id_fkey",
        "alter table identity.users add check (version > 0)",
        "alter table identity.users add check (version > 0) not valid",
        "alter table identity.user_roles drop constraint user_roles_pkey, add primary key (role_id, user_id)",
        "create table identity.things ()",
        "create view identity.things as select 1 as one",
        "create sequence identity.things",
        "create domain identity.things as text",
        "create function identity.things() returns int language sql return 1",
        "drop table identity.user_permissions",
        "alter table identity.user_sessions drop constraint user_sessions_user_id_fkey, "
        "add foreign key (user_id) references identity.users (id) on delete set null",
    ],
)
async def test_any_drift_is_seen(live: Any, change: str) -> None:
    before = await facts(live, "identity")
    await live.execute(change)

    assert await facts(live, "identity") != before


def _has(table: Any, column: str) -> bool:
    return any(other.name == column for other in table.columns)
