"""Bugs of what carries calls and events: relay and consumers, tokens, access, deadlines."""

from lumi_mutants.mutation import Mutation

_COMMON = "libs/common/src/lumi_common"
_COMMON_TESTS = "libs/common/tests"
_IDENTITY = "services/identity/src/lumi_identity"
_IDENTITY_TESTS = "services/identity/tests"

EVENTS = (
    Mutation(
        "woken-before-commit",
        f"{_COMMON}/db/database.py",
        "                    yield transaction",
        "                    yield transaction\n"
        "                    if transaction.wrote_outbox:\n"
        "                        self.on_outbox_write()\n"
        "                        transaction.wrote_outbox = False",
        (f"{_COMMON_TESTS}/db/test_wake.py::test_what_fails_at_its_commit_wakes_nobody",),
        "The relay is sent off before there is anything to publish, or for what never comes to be.",
    ),
    Mutation(
        "inbox-skipped",
        f"{_COMMON}/events/consumer.py",
        "            fresh = [event for _, event in offered if event.id in admission.fresh]",
        "            fresh = [event for _, event in offered]",
        (
            f"{_COMMON_TESTS}/events/test_consumer.py::test_duplicates_beyond_the_window_take_no_effect",
            f"{_COMMON_TESTS}/events/test_consumer.py::test_a_crash_between_commit_and_acknowledgement_repeats_nothing",
        ),
        "An event that is delivered again takes effect again.",
    ),
    Mutation(
        "older-event-applied",
        f"{_COMMON}/events/inbox.py",
        "  select :consumer, event_id from known where not parked and (last is null or version > last)",
        "  select :consumer, event_id from known where not parked",
        (f"{_COMMON_TESTS}/events/test_consumer.py::test_an_event_that_is_not_newer_is_dropped",),
        "An event overtaken by a later one of its aggregate undoes what that one said.",
    ),
    Mutation(
        "acknowledged-before-commit",
        f"{_COMMON}/events/consumer.py",
        "                    await self._apply([(delivery, event)])",
        "                    await puller.acknowledge(delivery)\n"
        "                    await self._apply([(delivery, event)])",
        (f"{_COMMON_TESTS}/events/test_consumer.py::test_what_waits_in_one_process_goes_on_in_order_in_the_next",),
        "An event is lost when the process ends before its effect is committed.",
    ),
    Mutation(
        "still-listening",
        f"{_COMMON}/events/consumer.py",
        "            await puller.close()\n            await lanes.stop()",
        "            await lanes.stop()\n            await puller.close()",
        (f"{_COMMON_TESTS}/events/test_consumer.py::test_who_is_slow_to_stop_leaves_nobody_behind_who_takes_events",),
        "Whoever leads no more goes on taking events, and does nothing with them.",
    ),
    Mutation(
        "marked-before-stored",
        f"{_COMMON}/events/relay.py",
        "            stored = outcome.stored",
        "            stored = [each.seq for each in messages]",
        (f"{_COMMON_TESTS}/events/test_relay.py::test_without_a_stream_the_relay_waits_for_it",),
        "An event that no stream took counts as published, and is lost.",
    ),
    Mutation(
        "two-of-one-aggregate-out",
        f"{_COMMON}/events/publisher.py",
        "                lane.append(message)",
        "                heads.append(message)",
        (f"{_COMMON_TESTS}/events/test_relay.py::test_of_one_aggregate_never_two_are_out_unacknowledged",),
        "The relay has two events of one aggregate out at once, and a failure swaps them.",
    ),
)

ACCESS = (
    Mutation(
        "permission-ignored",
        f"{_COMMON}/rpc/access.py",
        "        permitted = bool(self.permission) and caller.may(self.permission)",
        "        permitted = bool(self.permission)",
        (
            f"{_COMMON_TESTS}/rpc/test_access.py::test_a_missing_permission_is_named",
            f"{_COMMON_TESTS}/rpc/test_access.py::"
            "test_beside_owner_who_lacks_the_permission_may_act_on_rows_of_their_own_only",
        ),
        "Everybody who is signed in may do what staff may.",
    ),
    Mutation(
        "access-not-asked",
        f"{_COMMON}/rpc/stages.py",
        "                    caller.authorize(policy, context)\n                    _check(request)",
        "                    _check(request)",
        (f"{_COMMON_TESTS}/rpc/test_access.py::test_a_guest_method_takes_any_token_and_needs_one",),
        "A method answers before anybody asks who may call it.",
    ),
    Mutation(
        "any-service-served",
        f"{_COMMON}/rpc/access.py",
        "        if not self.public and caller.id not in self.services:",
        "        if not self.public and not caller.id:",
        (f"{_COMMON_TESTS}/rpc/test_between_services.py::test_a_service_that_the_method_does_not_name_is_refused",),
        "Any service may call every internal method of every other.",
    ),
    Mutation(
        "expired-token-accepted",
        f"{_COMMON}/rpc/auth.py",
        "        if claims.expires <= now:",
        "        if claims.expires <= 0:",
        (f"{_COMMON_TESTS}/rpc/test_auth.py::test_a_token_verified_once_is_remembered_until_it_expires",),
        "A token is good for ever.",
    ),
    Mutation(
        "remembered-for-ever",
        f"{_COMMON}/rpc/auth.py",
        "        if expires <= self._clock() or self._is_outdated(principal, issued_ms):",
        "        if self._is_outdated(principal, issued_ms):",
        (f"{_COMMON_TESTS}/rpc/test_auth.py::test_a_token_verified_once_is_remembered_until_it_expires",),
        "A token that a process has seen once stays good there after its end.",
    ),
    Mutation(
        "deadline-ignored",
        f"{_COMMON}/rpc/deadlines.py",
        "        self._task.cancel()",
        "        pass",
        (f"{_COMMON_TESTS}/rpc/test_deadlines.py::test_running_out_of_time_names_the_method",),
        "Work goes on for a caller who has hung up.",
    ),
    Mutation(
        "token-rotated-twice",
        f"{_IDENTITY}/storage/sessions.py",
        '        user_sessions.c.generation == bindparam("generation"),',
        "",
        (
            f"{_IDENTITY_TESTS}/storage/test_sessions.py::test_many_tries_at_once_rotate_once_and_get_the_same_successor",
        ),
        "Two refreshes at once give two tokens, of which one ends the family when it is used.",
    ),
    Mutation(
        "address-book-not-locked",
        f"{_IDENTITY}/storage/addresses.py",
        "    select(users.c.id).where(users.c.id == _USER_ID, users.c.deleted_at.is_(None))"
        ".with_for_update(key_share=True)",
        "    select(users.c.id).where(users.c.id == _USER_ID, users.c.deleted_at.is_(None))",
        (
            f"{_IDENTITY_TESTS}/storage/test_addresses.py::"
            "test_who_waited_for_the_book_sees_the_default_of_whoever_came_before",
        ),
        "Two addresses added at once both become the default, and one of the calls fails.",
    ),
    Mutation(
        "more-given-than-held",
        f"{_IDENTITY}/api/access.py",
        "                caller.check_covers(held.permissions, role.permissions)",
        "                caller.check_covers(held.permissions)",
        (
            f"{_IDENTITY_TESTS}/rpc/test_escalation.py::test_whoever_may_write_roles_gets_no_further_than_what_they_hold",
        ),
        "Whoever may write roles makes themselves an admin.",
    ),
    Mutation(
        "authority-by-token",
        f"{_IDENTITY}/storage/access.py",
        '    if row is None or _WRITE not in row["permissions"]:',
        "    if row is None:",
        (f"{_IDENTITY_TESTS}/rpc/test_escalation.py::test_what_counts_is_what_is_held_now_and_not_what_a_token_says",),
        "Who was taken the right to give permissions goes on giving them while their token lasts.",
    ),
    Mutation(
        "role-changed-unnoticed",
        f"{_IDENTITY}/storage/access.py",
        "        await outdate(self._on, await self.holders(id))",
        "        pass",
        (f"{_IDENTITY_TESTS}/rpc/test_roles.py::test_whoever_is_concerned_by_a_change_needs_another_token_at_once",),
        "What was taken out of a role is held by its holders' tokens until they end.",
    ),
)
