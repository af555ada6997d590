"""The look at the logs of the stack that all tests share finds what it is there for."""

from pathlib import Path

import pytest

from tests.kit.shop import PASSWORD
from tests.kit.told import refuse_telling_logs

_FINE = b'{"message": "serving"}\n{"message": "INSERT users, UPDATE outbox_events", "method": "lumi.identity.v1"}\n'


@pytest.mark.parametrize(
    "line",
    [
        PASSWORD,
        f"{'0a' * 16}@example.com",
        "bearer eyJhbGciOiJFZERTQSJ9.eyJpc3MiOiJsdW1pIn0.c2lnbmVk",
        "/reset-password#token=abc",
        "STATEMENT:  INSERT INTO users (id) VALUES ($1)",
        "select id, email\n from users",
        "update identity.users set email = $1",
    ],
)
def test_what_tells_is_found(tmp_path: Path, line: str) -> None:
    (tmp_path / "identity.log").write_bytes(_FINE + line.encode())
    (tmp_path / "orders.log").write_bytes(_FINE)

    with pytest.raises(AssertionError, match=r"is in identity\.log"):
        refuse_telling_logs(tmp_path)


def test_what_tells_nothing_is_fine(tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        refuse_telling_logs(tmp_path)
    (tmp_path / "identity.log").write_bytes(_FINE)
    refuse_telling_logs(tmp_path)
