"""After everything was done and everything went wrong, nothing planted is where it is not kept.

What each channel holds is looked for in it as well, so that none is empty or another one.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from lumi.identity.v1 import auth_pb2

from libs.common.tests.rpc.collector import Collector, collecting
from lumi_local import testing
from tests.kit.buying import Shelf
from tests.kit.mailbox import Mailbox
from tests.kit.shop import SERVICES
from tests.kit.waiting import until
from tests.scan.day import AUTH, Day, connected
from tests.scan.gate import Gate
from tests.scan.planted import Planted

TOLD = ("outbox_events", "dead_letters")
FILED = ("audit_logs", "security_events")


@dataclass
class Evening:
    """What is left of the day."""

    planted: Planted
    day: Day
    gate: Gate
    home: Path
    collector: Collector
    books: Any
    methods: int

    def log(self, name: str) -> bytes:
        """Everything that a part of the stack has said."""
        found = b"".join(file.read_bytes() for file in (self.home / "logs").glob(f"{name}*"))
        assert found, name
        return found

    async def rows(self, table: str) -> bytes:
        """Every row of a table, with bytes as they are."""
        rows = await self.books.fetch(f"select * from {table}")
        return b"\n".join(_plain(value) for row in rows for value in row.values())


def _plain(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


@pytest.fixture(scope="module")
async def evening() -> AsyncIterator[Evening]:
    with collecting() as collector, testing.own_environment() as environment:
        told = {"LUMI_OTLP_ENDPOINT": collector.endpoint, "LUMI_TRACE_RATIO": "1", "LUMI_LOG_LEVEL": "DEBUG"}
        with testing.running_stack(environment | told) as stack:
            planted, gate = Planted(), Gate(stack.description["gateway"])
            books = await connected(stack.description["postgres"])
            day = Day(gate, Mailbox(stack.home / "mails"), books, planted)
            await day.sign_up()
            await day.forget_the_password()
            await day.enrol()
            await day.refresh()
            admin = await _admin(gate, stack.description["admin"], planted)
            await day.buy(await Shelf(partial(gate.stub, token=admin)).put())
            methods = await day.misuse_everything(day.token)
            methods += await day.misuse_everything(admin)
            await day.send_nonsense()
            await day.break_the_database()
            await day.poison()
            await _told(books)
            await until(lambda: _exported(collector), "spans of every part are there", seconds=30)
            yield Evening(planted, day, gate, stack.home, collector, books, methods)
            await gate.close()
            await books.close()


async def _admin(gate: Gate, admin: dict[str, str], planted: Planted) -> str:
    signing_in = auth_pb2.SignInRequest(email=admin["email"], password=admin["password"])
    tokens = (await gate.call(f"{AUTH}/SignIn", signing_in)).tokens
    answer = await gate.call(f"{AUTH}/StepUp", auth_pb2.StepUpRequest(password=admin["password"]), tokens.access_token)
    planted.keep(admin["password"], tokens.access_token, tokens.refresh_token, answer.access_token)
    return str(answer.access_token)


async def _told(books: Any) -> None:
    """Wait until every event has left its outbox, and what was refused is recorded."""

    async def nothing_waits() -> bool:
        waiting = [await books.fetchval(_WAITING.format(schema)) for schema in SERVICES]
        return not any(waiting)

    async def refusals_are_there() -> bool:
        return {row["service"] for row in await books.fetch(_REFUSED)} == set(SERVICES)

    await until(nothing_waits, "every event is published", seconds=30)
    await until(refusals_are_there, "what every service refused is recorded")


_WAITING = "select count(*) from {}.outbox_events where published_at is null"
_REFUSED = """
select user_id, ip_address, user_agent, payload ->> 'service' as service, payload ->> 'reason' as reason,
    (payload ->> 'count')::bigint as times
from identity.security_events where type = 'access_refused'
"""


async def _exported(collector: Collector) -> bool:
    return len({name for name, _ in collector.spans}) > len(SERVICES)  # the gateway's, too


def test_the_day_had_every_kind_of_failure(evening: Evening) -> None:
    assert evening.methods > 200
    assert evening.gate.codes >= {
        *("INVALID_ARGUMENT", "UNAUTHENTICATED", "PERMISSION_DENIED", "NOT_FOUND", "ALREADY_EXISTS", "INTERNAL"),
        *("400", "401", "404"),
    }


@pytest.mark.parametrize("service", SERVICES)
def test_no_log_of_a_service_tells(evening: Evening, service: str) -> None:
    log = evening.log(service)

    assert b'"message": "serving"' in log
    assert evening.planted.found_in(log) == []


def test_the_log_has_the_faults_that_were_made(evening: Evening) -> None:
    log = evening.log("identity")

    assert b"CheckViolationError 23514 planted addresses" in log
    assert b"UndefinedColumnError" in log


def test_the_gateways_log_does_not_tell(evening: Evening) -> None:
    log = evening.log("envoy")

    assert b"lumi.identity.v1.AuthService" in log
    assert evening.planted.found_in(log) == []


@pytest.mark.parametrize(
    ("part", "said"), [("postgres", b'violates check constraint "planted"'), ("nats", b"Server is ready")]
)
def test_no_log_of_a_store_tells(evening: Evening, part: str, said: bytes) -> None:
    log = evening.log(part)

    assert said in log
    assert evening.planted.found_in(log) == []


def test_no_other_log_tells(evening: Evening) -> None:
    files = [file for file in (evening.home / "logs").iterdir() if file.is_file()]

    assert len(files) > len(SERVICES) + 2
    for file in files:
        assert evening.planted.found_in(file.read_bytes()) == [], file.name


def test_no_span_and_no_figure_tells(evening: Evening) -> None:
    spans = "\n".join(str(span) for _, span in evening.collector.spans).encode()
    figures = "\n".join(map(str, evening.collector.metrics.values())).encode()

    assert b"lumi.identity.v1.AuthService/SignUp" in spans
    assert b"INSERT users" in spans
    assert b"rpc.server.call.duration" in figures
    assert evening.planted.found_in(spans) == []
    assert evening.planted.found_in(figures) == []


def test_no_refusal_tells_what_was_sent(evening: Evening) -> None:
    assert any(b"EMAIL_TAKEN" in told for _, told in evening.gate.refusals)
    for name, told in evening.gate.refusals:
        # The gateway quotes an address, and what is wrong with its query, to whoever typed it and to nobody else.
        said = told.replace(evening.planted.mark.encode(), b"") if evening.planted.mark in name else told
        assert evening.planted.found_in(said) == [], name


@pytest.mark.parametrize("schema", SERVICES)
@pytest.mark.parametrize("table", TOLD)
async def test_no_event_tells(evening: Evening, schema: str, table: str) -> None:
    assert evening.planted.found_in(await evening.rows(f"{schema}.{table}")) == []


@pytest.mark.parametrize("table", FILED)
async def test_nothing_that_is_filed_tells(evening: Evening, table: str) -> None:
    rows = await evening.rows(f"identity.{table}")

    assert evening.day.user_id.encode() in rows
    assert evening.planted.found_in(rows) == []


async def test_what_every_service_refused_is_written_down_once(evening: Evening) -> None:
    rows = await evening.books.fetch(_REFUSED)
    of_person = [row for row in rows if row["user_id"] == evening.day.user_id]

    assert {row["service"] for row in of_person} == set(SERVICES)
    assert {row["reason"] for row in of_person} >= {"PERMISSION_MISSING"}
    assert {row["ip_address"] for row in rows} == {"127.0.0.1"}
    assert all(row["user_agent"].startswith(("grpc-python", "python-httpx")) for row in of_person)
    assert len(rows) < sum(row["times"] for row in rows)


async def test_events_and_what_was_given_up_are_the_persons(evening: Evening) -> None:
    assert evening.day.user_id.encode() in await evening.rows("identity.outbox_events")
    assert evening.day.user_id.encode() in await evening.rows("identity.dead_letters")
    orders = await evening.rows("orders.outbox_events")
    assert b"order.placed" in orders
    assert b"order.cancelled" in orders
    assert evening.planted.found_in(await evening.rows("orders.orders"))


def test_no_stream_tells(evening: Evening) -> None:
    kept = b"".join(file.read_bytes() for file in (evening.home / "nats").rglob("*.blk"))

    assert evening.day.user_id.encode() in kept
    assert evening.planted.found_in(kept, sql=False) == []


@pytest.mark.parametrize("value", ["mark", "phone", "card", "email", "password"])
async def test_what_is_looked_for_is_found_where_it_is(evening: Evening, value: str) -> None:
    planted = evening.planted
    assert planted.found_in(f"x{getattr(planted, value)}x".encode())
    assert planted.found_in(await evening.rows("identity.users"))
    assert planted.found_in(b"select id, email from users where id = $1")
