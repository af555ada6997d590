"""Bugs of what is written down of refused access, and of what is written down that should not be."""

from lumi_mutants.mutation import Mutation

_RPC = "libs/common/src/lumi_common/rpc"
_TESTS = "libs/common/tests/rpc/test_refused.py"
_IDENTITY = "services/identity"

REFUSALS = (
    Mutation(
        "flood-of-rows",
        f"{_RPC}/refused.py",
        "            if self._of_address[refusal.ip_address] >= MOST_OF_AN_ADDRESS:",
        "            if self._of_address[refusal.ip_address] > MOST_WAITING:",
        (f"{_TESTS}::test_a_flood_from_one_address_makes_few_rows_and_loses_no_number",),
        "Whoever is refused often, with another agent each time, fills the table.",
    ),
    Mutation(
        "refusals-told-twice",
        f"{_RPC}/refused.py",
        "        batch = RecordSecurityEventsRequest(request_id=str(uuid4()))",
        "        batch = RecordSecurityEventsRequest()",
        (f"{_TESTS}::test_while_identity_is_away_nothing_is_lost_and_a_repeat_is_the_same_call",),
        "An answer that was lost makes the same refusals count twice.",
    ),
    Mutation(
        "forgers-from-nowhere",
        f"{_RPC}/refused.py",
        '        if error.domain or (error.code != "PERMISSION_DENIED" and error.reason not in _RECORDED):',
        '        if error.domain or error.code != "PERMISSION_DENIED":',
        (f"{_TESTS}::test_both_ports_count_with_where_the_call_came_from",),
        "Of forged tokens nothing is written down.",
    ),
    Mutation(
        "last-refusals-lost",
        "libs/common/src/lumi_common/service.py",
        "            await self.server.refused.flush(self._record_refused)",
        "            pass",
        (
            f"{_IDENTITY}/tests/rpc/test_refused_access.py::"
            "test_what_was_refused_last_is_recorded_before_the_process_ends",
        ),
        "What a process refused in its last second is not written down.",
    ),
    Mutation(
        "purged-and-still-somewhere",
        f"{_IDENTITY}/src/lumi_identity/storage/security.py",
        '_is_purged = and_(_refused.c.user_id != "", _known.c.id.is_(None))',
        '_is_purged = and_(_refused.c.user_id != "", _known.c.id.is_not(None))',
        (f"{_IDENTITY}/tests/rpc/test_refused_access.py::test_whoever_was_purged_meanwhile_is_nobody_and_was_nowhere",),
        "Where a purged person was comes back with what is told late.",
    ),
    Mutation(
        "rows-in-the-databases-log",
        "deploy/local/src/lumi_local/postgres.py",
        '    "log_error_verbosity": "terse",',
        '    "log_error_verbosity": "default",',
        ("tests/scan/test_scan.py::test_no_log_of_a_store_tells",),
        "PostgreSQL logs all of a row that a constraint refused.",
    ),
)
