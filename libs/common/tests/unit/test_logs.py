import asyncio
import json
import logging
import subprocess
import sys
from typing import Any

import asyncpg
import pytest

from lumi_common.context import Context
from lumi_common.errors import NotFound
from lumi_common.events.broker import ConnectionLost
from lumi_common.logs import JsonFormatter, current_call, described, scrubbed
from lumi_common.principal import ANONYMOUS

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def line(
    message: str, *values: object, name: str = "lumi_orders.api", error: BaseException | None = None, **extra: object
) -> dict[str, Any]:
    info = (type(error), error, error.__traceback__) if error else None
    record = logging.makeLogRecord(
        {"name": name, "msg": message, "args": values, "levelname": "INFO", "exc_info": info, **extra}
    )
    text = JsonFormatter("orders").format(record)
    assert "\n" not in text
    fields: dict[str, Any] = json.loads(text)
    return fields


def test_a_record_is_one_line_of_json():
    fields = line("took %d rows", 3, seconds=0.5, work="sweeper")

    assert fields["message"] == "took 3 rows"
    assert fields["service"] == "orders"
    assert fields["logger"] == "lumi_orders.api"
    assert (fields["seconds"], fields["work"]) == (0.5, "sweeper")


def test_a_record_below_a_call_carries_its_trace():
    call = Context("lumi.echo.v1.EchoService/Say", ANONYMOUS, traceparent=f"00-{TRACE}-00f067aa0ba902b7-01")
    token = current_call.set(call)
    try:
        fields = line("here")
    finally:
        current_call.reset(token)

    assert fields["trace"] == TRACE
    assert fields["method"] == "lumi.echo.v1.EchoService/Say"
    assert "span" not in fields


def test_an_exception_shows_what_it_is_and_where_but_not_its_text():
    try:
        try:
            raise KeyError("+905321234567")
        except KeyError as cause:
            raise ValueError("hunter2\nDETAIL: Key (phone)=(+905321234567) already exists.") from cause
    except ValueError as error:
        fields = line("call failed", error=error)

    shown, cause = fields["exception"]
    assert (shown["type"], shown["error"], cause["type"]) == ("ValueError", "ValueError", "KeyError")
    assert "test_logs.py" in shown["stack"][-1]
    assert "905321234567" not in json.dumps(fields)
    assert "hunter2" not in json.dumps(fields)


def test_what_a_database_says_against_a_row_is_its_state_and_its_names():
    error = asyncpg.UniqueViolationError('duplicate key value violates "users_email_key": hunter2')
    error.constraint_name, error.table_name = "users_email_key", "users"

    assert described(error) == "UniqueViolationError 23505 users_email_key users"
    assert described(asyncpg.DataError("invalid input for query argument $1: 'hunter2'")) == "DataError 22000"
    missing = asyncpg.UndefinedColumnError('column "city" does not exist\nHINT: hunter2')
    assert described(missing) == 'UndefinedColumnError 42703 column "city" does not exist'


def test_an_error_of_ours_is_told_in_its_own_words():
    assert described(NotFound("ORDER_NOT_FOUND", "no such order", id="c1")) == (
        "NOT_FOUND ORDER_NOT_FOUND no such order id=c1"
    )
    assert described(ConnectionLost("NATS went away")) == "ConnectionLost: NATS went away"
    assert described(ConnectionRefusedError(111, "Connection refused")) == "ConnectionRefusedError Connection refused"
    assert described(RuntimeError("hunter2")) == "RuntimeError"


@pytest.mark.parametrize(
    ("message", "values", "told"),
    [
        ("Failed to export %s to %s after %d", ("hunter2", object, 3), "Failed to export [str] to [type] after 3"),
        ("Task exception was never retrieved\nfuture: ValueError('hunter2')", (), "Task exception was never retrieved"),
        ("Exception in callback Session.end('hunter2')", (), "Exception in callback Session.end…"),
        ("%d rows", ("hunter2",), "%d rows"),
        ("[tag] Using loop ('hunter2')", (), "[tag] Using loop …"),
    ],
)
def test_a_librarys_line_is_told_without_what_it_was_given(message: str, values: tuple[object, ...], told: str):
    assert line(message, *values, name="asyncio", extra="hunter2")["message"] == told
    assert "extra" not in line(message, *values, name="asyncio", extra="hunter2")


def test_arguments_that_do_not_fit_cost_nobody_the_line():
    assert line("took %d rows", "three")["message"] == "took %d rows"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("mail for ada@example.com bounced", "mail for [email] bounced"),
        ("postgresql://lumi:s3cret@db/lumi", "postgresql://[secret]@db/lumi"),
        ("authorization: Bearer abc.def.ghi", "authorization: [token]"),
        ("got eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJjIn0.c2ln", "got [token]"),
        (f"refresh {'aB3_' * 11}", "refresh [token]"),
        ("user_password='hunter2' given", "user_password=[secret] given"),
        ("paid with 4242 4242 4242 4242 today", "paid with [number] today"),
        ("call +90 532 123 45 67", "call [phone]"),
        (f"trace {TRACE} of 0196e3c2-7b1d-7c3e-8a51-1234567890ab", None),
        ("order cmb1x2y3z0000abcdefghijkl of lumi.orders.v1.OrderService/PlaceOrderAndWhateverElse", None),
    ],
)
def test_what_looks_personal_or_secret_is_masked(text: str, masked: str | None):
    assert scrubbed(text) == (masked or text)


def test_whatever_a_process_says_is_a_line_of_json_even_what_nobody_caught():
    program = """
import asyncio, logging, threading, warnings
from lumi_common.logs import configure_logs
configure_logs("orders")
logging.getLogger("somebody").error("%d rows", "hunter2")
warnings.warn("a warning")
thread = threading.Thread(target=lambda: 1 / 0)
thread.start()
thread.join()
async def forgotten():
    raise ValueError("hunter2")
async def main():
    asyncio.create_task(forgotten())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
asyncio.run(main())
raise RuntimeError("hunter2")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    lines = [json.loads(each) for each in done.stderr.splitlines()]
    assert done.returncode == 1
    assert "hunter2" not in done.stderr + done.stdout
    raised = [each["exception"][0]["type"] for each in lines if "exception" in each]
    assert raised == ["ZeroDivisionError", "ValueError", "RuntimeError"]


async def test_a_task_carries_the_call_that_began_it():
    call = Context("m", ANONYMOUS, traceparent=f"00-{TRACE}-00f067aa0ba902b7-00")
    token = current_call.set(call)

    async def below() -> dict[str, Any]:
        return line("here")

    try:
        assert (await asyncio.create_task(below()))["trace"] == TRACE
    finally:
        current_call.reset(token)
    assert "trace" not in line("here")
