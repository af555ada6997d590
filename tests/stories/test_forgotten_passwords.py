"""Somebody signs up, forgets the password and gets another one, by what the shop mails them."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from lumi_local import testing
from tests.kit.door import PASSWORD, Door
from tests.kit.mailbox import Mailbox

ANOTHER = "seven grey geese over a lake"


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    """The mails of the stack that all tests of a session share."""
    with testing.stack() as stack:
        yield Mailbox(stack.home / "mails")


async def post(door: Door, method: str, **body: str) -> tuple[int, dict[str, Any]]:
    """What a method of AuthService answers."""
    answer = await door.http.post(f"/v1/auth:{method}", json=body)
    return answer.status_code, answer.json()


async def test_a_forgotten_password_is_replaced_by_mail(door: Door, mailbox: Mailbox) -> None:
    email = f"{uuid4().hex}@example.com"
    await post(door, "signUp", email=email, password=PASSWORD)
    assert await post(door, "verifyEmail", token=await mailbox.token(email, "verify-email")) == (200, {})

    assert await post(door, "requestPasswordReset", email=email.upper()) == (200, {})
    assert await post(door, "requestPasswordReset", email=f"{uuid4().hex}@example.com") == (200, {})
    token = await mailbox.token(email, "reset-password")
    assert await post(door, "resetPassword", token=token, newPassword=ANOTHER) == (200, {})

    status, refusal = await post(door, "resetPassword", token=token, newPassword=PASSWORD)
    assert (status, refusal["details"][0]["reason"]) == (401, "ONE_TIME_TOKEN_INVALID")
    assert (await post(door, "signIn", email=email, password=PASSWORD))[0] == 401
    status, answer = await post(door, "signIn", email=email, password=ANOTHER)
    assert (status, answer["user"]["emailVerified"]) == (200, True)
