"""Messages as JSON Schema, as Envoy's transcoder reads and writes them."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from buf.validate import validate_pb2
from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from lumi_openapi import bounds
from lumi_openapi.bounds import Json
from lumi_openapi.contract import Comments, Method
from lumi_openapi.texts import json_names, paragraphs, rule

MONEY = "google.type.Money"
_INT64 = {"type": "string", "format": "int64", "pattern": "^-?[0-9]{1,19}$"}
_SCALARS: dict[int, Json] = {
    FieldDescriptor.TYPE_STRING: {"type": "string"},
    FieldDescriptor.TYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.TYPE_INT32: {"type": "integer", "format": "int32"},
    FieldDescriptor.TYPE_UINT32: {"type": "integer", "format": "int64", "minimum": 0},
    FieldDescriptor.TYPE_INT64: _INT64,
    FieldDescriptor.TYPE_UINT64: _INT64,
    FieldDescriptor.TYPE_FLOAT: {"type": "number", "format": "float"},
    FieldDescriptor.TYPE_DOUBLE: {"type": "number", "format": "double"},
    FieldDescriptor.TYPE_BYTES: {"type": "string", "contentEncoding": "base64"},
}

# What protobuf's JSON mapping writes in a way of its own.
WELL_KNOWN: dict[str, Json] = {
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.Duration": {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]{1,9})?s$"},
    "google.protobuf.FieldMask": {
        "type": "string",
        "pattern": "^([a-zA-Z0-9.]+(,[a-zA-Z0-9.]+)*)?$",
    },
    "google.protobuf.Struct": {"type": "object", "additionalProperties": True},
    "google.protobuf.Value": {},
    "google.protobuf.ListValue": {"type": "array", "items": {}},
    "google.protobuf.Empty": {"type": "object", "maxProperties": 0},
    "google.protobuf.Any": {
        "type": "object",
        "required": ["@type"],
        "properties": {"@type": {"type": "string", "format": "uri-reference"}},
        "additionalProperties": True,
    },
}

# Google's messages whose own comments are not ours to compile, in our words.
_GOOGLES: dict[str, Json] = {
    MONEY: {
        "type": "object",
        "description": "An amount of a currency: `units` whole ones and `nanos` billionths, both of one sign. Lumi"
        " counts whole cents, so `nanos` is a multiple of 10,000,000.",
        "required": ["currencyCode"],
        "properties": {
            "currencyCode": {"type": "string", "description": "ISO 4217, such as USD.", "pattern": "^[A-Z]{3}$"},
            "units": _INT64,
            "nanos": {"type": "integer", "format": "int32", "minimum": -999_999_999, "maximum": 999_999_999},
        },
    },
    "google.type.Decimal": {
        "type": "object",
        "required": ["value"],
        "properties": {"value": {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$"}},
    },
}


class Schemas:
    """The document's components, filled as they are asked for."""

    def __init__(self, comments: Comments, methods: Iterable[Method]) -> None:
        self.components: dict[str, Json] = {}
        self._comments = comments
        self._requests = frozenset(_reachable(method.request for method in methods))

    def message(self, message: Descriptor) -> Json:
        """A reference to the message, or how it is written where that is no object of its own."""
        if message.full_name in WELL_KNOWN:
            return dict(WELL_KNOWN[message.full_name])
        name = component(message)
        if name not in self.components:
            self.components[name] = {}  # it may hold itself
            self.components[name] = _GOOGLES.get(message.full_name) or self._object(message)
        return _reference(name)

    def body(self, request: Descriptor, bound: Collection[str]) -> Json:
        """A request's body: what the path does not hold (`bound`, such as `order.id`)."""
        name = component(request)
        self.components[name] = self._asked(request, bound)
        return _reference(name)

    def field(self, field: FieldDescriptor) -> Json:
        """One field with its comment and bounds."""
        rules = bounds.rules_of(field)
        if _is_map(field):
            values = self._value(bounds.inner(field).fields_by_name["value"], validate_pb2.FieldRules())
            found: Json = {"type": "object", "additionalProperties": values}
        elif field.is_repeated:
            items = self._value(field, rules.repeated.items)
            found = {"type": "array", "items": items} | bounds.of_list(rules)
        else:
            found = self._value(field, rules)
        return found | self._described(field)

    def _object(self, message: Descriptor) -> Json:
        # In answers all that has no presence of its own is said, zeros and empty lists too.
        if message.full_name in self._requests:
            required = [field for field in message.fields if bounds.is_required(field) and not is_output_only(field)]
        else:
            required = [field for field in message.fields if not field.has_presence]
        properties = {field.json_name: self.field(field) for field in message.fields}
        return self._described_object(message, required, properties)

    def _asked(self, message: Descriptor, bound: Collection[str]) -> Json:
        """What is left of a message of a request when the path holds some of it."""
        properties, required = {}, []
        for field in message.fields:
            inside = [path.removeprefix(f"{field.name}.") for path in bound if path.startswith(f"{field.name}.")]
            if field.name in bound or is_output_only(field):
                continue
            properties[field.json_name] = (
                self._asked(bounds.inner(field), inside) | self._described(field, inside)
                if inside
                else self.field(field)
            )
            if bounds.is_required(field):
                required.append(field)
        return self._described_object(message, required, properties)

    def _described_object(self, message: Descriptor, required: list[FieldDescriptor], properties: Json) -> Json:
        found: Json = {"type": "object"}
        words = map(rule, bounds.of_message(message))
        if text := " ".join(filter(None, (self._said(message.full_name), *words))):
            found["description"] = json_names(text, self._comments.field_names)
        if required:
            found["required"] = [field.json_name for field in required]
        return found | {"properties": properties}

    def _value(self, field: FieldDescriptor, rules: validate_pb2.FieldRules) -> Json:
        if field.message_type is not None:
            return self.message(field.message_type)
        if field.enum_type is not None:
            return self._enum(field.enum_type) | _not_these(field.enum_type, rules)
        return _SCALARS[field.type] | bounds.of_value(rules) | _secret(field)

    def _enum(self, enum: EnumDescriptor) -> Json:
        name = component(enum)
        if name not in self.components:
            values = [
                f"- `{value}`{f': {json_names(text, self._comments.field_names)}' if text else ''}"
                for value, text in self._comments.of_values(enum)
            ]
            self.components[name] = {
                "type": "string",
                "description": paragraphs(self._said(enum.full_name), "\n".join(values)),
                "enum": [value.name for value in enum.values],
            }
        return _reference(name)

    def _described(self, field: FieldDescriptor, without: Collection[str] = ()) -> Json:
        rules = bounds.rules_of(field)
        words = [
            *bounds.in_words(rules, without),
            *(bounds.in_words(rules.repeated.items) if field.is_repeated else ()),
        ]
        text = " ".join(filter(None, (self._said(field.full_name), *map(rule, words))))
        found: Json = {"description": json_names(text, self._comments.field_names)} if text else {}
        if is_output_only(field):
            found["readOnly"] = True
        return found

    def _said(self, name: str) -> str:
        return json_names(self._comments.of(name), self._comments.field_names)


def component(described: Descriptor | EnumDescriptor) -> str:
    """What a message or an enum is called in the document: `orders.v1.Order`, `google.type.Money`."""
    return str(described.full_name).removeprefix("lumi.")


def is_output_only(field: FieldDescriptor) -> bool:
    """Whether the field is ignored in requests."""
    return field_behavior_pb2.OUTPUT_ONLY in field.GetOptions().Extensions[field_behavior_pb2.field_behavior]


def _reference(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _is_map(field: FieldDescriptor) -> bool:
    return bool(field.message_type is not None and field.message_type.GetOptions().map_entry)


def _not_these(enum: EnumDescriptor, rules: validate_pb2.FieldRules) -> Json:
    given = getattr(rules.enum, "in")
    refused = {value.number for value in enum.values} - set(given) if given else set(rules.enum.not_in)
    names = [value.name for value in enum.values if value.number in refused]
    return {"not": {"enum": names}} if names else {}


def _secret(field: FieldDescriptor) -> Json:
    return {"format": "password"} if field.name.endswith("password") else {}


def _reachable(messages: Iterable[Descriptor]) -> set[str]:
    """Full names of these messages and of all that they hold."""
    seen: set[str] = set()
    waiting = list(messages)
    while waiting:
        message = waiting.pop()
        if message.full_name not in seen:
            seen.add(message.full_name)
            waiting += [field.message_type for field in message.fields if field.message_type is not None]
    return seen
