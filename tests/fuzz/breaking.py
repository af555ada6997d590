"""Requests made wrong: values at and beyond bounds, and bytes that are no such message, or hardly."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from random import Random
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from tests.fuzz.making import fields_within, rules_of
from tests.fuzz.patterns import NASTY

_MARK = "\x02mark\x03"
# As long as the mark, and no UTF-8: lone surrogates, an overlong slash, a character past the last, bytes of none.
_NO_TEXTS = (
    b"\xed\xa0\x80\xed\xb0\x80",
    b"\xc0\xafabcd",
    b"\xf4\x90\x80\x80ab",
    b"\xff\xfe\x80\x80\xc1\xf5",
    b"abcde\xc3",
)
_CHANGED = 3  # fields at most
_DEEP = 120  # past what parsers follow
_NOT_TIMES = (-62135596801, 253402300800, 2**63 - 1, -(2**63), 0, -1)
_NOT_SUBMULTIPLES = (-1, 1, 1_000_000_000, 2**31 - 1, -(2**31), 9_999_999)


def broken(random: Random, request: Message) -> bytes:
    """The request on the wire, made wrong in one way or two; it may still be right."""
    for _ in range(random.randint(0, _CHANGED)):
        if fields := [*fields_within(request)]:
            _change(random, *random.choice(fields))
    data = request.SerializeToString()
    if _MARK.encode() in data:
        return data.replace(_MARK.encode(), random.choice(_NO_TEXTS))
    return random.choice(_ON_THE_WIRE)(random, data) if random.random() < 0.3 else data


def _change(random: Random, message: Any, field: FieldDescriptor) -> None:
    """Give one field a value that it should not have."""
    if random.random() < 0.15:
        message.ClearField(field.name)
    elif field.is_repeated:
        _crowd(random, message, field)
    elif field.type == field.TYPE_MESSAGE:
        _spoil(random, getattr(message, field.name))
    elif "token" in field.name and getattr(message, field.name) and random.random() < 0.7:
        setattr(message, field.name, _forged(random, getattr(message, field.name)))
    else:
        setattr(message, field.name, _wrong(random, field))


def _wrong(random: Random, field: FieldDescriptor) -> Any:
    match field.type:
        case field.TYPE_STRING:
            return _wrong_text(random, rules_of(field).string)
        case field.TYPE_BOOL:
            return random.random() < 0.5
        case field.TYPE_ENUM:
            return random.choice((0, -1, 999, 2**31 - 1, -(2**31)))
        case field.TYPE_DOUBLE:
            return random.choice((float("nan"), float("inf"), float("-inf"), 5e-324, 1.7e308))
        case _:
            bits = 31 if field.type == field.TYPE_INT32 else 63
            rules = rules_of(field)
            declared: Any = rules.int32 if field.type == field.TYPE_INT32 else rules.int64
            edges = [0, -1, 2**bits - 1, -(2**bits), 2**31 - 1]
            edges += (
                [declared.lte + 1, declared.lte - 1] if declared.HasField("lte") and declared.lte < 2**bits - 1 else []
            )
            edges += [declared.gte - 1, declared.gte + 1] if declared.HasField("gte") else []
            return random.choice([each for each in edges if -(2**bits) <= each < 2**bits])


def _wrong_text(random: Random, rules: Any) -> str:
    longest = int(rules.max_len) or 100
    made = (
        "", "\x00", "a\x00b", _MARK, _MARK, "x" * (longest + 1), "x" * longest, "ü" * longest, "👩‍👩‍👧" * 5,
        "x" * max(int(rules.min_len) - 1, 0), " ", "\u202e\u0627", "c" + "0" * 24, "c" + "0" * 24 + "\n",
        "00000000-0000-0000-0000-000000000000", random.choice(NASTY), random.choice(NASTY),
    )  # fmt: skip
    return random.choice(made)


def _forged(random: Random, token: str) -> str:
    """A token with something else in it: they are base64, some of it signed and some not."""
    *before, last = token.split(".")
    try:
        data = urlsafe_b64decode(last + "===")
    except ValueError:
        return token[:-1]
    keep = random.randint(0, len(data))
    data = random.choice((data[:keep], data[:12]))
    data += random.choice((b"", b"\x00", b"\xff", b"'", b"-1", b"9" * 25, b"\n\n", b"{}", random.randbytes(8)))
    return ".".join((*before, urlsafe_b64encode(data).decode().rstrip("=")))


def _crowd(random: Random, message: Any, field: FieldDescriptor) -> None:
    """Too many, or some of them twice."""
    there = getattr(message, field.name)
    if not hasattr(there, "append"):  # a map
        for number in range(random.choice((1, 51))):
            there[f"key {number}"].string_value = random.choice(NASTY)
        return
    most = int(rules_of(field).repeated.max_items) or 10
    if not there:
        if field.type == field.TYPE_STRING:
            there.append(_wrong_text(random, rules_of(field).repeated.items.string))
        elif field.type == field.TYPE_MESSAGE:
            there.add()
        else:
            return
    wanted = min(random.choice((2, most, most + 1)), 1001)
    for number in range(len(there), wanted):
        there.append(there[number % max(len(there), 1)])


def _spoil(random: Random, message: Any) -> None:
    """Something inside that is out of bounds, or nothing at all."""
    match str(message.DESCRIPTOR.full_name):
        case "google.type.Money":
            message.currency_code = random.choice(("USD", "usd", "", "US", "XXX", "٣٣٣", "USDD", "BTC"))
            message.units = random.choice((-1, 0, 1, 10**10, 10**12, 2**63 - 1, -(2**63)))
            message.nanos = random.choice(_NOT_SUBMULTIPLES)
        case "google.type.Decimal":
            message.value = random.choice(("", "0", "-1", "100.01", "1e2", "NaN", "Infinity", "٣", "1.000", "9" * 200))
        case "google.protobuf.Timestamp":
            message.seconds, message.nanos = random.choice(_NOT_TIMES), random.choice(_NOT_SUBMULTIPLES)
        case "google.protobuf.FieldMask":
            message.paths.extend(random.choices(("*", "id", "", "a.b.c", "no_such", "createTime", "x" * 101, "."), k=2))
        case "google.protobuf.Struct":
            _nest(random, message.fields["a"], random.choice((1, 2, 30)))
            message.fields["nan"].number_value = random.choice((float("nan"), float("inf"), 1e308))
            message.fields[random.choice(("", "x" * 65, "\x00", "none"))].Clear()
        case _:
            message.Clear()


def _nest(random: Random, value: Any, depth: int) -> None:
    for _ in range(depth):
        value = value.list_value.values.add() if random.random() < 0.5 else value.struct_value.fields["a"]
    value.string_value = "\x00" if random.random() < 0.3 else "deep"


def _flipped(random: Random, data: bytes) -> bytes:
    changed = bytearray(data or b"\x00")
    for _ in range(random.randint(1, 4)):
        changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


def _cut(random: Random, data: bytes) -> bytes:
    return data[: random.randrange(len(data) + 1)]


def _noise(random: Random, data: bytes) -> bytes:
    return random.randbytes(random.randint(0, 80))


def _twice(random: Random, data: bytes) -> bytes:
    return data + data


def _more(random: Random, data: bytes) -> bytes:
    """With fields that the message has not got: a number, a text, a group that never ends, a length past the end."""
    return data + random.choice(
        (
            b"\xf8\xff\x7f\x01",
            b"\xfa\xff\x7f\x03abc",
            b"\xfb\xff\x7f",
            b"\x0a\xff\xff\xff\xff\x0f",
            b"\x00",
            b"\xff" * 12,
        )
    )


def _deep(random: Random, data: bytes) -> bytes:
    """Each of its own first fields within the one before."""
    for _ in range(random.choice((20, _DEEP))):
        data = b"\x0a" + varint(len(data)) + data
    return data


def varint(number: int) -> bytes:
    """A number on the wire."""
    made = bytearray()
    while number > 0x7F:
        made.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*made, number])


_ON_THE_WIRE = (_flipped, _flipped, _cut, _noise, _twice, _more, _more, _deep)
