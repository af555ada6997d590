"""Bugs of accounts: their tokens, mails and passwords."""

from lumi_mutants.mutation import Mutation

_IDENTITY = "services/identity/src/lumi_identity"
_BY_MAIL = "services/identity/tests/rpc/test_mails_and_passwords.py"
_MAILER = "services/identity/tests/storage/test_mailer.py"

ACCOUNTS = (
    Mutation(
        "token-good-twice",
        f"{_IDENTITY}/storage/one_time_tokens.py",
        "    _t.used_at.is_(None),\n    _t.expires_at > func.now(),",
        "    _t.expires_at > func.now(),",
        (f"{_BY_MAIL}::test_of_20_that_use_a_token_at_once_one_does",),
        "Whoever finds a mail later sets the password once more.",
    ),
    Mutation(
        "mail-claimed-by-all",
        f"{_IDENTITY}/workflows/mailer.py",
        "_LEASE = timedelta(minutes=2)",
        "_LEASE = timedelta(0)",
        (f"{_MAILER}::test_no_mail_is_sent_by_two_at_once",),
        "Every process sends every mail.",
    ),
    Mutation(
        "links-without-end",
        f"{_IDENTITY}/workflows/mailer.py",
        "            if await one_time_tokens.count(tx, user.id, link.purpose) >= self._limit:",
        "            if False:",
        (f"{_BY_MAIL}::test_nobodys_mailbox_is_flooded",),
        "Anybody has the shop fill somebody's mailbox.",
    ),
    Mutation(
        "reset-leaves-sessions",
        f"{_IDENTITY}/workflows/accounts.py",
        "            await end_sessions(tx, user.id, SecurityEvent.PASSWORD_RESET, context)",
        "            await note(tx, SecurityEvent.PASSWORD_RESET, user.id, context)",
        (f"{_BY_MAIL}::test_a_reset_sets_the_password_ends_every_session_and_proves_the_email",),
        "Who stole a session keeps it after its owner set another password.",
    ),
    Mutation(
        "current-password-guessed",
        f"{_IDENTITY}/workflows/accounts.py",
        "                    await attempt.failed(user.id)",
        "                    await attempt.release()",
        (f"{_BY_MAIL}::test_wrong_current_passwords_count_like_failed_sign_ins",),
        "Who holds a token tries passwords as often as they like.",
    ),
)
