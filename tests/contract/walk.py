"""The contract as a caller reads it: the compiled protos, with comments; nothing here needs a running stack."""

from collections.abc import Iterator
from typing import NamedTuple

from google.api import annotations_pb2, field_behavior_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor, FileDescriptor, MethodDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet, MethodOptions
from google.protobuf.descriptor_pool import DescriptorPool
from lumi.common.v1 import options_pb2


class Method(NamedTuple):
    """One method with what its options say and the comment above it."""

    descriptor: MethodDescriptor
    comment: str

    @property
    def name(self) -> str:
        return str(self.descriptor.full_name)

    @property
    def options(self) -> MethodOptions:
        options: MethodOptions = self.descriptor.GetOptions()
        return options

    @property
    def access(self) -> options_pb2.Access:
        access: options_pb2.Access = self.options.Extensions[options_pb2.access]
        return access

    @property
    def is_internal(self) -> bool:
        access = self.access
        return not (access.public or access.guest or access.user or access.permission)

    @property
    def is_for_staff(self) -> bool:
        return bool(self.access.permission) and not self.access.owner

    @property
    def changes_something(self) -> bool:
        return self.options.idempotency_level != MethodOptions.NO_SIDE_EFFECTS

    @property
    def http(self) -> tuple[str, str, str]:
        """Verb, path and body; three empty texts where there is no HTTP form."""
        rule = self.options.Extensions[annotations_pb2.http]
        verb = rule.WhichOneof("pattern") or ""
        return verb, getattr(rule, verb) if verb else "", rule.body


class Contract:
    """All protos of ours, with comments by full name."""

    def __init__(self, compiled: FileDescriptorSet) -> None:
        self.compiled = compiled
        self._pool = pool = DescriptorPool()
        for file in compiled.file:
            pool.Add(file)
        self.files: list[FileDescriptor] = [
            pool.FindFileByName(file.name) for file in compiled.file if file.name.startswith("lumi/")
        ]
        self.comments = dict(_comments(compiled))
        self.methods = [
            Method(method, self.comments.get(method.full_name, ""))
            for file in self.files
            for service in file.services_by_name.values()
            for method in service.methods
        ]

    @property
    def requests(self) -> list[Descriptor]:
        return [method.descriptor.input_type for method in self.methods]

    def enum_values(self, name: str) -> list[str]:
        return [value.name for value in self._pool.FindEnumTypeByName(name).values]

    def reasons(self, package: str) -> list[str]:
        """The reasons of a package without prefix, the unspecified one aside."""
        prefix = "ERROR_REASON_"
        return [value.removeprefix(prefix) for value in self.enum_values(f"{package}.ErrorReason")[1:]]


def request_fields(message: Descriptor) -> Iterator[tuple[str, FieldDescriptor]]:
    """Every field that a caller may fill in, down to Google's own messages, with its path."""
    for field in message.fields:
        if is_output_only(field):
            continue
        yield f"{message.full_name}.{field.name}", field
        inner = field.message_type
        if inner is not None and inner.full_name.startswith("lumi."):
            yield from request_fields(inner)


def is_output_only(field: FieldDescriptor) -> bool:
    options = field.GetOptions()
    return field_behavior_pb2.OUTPUT_ONLY in options.Extensions[field_behavior_pb2.field_behavior]


def _comments(compiled: FileDescriptorSet) -> Iterator[tuple[str, str]]:
    """Full name and leading comment of every method, message, enum and enum value."""
    for file in compiled.file:
        names: dict[tuple[int, ...], str] = {}
        for i, service in enumerate(file.service):
            for j, method in enumerate(service.method):
                names[6, i, 2, j] = f"{file.package}.{service.name}.{method.name}"
        for i, message in enumerate(file.message_type):
            names[4, i] = f"{file.package}.{message.name}"
        for i, enum in enumerate(file.enum_type):
            names[5, i] = f"{file.package}.{enum.name}"
            for j, value in enumerate(enum.value):
                names[5, i, 2, j] = f"{file.package}.{enum.name}.{value.name}"
        for location in file.source_code_info.location:
            if (name := names.get(tuple(location.path))) and location.leading_comments:
                yield name, " ".join(location.leading_comments.split())
