"""What the contract says of each method, read off the descriptors that the services themselves enforce."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import lumi
from google.api import annotations_pb2
from google.protobuf.descriptor import FileDescriptor, MethodDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.rpc import error_details_pb2
from lumi.common.v1 import options_pb2

from lumi_common.rpc.access import ContractError, MethodPolicy, read_policy
from lumi_envoy.settings import CONTEXTS

DEFAULT_DEADLINE_MS = 5_000

Rate = Literal["calls", "sessions", "tries"]
_RATES: dict[int, Rate] = {
    options_pb2.RATE_CALLS: "calls",
    options_pb2.RATE_SESSIONS: "sessions",
    options_pb2.RATE_TRIES: "tries",
}


@dataclass(frozen=True, slots=True)
class RoutedMethod:
    """A method that clients may call through the gateway."""

    policy: MethodPolicy
    context: str
    service: str  # `lumi.orders.v1.OrderService`
    deadline_ms: int
    brings_proof: bool  # who calls is proved by the request itself (a password, a refresh token), or need not be
    rate: Rate  # how often it may be called

    @property
    def path(self) -> str:
        """`/lumi.orders.v1.OrderService/CancelOrder`."""
        return f"/{self.policy.name}"


def all_methods() -> list[MethodDescriptor]:
    """Every method of the contract, by full name."""
    methods = (
        method for file in contract_files() for service in file.services_by_name.values() for method in service.methods
    )
    return sorted(methods, key=lambda method: str(method.full_name))


def contract_files() -> list[FileDescriptor]:
    """Every file of the generated package `lumi`, by name."""
    found = (
        (root, path.relative_to(root).with_suffix("").parts)
        for root in map(Path, lumi.__path__)
        for path in root.rglob("*_pb2.py")
    )
    files = (import_module(".".join(("lumi", *parts))).DESCRIPTOR for _, parts in found)
    return sorted(files, key=lambda file: str(file.name))


def routed_methods(methods: Iterable[MethodDescriptor] | None = None) -> list[RoutedMethod]:
    """The methods that are not for services alone; ContractError lists what the gateway could not serve as declared."""
    routed, faults = [], []
    for method in all_methods() if methods is None else methods:
        try:
            policy = read_policy(method)
            _check(method, policy)
        except ContractError as fault:
            faults.append(str(fault))
            continue
        if policy.on_public_port:
            routed.append(_routed(method, policy))
    if faults:
        raise ContractError("; ".join(faults))
    return routed


def descriptor_set(routed: Iterable[RoutedMethod]) -> FileDescriptorSet:
    """What transcoding needs to know: all messages, those of error details among them, and the routed methods alone."""
    paths = {method.path for method in routed}
    answer = FileDescriptorSet()
    for file in _with_imports([*contract_files(), error_details_pb2.DESCRIPTOR]):
        proto = answer.file.add()
        file.CopyToProto(proto)
        _keep_methods(proto, paths)
    return answer


def _check(method: MethodDescriptor, policy: MethodPolicy) -> None:
    has_http_form = method.GetOptions().HasExtension(annotations_pb2.http)
    if has_http_form != policy.on_public_port:
        raise ContractError(
            f"{policy.name} is for clients and has no HTTP form"
            if policy.on_public_port
            else f"{policy.name} is between services only and has an HTTP form"
        )
    if policy.on_public_port and (method.client_streaming or method.server_streaming):
        raise ContractError(f"{policy.name} streams, and the gateway's limits are for single messages")
    if policy.on_public_port and _context(method) not in CONTEXTS:
        raise ContractError(f"{policy.name} belongs to no service")


def _routed(method: MethodDescriptor, policy: MethodPolicy) -> RoutedMethod:
    options: Any = method.GetOptions()
    takes_secret = policy.mutating and bool(options.Extensions[options_pb2.request_id_exempt])
    return RoutedMethod(
        policy=policy,
        context=_context(method),
        service=method.containing_service.full_name,
        deadline_ms=options.Extensions[options_pb2.deadline_ms] or DEFAULT_DEADLINE_MS,
        brings_proof=policy.public and takes_secret,
        rate=_rate(options, strict=takes_secret or (policy.public and policy.mutating)),
    )


def _rate(options: Any, *, strict: bool) -> Rate:
    declared = options.Extensions[options_pb2.rate]
    if declared == options_pb2.RATE_UNSPECIFIED:
        return "tries" if strict else "calls"
    return _RATES[declared]


def _context(method: MethodDescriptor) -> str:
    return str(method.full_name).split(".")[1]


def _keep_methods(file: FileDescriptorProto, paths: set[str]) -> None:
    for service in list(file.service):
        kept = [method for method in service.method if f"/{file.package}.{service.name}/{method.name}" in paths]
        del service.method[:]
        service.method.extend(kept)
        if not kept:
            file.service.remove(service)


def _with_imports(files: Iterable[FileDescriptor]) -> Iterator[FileDescriptor]:
    """Each file once, after those it imports."""
    seen: set[str] = set()

    def visit(file: FileDescriptor) -> Iterator[FileDescriptor]:
        if file.name not in seen:
            seen.add(file.name)
            for imported in file.dependencies:
                yield from visit(imported)
            yield file

    for file in files:
        yield from visit(file)
