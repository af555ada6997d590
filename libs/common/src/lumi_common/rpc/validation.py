"""The bounds that request fields declare in the protos, checked by protovalidate."""

from functools import cache
from typing import Any

from google.protobuf.message import Message
from protovalidate import Validator

from lumi_common.errors import FieldViolation, InvalidArgument, Reason

# Of one message. They travel in a trailer, and a client refuses those that are larger than it likes.
MOST_TOLD = 20
# In a message of more bytes one is told: to look for all of them may take seconds, in which nobody is served.
_LOOKED_THROUGH = 64 * 1024
# Where the rule's own words would puzzle a client: an enum's zero stands for "not given".
_KINDER = {"enum.not_in": "must be given"}


@cache
def _validator() -> Validator:
    return Validator()


def violations(message: Message) -> list[FieldViolation]:
    """The bounds that the message breaks, by field path, MOST_TOLD of them at most.

    For rows inside a message whose field is declared `ignore: IGNORE_ALWAYS`, where bad rows are listed while the
    rest goes in, the servicer calls this for each row.
    """
    hurry = message.ByteSize() > _LOOKED_THROUGH
    return [
        FieldViolation(_path(found.proto.field), _said(found.proto))
        for found in _validator().collect_violations(message, fail_fast=hurry)[:MOST_TOLD]
    ]


def validate(message: Message) -> None:
    """Raise InvalidArgument that names each field at fault, if there is one."""
    if _validator().collect_violations(message, fail_fast=True):
        raise InvalidArgument.of_fields(Reason.INVALID_REQUEST, violations(message))


def _said(found: Any) -> str:
    return _KINDER.get(found.rule_id) or found.message or found.rule_id or "invalid"


def _path(path: Any) -> str:
    """`items[2].quantity`, `attributes["colour"]`; empty for a rule about the whole message."""
    if path is None:
        return ""
    text = ""
    for element in path.elements:
        text += f".{element.field_name}" if text else element.field_name
        subscript = element.subscript
        if subscript is not None:
            value = subscript.value
            text += f'["{value}"]' if isinstance(value, str) else f"[{value}]"
    return text
