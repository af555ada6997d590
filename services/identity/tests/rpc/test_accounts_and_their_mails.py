"""What staff do with an account reaches its owner by mail, and nobody else."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from lumi.identity.v1.auth_pb2 import RequestPasswordResetRequest, ResetPasswordRequest, VerifyEmailRequest
from lumi.identity.v1.user_pb2 import GetMeRequest

from lumi_common.errors import Unauthenticated
from lumi_local.postgres import PostgresServer
from services.identity.tests.kit import PASSWORD, an_email
from services.identity.tests.rpc.clients import Identity
from services.identity.tests.rpc.conftest import running
from services.identity.tests.rpc.test_changing_accounts import create, mails_to, update
from tests.kit.mailbox import Mailbox, link
from tests.kit.waiting import until


@pytest.fixture
def mailbox(tmp_path: Path) -> Mailbox:
    return Mailbox(tmp_path / "mails")


@pytest.fixture
async def identity(server: PostgresServer, mailbox: Mailbox) -> AsyncIterator[Identity]:
    async with running(server, "", mail_folder=mailbox.folder, mail_seconds=0.05) as identity:
        yield identity


async def test_who_was_given_an_account_chooses_the_password_by_the_mailed_link(
    identity: Identity, mailbox: Mailbox
) -> None:
    staff, email = await identity.staff("users.write"), an_email()
    made = await create(staff, email=email)
    token = await mailbox.token(email, "reset-password")
    with pytest.raises(Unauthenticated, match="CREDENTIALS_INVALID"):
        await identity.signed_in(email, PASSWORD)

    await identity.anybody.ResetPassword(ResetPasswordRequest(token=token, new_password=PASSWORD))

    ada = await identity.signed_in(email, PASSWORD)
    assert ada.id == made.id
    assert (await ada.client.GetMe(GetMeRequest())).email_verified


async def test_links_that_went_to_an_old_address_are_good_no_longer(identity: Identity, mailbox: Mailbox) -> None:
    ada, staff, email = await identity.user(), await identity.staff("users.write"), an_email()
    verify = await mailbox.token(ada.email, "verify-email")
    await identity.anybody.RequestPasswordReset(RequestPasswordResetRequest(email=ada.email))
    reset = await mailbox.token(ada.email, "reset-password")

    await update(staff, ada, email=email)

    for call in (
        identity.anybody.VerifyEmail(VerifyEmailRequest(token=verify)),
        identity.anybody.ResetPassword(ResetPasswordRequest(token=reset, new_password=PASSWORD)),
    ):
        with pytest.raises(Unauthenticated):
            await call
    await identity.anybody.VerifyEmail(VerifyEmailRequest(token=await mailbox.token(email, "verify-email")))
    assert (await ada.client.GetMe(GetMeRequest())).email_verified


async def test_the_old_address_is_told_and_learns_nothing_of_the_new_one(identity: Identity, mailbox: Mailbox) -> None:
    ada, staff, email = await identity.user(), await identity.staff("users.write"), an_email()
    await mailbox.token(ada.email, "verify-email")

    await update(staff, ada, email=email, first_name="Augusta")

    async def out() -> bool:
        return not await mails_to(identity, ada.email, email)

    await until(out, "the mails are out")
    told = mailbox.of(ada.email)[-1]
    assert "has changed" in str(told["Subject"])
    assert link(told) is None
    assert email not in told.as_string()
    assert "Augusta" not in told.as_string()
    assert ada.email not in mailbox.of(email)[-1].as_string()
