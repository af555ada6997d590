"""The contract as a reader of the page meets it: every method that clients may call, and the comments of the protos."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from google.api import annotations_pb2
from google.protobuf.descriptor import Descriptor, EnumDescriptor, MethodDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, EnumDescriptorProto, FileDescriptorProto, FileDescriptorSet

from lumi_envoy.contract import RoutedMethod, all_methods, routed_methods

CHECKOUT = Path(__file__).resolve().parents[4]

_VARIABLE = re.compile(r"\{([a-z0-9_.]+)\}")


class Fault(Exception):
    """What is wrong and what to do about it, for a person to read."""


@dataclass(frozen=True)
class Method:
    """A method that clients may call."""

    descriptor: MethodDescriptor
    routed: RoutedMethod

    @property
    def service(self) -> str:
        """`OrderService`."""
        return str(self.descriptor.containing_service.name)

    @property
    def package(self) -> str:
        """`lumi.orders.v1`."""
        return str(self.descriptor.containing_service.file.package)

    @property
    def request(self) -> Descriptor:
        return self.descriptor.input_type

    @property
    def answer(self) -> Descriptor:
        return self.descriptor.output_type

    @cached_property
    def http(self) -> tuple[str, str]:
        """Verb in lower case and path, its variables as the proto has them."""
        rule = self.descriptor.GetOptions().Extensions[annotations_pb2.http]
        verb = rule.WhichOneof("pattern")
        if rule.body not in ("", "*") or rule.additional_bindings:
            raise Fault(f"{self.descriptor.full_name}: the page knows one HTTP form per method, with body * or none")
        return verb, getattr(rule, verb)

    @property
    def has_body(self) -> bool:
        return bool(self.descriptor.GetOptions().Extensions[annotations_pb2.http].body)

    @property
    def variables(self) -> list[str]:
        """Fields of the request that the path holds, such as `order.id`."""
        return _VARIABLE.findall(self.http[1])


def methods() -> list[Method]:
    """Every routed method, a service's together and in the order of its proto."""
    routed = {method.policy.name: method for method in routed_methods()}
    services = {method.containing_service.full_name: method.containing_service for method in all_methods()}
    return [
        Method(method, routed[name])
        for service in services.values()
        for method in service.methods
        if (name := f"{service.full_name}/{method.name}") in routed
    ]


class Comments:
    """What the protos say above each service, method, message, field, enum and value; nothing where they say nothing.

    A value is known as `<full name of its enum>.<value>`.
    """

    def __init__(self, compiled: FileDescriptorSet) -> None:
        self._texts = {name: text for file in compiled.file for name, text in _comments(file)}
        self.field_names = frozenset(
            field.name
            for file in compiled.file
            for message in _with_nested(file.message_type)
            for field in message.field
        )

    @classmethod
    def compiled(cls) -> Comments:
        """Those of this checkout's protos as they are now; the generated Python has none."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "lumi.binpb")
            command = [sys.executable, str(CHECKOUT / "protos" / "generate.py"), "--descriptors", str(file)]
            done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
            if done.returncode:
                raise Fault(f"the protos do not compile:\n{done.stderr}".rstrip())
            return cls(FileDescriptorSet.FromString(file.read_bytes()))

    def of(self, name: str) -> str:
        return self._texts.get(name, "")

    def of_values(self, enum: EnumDescriptor) -> Iterator[tuple[str, str]]:
        """Each value's name and comment."""
        for value in enum.values:
            yield value.name, self.of(f"{enum.full_name}.{value.name}")


def _comments(file: FileDescriptorProto) -> Iterator[tuple[str, str]]:
    names: dict[tuple[int, ...], str] = {}
    for i, service in enumerate(file.service):
        names[6, i] = f"{file.package}.{service.name}"
        for j, method in enumerate(service.method):
            names[6, i, 2, j] = f"{names[6, i]}.{method.name}"
    for i, message in enumerate(file.message_type):
        names |= _names_in(message, (4, i), f"{file.package}.{message.name}")
    for i, enum in enumerate(file.enum_type):
        names |= _names_of(enum, (5, i), f"{file.package}.{enum.name}")
    for location in file.source_code_info.location:
        if (name := names.get(tuple(location.path))) and location.leading_comments:
            yield name, " ".join(location.leading_comments.split())


def _names_in(message: DescriptorProto, path: tuple[int, ...], name: str) -> dict[tuple[int, ...], str]:
    names = {path: name} | {(*path, 2, i): f"{name}.{field.name}" for i, field in enumerate(message.field)}
    for i, inner in enumerate(message.nested_type):
        names |= _names_in(inner, (*path, 3, i), f"{name}.{inner.name}")
    for i, enum in enumerate(message.enum_type):
        names |= _names_of(enum, (*path, 4, i), f"{name}.{enum.name}")
    return names


def _names_of(enum: EnumDescriptorProto, path: tuple[int, ...], name: str) -> dict[tuple[int, ...], str]:
    return {path: name} | {(*path, 2, i): f"{name}.{value.name}" for i, value in enumerate(enum.value)}


def _with_nested(messages: Iterable[DescriptorProto]) -> Iterator[DescriptorProto]:
    for message in messages:
        yield message
        yield from _with_nested(message.nested_type)
