"""An account's life: what deleting keeps, and how long it can be undone."""

from datetime import UTC, datetime, timedelta

import pytest

from lumi_common.errors import Aborted, FailedPrecondition
from lumi_identity.domain.user import User, UserStatus

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
WINDOW = timedelta(days=30)


def an_account(status: UserStatus = UserStatus.ACTIVE) -> User:
    return User("u", "ada@example.com", "hash", None, None, None, NOW, NOW, status=status, version=3)


@pytest.mark.parametrize("status", [UserStatus.ACTIVE, UserStatus.SUSPENDED])
def test_an_account_comes_back_as_what_it_was(status: UserStatus) -> None:
    account = an_account(status)

    account.delete(NOW)
    assert (account.status, account.deleted_at) == (UserStatus.DELETED, NOW)

    assert account.undelete(NOW + WINDOW, window=WINDOW)
    assert account == an_account(status)


def test_an_account_comes_back_until_its_window_is_over() -> None:
    account = an_account()
    account.delete(NOW)

    with pytest.raises(FailedPrecondition) as refusal:
        account.undelete(NOW + WINDOW + timedelta(microseconds=1), window=WINDOW)

    assert (refusal.value.reason, refusal.value.facts) == ("UNDELETE_TOO_LATE", {"days": 30})
    assert account.status is UserStatus.DELETED


def test_an_account_that_lives_is_not_brought_back_nor_purged() -> None:
    account = an_account()

    assert not account.undelete(NOW, window=WINDOW)
    with pytest.raises(FailedPrecondition, match="USER_NOT_DELETED"):
        account.expect_purgeable()
    account.delete(NOW)
    account.expect_purgeable()


def test_whoever_saw_another_version_changes_nothing() -> None:
    account = an_account()

    for change in (
        lambda etag: account.delete(NOW, etag),
        lambda etag: account.undelete(NOW, window=WINDOW, etag=etag),
        account.expect_purgeable,
        account.suspend,
        account.reactivate,
        lambda etag: account.change({"first_name": "Eve"}, etag),
    ):
        with pytest.raises(Aborted, match="ETAG_MISMATCH"):
            change("2")
    account.delete(NOW, "3")
    assert account.status is UserStatus.DELETED


def test_what_is_changed_is_told_by_name() -> None:
    account = an_account()
    account.email_verified, account.email_verified_at, account.first_name = True, NOW, "Ada"

    assert account.change({"first_name": "Ada", "last_name": "Lovelace", "phone": None}, "3") == ["last_name"]
    assert (account.email_verified, account.email_verified_at) == (True, NOW)

    assert account.change({"phone": "+905321234567", "email": "eve@example.com"}) == ["email", "phone"]
    moved = an_account()
    moved.email, moved.first_name, moved.last_name, moved.phone = "eve@example.com", "Ada", "Lovelace", "+905321234567"
    assert account == moved


def test_an_account_is_suspended_and_reactivated_once() -> None:
    account = an_account()

    assert not account.reactivate()
    assert account.suspend("3")
    assert not account.suspend()
    assert account.status is UserStatus.SUSPENDED
    assert account.reactivate("3")
    assert account == an_account()
