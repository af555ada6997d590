"""Bugs of sessions and tokens: what was taken from somebody goes on to be taken."""

from lumi_mutants.mutation import Mutation

_RPC = "libs/common/src/lumi_common/rpc"
_RPC_TESTS = "libs/common/tests/rpc"
_STORAGE = "services/identity/src/lumi_identity/storage"
_TESTS = "services/identity/tests"

SESSIONS = (
    Mutation(
        "permissions-of-before",
        f"{_STORAGE}/sessions.py",
        "_unchanged = select(users.c.id).where(users.c.id == _USER_ID, _is_active(), _AS_READ)"
        ".with_for_update(read=True)",
        "_unchanged = select(users.c.id).where(users.c.id == _USER_ID, _is_active()).with_for_update(read=True)",
        (f"{_TESTS}/storage/test_issuing.py::test_a_token_that_waits_for_a_change_knows_of_it",),
        "A token that waited for a change is issued after it, with the permissions of before.",
    ),
    Mutation(
        "issued-when-it-began-to-wait",
        f"{_STORAGE}/sessions.py",
        "_CLOCK = func.clock_timestamp()",
        "_CLOCK = func.now()",
        (
            f"{_TESTS}/storage/test_issuing.py::"
            "test_thirty_who_refresh_while_permissions_change_carry_none_that_was_taken",
        ),
        "Who changes something says since when before they have the lock: what came between is taken for younger.",
    ),
    Mutation(
        "anothers-session-ended",
        f"{_STORAGE}/sessions.py",
        "        user_sessions.c.id == _ID, or_(_OWNER.is_(None), user_sessions.c.user_id == _OWNER)",
        "        user_sessions.c.id == _ID, or_(_OWNER.is_(None), _OWNER != '')",
        (f"{_TESTS}/rpc/test_sessions.py::test_anothers_sessions_are_like_none",),
        "Anybody signs anybody out.",
    ),
    Mutation(
        "late-commits-passed-over",
        f"{_STORAGE}/revocations.py",
        "_OVERLAP = timedelta(seconds=30)",
        "_OVERLAP = timedelta(0)",
        (f"{_TESTS}/storage/test_issuing.py::test_what_is_committed_late_is_told_late_and_not_passed_over",),
        "A revocation whose transaction took a moment longer is never heard of.",
    ),
    Mutation(
        "remembered-and-not-asked",
        f"{_RPC}/auth.py",
        "        if expires <= self._clock() or self._is_outdated(principal, issued_ms):",
        "        if expires <= self._clock():",
        (
            f"{_RPC_TESTS}/test_revocations.py::"
            "test_what_was_issued_before_is_refused_though_it_was_taken_and_remembered",
        ),
        "A token that was seen before goes on though its session was ended.",
    ),
    Mutation(
        "taken-before-it-is-known",
        f"{_RPC}/auth.py",
        "            await self._revocations.known()",
        "            pass",
        (f"{_RPC_TESTS}/test_revocations.py::test_nobody_is_let_in_before_it_is_known_what_was_revoked",),
        "A process that has just started takes what was revoked before.",
    ),
    Mutation(
        "more-in-the-header",
        f"{_RPC}/claims.py",
        '    if said.keys() != _HEADER or said["typ"] != TYPE or said["alg"] != ALGORITHM:',
        '    if not said.keys() >= _HEADER or said["typ"] != TYPE or said["alg"] != ALGORITHM:',
        (f"{_RPC_TESTS}/test_forgeries.py::test_no_forgery_is_taken",),
        "A token may bring its own key, or say that something about it is critical.",
    ),
    Mutation(
        "said-twice",
        f"{_RPC}/claims.py",
        "    if len(found) != len(pairs):",
        "    if False:",
        (f"{_RPC_TESTS}/test_forgeries.py::test_no_forgery_is_taken",),
        "Of a claim that comes twice one counts here and the other elsewhere.",
    ),
    Mutation(
        "key-withdrawn-in-vain",
        f"{_RPC}/auth.py",
        "            self._verified.clear()  # a key may have been withdrawn",
        "            pass",
        (f"{_TESTS}/storage/test_keyring.py::test_a_withdrawn_key_is_good_for_nothing_once_the_caches_have_run_out",),
        "What a leaked key signed stays good wherever it was seen before.",
    ),
)
