"""Values in fields that are not the caller's to set."""

from typing import Any

from google.api import field_behavior_pb2
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from lumi_common.cuid import cuid
from tests.request_ids.scenes import CASES, Case

WITH_RESOURCE: list[tuple[Case, str]] = []
"""Cases whose request carries a resource with fields for answers alone, and the name of that field."""


def output_only(resource: Any) -> list[FieldDescriptor]:
    """The fields of a message type that are for answers alone."""
    kept = field_behavior_pb2.OUTPUT_ONLY
    return [
        field for field in resource.fields
        if kept in field.GetOptions().Extensions[field_behavior_pb2.field_behavior]
    ]  # fmt: skip


for _case in CASES:
    for _field in _case.method.input_type.fields:
        if _field.message_type is not None and output_only(_field.message_type):
            WITH_RESOURCE.append((_case, str(_field.name)))


def planted(request: Message, field: str) -> Any:
    """The request with something in every such field; the id of a row that is to be changed stays."""
    asked: Any = type(request)()
    asked.CopyFrom(request)
    resource = getattr(asked, field)
    for each in output_only(resource.DESCRIPTOR):
        if each.name != "id" or not resource.id:
            plant(resource, each)
    return asked


def plant(resource: Any, field: FieldDescriptor) -> None:
    """Something in one field that no row of ours has by itself."""
    name = field.name
    if field.is_repeated:
        there = getattr(resource, name)
        if field.type == field.TYPE_MESSAGE:
            there.add()
        else:
            there.append("planted")
    elif field.type == field.TYPE_MESSAGE:
        inner = getattr(resource, name)
        inner.SetInParent()
        match str(field.message_type.full_name):
            case "google.protobuf.Timestamp":
                inner.FromJsonString("2001-02-03T04:05:06Z")
            case "google.type.Money":
                inner.currency_code, inner.units = "USD", 7
            case "lumi.common.v1.PostalAddress":
                inner.full_name, inner.line1, inner.city = "Mallory", "1 Elsewhere", "Nowhere"
                inner.postal_code, inner.country = "00000", "TR"
    elif field.type == field.TYPE_STRING:
        setattr(resource, name, cuid() if name == "id" or name.endswith("_id") else "planted")
    elif field.type == field.TYPE_BOOL:
        setattr(resource, name, not getattr(resource, name))
    elif field.type == field.TYPE_ENUM:
        setattr(resource, name, field.enum_type.values[-1].number)
    else:
        setattr(resource, name, 7777)
