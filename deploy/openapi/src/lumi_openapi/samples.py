"""Examples: one small shop, told the same way on the whole page.

A value is the first that there is of: `values.VALUES` by message and field, the same by field, an id or a text made up
for what the field is. What is made up has to fit the bounds; where nothing does, a field that may be left out is, and
for one that may not `Fault` says that a value is to be written down there.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.json_format import MessageToDict, ParseDict, ParseError
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from lumi_common.names import snake
from lumi_openapi import bounds
from lumi_openapi.contract import Fault, Method
from lumi_openapi.schemas import MONEY, component, is_output_only
from lumi_openapi.texts import camel
from lumi_openapi.values import ENUMS, LATER, NOT_ASKED, NOTHING, VALUES

Value = Any
_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"
_CUID = "^c[a-z0-9]{24}$"

# Tried for a text that the table does not know.
_TEXTS = ("", "text", "A1", "orders.read", "123456", "2026", "TR", "+442079460000", "0" * 64)


def request_of(method: Method, *, whole: bool = False) -> Message:
    """An example request, path included: what has to be there and what usually is, or `whole` with everything."""
    return _message(method.request, _Writer(method, asks=True, whole=whole))


def answer_of(method: Method) -> Message:
    """An example answer, with everything in it."""
    return _message(method.answer, _Writer(method, asks=False, whole=True))


def as_json(message: Message, *, answer: bool = False) -> dict[str, Value]:
    """A message as JSON; of an answer zeros and empty lists too, as the gateway says them."""
    found: dict[str, Value] = MessageToDict(message, always_print_fields_with_no_presence=answer)
    return found


def sample_id(kind: str) -> str:
    """The id that everything of a kind has on the page, such as `order`."""
    number = int.from_bytes(hashlib.sha256(kind.encode()).digest()[:11], "big")
    return "cm3k9x2a4" + "".join(_ALPHABET[number // 36**place % 36] for place in range(16))


def _message(message: Descriptor, writer: _Writer) -> Message:
    try:
        return ParseDict(writer.message(message, ()), GetMessageClass(message)())
    except ParseError as error:
        raise Fault(f"the example of {message.full_name} in lumi_openapi/values.py does not fit: {error}") from error


class _Writer:
    """Writes one example as JSON with the fields' proto names."""

    def __init__(self, method: Method, *, asks: bool, whole: bool) -> None:
        self._method, self._asks, self._whole = method, asks, whole

    def message(self, message: Descriptor, above: tuple[FieldDescriptor, ...]) -> dict[str, Value]:
        """`above` are the fields that it stands in."""
        written: dict[str, Value] = {}
        chosen: set[str] = set()
        for field in message.fields:
            choice = field.containing_oneof
            if choice is not None and len(choice.fields) > 1:
                if choice.name in chosen:
                    continue
                chosen.add(choice.name)
            value = self._field(field, above)
            if value is not NOTHING:
                written[field.name] = value
        for field in message.fields:
            if field.message_type is not None and field.message_type.full_name == "google.protobuf.FieldMask":
                written[field.name] = _mask(message, written)
        return written

    def _field(self, field: FieldDescriptor, above: tuple[FieldDescriptor, ...]) -> Value:
        owner, is_needed = bounds.owner(field), bounds.is_required(field) or self._is_in_path(field, above)
        if self._asks and is_output_only(field) and not is_needed:
            return NOTHING
        known = VALUES.get(f"{owner.name}.{field.name}", VALUES.get(field.name))
        if self._asks and not self._whole and not is_needed and field.name in NOT_ASKED:
            return NOTHING
        if known is NOTHING:
            return NOTHING
        if field.is_repeated:
            if isinstance(known, list) and (field.message_type is None or not known):
                return known
            value = self._value(field, known, above)
            return [] if value is NOTHING else [value]
        value = self._value(field, known, above)
        if value is NOTHING and is_needed:
            raise Fault(f"lumi_openapi/values.py has no example that fits {field.full_name}: write one down in VALUES")
        return value

    def _value(self, field: FieldDescriptor, known: Value, above: tuple[FieldDescriptor, ...]) -> Value:
        inner = field.message_type
        if inner is not None:
            return self._inner(field, inner, known, above)
        if field.enum_type is not None:
            return _enum(field.enum_type, field)
        if field.cpp_type == field.CPPTYPE_BOOL:
            return bool(known)
        if field.cpp_type == field.CPPTYPE_STRING:
            return self._text(field, known, above)
        return known if isinstance(known, int) else _number(field)

    def _inner(
        self, field: FieldDescriptor, inner: Descriptor, known: Value, above: tuple[FieldDescriptor, ...]
    ) -> Value:
        if inner.full_name == MONEY:
            cents = known if isinstance(known, int) else 1250
            return {"currency_code": "USD", "units": str(cents // 100), "nanos": cents % 100 * 10_000_000}
        if inner.full_name == "google.protobuf.Timestamp":
            return known if isinstance(known, str) else LATER
        if inner.full_name == "google.protobuf.FieldMask" or inner.GetOptions().map_entry:
            return NOTHING
        if inner.full_name in ("google.protobuf.Struct", "google.type.Decimal"):
            return known if isinstance(known, dict) else {}
        if inner in (each.containing_type for each in (*above, field)):  # it holds itself
            return NOTHING
        return self.message(inner, (*above, field))

    def _text(self, field: FieldDescriptor, known: Value, above: tuple[FieldDescriptor, ...]) -> Value:
        rules = bounds.rules_of(field)
        rules = rules.repeated.items if field.is_repeated else rules
        own_id = sample_id(self._kind(field, above))
        is_id = rules.string.pattern == _CUID or field.name == "id" or field.name.endswith(("_id", "_ids"))
        candidates = [*([known] if isinstance(known, str) else ()), *([own_id] if is_id else ()), *_TEXTS]
        fits = (text for text in candidates if _fits(text, bounds.of_value(rules)))
        found = next(fits, NOTHING)
        return NOTHING if found == "" and self._asks else found

    def _kind(self, field: FieldDescriptor, above: tuple[FieldDescriptor, ...]) -> str:
        """What an id is of: its own message, the one in its name, or the collection in the path."""
        name, owner = field.name, bounds.owner(field)
        if name != "id":
            named = name.removesuffix("s").removesuffix("_id")
            return next((kind for kind in ("variant", "product", "address") if named.endswith(kind)), named)
        if above or not self._asks:
            return _kind_of_message(str(owner.name))
        collection = re.search(r"/(\w+)/\{", self._method.http[1])
        return _singular(collection[1]) if collection else _kind_of_message(str(owner.name))

    def _is_in_path(self, field: FieldDescriptor, above: tuple[FieldDescriptor, ...]) -> bool:
        return self._asks and ".".join(each.name for each in (*above, field)) in self._method.variables


def _kind_of_message(name: str) -> str:
    kind = snake(name)
    return "variant" if kind == "product_variant" else kind


def _singular(collection: str) -> str:
    return collection.removesuffix("es" if collection.endswith("sses") else "s")


def _mask(message: Descriptor, written: Mapping[str, Value]) -> str:
    """The fields that the message beside the mask brings, its id aside."""
    changed = next((value for value in written.values() if isinstance(value, dict)), {})
    return ",".join(camel(name) for name in changed if name != "id")


def _enum(enum: EnumDescriptor, field: FieldDescriptor) -> str:
    refused = set(bounds.rules_of(field).enum.not_in) | {0}
    usual = ENUMS.get(component(enum))
    return usual or str(next(value.name for value in enum.values if value.number not in refused))


def _number(field: FieldDescriptor) -> Value:
    keywords = bounds.of_value(bounds.rules_of(field))
    keywords = keywords.get("anyOf", [{}, keywords])[1]
    least = keywords.get("minimum", keywords.get("exclusiveMinimum", 0) + 1)
    return max(least, 1)


def _fits(text: str, keywords: Mapping[str, Any]) -> bool:
    if choices := keywords.get("anyOf"):
        return any(_fits(text, choice) for choice in choices)
    return (
        len(text) >= keywords.get("minLength", 0)
        and len(text) <= keywords.get("maxLength", len(text))
        and bool(re.search(keywords.get("pattern", ""), text))
        and (keywords.get("format") != "email" or "@" in text)
        and text in keywords.get("enum", [keywords.get("const", text)])
    )
