"""Whatever goes wrong with whatever was sent: each line is JSON, carries its trace, and nothing of what was sent."""

import asyncio
import io
import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from lumi.common.v1.address_pb2 import PostalAddress
from lumi.identity.v1 import address_pb2, auth_pb2
from lumi.identity.v1.address_pb2_grpc import AddressServiceStub
from lumi.identity.v1.auth_pb2_grpc import AuthServiceStub
from lumi.orders.v1 import cart_pb2
from lumi.orders.v1.cart_pb2_grpc import CartServiceStub

from lumi_common.cuid import cuid
from lumi_common.errors import LumiError
from lumi_common.logs import JsonFormatter
from tests.kit.buying import request_id
from tests.kit.client import Client
from tests.kit.waiting import until
from tests.telemetry.traced import Given, TracedShop

MARK = uuid4().hex[:10]
EMAIL, PASSWORD = f"planted{MARK}@example.com", f"Planted-pass-{MARK}"
CARD, PHONE, NAME = "4242 4242 4242 4242", "+905321234567", f"Planted{MARK} O'Person"
TOKEN, SQL = f"planted.{MARK}.token", f"planted{MARK}'; drop table orders; --"
PLANTED = (MARK, CARD, CARD.replace(" ", ""), PHONE, PHONE[3:], "O'Person", "drop table")


@dataclass
class Logs:
    """What the services have said since the last look."""

    stream: io.StringIO

    def lines(self) -> list[dict[str, Any]]:
        """Every line, each JSON and none with anything planted in it."""
        text = self.stream.getvalue()
        for planted in PLANTED:
            assert planted not in text, next(line for line in text.splitlines() if planted in line)
        return [json.loads(line) for line in text.splitlines()]

    def of(self, given: Given) -> list[dict[str, Any]]:
        """The lines of a call."""
        return [line for line in self.lines() if line.get("trace") == given.trace]


@pytest.fixture
def logs() -> Iterator[Logs]:
    """Everything that any logger of this process says, down to DEBUG, as a service would write it."""
    stream = io.StringIO()
    handler, root = logging.StreamHandler(stream), logging.getLogger()
    handler.setFormatter(JsonFormatter("shop"))
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield Logs(stream)
    root.setLevel(before)
    root.removeHandler(handler)


@asynccontextmanager
async def told_by_the_database(traced: TracedShop, context: str, table: str) -> AsyncIterator[None]:
    """Every insert of a row that holds something planted fails, and the database quotes the row."""
    name = f"planted_{table}"
    async with traced.shop.database(context) as database:
        await database.execute(f"""
            create function {name}() returns trigger language plpgsql as $$ begin
              if new::text like '%{MARK}%' then
                raise exception 'cannot write %', new using detail = new::text, constraint = '{name}';
              end if;
              return new;
            end $$;
            create trigger {name} before insert on {table} for each row execute function {name}();
        """)
        try:
            yield
        finally:
            await database.execute(f"drop trigger {name} on {table}; drop function {name}()")


def sign_up(password: str = PASSWORD, email: str = EMAIL) -> auth_pb2.SignUpRequest:
    return auth_pb2.SignUpRequest(email=email, password=password, first_name=NAME, phone=PHONE)


def home() -> address_pb2.CreateAddressRequest:
    where = PostalAddress(full_name=NAME, line1=CARD, city="X", postal_code="1", country="GB", phone=PHONE)
    address = address_pb2.Address(label=MARK, postal_address=where)
    return address_pb2.CreateAddressRequest(address=address, request_id=request_id())


async def refused(call: Any, code: str) -> None:
    with pytest.raises(LumiError) as refusal:
        await call
    assert refusal.value.code == code


async def test_refusals_tell_the_log_nothing_of_what_was_sent(traced: TracedShop, logs: Logs) -> None:
    given = Given()
    auth = traced.stub(AuthServiceStub, given=given)
    user = await traced.shop.user()
    carts = traced.stub(CartServiceStub, given=given, token=user.token)
    cart = await carts.CreateCart(cart_pb2.CreateCartRequest(currency_code="USD", request_id=request_id()))

    await auth.SignUp(sign_up())
    await refused(auth.SignUp(sign_up()), "ALREADY_EXISTS")
    await refused(auth.SignUp(sign_up("short")), "INVALID_ARGUMENT")
    await refused(auth.SignIn(auth_pb2.SignInRequest(email=EMAIL, password=PASSWORD + "!")), "UNAUTHENTICATED")
    await refused(auth.RefreshToken(auth_pb2.RefreshTokenRequest(refresh_token=TOKEN)), "UNAUTHENTICATED")
    forged = traced.stub(CartServiceStub, given=given, token=TOKEN)
    await refused(forged.GetActiveCart(cart_pb2.GetActiveCartRequest()), "UNAUTHENTICATED")
    await refused(carts.GetCart(cart_pb2.GetCartRequest(id=cuid())), "NOT_FOUND")
    with pytest.raises(LumiError):
        await carts.ApplyCoupon(cart_pb2.ApplyCouponRequest(id=cart.id, code=SQL[:40], request_id=request_id()))

    logs.lines()


async def test_a_fault_of_the_database_is_told_by_its_state(traced: TracedShop, logs: Logs) -> None:
    given, email = Given(), f"again-{EMAIL}"
    auth = traced.stub(AuthServiceStub, given=given)

    async with told_by_the_database(traced, "identity", "users"):
        await refused(auth.SignUp(sign_up(email=email)), "INTERNAL")

    (line,) = [each for each in logs.of(given) if each["level"] == "ERROR"]
    assert line["message"] == "call failed"
    assert line["method"] == "lumi.identity.v1.AuthService/SignUp"
    assert line["exception"][0]["error"] == "RaiseError P0001 planted_users"
    assert line["exception"][0]["stack"]
    (server,) = [each for each in traced.spots(given.trace) if each.kind == "SERVER"]
    assert line["span"] == server.id


async def test_a_fault_of_a_peer_is_told_on_both_sides_in_one_trace(traced: TracedShop, logs: Logs) -> None:
    shelf, shopper, given = await traced.shop.staff(), await traced.shop.shopper(), Given()
    cart = await shopper.fill((await shelf.put(5), 1))
    carts = shopper.stub(CartServiceStub)
    traced_carts = Client(carts._stub, carts.metadata + given.metadata)

    async with traced.shop.database("identity") as database:
        await database.execute("alter table addresses rename column city to town")
        try:
            where = cart_pb2.SetCartAddressesRequest(id=cart.id, shipping_address_id=shopper.address)
            await refused(traced_carts.SetCartAddresses(where), "INTERNAL")
        finally:
            await database.execute("alter table addresses rename column town to city")

    told = {(line["method"], line["message"]) for line in logs.of(given) if line["level"] == "ERROR"}
    assert ("lumi.identity.v1.AddressService/ResolveAddress", "call failed") in told
    assert ("lumi.orders.v1.CartService/SetCartAddresses", "a peer refused our call") in told


async def test_what_takes_too_long_is_told_by_its_method(traced: TracedShop, logs: Logs) -> None:
    given, user = Given(sampled=False), await traced.shop.user()
    addresses = traced.stub(AddressServiceStub, given=given, token=user.token)

    async with traced.shop.database("identity") as database, database.transaction():
        await database.execute("lock table addresses in access exclusive mode")

        async def told_of() -> bool:
            await refused(addresses.CreateAddress(home(), timeout=0.5), "DEADLINE_EXCEEDED")
            return any(line["level"] == "WARNING" for line in logs.of(given))

        await until(told_of, "the service was quicker than the hanging up of its client")

    (line,) = [each for each in logs.of(given) if each["level"] == "WARNING"]
    assert (line["message"], line["code"]) == ("call refused", "DEADLINE_EXCEEDED")
    assert "span" not in line


async def test_a_database_that_goes_away_is_told_of(traced: TracedShop, logs: Logs) -> None:
    given, user = Given(), await traced.shop.user()
    addresses = traced.stub(AddressServiceStub, given=given, token=user.token)

    async with traced.shop.database("identity") as database:
        async with database.transaction():
            await database.execute("lock table addresses in access exclusive mode")
            call = asyncio.ensure_future(addresses.CreateAddress(home()))

            async def blocked() -> bool:
                return bool(await database.fetchval(_WAITING))

            await until(blocked, "the call waits for the table")
            await database.execute(f"select pg_terminate_backend(pid) from ({_WAITING}) as waiting")
        await refused(call, "UNAVAILABLE")

    assert [line["code"] for line in logs.of(given) if line["message"] == "call refused"] == ["UNAVAILABLE"]


_WAITING = """
select pid from pg_stat_activity
where datname = current_database() and application_name = 'lumi-identity' and wait_event_type = 'Lock'
"""


async def test_an_event_that_cannot_be_applied_is_told_of_in_the_trace_of_its_cause(
    traced: TracedShop, logs: Logs
) -> None:
    given = Given()
    user = await traced.shop.user()
    addresses = traced.stub(AddressServiceStub, given=given, token=user.token)
    async with traced.shop.database("identity") as database:
        # The row that the consumer writes holds nothing planted by itself: an audit log never does.
        await database.execute(f"""
            create function planted_audit() returns trigger language plpgsql as $$ begin
              if new.user_id = '{user.id}' then raise exception 'cannot file % {EMAIL}', new; end if;
              return new;
            end $$;
            create trigger planted_audit before insert on audit_logs for each row execute function planted_audit();
        """)
        try:
            address = await addresses.CreateAddress(home())

            async def parked() -> bool:
                found = "select exists (select from dead_letters where position($1::bytea in payload) > 0)"
                return bool(await database.fetchval(found, address.id.encode()))

            await until(parked, "the event is set aside")
        finally:
            await database.execute("drop trigger planted_audit on audit_logs; drop function planted_audit()")

    told = [line for line in logs.of(given) if line["logger"] == "lumi_common.events.consumer"]
    assert len(told) == 6  # five tries, and that it is set aside
    assert all(line["method"] == "identity-audit" for line in told)
    assert told[-1]["level"] == "ERROR"
    assert told[-1]["exception"][0]["error"] == "RaiseError P0001"
    failed = [each for each in traced.spots(given.trace) if each.kind == "CONSUMER"]
    assert {each.attributes["error.type"] for each in failed} == {"RaiseError"}
