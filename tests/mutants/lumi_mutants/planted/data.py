"""Bugs of the data path: request ids, guarded rows, and their records."""

from lumi_mutants.mutation import Mutation

_COMMON = "libs/common/src/lumi_common"
_COMMON_TESTS = "libs/common/tests"
_IDENTITY_TESTS = "services/identity/tests"
_ORDERS_TESTS = "services/orders/tests"
_PAYMENTS_TESTS = "services/payments/tests"

REQUESTS = (
    Mutation(
        "request-hash-ignored",
        f"{_COMMON}/db/request.py",
        '        if row["request_hash"] != self._hash():',
        "        if False:",
        (f"{_COMMON_TESTS}/db/test_request.py::test_the_same_id_with_another_body_is_refused",),
        "A request id that comes again with another body is answered as if nothing had changed.",
    ),
    Mutation(
        "request-id-of-everybody",
        f"{_COMMON}/db/request.py",
        '            "principal": self.context.principal.key,',
        '            "principal": "",',
        (f"{_COMMON_TESTS}/db/test_request.py::test_another_principal_never_sees_the_first_answer",),
        "Somebody who guesses a request id reads another principal's answer.",
    ),
    Mutation(
        "answer-before-access",
        f"{_COMMON}/db/request.py",
        '        if self.context.owner_only and row["request_hash"] == _hash(self._request, by_permission=True):',
        '        if self.context.owner_only and row["request_hash"] == _hash(self._request, by_permission=True):\n'
        '            self.answer = _answer_type(self.context.method).FromString(row["response"])\n'
        "            return True",
        (f"{_COMMON_TESTS}/db/test_request.py::test_an_answer_earned_with_a_permission_is_not_for_the_owner_of_rows",),
        "Somebody who has lost a permission reads again what it once answered them.",
    ),
    Mutation(
        "answer-not-kept",
        f"{_COMMON}/db/request.py",
        "            if error is None and self._id and self.fresh:",
        "            if error is None and self._id and not self.fresh:",
        (
            f"{_COMMON_TESTS}/db/test_request.py::test_a_repeat_gets_the_first_answer",
            f"{_COMMON_TESTS}/db/test_request.py::test_many_at_once_have_one_effect_and_one_answer",
        ),
        "A repeated request takes effect again.",
    ),
)

ROWS = (
    Mutation(
        "row-not-locked",
        f"{_COMMON}/db/repository.py",
        "        cls._lock = Statement(cls._one(live(table)).with_for_update())",
        "        cls._lock = Statement(cls._one(live(table)))",
        (
            f"{_PAYMENTS_TESTS}/rpc/test_payments.py::test_a_void_and_a_record_at_once_leave_one_of_them",
            f"{_PAYMENTS_TESTS}/rpc/test_refunds.py::"
            "test_taking_giving_up_and_giving_back_at_once_leave_books_that_add_up",
        ),
        "Two commands decide on the same old row, and the later overwrites what the earlier did to a payment.",
    ),
    Mutation(
        "version-not-compared",
        f"{_COMMON}/db/repository.py",
        '            change = change.where(table.c.version == bindparam("expected", type_=table.c.version.type))',
        "            pass",
        (
            f"{_COMMON_TESTS}/db/test_record.py::test_a_stale_version_changes_and_tells_nothing",
            f"{_COMMON_TESTS}/db/test_record.py::test_of_many_savers_at_once_one_wins",
        ),
        "A change made on a stale row overwrites the changes that it never saw.",
    ),
    Mutation(
        "owner-not-compared",
        f"{_COMMON}/db/repository.py",
        "        return query.where(or_(owner.is_(None), table.c[cls.owner] == owner))",
        "        return query.where(or_(owner.is_(None), owner.is_not(None)))",
        (
            f"{_COMMON_TESTS}/db/test_record.py::test_someone_elses_row_and_a_missing_row_are_the_same",
            f"{_PAYMENTS_TESTS}/rpc/test_payments.py::test_another_users_payment_and_none_are_the_same",
        ),
        "Everybody who knows an id reads everybody's rows.",
    ),
    Mutation(
        "audit-forgotten",
        f"{_COMMON}/db/record.py",
        '            literal_column("true" if audit else "false"),',
        '            literal_column("false"),',
        (
            f"{_COMMON_TESTS}/db/test_record.py::test_a_new_row_is_told_once_with_its_actor",
            f"{_IDENTITY_TESTS}/rpc/test_audit_consumer.py::"
            "test_every_change_is_filed_once_with_its_actor_and_nothing_personal",
        ),
        "Changes happen of which no audit record is filed.",
    ),
    Mutation(
        "secret-told",
        f"{_COMMON}/db/record.py",
        "                value = f\"'{REDACTED}'\"",
        '                value = f"{row}.{name}"',
        (
            f"{_ORDERS_TESTS}/storage/test_carts.py::test_addresses_are_told_by_name_alone",
            f"{_IDENTITY_TESTS}/storage/test_accounts.py::test_signing_up_is_recorded_without_anything_personal",
        ),
        "Password hashes and addresses go into events and audit records.",
    ),
)
