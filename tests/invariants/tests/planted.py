"""One violation after the other, as SQL that the services would never say, by the invariant that it breaks."""


def _copy(table: str, where: str = "true", **changes: str) -> str:
    """Another row like one of `table` under another id, with these columns changed to these expressions."""
    facts = {"id": "'planted'", **changes}
    given = ", ".join(f"'{name}', {value}" for name, value in facts.items())
    return (
        f"insert into {table} select (jsonb_populate_record(null::{table}, row || jsonb_build_object({given}))).* "
        f"from (select r, to_jsonb(r) as row from {table} r where {where} limit 1) found"
    )


def _one(table: str, change: str, where: str = "true") -> str:
    """One row of `table` changed."""
    return f"update {table} set {change} where ctid = (select ctid from {table} where {where} limit 1)"


def _gone(table: str, where: str = "true") -> str:
    """One row of `table` deleted."""
    return f"delete from {table} where ctid = (select ctid from {table} where {where} limit 1)"


def _allow(table: str, constraint: str) -> str:
    return f"alter table {table} drop constraint {constraint}"


_CANCELLED = "(select id from orders.orders where status = 'CANCELLED' limit 1)"
_PAID = "(select id from orders.orders where status = 'PAID' and coupon_code is not null limit 1)"
_LONG_AGO = "now() - interval '3 minutes'"
_HELD = _copy(
    "catalogue.stock_reservations",
    order_id="'nobody'",
    state="'HELD'",
    quantity="1",
    created_at=_LONG_AGO,
    expires_at="now() + interval '1 hour'",
)
_OLD_CHECKOUT = (
    "insert into orders.checkouts (id, order_id, step, next_attempt_at, created_at) "
    f"values ('planted', 'nobody', 'UNDO', now(), {_LONG_AGO})"
)

_ANOTHER = "user_id = (select min(id) from identity.users where id <> user_id)"

_ERASED = "(select subject_id from identity.erasures)"
_WAS_THERE = """'{"ip_address": "192.0.2.7"}'"""
_NOBODYS = "user_id is null and session_id is null"
_MAIL = (
    "insert into identity.mails (id, recipient, template, payload, next_attempt_at) "
    f"values ('planted', 'a@example.com', 'x', jsonb_build_object('user_id', {_ERASED}), now())"
)

PLANTED: list[tuple[str, str, tuple[str, ...]]] = [
    (
        "S1",
        "available is off",
        (
            _allow("catalogue.inventories", "inventories_quantity_available_check"),
            _one("catalogue.inventories", "quantity_available = quantity_available + 1"),
        ),
    ),
    ("S1", "sold below zero", (_one("catalogue.inventories", "quantity_on_hand = -1, quantity_available = -1"),)),
    (
        "S2",
        "reserved by nobody",
        (
            _one(
                "catalogue.inventories",
                "quantity_reserved = quantity_reserved + 1, quantity_available = quantity_available - 1",
            ),
        ),
    ),
    ("S2", "held and not counted", (_HELD,)),
    (
        "S3",
        "units from nowhere",
        (
            _one(
                "catalogue.inventories",
                "quantity_on_hand = quantity_on_hand + 1, quantity_available = quantity_available + 1",
            ),
        ),
    ),
    ("S3", "more sold than received", (_one("catalogue.stock_movements", "delta = 1", "order_id is null"),)),
    (
        "S4",
        "released after it was sold",
        (_one("catalogue.stock_reservations", "state = 'RELEASED'", "state = 'COMMITTED'"),),
    ),
    (
        "S3",
        "paid for and not taken out of stock",
        (_one("catalogue.stock_reservations", "state = 'EXPIRED'", f"order_id = {_PAID}"),),
    ),
    (
        "S3",
        "fewer taken than sold",
        (_one("catalogue.stock_reservations", "quantity = quantity + 1", f"order_id = {_PAID}"),),
    ),
    ("S3", "taken for nobody", (_one("catalogue.stock_reservations", "order_id = 'nobody'", "state = 'COMMITTED'"),)),
    ("S3", "cancelled and not given back", (_gone("catalogue.stock_movements", "reason = 'restocked'"),)),
    ("S4", "sold twice", (_copy("catalogue.stock_movements", "reason = 'sold'"),)),
    ("S4", "sold without a reservation", (_gone("catalogue.stock_reservations", "state = 'COMMITTED'"),)),
    ("S4", "ended untold", (_gone("catalogue.outbox_events", "type = 'stock.committed'"),)),
    ("S5", "held for nobody", (_HELD,)),
    (
        "S5",
        "held for a cancelled order",
        (_one("catalogue.stock_reservations", "state = 'HELD'", f"order_id = {_CANCELLED}"),),
    ),
    (
        "S5",
        "held long past its time",
        (
            _one(
                "catalogue.stock_reservations",
                f"state = 'HELD', expires_at = {_LONG_AGO}",
                "order_id = (select id from orders.orders where status = 'DELIVERED' limit 1)",
            ),
        ),
    ),
    ("O1", "an open cart with an order", (_one("orders.carts", "status = 'ABANDONED'", "status = 'CHECKED_OUT'"),)),
    ("O1", "a closed cart without one", (_one("orders.carts", "status = 'CHECKED_OUT'", "status = 'ACTIVE'"),)),
    (
        "O1",
        "two orders of one cart",
        (_allow("orders.orders", "orders_cart_id_key"), _copy("orders.orders", reference="'planted'")),
    ),
    (
        "O2",
        "more than was in the cart",
        (
            _allow("orders.order_items", "order_items_amounts_check"),
            _one("orders.order_items", "quantity = quantity + 1"),
        ),
    ),
    ("O2", "a line fewer", (_gone("orders.order_items"),)),
    (
        "O3",
        "the total is off",
        (
            _allow("orders.orders", "orders_amounts_check"),
            _one("orders.orders", "total_amount = total_amount + 0.01"),
        ),
    ),
    (
        "O3",
        "shares do not add up",
        (
            _one(
                "orders.order_items", "discount_amount = 0, total_amount = unit_price * quantity", "discount_amount > 0"
            ),
        ),
    ),
    ("O3", "tax that no line has", (_one("orders.orders", "tax_amount = 1, total_amount = total_amount + 1"),)),
    ("O3", "a currency without cents", (_one("orders.orders", "currency = 'JPY'"),)),
    ("O3", "no lines", ("delete from orders.order_items",)),
    ("O4", "a line in another", (_one("orders.order_items", "currency = 'EUR'"),)),
    ("O4", "paid in another", (_one("payments.payments", "currency = 'EUR'"),)),
    ("O4", "refunded in another", (_one("payments.payment_refunds", "currency = 'EUR'"),)),
    ("O4", "a coupon of another", (_one("marketing.coupons", "currency = 'EUR'"),)),
    ("O5", "a step of no way", (_one("orders.order_status_history", "from_status = 'SHIPPED'", "to_status = 'PAID'"),)),
    (
        "O5",
        "a way there is not",
        (
            _one("orders.order_status_history", "to_status = 'SHIPPED'", "to_status = 'PAID'"),
            "update orders.order_status_history set from_status = 'SHIPPED' where from_status = 'PAID'",
        ),
    ),
    ("O5", "no beginning", (_gone("orders.order_status_history", "from_status is null"),)),
    ("O5", "the last step is missing", (_gone("orders.order_status_history", "to_status = 'DELIVERED'"),)),
    ("O5", "a change that was not recorded", (_one("orders.orders", "version = version + 1"),)),
    (
        "O5",
        "a change told twice",
        (_copy("orders.outbox_events", "aggregate = 'Order'", id="uuidv7()", seq="1000000"),),
    ),
    ("O6", "delivered and never packed", (_one("orders.orders", "fulfilled_at = null", "status = 'DELIVERED'"),)),
    (
        "O6",
        "delivered before it was shipped",
        (_one("orders.orders", f"delivered_at = {_LONG_AGO}", "status = 'DELIVERED'"),),
    ),
    ("O6", "cancelled at no time", (_one("orders.orders", "cancelled_at = null", "status = 'CANCELLED'"),)),
    ("O6", "shipped ahead", (_one("orders.orders", "shipped_at = now()", "status = 'PAID'"),)),
    ("O7", "a checkout that nobody ends", (_OLD_CHECKOUT,)),
    (
        "O7",
        "an order that nobody paid for",
        (_copy("orders.orders", status="'PENDING'", reference="'planted'", cart_id="null", created_at=_LONG_AGO),),
    ),
    (
        "O7",
        "paid and PENDING",
        (
            _one("orders.orders", "status = 'PENDING'", "status = 'PAID'"),
            f"update payments.payments set settled_at = {_LONG_AGO}",
        ),
    ),
    (
        "O7",
        "paid and not out of stock",
        (
            _one("catalogue.stock_reservations", "state = 'HELD'", f"order_id = {_PAID}"),
            f"update orders.order_status_history set created_at = {_LONG_AGO}",
        ),
    ),
    (
        "M1",
        "more taken than asked",
        (
            _allow("payments.payments", "payments_captured_check"),
            _one("payments.payments", "captured_amount = amount + 1"),
        ),
    ),
    (
        "M1",
        "more held than asked",
        (
            _allow("payments.payments", "payments_authorized_check"),
            _one("payments.payments", "authorized_amount = amount + 1"),
        ),
    ),
    ("M2", "settled without a step", (_gone("payments.payment_steps", "kind = 'CAPTURED'"),)),
    ("M2", "refunded by no step", (_one("payments.payments", "status = 'REFUNDED'", "status = 'SETTLED'"),)),
    ("M2", "a step too many", (_copy("payments.payment_steps", "kind = 'REFUNDED'"),)),
    ("M3", "with a provider whose ledger nobody sees", (_one("payments.payments", "provider = 'STRIPE'"),)),
    (
        "M3",
        "one transaction for two payments",
        (
            "drop index payments.payments_provider_transaction_id_key",
            "update payments.payments set transaction_id = 'bank-1'",
        ),
    ),
    ("M3", "one transaction for two refunds", ("update payments.payment_refunds set transaction_id = 'bank-1'",)),
    (
        "M4",
        "a cancelled order's money is kept",
        (
            f"update orders.orders set cancelled_at = {_LONG_AGO} where cancelled_at is not null",
            f"update payments.payments set refunded_amount = 0, settled_at = {_LONG_AGO} where status = 'REFUNDED'",
        ),
    ),
    ("M4", "PAID by nothing", (_one("payments.payments", "status = 'FAILED'", f"order_id = {_PAID}"),)),
    (
        "M4",
        "PAID by too little",
        (_one("payments.payments", "captured_amount = captured_amount - 0.01", f"order_id = {_PAID}"),),
    ),
    ("M5", "paid twice", ("drop index payments.payments_open_key", _copy("payments.payments", "status = 'SETTLED'"))),
    ("M6", "applied twice", ("update payments.payment_steps set provider_event_id = 'evt' where kind = 'CAPTURED'",)),
    ("M7", "a refund's row is gone", (_gone("payments.payment_refunds"),)),
    (
        "M7",
        "a refund that was told of is gone",
        (
            "delete from payments.payment_steps",
            "update payments.payments set refunded_amount = 0",
            _gone("payments.payment_refunds"),
        ),
    ),
    ("M7", "refunded by less than told", (_one("payments.payment_refunds", "amount = amount - 0.01"),)),
    (
        "K1",
        "used more often than allowed",
        (
            _allow("marketing.coupons", "coupons_usage_count_check"),
            _one("marketing.coupons", "usage_count = usage_limit + 1"),
        ),
    ),
    ("K1", "uses that are not counted", (_one("marketing.coupons", "usage_count = 0"),)),
    ("K1", "counted and never redeemed", (_one("marketing.coupons", "usage_count = usage_count + 1"),)),
    ("K1", "used too often by one", (_one("marketing.coupons", "per_user_limit = 0"),)),
    (
        "K2",
        "redeemed twice for one order",
        ("drop index marketing.coupon_usages_coupon_id_order_id_key", _copy("marketing.coupon_usages")),
    ),
    ("K3", "redeemed for a cancelled order", (_one("marketing.coupon_usages", f"order_id = {_CANCELLED}"),)),
    ("K3", "redeemed for nobody", (_one("marketing.coupon_usages", "order_id = 'nobody'"),)),
    ("K3", "an order without its redemption", (_gone("marketing.coupon_usages"),)),
    ("K3", "another amount", (_one("marketing.coupon_usages", "discount_amount = 0.49"),)),
    (
        "K3",
        "released twice",
        (_copy("marketing.outbox_events", "type = 'coupon_usage.released'", id="uuidv7()", seq="1000000"),),
    ),
    ("I1", "two live tokens in a family", (_copy("identity.user_sessions"),)),
    (
        "I1",
        "the used token is the good one",
        (_one("identity.user_sessions", "previous_token_hash = refresh_token_hash", "generation > 1"),),
    ),
    (
        "I1",
        "the used token is forgotten",
        (_one("identity.user_sessions", "previous_token_hash = null", "generation > 1"),),
    ),
    ("I2", "suspended and signed in", ("update identity.users set status = 'SUSPENDED'",)),
    ("I2", "deleted and signed in", ("update identity.users set deleted_at = now()",)),
    (
        "I3",
        "a failed sign-in that was not counted",
        (
            _one("identity.users", "failed_login_count = 1", "failed_login_count = 2"),
            f"update identity.security_events set created_at = {_LONG_AGO} where type = 'signed_in'",
        ),
    ),
    ("I3", "counted and never tried", (_one("identity.users", "failed_login_count = 1", "failed_login_count = 0"),)),
    (
        "I3",
        "counted twice",
        (_one("identity.users", "failed_login_count = failed_login_count + 1", "failed_login_count > 0"),),
    ),
    ("I3", "a code was taken twice", (_copy("identity.security_events", "type = 'two_factor_passed'"),)),
    (
        "I3",
        "an older code may be taken again",
        (_one("identity.users", "last_totp_step = last_totp_step - 1", "last_totp_step is not null"),),
    ),
    (
        "I4",
        "two of one address",
        (_allow("identity.users", "users_email_key"), _copy("identity.users", email="upper((r).email::text)")),
    ),
    ("X1", "an order of a user who is gone", ("delete from identity.users",)),
    ("X1", "a usage of an order that is gone", (_one("marketing.coupon_usages", "order_id = 'nobody'"),)),
    ("X2", "an order of a product that is gone", ("delete from catalogue.products",)),
    (
        "X2",
        "a variant in a cart is gone",
        (
            "delete from orders.order_items",
            "delete from catalogue.product_variants where id in ("
            "select product_variant_id from orders.cart_items i join orders.carts c on c.id = i.cart_id "
            "where c.status = 'ACTIVE')",
        ),
    ),
    ("X2", "money for an order that is gone", (_gone("orders.orders"),)),
    (
        "X1",
        "named again after it was known to be gone",
        (_one("orders.reference_targets", "gone_at = now()", "kind = 'identity.users'"),),
    ),
    (
        "X2",
        "taken on after it was fenced",
        (_one("orders.reference_targets", "gone_at = now()", "kind = 'catalogue.products'"),),
    ),
    ("X6", "an erasure that does not end", ("update identity.erasures set step = 'ERASE', created_at = '2026-01-01'",)),
    (
        "X6",
        "erased, and back",
        (_copy("identity.users", id="(select subject_id from identity.erasures)", email="'b@example.com'"),),
    ),
    (
        "X6",
        "where they were",
        (_one("orders.outbox_events", f"headers = headers || {_WAS_THERE}", f"headers ->> 'actor_id' = {_ERASED}"),),
    ),
    (
        "X6",
        "where they signed up",
        (_one("identity.audit_logs", "ip_address = '192.0.2.7'", "action = 'user.signed_up' and ip_address is null"),),
    ),
    (
        "X6",
        "an answer to them",
        (_one("orders.request_ids", f"principal = 'user:' || {_ERASED}"),),
    ),
    ("X6", "an order of theirs", (_one("orders.orders", f"user_id = {_ERASED}"),)),
    ("X6", "a mail to them", (_MAIL,)),
    ("X6", "a cart of nobody's that goes somewhere", (_one("orders.carts", "shipping_address = '{}'", _NOBODYS),)),
    ("X3", "a record was not filed", (_gone("identity.audit_logs"),)),
    ("X3", "a record was filed twice", (_copy("identity.audit_logs"),)),
    ("X3", "filed as somebody else's", (_one("identity.audit_logs", "actor_type = 'guest'", "actor_type = 'user'"),)),
    ("X3", "filed as another user's", (_one("identity.audit_logs", _ANOTHER, "user_id is not null"),)),
    ("X3", "filed without what it was before", (_one("identity.audit_logs", "before = null", "before is not null"),)),
    ("X3", "nobody did it", (_one("identity.audit_logs", "actor_type = ''"),)),
    ("X3", "a secret in it", (_one("identity.audit_logs", """after = '{"password_hash": "k1$2b$04$"}'"""),)),
    ("X3", "where somebody lives", (_one("identity.audit_logs", """after = '{"city": "Ankara"}'"""),)),
    ("X4", "never published", (_one("orders.outbox_events", "published_at = null"),)),
    (
        "X4",
        "never published, and that for long",
        (_one("orders.outbox_events", f"published_at = null, created_at = {_LONG_AGO}"),),
    ),
    (
        "X4",
        "applied twice",
        (
            _allow("identity.inbox_events", "inbox_events_pkey"),
            "insert into identity.inbox_events select * from identity.inbox_events limit 1",
        ),
    ),
    ("X4", "not applied", (_gone("identity.inbox_events", "consumer = 'identity-audit'"),)),
    ("X4", "a settlement not heard", ("delete from orders.inbox_events",)),
    (
        "X4",
        "applied before what came first",
        (
            "update identity.inbox_events set applied_at = now() where event_id in ("
            "select id from orders.outbox_events where type = 'order.placed')",
        ),
    ),
    ("X5", "an answer that was not kept", (_one("orders.request_ids", "response = null"),)),
    (
        "X5",
        "two effects",
        (
            _copy(
                "orders.outbox_events",
                "r.headers ? 'request'",
                id="uuidv7()",
                seq="1000000",
                created_at="(r).created_at + interval '1 second'",
            ),
        ),
    ),
    ("X5", "an answer to no body", (_one("marketing.request_ids", "request_hash = 'x'", "request_hash <> ''"),)),
    (
        "X5",
        "two answers",
        (
            _allow("orders.request_ids", "request_ids_pkey"),
            "insert into orders.request_ids select * from orders.request_ids limit 1",
        ),
    ),
]
