"""Codes of authenticators, by the vectors of RFC 6238 and a step around."""

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from lumi_identity.domain import totp

SECRET = b"12345678901234567890"
NOW = datetime(2026, 11, 26, 12, 0, 10, tzinfo=UTC)


# The last six of the eight digits in appendix B, SHA-1.
@pytest.mark.parametrize(
    ("at", "code"),
    [
        (59, "287082"),
        (1111111109, "081804"),
        (1111111111, "050471"),
        (1234567890, "005924"),
        (2000000000, "279037"),
        (20000000000, "353130"),
    ],
)
def test_the_vectors_of_the_standard_hold(at: int, code: str) -> None:
    assert totp.code(SECRET, at // 30) == code
    assert totp.step_of(code, SECRET, datetime.fromtimestamp(at, UTC)) == at // 30


@pytest.mark.parametrize(("steps", "taken"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_a_clock_may_be_one_step_off(steps: int, taken: bool) -> None:
    step = totp.step_at(NOW) + steps
    found = totp.step_of(totp.code(SECRET, step), SECRET, NOW)

    assert found == (step if taken else None)


@pytest.mark.parametrize("given", ["", "12345", "1234567", "abcdef", "²87082", "28708٢"])
def test_what_is_no_code_is_wrong(given: str) -> None:
    assert totp.step_of(given, SECRET, datetime.fromtimestamp(59, UTC)) is None


def test_a_step_lasts_thirty_seconds() -> None:
    assert totp.step_at(NOW) == totp.step_at(NOW + timedelta(seconds=19))
    assert totp.step_at(NOW) + 1 == totp.step_at(NOW + timedelta(seconds=20))


def test_secrets_are_long_and_never_the_same() -> None:
    assert {len(totp.new_secret()) for _ in range(20)} == {20}
    assert len({totp.new_secret() for _ in range(20)}) == 20


def test_the_uri_is_what_authenticators_read() -> None:
    uri = urlsplit(totp.uri(SECRET, account="ada+1@example.com", issuer="The Shop"))
    asked = parse_qs(uri.query)

    assert (uri.scheme, uri.netloc) == ("otpauth", "totp")
    assert uri.path == "/The%20Shop:ada%2B1%40example.com"
    assert (asked["secret"], asked["issuer"]) == (["GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"], ["The Shop"])
