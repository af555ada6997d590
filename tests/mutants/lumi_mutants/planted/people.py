"""Bugs of what is shown of people, and erased."""

from lumi_mutants.mutation import Mutation

_COMMON = "libs/common/src/lumi_common"
_COMMON_TESTS = "libs/common/tests"
_IDENTITY = "services/identity/src/lumi_identity"
_IDENTITY_TESTS = "services/identity/tests"

PEOPLE = (
    Mutation(
        "nobodys-row-keeps-an-address",
        f"{_COMMON}/db/referrer.py",
        "        left |= _emptied(aggregate.table, columns)",
        "        left |= {}",
        (f"{_COMMON_TESTS}/db/test_following.py::test_what_a_row_tells_of_its_person_is_emptied_when_it_is_nobodys",),
        "A cart whose owner was erased goes on saying where they live.",
    ),
    Mutation(
        "signing-up-not-forgotten",
        f"{_COMMON}/personal.py",
        "      or (headers ->> 'actor_type' = 'anonymous' and aggregate_id = any(cast(:ids as text[]))) as theirs,",
        "      as theirs,",
        (f"{_COMMON_TESTS}/events/test_forgetting.py::test_events_of_a_person_no_longer_say_where_they_were",),
        "Where somebody signed up from stays in the outbox.",
    ),
    Mutation(
        "stream-forgotten-unheard",
        f"{_COMMON}/events/forgetting.py",
        '    return given and (listener["num_ack_pending"] == 0 or listener["ack_floor"]["stream_seq"] >= until)',
        "    return given or not given",
        (f"{_COMMON_TESTS}/events/test_forgetting.py::test_a_stream_is_let_go_of_once_everybody_has_heard_it",),
        "A stream drops events before those who are to hear them have.",
    ),
    Mutation(
        "confirmed-with-something-left",
        f"{_IDENTITY}/workflows/erasure.py",
        "            if await self._walk(name, erasure, context):",
        "            if await self._walk(name, erasure, context) and False:",
        (f"{_IDENTITY_TESTS}/storage/test_erasing.py::test_it_counts_then_purges_then_asks_until_nothing_is_left",),
        "A receipt says that nothing is left while rows still name the person.",
    ),
    Mutation(
        "erasure-taken-back",
        f"{_IDENTITY}/api/users.py",
        "                await expect_not_erased(command, user.id)\n"
        "                if user.undelete(self._clock(), window=self._window, etag=request.etag):",
        "                if user.undelete(self._clock(), window=self._window, etag=request.etag):",
        (f"{_IDENTITY_TESTS}/rpc/test_erasing.py::test_an_erasure_is_not_taken_back",),
        "Staff bring an account back while it is being erased, and it goes all the same.",
    ),
)
