"""The validation options that we declare are, number by number, those that protovalidate's engine reads."""

import ast
from importlib import import_module
from pathlib import Path

from buf.validate import validate_pb2
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto


def published() -> FileDescriptorProto:
    """The descriptor inside the installed package, read from its source: its classes are not google.protobuf's."""
    module = import_module("protovalidate._gen.buf.validate.validate_pb")
    tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
    call = next(
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)
        and isinstance(node.value.func, ast.Name) and node.value.func.id == "file_desc"
    )  # fmt: skip
    return FileDescriptorProto.FromString(ast.literal_eval(call.args[0]))


def ours() -> FileDescriptorProto:
    file = FileDescriptorProto()
    validate_pb2.DESCRIPTOR.CopyToProto(file)
    return file


def facts(field: FieldDescriptorProto) -> tuple[object, ...]:
    return field.number, field.type, field.label, field.type_name, field.extendee, field.HasField("oneof_index")


def test_every_rule_has_its_published_number_and_type() -> None:
    theirs = {
        message.name: {field.name: facts(field) for field in message.field} for message in published().message_type
    }
    for message in ours().message_type:
        for field in message.field:
            assert facts(field) == theirs[message.name][field.name], f"{message.name}.{field.name}"


def test_the_options_hang_where_the_published_ones_hang() -> None:
    theirs = {extension.name: facts(extension) for extension in published().extension}
    for extension in ours().extension:
        assert facts(extension) == theirs[extension.name], extension.name


def test_enum_values_have_their_published_numbers() -> None:
    theirs = {enum.name: {value.name: value.number for value in enum.value} for enum in published().enum_type}
    for enum in ours().enum_type:
        assert {value.name: value.number for value in enum.value} == theirs[enum.name], enum.name
