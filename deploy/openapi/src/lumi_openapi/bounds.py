"""What buf.validate bounds, in the words of JSON Schema.

Left out is what holds for every text (no NUL) and what JSON Schema cannot say: rules in CEL are told in words.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Any

from buf.validate import validate_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor

Json = dict[str, Any]

_UUID = "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
_INTEGERS = {"gte": "minimum", "gt": "exclusiveMinimum", "lte": "maximum", "lt": "exclusiveMaximum"}


def inner(field: FieldDescriptor) -> Descriptor:
    """The message that a field of a message type holds."""
    assert field.message_type is not None, field.full_name
    return field.message_type


def owner(field: FieldDescriptor) -> Descriptor:
    """The message that a field stands in."""
    assert field.containing_type is not None, field.full_name
    return field.containing_type


def rules_of(field: FieldDescriptor) -> validate_pb2.FieldRules:
    """The rules that a field's options declare; empty ones where they declare none."""
    options: Any = field.GetOptions()
    rules: validate_pb2.FieldRules = options.Extensions[validate_pb2.field]
    return rules


def is_required(field: FieldDescriptor) -> bool:
    """Whether a request without this field is refused."""
    rules = rules_of(field)
    if rules.required:
        return True
    if field.is_repeated:
        return rules.repeated.min_items > 0
    if field.has_presence or may_be_empty(rules):
        return False
    return not _takes_zero(rules)


def of_message(message: Descriptor) -> Iterator[str]:
    """The rules about a message as a whole, in words."""
    options: Any = message.GetOptions()
    for rule in options.Extensions[validate_pb2.message].cel:
        yield rule.message


def may_be_empty(rules: validate_pb2.FieldRules) -> bool:
    """Whether the rules do not count for the type's zero value."""
    return rules.ignore in (validate_pb2.IGNORE_IF_ZERO_VALUE, validate_pb2.IGNORE_ALWAYS)


def of_value(rules: validate_pb2.FieldRules) -> Json:
    """The keywords for one value."""
    if rules.ignore == validate_pb2.IGNORE_ALWAYS:
        return {}
    keywords = _KINDS.get(rules.WhichOneof("type") or "", lambda _: {})(rules)
    if keywords and may_be_empty(rules) and not _takes_zero(rules):
        zero = "" if rules.HasField("string") else 0
        if keywords.keys() == {"pattern"}:
            return {"pattern": f"^$|{keywords['pattern']}"}
        return {"anyOf": [{"const": zero}, keywords]}
    return keywords


def of_list(rules: validate_pb2.FieldRules) -> Json:
    """The keywords for a list; what is in it has its own."""
    found = rules.repeated
    keywords: Json = {}
    if found.min_items:
        keywords["minItems"] = found.min_items
    if found.HasField("max_items"):
        keywords["maxItems"] = found.max_items
    if found.unique:
        keywords["uniqueItems"] = True
    return keywords


def from_above(message: Descriptor, path: str) -> Json:
    """The pattern of a field that the rules of the one above it demand, as for `order.id` in `UpdateOrderRequest`."""
    above, _, name = path.rpartition(".")
    rules = rules_of(message.fields_by_name[above]).cel if above in message.fields_by_name else ()
    found = (re.fullmatch(rf"this\.{name}\.matches\('([^'\\]+)'\)", rule.expression) for rule in rules)
    return next(({"pattern": match[1]} for match in found if match), {})


def in_words(rules: validate_pb2.FieldRules, without: Collection[str] = ()) -> Iterator[str]:
    """The rules that have no keyword, but for those about the fields `without`."""
    for rule in rules.cel:
        if not any(re.search(rf"\bthis\.{name}\b", rule.expression) for name in without):
            yield rule.message
    if rules.WhichOneof("type") == "int64":  # on the wire they are texts
        bounds = _integers(rules.int64)
        named = {"minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most", "exclusiveMaximum": "below"}
        if said := [f"{words} {bounds[keyword]:,}" for keyword, words in named.items() if keyword in bounds]:
            yield f"must be {' and '.join(said)}"
    if rules.WhichOneof("type") == "timestamp":
        yield from _times(rules.timestamp)


def _strings(rules: validate_pb2.FieldRules) -> Json:
    text = rules.string
    keywords: Json = {}
    if text.HasField("const"):
        keywords["const"] = text.const
    if text.min_len:
        keywords["minLength"] = text.min_len
    if text.HasField("max_len"):
        keywords["maxLength"] = text.max_len
    if text.pattern or text.uuid:
        keywords["pattern"] = text.pattern or _UUID
    if text.email or text.uri:
        keywords["format"] = "email" if text.email else "uri"
    if getattr(text, "in"):
        keywords["enum"] = list(getattr(text, "in"))
    if text.not_in:
        keywords["not"] = {"enum": list(text.not_in)}
    return keywords


def _integers(numbers: Any) -> Json:
    keywords: Json = {}
    if numbers.HasField("const"):
        keywords["const"] = numbers.const
    for name, keyword in _INTEGERS.items():
        if numbers.HasField(name):
            keywords[keyword] = getattr(numbers, name)
    if getattr(numbers, "in"):
        keywords["enum"] = list(getattr(numbers, "in"))
    if numbers.not_in:
        keywords["not"] = {"enum": list(numbers.not_in)}
    return keywords


def _times(times: validate_pb2.TimestampRules) -> Iterator[str]:
    for name, words in (("gte", "from"), ("gt", "after"), ("lt", "before"), ("lte", "up to")):
        if times.HasField(name):
            yield f"{words} {getattr(times, name).ToJsonString()}"


_KINDS: dict[str, Any] = {
    "string": _strings,
    "int32": lambda rules: _integers(rules.int32),
}


def _takes_zero(rules: validate_pb2.FieldRules) -> bool:
    """Whether a field without presence may be left out as far as its own rules go."""
    kind = rules.WhichOneof("type")
    if kind == "string":
        text, given = rules.string, getattr(rules.string, "in")
        return not (
            text.min_len
            or text.uuid
            or text.email
            or text.uri
            or text.const
            or (text.pattern and not re.search(text.pattern, ""))
            or (given and "" not in given)
            or "" in text.not_in
        )
    if kind in ("int32", "int64"):
        return _holds_zero(_integers(getattr(rules, kind)))
    if kind == "enum":
        given = getattr(rules.enum, "in")
        return not (rules.enum.const or 0 in rules.enum.not_in or (given and 0 not in given))
    return True


def _holds_zero(bounds: Json) -> bool:
    return not (
        bounds.get("const")
        or bounds.get("minimum", 0) > 0
        or bounds.get("exclusiveMinimum", -1) >= 0
        or bounds.get("maximum", 0) < 0
        or bounds.get("exclusiveMaximum", 1) <= 0
        or 0 not in bounds.get("enum", [0])
        or 0 in bounds.get("not", {}).get("enum", [])
    )
