"""Somebody who was everywhere is erased: nothing of them is left in any table, stream or log but what the law keeps."""

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from hashlib import sha256
from importlib import import_module
from typing import Any

import grpc
import httpx
import nats
import nats.js.errors
import pytest
from lumi.common.v1.address_pb2 import PostalAddress
from lumi.identity.v1 import address_pb2, auth_pb2, privacy_pb2, user_pb2
from lumi.identity.v1.address_pb2_grpc import AddressServiceStub
from lumi.identity.v1.auth_pb2_grpc import AuthServiceStub
from lumi.identity.v1.privacy_pb2_grpc import PrivacyServiceStub
from lumi.identity.v1.user_pb2_grpc import UserServiceStub
from lumi.orders.v1 import cart_pb2
from lumi.orders.v1.cart_pb2_grpc import CartServiceStub

from lumi_common.context import Context
from lumi_common.cuid import cuid
from lumi_common.db.personal import declared
from lumi_common.errors import LumiError, NotFound, PermissionDenied
from lumi_common.events.streams import CONTEXTS, stream
from lumi_orders.storage.retention import forget_old
from tests.kit.buying import Guest, Shopper, request_id
from tests.kit.client import Client
from tests.kit.door import Door
from tests.kit.shop import PASSWORD, Shop
from tests.kit.waiting import until

COMPLETE = privacy_pb2.ERASURE_STATE_COMPLETE
# What the law keeps, by column.
KEPT = {
    f"{table.fullname}.{column.name}"
    for context in CONTEXTS
    for table in import_module(f"lumi_{context}.storage.tables").metadata.sorted_tables
    for column, of in declared(table)
    if of.erasing == "kept"
}
_COLUMNS = """
    select c.table_schema, c.table_name, c.column_name, c.data_type from information_schema.columns c
    join information_schema.tables t using (table_schema, table_name)
    where c.table_schema = any($1) and t.table_type = 'BASE TABLE'
        and (c.data_type in ('text', 'jsonb', 'bytea', 'ARRAY', 'character varying') or c.udt_name = 'citext')
"""


@dataclass
class Person:
    """Somebody whose every trace can be told: each of `traces` is found nowhere but with them."""

    id: str
    mark: str
    client: Any
    orders: list[str]
    guest_id: str

    @property
    def traces(self) -> list[str]:
        return [self.mark, f"198.51.100.{_ip_of(self.mark)}", _phone_of(self.mark)]


def _ip_of(mark: str) -> int:
    return int(mark[-4:], 36) % 250


def _phone_of(mark: str) -> str:
    return f"+9053{int(mark[-8:], 36) % 100_000_000:08d}"


def address_of(mark: str) -> PostalAddress:
    return PostalAddress(
        full_name=f"Name {mark}", line1=f"Line {mark}", line2=f"Second {mark}", city=f"City {mark}",
        postal_code="34000", country="TR", phone=_phone_of(mark),
    )  # fmt: skip


@asynccontextmanager
async def a_person(shop: Shop) -> AsyncIterator[Person]:
    """Somebody who filled a cart as a guest, signed up, bought, wrote reviews, saved a card and went on filling."""
    mark = f"zq{cuid()[1:]}"
    channels = {
        name: grpc.aio.insecure_channel(
            f"127.0.0.1:{shop.runtimes[name].server.public_port}",
            options=[("grpc.primary_user_agent", f"agent-{mark}"), ("grpc.use_local_subchannel_pool", 1)],
        )
        for name in CONTEXTS
    }

    def client(stub_class: Any, token: str = "") -> Client:
        origin = (("x-forwarded-for", f"198.51.100.{_ip_of(mark)}"),)
        bearer = (("authorization", f"Bearer {token}"),) if token else ()
        return Client(stub_class(channels[stub_class.__init__.__module__.split(".")[1]]), origin + bearer)

    try:
        yield await _live(shop, mark, client)
    finally:
        for channel in channels.values():
            await channel.close()


async def _live(shop: Shop, mark: str, client: Any) -> Person:
    variant = await (await shop.staff()).put(100)
    guest = await Guest.come(client)
    await guest.fill((variant, 1), to=address_of(mark))
    email = f"{mark}@example.com"
    await client(AuthServiceStub).SignUp(
        auth_pb2.SignUpRequest(
            email=email, password=PASSWORD, first_name=f"First {mark}", last_name=f"Last {mark}", phone=_phone_of(mark)
        )
    )
    signing_in = auth_pb2.SignInRequest(email=email, password=PASSWORD)
    signed_in = await client(AuthServiceStub).SignIn(signing_in)
    token = signed_in.tokens.access_token
    proven = await client(AuthServiceStub, token).StepUp(auth_pb2.StepUpRequest(password=PASSWORD))
    own = partial(client, token=proven.access_token)
    home = await own(AddressServiceStub).CreateAddress(
        address_pb2.CreateAddressRequest(
            address=address_pb2.Address(label=f"Label {mark}", postal_address=address_of(mark)),
            request_id=request_id(),
        )
    )
    merged = await own(CartServiceStub).MergeGuestCart(
        cart_pb2.MergeGuestCartRequest(guest_token=guest.token, request_id=request_id())
    )
    shopper = Shopper(own)
    shopper.address = home.id
    placed = await shopper.place(merged, billing_address_id=home.id)
    cart = await shopper.fill((variant, 1))
    await own(CartServiceStub).SetCartAddresses(
        cart_pb2.SetCartAddressesRequest(id=cart.id, shipping_address=address_of(mark), request_id=request_id())
    )
    user, order = signed_in.user.id, placed.order.id
    async with shop.database("catalogue") as database:
        await database.execute(
            "insert into reviews (id, product_id, user_id, order_id, rating, title, body) "
            "select $1, product_id, $2, $3, 5, $4, $4 from product_variants where id = $5",
            cuid(), user, order, f"Review {mark}", variant,
        )  # fmt: skip
    async with shop.database("payments") as database:
        await database.execute(
            "insert into saved_cards (id, user_id, provider, card_token, holder) values ($1, $2, 'MANUAL', $3, $3)",
            cuid(), user, f"Holder {mark}",
        )  # fmt: skip
        await database.execute(
            "update payments set card_holder = $1, updated_at = now() where order_id = $2", f"Holder {mark}", order
        )
    async with shop.database("orders") as database:
        await database.execute("update orders set notes = $1, updated_at = now() where id = $2", f"Notes {mark}", order)
    async with shop.database("identity") as database:
        await database.execute(
            "insert into mails (id, recipient, template, payload, next_attempt_at) "
            "values ($1, $2, 'nobody_sends_this', '{}', now() + interval '1 day')",
            cuid(), email,
        )  # fmt: skip
    return Person(user, mark, own, [order], guest.id)


async def found(shop: Shop, trace: str) -> dict[str, int]:
    """Where in the tables something is said, by column, and in how many rows."""
    where: dict[str, int] = {}
    async with shop.database("identity") as database:
        for schema, table, column, kind in await database.fetch(_COLUMNS, list(CONTEXTS)):
            value = f"encode({column}, 'escape')" if kind == "bytea" else f"{column}::text"
            rows = await database.fetchval(
                f"select count(*) from {schema}.{table} where position(lower($1) in lower({value})) > 0", trace
            )
            if rows:
                where[f"{schema}.{table}.{column}"] = rows
    return where


async def streamed(shop: Shop, trace: str) -> int:
    """In how many messages of the streams something is said."""
    count, needle = 0, trace.lower().encode()
    client = await nats.connect(shop.nats.url_admin)
    try:
        jetstream = client.jetstream()
        for context in CONTEXTS:
            state = (await jetstream.stream_info(stream(context))).state
            for seq in range(max(1, state.first_seq), state.last_seq + 1):
                try:
                    message = await jetstream.get_msg(stream(context), seq)
                except nats.js.errors.NotFoundError:
                    continue
                said = (message.data or b"") + repr(message.headers).encode()
                count += needle in said.lower()
    finally:
        await client.close()
    return count


async def receipt(shop: Shop, id: str) -> privacy_pb2.ErasureReceipt:
    staff = await shop.user("users.read")
    asked = privacy_pb2.GetErasureReceiptRequest(id=id)
    answer: privacy_pb2.ErasureReceipt = await shop.stub(PrivacyServiceStub, staff.token).GetErasureReceipt(asked)
    return answer


async def erased(shop: Shop, id: str) -> privacy_pb2.ErasureReceipt:
    """The receipt of an erasure, as soon as it is complete."""
    staff = await shop.user("users.read")
    reader, asked = shop.stub(PrivacyServiceStub, staff.token), privacy_pb2.GetErasureReceiptRequest(id=id)
    answers: list[privacy_pb2.ErasureReceipt] = []

    async def complete() -> bool:
        answers.append(await reader.GetErasureReceipt(asked))
        return bool(answers[-1].state == COMPLETE)

    try:
        await until(complete, "the erasure is complete", seconds=60)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{answers[-1]}") from None
    return answers[-1]


async def exported(person_id: str, client: Any, size: int = 7) -> list[Any]:
    """All rows about somebody, page by page."""
    rows: list[Any] = []
    asked = privacy_pb2.ExportUserDataRequest(id=person_id, page_size=size)
    while True:
        answer = await client.ExportUserData(asked)
        assert len(answer.rows) <= size
        rows += answer.rows
        if not answer.next_page_token:
            return rows
        asked.page_token = answer.next_page_token


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level(logging.INFO):
        yield caplog


async def test_nothing_of_an_erased_person_is_left_but_what_the_law_keeps(
    shop: Shop, logged: pytest.LogCaptureFixture
) -> None:
    async with a_person(shop) as person, a_person(shop) as other:
        for trace in person.traces:
            assert await found(shop, trace), trace
        assert await streamed(shop, person.mark)
        of_other = {trace: await found(shop, trace) for trace in (other.mark, _phone_of(other.mark))}

        begun = await person.client(PrivacyServiceStub).EraseUser(
            privacy_pb2.EraseUserRequest(id=person.id, request_id=request_id())
        )
        done = await erased(shop, begun.id)

        for trace in person.traces:
            assert (await found(shop, trace)).keys() <= KEPT, trace
            assert await streamed(shop, trace) == 0, trace
            assert not [record for record in logged.records if trace in repr(vars(record))]
        assert done.subject_hash == sha256(person.id.encode()).hexdigest()
        assert person.id not in str(done)
        assert [each.service for each in done.services] == sorted(CONTEXTS)
        assert all(each.HasField("confirm_time") for each in done.services)
        counted = {count.table: count.rows for each in done.services for count in each.tables}
        assert counted["catalogue.reviews"] == counted["payments.saved_cards"] == counted["identity.addresses"] == 1
        assert (counted["orders.orders"], counted["orders.carts"], counted["payments.payments"]) == (1, 2, 1)
        assert counted["orders.outbox_events"] > 3
        # What is kept is the order whole, with its money; what is another's is untouched.
        async with shop.database("orders") as database:
            order = await database.fetchrow("select * from orders where id = $1", person.orders[0])
        assert (order["user_id"], order["notes"]) == (None, None)
        assert person.mark in order["shipping_address_snapshot"]
        assert order["total_amount"] > 0
        for trace, where in of_other.items():
            assert await found(shop, trace) == where


async def test_the_shown_data_are_all_that_there_are_without_secrets(shop: Shop) -> None:
    async with a_person(shop) as person:
        rows = await exported(person.id, person.client(PrivacyServiceStub))

        tables = {row.table for row in rows}
        assert {
            "identity.users", "identity.addresses", "identity.user_sessions", "identity.security_events",
            "identity.mails", "catalogue.reviews", "orders.carts", "orders.cart_items", "orders.orders",
            "orders.order_items", "orders.order_status_history", "payments.payments", "payments.saved_cards",
        } <= tables  # fmt: skip
        assert len({(row.table, str(row.row)) for row in rows}) == len(rows)
        [user] = [row.row for row in rows if row.table == "identity.users"]
        assert (user["email"], user["phone"]) == (f"{person.mark}@example.com", _phone_of(person.mark))
        names = {name for row in rows for name in row.row}
        assert not names & {
            "password_hash", "two_factor_secret", "refresh_token_hash", "token_hash", "code_hash", "card_token",
        }  # fmt: skip
        [order] = [row.row for row in rows if row.table == "orders.orders"]
        assert isinstance(order["total_amount"], str)
        whole = await exported(person.id, person.client(PrivacyServiceStub), size=500)
        assert {(row.table, str(row.row)) for row in whole} >= {
            (row.table, str(row.row)) for row in rows if row.table.partition(".")[0] != "identity"
        }


async def test_others_are_neither_shown_nor_erased_by_a_customer(shop: Shop) -> None:
    ada, bob = await shop.user(), await shop.user()
    client = shop.stub(PrivacyServiceStub, bob.token)

    answers = set()
    for id in (ada.id, cuid()):
        for call in (
            client.ExportUserData(privacy_pb2.ExportUserDataRequest(id=id)),
            client.EraseUser(privacy_pb2.EraseUserRequest(id=id, request_id=request_id())),
        ):
            with pytest.raises(NotFound) as refusal:
                await call
            answers.add((refusal.value.reason, refusal.value.message))
    assert len(answers) == 1
    with pytest.raises(PermissionDenied):
        await client.GetErasureReceipt(privacy_pb2.GetErasureReceiptRequest(id=cuid()))


async def test_an_erasure_is_not_taken_back_and_is_the_same_again(shop: Shop) -> None:
    ada, staff = await shop.user(), await shop.user("users.write", "users.purge", "users.read", "users.export")
    client = shop.stub(PrivacyServiceStub, staff.token)
    asked = privacy_pb2.EraseUserRequest(id=ada.id, request_id=request_id())

    first = await client.EraseUser(asked)
    with pytest.raises(LumiError) as refusal:
        await shop.stub(UserServiceStub, staff.token).UndeleteUser(user_pb2.UndeleteUserRequest(id=ada.id))
    assert refusal.value.reason in ("ERASURE_UNDER_WAY", "NOT_FOUND")
    done = await erased(shop, first.id)

    assert await client.EraseUser(asked) == first
    again = await client.EraseUser(privacy_pb2.EraseUserRequest(id=ada.id, request_id=request_id()))
    assert again == done
    with pytest.raises(NotFound):
        await client.ExportUserData(privacy_pb2.ExportUserDataRequest(id=ada.id))


async def test_what_the_law_keeps_goes_when_its_time_is_over(shop: Shop) -> None:
    async with a_person(shop) as person, a_person(shop) as other:
        begun = await person.client(PrivacyServiceStub).EraseUser(
            privacy_pb2.EraseUserRequest(id=person.id, request_id=request_id())
        )
        await erased(shop, begun.id)
        kept, of_other = await found(shop, person.mark), await found(shop, other.mark)
        assert {"orders.orders.shipping_address_snapshot", "payments.payments.card_holder"} <= kept.keys()
        async with shop.database("orders") as database:
            await database.execute(
                "update orders set created_at = now() - interval '3651 days', updated_at = now() where id = any($1)",
                person.orders,
            )

        await forget_old(shop.runtimes["orders"].db.on(Context.system("orders.retention")), timedelta(days=3650))

        async def forgotten() -> bool:
            return not await found(shop, person.mark)

        await until(forgotten, "payments have followed")
        assert await found(shop, other.mark) == of_other
        async with shop.database("payments") as database:
            paid = await database.fetchrow("select * from payments where order_id = $1", person.orders[0])
        assert (paid["status"], paid["captured_amount"] > 0) == ("SETTLED", True)


async def test_a_guest_s_order_is_kept_as_long_and_no_longer(shop: Shop) -> None:
    mark = f"zq{cuid()[1:]}"
    guest = await Guest.come(shop.stub)
    placed = await guest.place(
        await guest.fill((await (await shop.staff()).put(10), 1), to=address_of(mark)), shipping_address_id=""
    )
    ages = {"orders": "created_at", "carts": "updated_at"}
    assert {each.split(".")[1] for each in await found(shop, mark)} >= ages.keys()
    async with shop.database("orders") as database:
        of = {
            "orders": placed.order.id,
            "carts": await database.fetchval("select cart_id from orders where id = $1", placed.order.id),
        }
        for table, column in ages.items():
            await database.execute(f"update {table} set {column} = now() - interval '11 days' where id = $1", of[table])

    orders = shop.runtimes["orders"].db.on(Context.system("orders.retention"))
    await forget_old(orders, timedelta(days=12))
    assert await found(shop, mark)
    await forget_old(orders, timedelta(days=10))
    # The answers to their requests have a day, and no more.
    assert (await found(shop, mark)).keys() <= {"orders.request_ids.response"}


async def test_somebody_is_shown_and_erased_by_curl(door: Door) -> None:
    customer = await door.customer()
    assert customer.user is not None
    user = customer.user

    async def asked(method: str, path: str, token: str, **given: Any) -> httpx.Response:
        return await door.http.request(method, path, headers={"authorization": f"Bearer {token}"}, **given)

    shown, erasing = f"/v1/users/{user.id}:export", f"/v1/users/{user.id}:erase"
    assert (await asked("GET", shown, customer.access_token)).status_code == 403
    answer = await asked("POST", "/v1/auth:stepUp", customer.access_token, json={"password": PASSWORD})
    proven = answer.json()["accessToken"]

    page = (await asked("GET", shown, proven, params={"pageSize": "500"})).json()
    [account] = [row["row"] for row in page["rows"] if row["table"] == "identity.users"]
    assert account["email"] == user.email
    answer = await asked("POST", erasing, proven, json={"requestId": request_id()})
    assert (answer.status_code, answer.json()["state"]) == (200, "ERASURE_STATE_UNDER_WAY")

    admin, proof = await door.staff(), {"password": door.admin["password"]}
    reader = (await asked("POST", "/v1/auth:stepUp", admin.access_token, json=proof)).json()["accessToken"]

    async def complete() -> bool:
        receipt = (await asked("GET", f"/v1/erasures/{answer.json()['id']}", reader)).json()
        return bool(receipt["state"] == "ERASURE_STATE_COMPLETE")

    await until(complete, "the erasure is complete", seconds=60)
    await door.shop.auth.sign_up(email=user.email, password=PASSWORD)  # nobody has it any more
