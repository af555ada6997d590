"""Random requests that keep the contract's rules, made from its descriptors."""

import math
import re
from collections.abc import Iterator
from random import Random
from typing import Any
from uuid import UUID

from buf.validate import validate_pb2
from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from lumi_common.rpc.validation import violations
from tests.fuzz.patterns import NASTY, matching, text
from tests.fuzz.pool import Pool, kind_of, snake
from tests.kit.shop import PASSWORD

_TRIES = 6
_INT32, _INT64 = 2**31 - 1, 2**63 - 1
_CUID = "^c[a-z0-9]{24}$"
_CURRENCIES = ("USD", "USD", "USD", "EUR", "TRY", "JPY", "XXX", "KWD")
_SECONDS = (946684800, 7258118400)  # as far as the contract's times go
_ORDERS = (
    "",
    "",
    "",
    "create_time",
    "price desc",
    "title",
    "create_time desc,id",
    "; drop table",
    "price,,",
    "id asc asc",
)


class Making:
    """Makes the requests of one caller."""

    def __init__(self, random: Random, pool: Pool, caller: str) -> None:
        self._random, self._pool, self._caller = random, pool, caller
        self._subject, self._changes, self._lists = "", False, False

    def request(self, method: MethodDescriptor) -> Message:
        """A request of this method that keeps every rule, or nearly: what a rule in CEL asks for is met by trying."""
        self._subject, self._changes = self._subject_of(method), method.name.startswith("Update")
        self._lists = method.name.startswith("List")
        made = self.message(method.input_type)
        for _ in range(_TRIES):
            if not violations(made):
                break
            made = self.message(method.input_type)
        return made

    def _subject_of(self, method: MethodDescriptor) -> str:
        """What the `id` of a request names: what the method's name says, or its answer, or its service."""
        names = (re.sub("^[A-Z][a-z]+", "", method.name), method.output_type.name, method.containing_service.name[:-7])
        return next(filter(None, (self._pool.known(snake(name)) for name in names)), "")

    def message(self, descriptor: Descriptor, depth: int = 0) -> Message:
        """A message of this type."""
        made: Message = GetMessageClass(descriptor)()
        for field in descriptor.fields:
            rules = rules_of(field)
            if self._random.random() < self._chance(field, rules):
                self._fill(made, field, rules, depth)
        return made

    def _chance(self, field: FieldDescriptor, rules: validate_pb2.FieldRules) -> float:
        """How often a field is there."""
        if rules.required or rules.repeated.min_items:
            return 1
        if rules.string.pattern and rules.ignore == validate_pb2.IGNORE_UNSPECIFIED:
            return 0.98
        if is_output_only(field) or rules.ignore == validate_pb2.IGNORE_ALWAYS:
            # For answers, but for the id that says which row is to be changed.
            return 0.9 if field.name == "id" and self._changes else 0.1
        if field.name == "etag" or self._lists:
            return 0.2
        if field.containing_oneof is not None or rules.ignore == validate_pb2.IGNORE_IF_ZERO_VALUE:
            return 0.5
        return 0.9 if rules.WhichOneof("type") else 0.6

    def _fill(self, message: Any, field: FieldDescriptor, rules: validate_pb2.FieldRules, depth: int) -> None:
        name = field.name
        if field.is_repeated:
            bounds = rules.repeated
            most = int(bounds.max_items) if bounds.HasField("max_items") else 5
            count = self._random.randint(int(bounds.min_items), max(int(bounds.min_items), min(most, 3)))
            if self._random.random() < 0.02:
                count = min(most, 100)
            made = [self.value(field, bounds.items, depth) for _ in range(count)]
            if bounds.unique:
                made = list(dict.fromkeys(made))
            getattr(message, name).extend(made)
        elif field.type == field.TYPE_MESSAGE:
            getattr(message, name).CopyFrom(self.value(field, rules, depth))
        else:
            setattr(message, name, self.value(field, rules, depth))

    def value(self, field: FieldDescriptor, rules: validate_pb2.FieldRules, depth: int) -> Any:
        """A value that these rules allow."""
        random = self._random
        match field.type:
            case field.TYPE_STRING:
                return self._text(field, rules.string)
            case field.TYPE_BOOL:
                return random.random() < 0.5
            case field.TYPE_ENUM:
                numbers = [each.number for each in field.enum_type.values if each.number not in rules.enum.not_in]
                return random.choice(numbers)
            case field.TYPE_INT32:
                return self._number(rules.int32, _INT32)
            case field.TYPE_INT64:
                return self._number(rules.int64, _INT64)
            case field.TYPE_MESSAGE:
                return self._inner(field, depth)
            case other:
                raise NotImplementedError(f"{field.full_name} has type {other}: say here how it is made")

    def _number(self, rules: Any, edge: int) -> int:
        low = rules.gte if rules.HasField("gte") else -edge - 1
        high = rules.lte if rules.HasField("lte") else edge
        if self._random.random() < 0.15:
            return self._random.choice((low, high))
        size = int(math.exp(self._random.uniform(0, math.log(max(high, 2)))))  # as often of one digit as of six
        number = min(max(size, low), high)
        return number if number not in rules.not_in else high

    def _text(self, field: FieldDescriptor, rules: validate_pb2.StringRules) -> str:
        random, name = self._random, field.name
        longest = int(rules.max_len) if rules.HasField("max_len") else 100
        if rules.uuid:
            return str(UUID(int=random.getrandbits(128), version=4))
        inside = snake(field.containing_type.name)
        known = self._pool.give(
            random, self._caller, kind_of(field, self._subject if inside.endswith("_request") else inside)
        )
        if rules.pattern == _CUID or field.name == "id":
            chance = random.random()
            if chance < 0.06 or not re.match(_CUID, known):
                known = self._pool.any_id(random)
            return known if known and chance < 0.94 else matching(random, _CUID, 25)
        if known and len(known) <= longest and random.random() < (0.85 if "token" in name else 0.4):
            return known
        if rules.email:
            return f"{random.getrandbits(64):x}@example.com"
        if name.endswith("password"):
            return PASSWORD
        if name == "order_by":
            return random.choice(_ORDERS)
        if name.endswith("currency_code") or rules.pattern == "^[A-Z]{3}$":
            return random.choice(_CURRENCIES)
        if rules.pattern:
            return matching(random, rules.pattern, longest)
        return text(random, int(rules.min_len), longest)

    def _inner(self, field: FieldDescriptor, depth: int) -> Message:
        random, kind = self._random, field.message_type
        made: Any = GetMessageClass(kind)()
        match str(kind.full_name):
            case "google.type.Money":
                made.currency_code = random.choice(_CURRENCIES)
                cents = int(math.exp(random.uniform(0, math.log(10**12 - 1))))
                if random.random() < 0.1:
                    cents = random.choice((0, 1, 99, 10**12 - 1, 10**14 - 1))
                made.units, made.nanos = cents // 100, cents % 100 * 10_000_000
            case "google.type.Decimal":
                made.value = random.choice(("0.01", "100", "99.99", "10", f"{random.randint(1, 99)}.5"))
            case "google.protobuf.Timestamp":
                made.seconds = random.choice((_SECONDS[0], _SECONDS[1] - 1, random.randrange(*_SECONDS)))
                made.nanos = random.choice((0, 0, 1, 999_999_999))
            case "google.protobuf.FieldMask":
                resource = next((each for each in field.containing_type.fields if each.name != field.name), field)
                names = [each.name for each in resource.message_type.fields] if resource.message_type else ["id"]
                made.paths.extend(random.sample(names, random.randint(0, min(3, len(names)))))
            case "google.protobuf.Struct":
                for _ in range(random.randint(0, 4)):
                    made[text(random, 1, 20)] = random.choice(
                        (None, True, 1.5, 1e308, -0.0, text(random, 0, 30), random.choice(NASTY))
                    )
            case _:
                return self.message(kind, depth + 1)
        return made


def rules_of(field: FieldDescriptor) -> validate_pb2.FieldRules:
    """The rules that a field declares, maybe none."""
    rules: validate_pb2.FieldRules = field.GetOptions().Extensions[validate_pb2.field]
    return rules


def is_output_only(field: FieldDescriptor) -> bool:
    """Whether it is for answers alone."""
    return field_behavior_pb2.OUTPUT_ONLY in field.GetOptions().Extensions[field_behavior_pb2.field_behavior]


def fields_within(message: Message) -> Iterator[tuple[Message, FieldDescriptor]]:
    """Each field of a message and of those that are set inside it."""
    for field in message.DESCRIPTOR.fields:
        yield message, field
    for field, value in message.ListFields():
        if field.type == field.TYPE_MESSAGE:
            for each in value if field.is_repeated else (value,):
                if isinstance(each, Message):
                    yield from fields_within(each)
