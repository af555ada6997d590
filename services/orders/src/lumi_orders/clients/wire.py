"""Pieces of protobuf that orders meets at both of its doors: free-form JSON and postal addresses."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from google.protobuf.struct_pb2 import Struct, Value
from lumi.common.v1.address_pb2 import PostalAddress

_ADDRESS = ("full_name", "phone", "line1", "line2", "city", "state", "postal_code", "country")


def plain(struct: Struct) -> dict[str, Any]:
    """The struct as a dict; whole numbers are int."""
    return {key: _plain(value) for key, value in struct.fields.items()}


def struct(values: Mapping[str, Any]) -> Struct:
    """The dict as a struct, whose numbers are all doubles."""
    made = Struct()
    made.update({key: _for_wire(value) for key, value in values.items()})
    return made


def address_from_proto(address: PostalAddress) -> dict[str, Any]:
    """An address as it is kept: lines that are empty are left out."""
    return {name: text for name in _ADDRESS if (text := getattr(address, name))}


def address_to_proto(address: Mapping[str, Any] | None) -> PostalAddress | None:
    """A kept address; None stays None, which leaves a message field unset."""
    if address is None:
        return None
    return PostalAddress(**{name: address[name] for name in _ADDRESS if name in address})


def _plain(value: Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() else number
    if kind == "list_value":
        return [_plain(each) for each in value.list_value.values]
    if kind == "struct_value":
        return plain(value.struct_value)
    return None if kind == "null_value" or kind is None else getattr(value, kind)


def _for_wire(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, list):
        return [_for_wire(each) for each in value]
    if isinstance(value, dict):
        return {key: _for_wire(each) for key, each in value.items()}
    return value
