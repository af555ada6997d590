import json
import logging

import pytest

from lumi_common.context import Context
from lumi_common.logs import JsonFormatter, current_call, scrubbed
from lumi_common.principal import ANONYMOUS

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def line(message: str, *values: object, error: BaseException | None = None, **extra: object) -> dict[str, object]:
    info = (type(error), error, error.__traceback__) if error else None
    record = logging.makeLogRecord({"msg": message, "args": values, "levelname": "INFO", "exc_info": info, **extra})
    text = JsonFormatter("orders").format(record)
    assert "\n" not in text
    fields: dict[str, object] = json.loads(text)
    return fields


def test_a_record_is_one_line_of_json():
    fields = line("took %d rows", 3, name="lumi.test", seconds=0.5)

    assert fields["message"] == "took 3 rows"
    assert fields["service"] == "orders"
    assert fields["logger"] == "lumi.test"
    assert fields["seconds"] == 0.5


def test_a_record_below_a_call_carries_its_trace():
    call = Context("lumi.echo.v1.EchoService/Say", ANONYMOUS, traceparent=f"00-{TRACE}-00f067aa0ba902b7-01")
    token = current_call.set(call)
    try:
        fields = line("here")
    finally:
        current_call.reset(token)

    assert fields["trace"] == TRACE
    assert fields["method"] == "lumi.echo.v1.EchoService/Say"


def test_an_exception_shows_where_and_why_without_the_values_a_database_adds():
    try:
        raise ValueError("duplicate key\nDETAIL: Key (phone)=(+905321234567) already exists.")
    except ValueError as error:
        fields = line("call failed", error=error)

    (shown,) = fields["exception"]  # type: ignore[misc]
    assert shown["type"] == "ValueError"
    assert shown["text"] == "duplicate key"
    assert "test_logs.py" in shown["stack"][-1]
    assert "532" not in json.dumps(fields)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("mail for ada@example.com bounced", "mail for [email] bounced"),
        ("postgresql://lumi:s3cret@db/lumi", "postgresql://[secret]@db/lumi"),
        ("authorization: Bearer abc.def.ghi", "authorization: [token]"),
        ("got eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJjIn0.c2ln", "got [token]"),
    ],
)
def test_what_looks_personal_or_secret_is_masked(text, masked):
    assert scrubbed(text) == masked
