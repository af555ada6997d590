"""Every field of a request declares its bounds, in the words of protovalidate."""

import re

from buf.validate import validate_pb2
from google.protobuf.descriptor import FieldDescriptor

from tests.contract.walk import Contract, request_fields

CUID = "^c[a-z0-9]{24}$"
VERSIONED = {"Product", "ProductVariant", "Inventory", "Cart", "Order", "Payment", "Coupon", "User"}


def rules_of(field: FieldDescriptor) -> validate_pb2.FieldRules:
    rules: validate_pb2.FieldRules = field.GetOptions().Extensions[validate_pb2.field]
    return rules


def is_bounded(field: FieldDescriptor, rules: validate_pb2.FieldRules) -> bool:
    """Whether no value of the field is without end; what messages of ours hold is walked by itself."""
    if field.is_repeated and rules.WhichOneof("type") != "repeated":
        return False
    if field.is_repeated:
        inner = rules.repeated.items
        ours = field.message_type is not None and field.message_type.full_name.startswith("lumi.")
        return rules.repeated.HasField("max_items") and (ours or is_scalar_bounded(field, inner))
    return is_scalar_bounded(field, rules)


def is_scalar_bounded(field: FieldDescriptor, rules: validate_pb2.FieldRules) -> bool:
    if field.type == field.TYPE_BOOL:
        return True
    if field.type == field.TYPE_STRING:
        text = rules.string
        keeps_out_nul = bool(text.pattern or text.uuid or text.email) or text.not_contains == "\0"
        ends = text.HasField("max_len") or text.uuid or _ends(text.pattern)
        return keeps_out_nul and ends
    if field.type == field.TYPE_INT32:
        return rules.int32.WhichOneof("greater_than") is not None and (
            rules.int32.WhichOneof("less_than") is not None or field.name == "line"
        )
    if field.type == field.TYPE_INT64:
        return rules.int64.WhichOneof("greater_than") is not None and rules.int64.WhichOneof("less_than") is not None
    if field.type == field.TYPE_ENUM:
        return rules.enum.defined_only
    if field.type == field.TYPE_MESSAGE:
        if field.message_type.full_name.startswith("lumi."):
            return True
        return bool(rules.cel) or rules.HasField("timestamp")
    return False


def _ends(pattern: str) -> bool:
    """Whether a pattern is for the whole text and has no repetition without end."""
    plain = re.sub(r"\\.", "", pattern)
    return pattern.startswith("^") and pattern.endswith("$") and not re.search(r"[*+]", plain)


def test_every_field_of_a_request_is_bounded(contract: Contract) -> None:
    unbounded = {
        path
        for request in contract.requests
        for path, field in request_fields(request)
        if not is_bounded(field, rules_of(field))
    }
    assert unbounded == set()


def test_ids_of_ours_are_cuids(contract: Contract) -> None:
    others = {"request_id", "transaction_id", "entity_id"}
    for request in contract.requests:
        for path, field in request_fields(request):
            if field.name in others:
                continue
            if field.name == "id" or field.name.endswith("_id"):
                assert rules_of(field).string.pattern == CUID, path
            if field.name == "ids" or field.name.endswith("_ids"):
                assert rules_of(field).repeated.items.string.pattern == CUID, path


def test_request_ids_are_uuids_that_may_be_left_out(contract: Contract) -> None:
    for request in contract.requests:
        if field := request.fields_by_name.get("request_id"):
            rules = rules_of(field)
            assert rules.string.uuid, request.name
            assert rules.ignore == validate_pb2.IGNORE_IF_ZERO_VALUE, request.name


def test_lists_come_in_pages(contract: Contract) -> None:
    for method in contract.methods:
        request, answer = method.descriptor.input_type, method.descriptor.output_type
        if "next_page_token" not in answer.fields_by_name:
            # What services ask for again and again goes on from a cursor, without an end.
            is_feed = method.is_internal and "cursor" in request.fields_by_name
            assert is_feed or not method.descriptor.name.startswith("List"), method.name
            continue
        assert 0 < rules_of(request.fields_by_name["page_size"]).int32.lte <= 1000, method.name
        assert "page_token" in request.fields_by_name, method.name


def test_changes_of_versioned_rows_can_be_held_to_what_was_read(contract: Contract) -> None:
    for method in contract.methods:
        answer = method.descriptor.output_type
        if not method.changes_something or method.is_internal or answer.name not in VERSIONED:
            continue
        if not method.descriptor.name.startswith(("Create", "SignUp")):
            assert "etag" in method.descriptor.input_type.fields_by_name, method.name


def test_no_call_of_a_shopper_takes_a_price(contract: Contract) -> None:
    for method in contract.methods:
        if method.is_internal or method.is_for_staff:
            continue
        for path, field in request_fields(method.descriptor.input_type):
            inner = field.message_type
            assert inner is None or not inner.full_name.startswith("google.type."), path
            assert not re.search("price|amount|discount|total", field.name), path


def test_secrets_are_redacted_where_messages_are_shown(contract: Contract) -> None:
    for file in contract.files:
        for message in file.message_types_by_name.values():
            for field in message.fields:
                if field.type == field.TYPE_STRING and field.name in {
                    "password", "access_token", "refresh_token",
                }:  # fmt: skip
                    assert field.GetOptions().debug_redact, field.full_name
