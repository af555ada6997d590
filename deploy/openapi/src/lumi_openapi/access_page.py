"""The page on access: who may call each method, and what the roles hold that every deployment begins with."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from google.api import annotations_pb2
from google.protobuf.descriptor import MethodDescriptor

from lumi_common.rpc.access import MethodPolicy, read_policy
from lumi_envoy.contract import all_methods
from lumi_envoy.settings import CONTEXTS
from lumi_identity.domain.permissions import PERMISSIONS
from lumi_identity.domain.role import SEEDED_ROLES


def access() -> str:
    """The text of docs/access.md."""
    intro = Path(__file__).with_name("access.md").read_text(encoding="utf-8")
    return intro + "".join([*_services(), *_roles()])


def _services() -> Iterator[str]:
    methods = sorted(all_methods(), key=lambda method: CONTEXTS.index(_context(method)))
    for context, of_context in groupby(methods, _context):
        yield f"\n## {context}\n"
        for service, of_service in groupby(of_context, lambda method: str(method.containing_service.name)):
            yield f"\n### {service}\n\n| method | HTTP | who | step-up | request id |\n|---|---|---|---|---|\n"
            yield from map(_row, of_service)


def _row(method: MethodDescriptor) -> str:
    policy = read_policy(method)
    request_id = ("yes" if policy.takes_request_id else "no") if policy.mutating else ""
    cells = (method.name, _http(method), who(policy), "yes" if policy.step_up else "", request_id)
    return f"| {' | '.join(cells)} |\n"


def who(policy: MethodPolicy) -> str:
    """Everybody who may call."""
    words = [
        word for word, said in (("anybody", policy.public), ("guest", policy.guest), ("user", policy.user)) if said
    ]
    if policy.permission:
        words.append(f"`{policy.permission}`")
    callers = " ".join(words)
    if policy.owner:
        callers = f"{callers} or owner" if policy.permission else f"{callers}, as owner"
    return "; ".join(filter(None, (callers, ", ".join(sorted(policy.services)))))


def _http(method: MethodDescriptor) -> str:
    rule = method.GetOptions().Extensions[annotations_pb2.http]
    verb = rule.WhichOneof("pattern")
    return f"`{verb.upper()} {getattr(rule, verb)}`" if verb else ""


def _context(method: MethodDescriptor) -> str:
    return str(method.full_name).split(".")[1]


def _roles() -> Iterator[str]:
    yield "\n## Roles\n\nWhat a deployment begins with; staff may change what each but `admin` holds.\n\n"
    yield from (f"- `{role.name}`: {role.description}\n" for role in SEEDED_ROLES)
    names = [role.name for role in SEEDED_ROLES]
    yield f"\n| permission | allows | {' | '.join(names)} |\n|---|---|{'---|' * len(names)}\n"
    for key, description in PERMISSIONS.items():
        held = ("yes" if key in role.permissions else "" for role in SEEDED_ROLES)
        yield f"| `{key}` | {description} | {' | '.join(held)} |\n"
