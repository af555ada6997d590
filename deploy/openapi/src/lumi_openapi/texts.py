"""The protos' comments as the page says them."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from google.rpc import code_pb2

STATUSES = frozenset(code_pb2.Code.keys())

_NEXT_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z`\"])")
# What an error's metadata are called is on the wire as it is written; anything else that is named is a field.
_NAMED = re.compile(r"(metadata (?:`\w+`(?:, | and | or )?)+)|`([a-z][a-z0-9]*(?:_[a-z0-9]+)+)`")


@dataclass(frozen=True, slots=True)
class Told:
    """A method's comment in its parts."""

    summary: str
    more: str
    refusals: str  # the sentences that begin with a status


def told(comment: str) -> Told:
    """What a method's comment says: its first sentence in brief, the rest, and when it refuses."""
    said = _NEXT_SENTENCE.split(comment)
    begins = next((i for i, sentence in enumerate(said) if sentence.split(" ")[0].rstrip(".,:") in STATUSES), len(said))
    summary = re.split("[:;] ", said[0])[0].removesuffix(".")
    is_whole = summary == said[0].removesuffix(".")
    return Told(summary, " ".join(said[is_whole:begins]), " ".join(said[begins:]))


def json_names(text: str, fields: Collection[str]) -> str:
    """The text with fields named as JSON names them: `page_token` becomes `pageToken`."""

    def named(match: re.Match[str]) -> str:
        metadata, name = match.groups()
        return metadata or (f"`{camel(name)}`" if name in fields else match.group())

    return _NAMED.sub(named, text)


def camel(name: str) -> str:
    """A field's JSON name."""
    head, *tail = name.split("_")
    return head + "".join(part[:1].upper() + part[1:] for part in tail)


def sentence(text: str) -> str:
    """The text with a capital at its beginning and a full stop at its end."""
    return f"{text[:1].upper()}{text[1:].rstrip('.')}." if text else ""


def rule(text: str) -> str:
    """What a validation rule says, as a sentence with its fields marked."""
    return sentence(re.sub(r"(?<!`)\b[a-z]+(?:_[a-z0-9]+)+\b", r"`\g<0>`", text))


def paragraphs(*parts: str) -> str:
    """The parts that say something, one below the other."""
    return "\n\n".join(filter(None, parts))
