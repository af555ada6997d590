"""Bugs at the gateway: whom it believes, whom it holds back, and what it lets through."""

from lumi_mutants.mutation import Mutation

_ENVOY = "deploy/envoy/src/lumi_envoy"
_TESTS = "tests/gateway"

EDGE: tuple[Mutation, ...] = (
    Mutation(
        "internal-headers-believed",
        f"{_ENVOY}/listeners.py",
        'INTERNAL_PREFIXES = ("x-lumi-", "x-envoy-")',
        'INTERNAL_PREFIXES = ("x-lumi-actor", "x-envoy-")',
        (f"{_TESTS}/test_headers.py::test_an_internal_header_is_taken_off_however_it_is_spelled",),
        "A client says what only the gateway may say.",
    ),
    Mutation(
        "underscores-pass",
        f"{_ENVOY}/listeners.py",
        '            "headers_with_underscores_action": "DROP_HEADER",',
        '            "headers_with_underscores_action": "ALLOW",',
        (f"{_TESTS}/test_headers.py::test_an_internal_header_is_taken_off_however_it_is_spelled",),
        "`x_lumi_actor` is `x-lumi-actor` to whatever reads it so.",
    ),
    Mutation(
        "escaped-slashes-pass",
        f"{_ENVOY}/listeners.py",
        '        "path_with_escaped_slashes_action": "REJECT_REQUEST",',
        '        "path_with_escaped_slashes_action": "KEEP_UNCHANGED",',
        (f"{_TESTS}/test_limits.py::test_a_path_with_two_meanings_is_refused",),
        "A path means one thing to the gateway and another behind it.",
    ),
    Mutation(
        "tries-not-held",
        f"{_ENVOY}/contract.py",
        '        return "tries" if strict else "calls"',
        '        return "calls"',
        (f"{_TESTS}/test_rates.py::test_what_is_guessed_at_is_tried_less_often_from_one_address",),
        "Passwords are guessed as fast as products are read.",
    ),
    Mutation(
        "users-not-held",
        f"{_ENVOY}/filters.py",
        '        "payload_in_metadata": PAYLOAD,',
        '        "payload_in_metadata": "claims",',
        (f"{_TESTS}/test_rates.py::test_a_user_may_call_so_often_from_wherever",),
        "One user with many addresses calls without end.",
    ),
    Mutation(
        "households-not-known",
        f"{_ENVOY}/rates.py",
        "CLIENT_BITS_V4, CLIENT_BITS_V6 = 32, 64",
        "CLIENT_BITS_V4, CLIENT_BITS_V6 = 32, 128",
        (f"{_TESTS}/test_rates.py::test_of_ipv6_a_household_counts_as_one",),
        "Whoever has IPv6 has more addresses to guess from than there are passwords.",
    ),
    Mutation(
        "reader-waited-for",
        f"{_ENVOY}/listeners.py",
        '        "stream_flush_timeout": seconds(settings.reading_seconds),',
        '        "stream_flush_timeout": "600s",',
        (f"{_TESTS}/test_floods.py::test_who_does_not_read_is_hung_up_on_over_http_2",),
        "Who asks and never reads keeps the answers in memory.",
    ),
    Mutation(
        "slow-bodies-waited-for",
        f"{_ENVOY}/listeners.py",
        '        "request_timeout": seconds(settings.request_seconds),',
        '        "request_timeout": "600s",',
        (f"{_TESTS}/test_floods.py::test_who_sends_a_byte_at_a_time_is_refused_in_time",),
        "A byte now and then holds a connection for ever.",
    ),
    Mutation(
        "spoken-to-in-the-clear",
        f"{_ENVOY}/settings.py",
        '        if self.env != "local" and not self.gateway_tls and not self.trusted_hops:',
        '        if self.env == "staging" and not self.gateway_tls and not self.trusted_hops:',
        (
            "deploy/envoy/tests/test_configuration.py"
            "::test_clients_are_not_spoken_to_in_the_clear_unless_tls_ends_in_front",
        ),
        "A forgotten setting sends passwords over the wire as they are.",
    ),
    Mutation(
        "any-service-for-any",
        f"{_ENVOY}/tls.py",
        '    identity = {"san_type": "URI", "matcher": {"exact": f"lumi://{context}"}}',
        '    identity = {"san_type": "URI", "matcher": {"prefix": "lumi://"}}',
        (f"{_TESTS}/test_tls.py::test_a_service_with_the_certificate_of_another_is_not_called",),
        "Whoever breaks into one service takes the calls of another.",
    ),
    Mutation(
        "unreadable-is-our-fault",
        "libs/common/src/lumi_common/rpc/stages.py",
        "        request, answer = _told_apart(handler.request_deserializer, most), handler.response_serializer",
        "        request, answer = handler.request_deserializer, handler.response_serializer",
        (
            "libs/common/tests/rpc/test_errors.py"
            "::test_what_is_no_message_is_refused_as_any_bad_request_and_after_who_calls",
        ),
        "Bytes that are no message are answered as a fault of ours, to anybody.",
    ),
)
