"""Every method says who may call it, how it looks over HTTP, and what it refuses."""

import re

import grpc
import pytest
from google.api import annotations_pb2
from lumi.common.v1 import options_pb2

from tests.contract.walk import Contract

INTERNAL = {
    "ResolveAddress", "ResolveVariants", "ReserveStock", "CommitReservation", "ReleaseReservation",
    "BatchGetOrderStates", "BatchGetUsers", "CreatePayment", "EvaluateDiscount", "RedeemCoupon", "ReleaseCoupon",
    "FenceReference", "UnfenceReference", "ResolveReference", "RecordSecurityEvents",
    "ListRevocations", "ExportPersonalData", "ErasePersonalData", "ForgetEvents",
}  # fmt: skip
CONTEXTS = {"identity", "catalogue", "orders", "payments", "marketing"}


def test_every_method_says_in_one_word_who_may_call_it(contract: Contract) -> None:
    for method in contract.methods:
        assert method.options.HasExtension(options_pb2.access), method.name
        access = method.access
        words = [access.public, access.guest, access.user, bool(access.permission)]
        assert sum(words) == 1 or (not any(words) and access.service), method.name


def test_only_rows_that_somebody_owns_are_open_to_their_owner(contract: Contract) -> None:
    for method in contract.methods:
        if method.access.owner:
            assert method.access.user or method.access.guest or method.access.permission, method.name


def test_permissions_are_named_by_entity_and_verb(contract: Contract) -> None:
    for method in contract.methods:
        if method.access.permission:
            assert re.fullmatch(r"[a-z]+\.[a-z]+", method.access.permission), method.name


def test_services_are_named_as_their_certificates_name_them(contract: Contract) -> None:
    for method in contract.methods:
        assert set(method.access.service) <= CONTEXTS, method.name


def test_methods_between_services_have_no_way_in_over_http_and_all_others_have_one(contract: Contract) -> None:
    assert {method.descriptor.name for method in contract.methods if method.is_internal} == INTERNAL
    for method in contract.methods:
        assert bool(method.http[0]) is not method.is_internal, method.name


def test_methods_that_change_something_take_a_request_id_or_say_why_not(contract: Contract) -> None:
    for method in contract.methods:
        takes_one = "request_id" in method.descriptor.input_type.fields_by_name
        exempt = method.options.Extensions[options_pb2.request_id_exempt]
        assert (takes_one or bool(exempt)) is method.changes_something, method.name
        assert not (takes_one and exempt), method.name


def test_only_methods_that_handle_secrets_are_exempt_from_request_ids(contract: Contract) -> None:
    exempt = {
        method.descriptor.name
        for method in contract.methods
        if method.options.Extensions[options_pb2.request_id_exempt]
    }
    assert exempt == {
        "SignUp", "SignIn", "VerifyTwoFactor", "RefreshToken", "StepUp", "CreateGuestSession",
        "VerifyEmail", "RequestPasswordReset", "ResetPassword", "ChangePassword",
        "EnrollTotp", "ConfirmTotp", "DisableTotp", "RegenerateRecoveryCodes",
    }  # fmt: skip


def test_what_is_read_is_a_get_and_what_changes_something_is_not(contract: Contract) -> None:
    for method in contract.methods:
        if not method.is_internal:
            assert (method.http[0] == "get") is not method.changes_something, method.name


def test_bodies_hold_the_whole_request_and_answers_are_the_resource(contract: Contract) -> None:
    for method in contract.methods:
        rule = method.options.Extensions[annotations_pb2.http]
        verb, _, body = method.http
        assert body == ("*" if verb in {"post", "patch"} else ""), method.name
        assert not rule.response_body, method.name


def test_paths_are_of_one_shape_name_fields_of_the_request_and_lead_to_one_method(contract: Contract) -> None:
    seen: dict[tuple[str, str], str] = {}
    for method in contract.methods:
        verb, path, _ = method.http
        if not verb:
            continue
        shape = r"/v1/[a-zA-Z]+(/\{[a-z_.]+\}|/[a-zA-Z]+)*(:[a-zA-Z]+)?|/\.well-known/jwks\.json"
        assert re.fullmatch(shape, path), method.name
        for variable in re.findall(r"\{([a-z_.]+)\}", path):
            message = method.descriptor.input_type
            *outer, last = variable.split(".")
            for name in outer:
                message = message.fields_by_name[name].message_type
            assert last in message.fields_by_name, method.name
        place = verb, re.sub(r"\{[^}]*\}", "{}", path)
        assert place not in seen, f"{method.name} and {seen.get(place)}"
        seen[place] = method.name


def test_every_method_tells_what_it_does(contract: Contract) -> None:
    for method in contract.methods:
        assert len(method.comment) > 20, method.name


def test_comments_name_only_reasons_and_statuses_that_there_are(contract: Contract) -> None:
    codes = {code.name for code in grpc.StatusCode}
    values = {
        name
        for file in contract.files
        for enum in file.enum_types_by_name.values()
        for value in enum.values
        for name in (value.name, value.name.removeprefix(_prefix(enum.name)))
    }
    for method in contract.methods:
        package = method.descriptor.containing_service.file.package
        known = codes | values | set(contract.reasons(package)) | set(contract.reasons("lumi.common.v1"))
        for word in re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b", method.comment):
            assert word in known, f"{method.name}: {word}"


@pytest.mark.parametrize("context", sorted(CONTEXTS))
def test_reasons_that_a_comment_gives_are_of_the_services_own_package(contract: Contract, context: str) -> None:
    package = f"lumi.{context}.v1"
    own = set(contract.reasons(package)) | set(contract.reasons("lumi.common.v1"))
    foreign = {
        reason for other in CONTEXTS - {context} for reason in contract.reasons(f"lumi.{other}.v1") if reason not in own
    }
    for method in contract.methods:
        if method.descriptor.containing_service.file.package == package:
            assert not foreign & set(re.findall(r"\b[A-Z_]+\b", method.comment)), method.name


def _prefix(enum: str) -> str:
    return re.sub(r"(?<!^)([A-Z])", r"_\1", enum).upper() + "_"
