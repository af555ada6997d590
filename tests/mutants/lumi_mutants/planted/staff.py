"""Bugs of what staff do with accounts, and of who sees that they did."""

from lumi_mutants.mutation import Mutation

_IDENTITY = "services/identity/src/lumi_identity"
_TESTS = "services/identity/tests"
_CHANGING = f"{_TESTS}/rpc/test_changing_accounts.py"
_SUSPENDING = f"{_TESTS}/rpc/test_suspending_users.py"

STAFF = (
    Mutation(
        "account-taken-over",
        f"{_IDENTITY}/api/users.py",
        "    caller.check_covers((await get_holdings(command, id)).permissions)",
        "    caller.check_covers([])",
        (f"{_CHANGING}::test_who_can_do_more_than_staff_keeps_their_email",),
        "Whoever may change accounts gives the admin's an e-mail of theirs, and then a password.",
    ),
    Mutation(
        "anything-masked",
        "libs/common/src/lumi_common/rpc/convert.py",
        "    if paths.difference(settable):",
        "    if paths.difference(given.DESCRIPTOR.fields_by_name):",
        (f"{_CHANGING}::test_an_owner_sets_nothing_else_by_a_mask",),
        "A mask that asks for more than there is to set is taken as if it had been followed.",
    ),
    Mutation(
        "old-links-lead-in",
        f"{_IDENTITY}/storage/users.py",
        "        for purpose in (Purpose.VERIFY_EMAIL, Purpose.RESET_PASSWORD):",
        "        for purpose in (Purpose.VERIFY_EMAIL,):",
        (f"{_TESTS}/rpc/test_accounts_and_their_mails.py::test_links_that_went_to_an_old_address_are_good_no_longer",),
        "Who has the old mailbox still chooses the password.",
    ),
    Mutation(
        "new-email-verified",
        f"{_IDENTITY}/domain/user.py",
        '        if "email" in changed:',
        "        if False:",
        (f"{_TESTS}/domain/test_users.py::test_what_is_changed_is_told_by_name",),
        "Another e-mail counts as verified because the one before was.",
    ),
    Mutation(
        "suspended-and-signed-in",
        f"{_IDENTITY}/storage/users.py",
        "        await end_sessions(self._on, user.id, SecurityEvent.ACCOUNT_SUSPENDED, context)",
        "        await note(self._on, SecurityEvent.ACCOUNT_SUSPENDED, user.id, context)",
        (f"{_SUSPENDING}::test_who_is_suspended_has_no_session_and_gets_none",),
        "Who was suspended goes on until their token ends.",
    ),
    Mutation(
        "last-admin-suspended",
        f"{_IDENTITY}/api/users.py",
        "                user = await _hold_leaving(command, request.id)\n"
        "                if user.suspend(request.etag):",
        "                user = await UserRepository(command).hold(request.id)\n"
        "                if user.suspend(request.etag):",
        (f"{_SUSPENDING}::test_the_last_admin_is_not_suspended",),
        "Nobody is left who could let the admin in again.",
    ),
    Mutation(
        "anothers-events-listed",
        f"{_IDENTITY}/api/security_events.py",
        "            owner=context.owner,",
        "            owner=None,",
        (f"{_TESTS}/rpc/test_security_events.py::test_nobody_but_staff_sees_anothers",),
        "Every customer reads who signs in, and from where.",
    ),
    Mutation(
        "staff-shown-to-customers",
        f"{_IDENTITY}/api/convert.py",
        "    shows_origin = whole or not by_another",
        "    shows_origin = True",
        (f"{_TESTS}/rpc/test_security_events.py::test_who_did_it_and_from_where_is_told_to_staff_alone",),
        "Who was suspended learns the address of whoever did it.",
    ),
)
