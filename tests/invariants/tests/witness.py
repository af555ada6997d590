"""Who sees every change that a service makes to the model's tables, to hold it against what was told of it (X3).

A trigger on each table writes down the row before and after, and the transaction; another writes down what each
outbox row tells. What the superuser does, as tests do where no method can, is not looked at.
"""

import importlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

from lumi_common.events.streams import CONTEXTS

# The aggregate that a table's rows belong to, and their column that names it.
WHOSE = {
    "identity.users": ("User", "id"),
    "identity.user_roles": ("User", "user_id"),
    "identity.user_permissions": ("User", "user_id"),
    "identity.roles": ("Role", "id"),
    "identity.role_permissions": ("Role", "role_id"),
    "identity.permissions": ("Permission", "id"),
    "identity.addresses": ("Address", "id"),
    "identity.erasures": ("Erasure", "id"),
    "catalogue.products": ("Product", "id"),
    "catalogue.product_categories": ("Product", "product_id"),
    "catalogue.product_collections": ("Product", "product_id"),
    "catalogue.product_media": ("Product", "product_id"),
    "catalogue.product_variants": ("ProductVariant", "id"),
    "catalogue.variant_media": ("ProductVariant", "variant_id"),
    "catalogue.inventories": ("Inventory", "id"),
    "catalogue.media": ("Media", "id"),
    "catalogue.categories": ("Category", "id"),
    "catalogue.collections": ("Collection", "id"),
    "catalogue.reviews": ("Review", "id"),
    "catalogue.review_media": ("Review", "review_id"),
    "orders.carts": ("Cart", "id"),
    "orders.cart_items": ("Cart", "cart_id"),
    "orders.orders": ("Order", "id"),
    "orders.order_items": ("Order", "order_id"),
    "orders.order_status_history": ("Order", "order_id"),
    "payments.payments": ("Payment", "id"),
    "payments.payment_steps": ("Payment", "payment_id"),
    "payments.payment_refunds": ("PaymentRefund", "id"),
    "payments.saved_cards": ("SavedCard", "id"),
    "marketing.coupons": ("Coupon", "id"),
    "marketing.coupon_usages": ("CouponUsage", "id"),
}
# No aggregates: what keeps services going, and what has a story of its own. The tables of every schema are none either.
NOBODYS = {
    *("identity.user_sessions", "identity.security_events", "identity.audit_logs", "identity.signing_keys"),
    *("identity.recovery_codes", "identity.one_time_tokens", "identity.mails", "identity.sign_in_attempts"),
    *("catalogue.stock_reservations", "catalogue.stock_movements"),
    *("orders.checkouts", "payments.webhook_events"),
}
# What follows from something else that has a record of its own.
DERIVED = {
    "catalogue.inventories": {"quantity_on_hand", "quantity_reserved", "quantity_available"},
    "marketing.coupons": {"usage_count"},
    "identity.erasures": {"services", "next_attempt_at"},
    "identity.users": {"failed_login_count", "lockout_until", "last_totp_step", "not_before"},
}
# Of no aggregate, but told: what somebody who operates a service did.
BESIDES = {"DeadLetter"}
TECHNICAL = {"created_at", "updated_at", "version"}

_INSTALL = """
    create schema witness;
    create table witness.changes (
        seq bigint generated always as identity primary key,
        xact xid8 not null default pg_current_xact_id(), what text not null, before jsonb, after jsonb
    );
    create function witness.see() returns trigger language plpgsql security definer set search_path = '' as $$
    begin
        if session_user like 'lumi\\_%' then
            insert into witness.changes (what, before, after)
            values (tg_table_schema || '.' || tg_table_name, to_jsonb(old), to_jsonb(new));
        end if;
        return null;
    end $$;
"""
_WATCH = "create trigger seen after {events} on {table} for each row execute function witness.see()"


class Key(NamedTuple):
    """An aggregate in a transaction."""

    xact: str
    entity: str
    id: str


@dataclass(frozen=True)
class Match:
    """Where the two lists differ, each by aggregate and transaction; all empty where they match."""

    untold: dict[Key, set[str]] = field(default_factory=dict)
    """What was changed and has no audit record, with the columns."""
    groundless: dict[Key, list[str]] = field(default_factory=dict)
    """Audit records of what was not changed, with their actions."""
    told_again: dict[Key, list[str]] = field(default_factory=dict)
    """What has more than one audit record, with their actions."""
    unnamed: dict[Key, set[str]] = field(default_factory=dict)
    """Columns that changed in an aggregate's own row and are not in its record."""
    nobodys: dict[Key, list[str]] = field(default_factory=dict)
    """Records that nobody was the actor of."""


def tables() -> set[str]:
    """Every table of the model, by schema and name, without those that every schema has."""
    found = set()
    for context in CONTEXTS:
        module = importlib.import_module(f"lumi_{context}.storage.tables")
        common = {getattr(module.common, each.name) for each in fields(module.common)}
        found |= {table.fullname for table in module.metadata.sorted_tables if table not in common}
    return found


async def watch(superuser: Any) -> None:
    """From now on every change of a service's is seen."""
    await superuser.execute(_INSTALL)
    for table in WHOSE:
        await superuser.execute(_WATCH.format(events="insert or update or delete", table=table))
    for context in CONTEXTS:
        await superuser.execute(_WATCH.format(events="insert", table=f"{context}.outbox_events"))


async def seen(superuser: Any) -> list[Mapping[str, Any]]:
    """All that was seen so far, in its order."""
    rows = await superuser.fetch("select xact::text, what, before::text, after::text from witness.changes order by seq")
    return [
        {**row, "before": json.loads(row["before"] or "null"), "after": json.loads(row["after"] or "null")}
        for row in rows
    ]


def match(changes: Iterable[Mapping[str, Any]]) -> Match:
    """Hold what was seen on the tables against what the outbox rows of the same transactions tell."""
    touched: set[Key] = set()
    changed: dict[Key, set[str]] = defaultdict(set)
    own: dict[Key, set[str]] = defaultdict(set)
    told: dict[Key, list[Mapping[str, Any]]] = defaultdict(list)
    result = Match()
    for change in changes:
        if change["what"].endswith(".outbox_events"):
            for record in filter(lambda record: record["audit"], change["after"]["records"]):
                key = Key(change["xact"], record["entity"], record["id"])
                told[key].append(record)
                if not change["after"]["headers"]["actor_type"]:
                    result.nobodys.setdefault(key, []).append(record["action"])
            continue
        entity, id = WHOSE[change["what"]]
        key = Key(change["xact"], entity, (change["after"] or change["before"])[id])
        columns = _columns(change)
        touched.add(key)
        if columns:
            changed[key] |= {f"{change['what']}.{column}" for column in columns}
        if id == "id" and change["before"] and change["after"]:
            own[key] |= columns
    named = {key: {name for record in records for name in _names(record)} for key, records in told.items()}
    result.untold.update({key: columns for key, columns in changed.items() if key not in told})
    result.groundless.update({k: _actions(told[k]) for k in told.keys() - touched if k.entity not in BESIDES})
    result.told_again.update({key: _actions(records) for key, records in told.items() if len(records) > 1})
    result.unnamed.update(
        {key: columns - named[key] for key, columns in own.items() if columns - named.get(key, columns)}
    )
    return result


def _columns(change: Mapping[str, Any]) -> set[str]:
    """What a change is about, without what is derived: all columns of a row that came or went."""
    before, after = change["before"] or {}, change["after"] or {}
    differing = {name for name in before | after if before.get(name) != after.get(name)}
    if before and after:
        differing -= TECHNICAL | DERIVED.get(change["what"], set())
    return differing


def _names(record: Mapping[str, Any]) -> set[str]:
    return {*(record.get("before") or ()), *(record.get("after") or ())}


def _actions(records: Iterable[Mapping[str, Any]]) -> list[str]:
    return [record["action"] for record in records]


def counted(changes: Iterable[Mapping[str, Any]]) -> Counter[str]:
    """How many changes were seen of each table."""
    return Counter(change["what"] for change in changes)
