"""Bugs of services among themselves: who answers, who asks, and secrets that are replaced."""

from lumi_mutants.mutation import Mutation

_COMMON = "libs/common/src/lumi_common"
_CERTIFICATES = "libs/common/tests/rpc/test_certificates.py"

PEERS = (
    Mutation(
        "any-service-answers",
        f"{_COMMON}/rpc/channel.py",
        '        options = [*_OPTIONS, ("grpc.ssl_target_name_override", self.peer)]',
        '        options = [*_OPTIONS, ("grpc.ssl_target_name_override", "localhost")]',
        (f"{_CERTIFICATES}::test_a_service_cannot_answer_in_another_one_s_place",),
        "Whoever has the key of one service answers in the place of all.",
    ),
    Mutation(
        "one-of-two-names",
        f"{_COMMON}/rpc/caller.py",
        '    return services[0] if len(services) == 1 else ""  # who would be two is nobody',
        '    return services[0] if services else ""',
        (f"{_CERTIFICATES}::test_a_certificate_that_does_not_name_one_service_is_nobody",),
        "A certificate of two services is either, whichever comes first.",
    ),
    Mutation(
        "client-certificate-not-asked-for",
        f"{_COMMON}/rpc/certificates.py",
        "            require_client_authentication=self._ca is not None,",
        "            require_client_authentication=False,",
        (f"{_CERTIFICATES}::test_the_handshake_refuses",),
        "Strangers reach the internal port, and one check less stands before them.",
    ),
    Mutation(
        "port-keeps-its-first-certificate",
        f"{_COMMON}/rpc/certificates.py",
        "            lambda: configuration() if self.renewed() else None,",
        "            lambda: None,",
        (f"{_CERTIFICATES}::test_certificates_are_replaced_step_by_step_and_no_call_is_lost",),
        "The certificate of an authority that is trusted no more still gets in, until the service is started anew.",
    ),
    Mutation(
        "half-a-certificate-taken",
        f"{_COMMON}/rpc/certificates.py",
        '            raise ValueError("the key is not the certificate\'s")',
        "            pass",
        (f"{_CERTIFICATES}::test_files_that_do_not_fit_together_are_not_taken",),
        "Who connects between the copy of the certificate and that of its key is turned away.",
    ),
    Mutation(
        "password-asked-for-once",
        f"{_COMMON}/settings.py",
        "        return partial(_lines, file)",
        "        told_once = _lines(file)\n        return lambda: told_once",
        (
            "libs/common/tests/unit/test_settings.py"
            "::test_what_the_environment_does_not_say_is_in_the_folder_of_secrets",
        ),
        "After its password was replaced a service connects no more.",
    ),
    Mutation(
        "old-password-not-tried",
        f"{_COMMON}/db/connection.py",
        "    *others, last = values(dsn)",
        "    *others, last = values(dsn)[:1]",
        ("libs/common/tests/db/test_passwords.py::test_no_call_is_lost_while_a_password_is_replaced",),
        "Between the new file and the new password nobody connects.",
    ),
    Mutation(
        "connections-never-age",
        f"{_COMMON}/db/pool.py",
        "        if self._ends[connection] < monotonic():\n            self._retire(connection)\n            return",
        "        if False:\n            return",
        ("libs/common/tests/db/test_passwords.py::test_connections_that_are_too_old_are_closed_once_nobody_uses_them",),
        "A stolen password's connections, and the owner's, are gone on with for ever.",
    ),
    Mutation(
        "event-on-any-subject",
        f"{_COMMON}/events/event.py",
        '        if subject and subject != f"lumi.{message.source}.{message.type}":',
        '        if subject and not subject.startswith("lumi."):',
        ("libs/common/tests/events/test_consumer.py::test_an_event_on_a_subject_that_is_not_its_own_has_no_effect",),
        "A service speaks for another one from a subject of its own.",
    ),
)
