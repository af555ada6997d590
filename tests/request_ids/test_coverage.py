"""Every method of the contract that changes something is looked at here; this needs nothing that runs."""

from collections.abc import Iterator
from typing import Any

from google.protobuf.descriptor import Descriptor
from lumi.common.v1 import options_pb2

from tests.request_ids.scenes import CASES, EXEMPT, LEAVING, SCENES


def _secrets(message: Descriptor, above: tuple[Descriptor, ...] = ()) -> Iterator[str]:
    """The fields of a message, and of those in it, that are redacted wherever they are shown."""
    for field in message.fields:
        if field.GetOptions().debug_redact:
            yield str(field.full_name)
        if field.message_type is not None and field.message_type not in above:
            yield from _secrets(field.message_type, (*above, message))


def test_every_method_that_takes_a_request_id_has_a_scene() -> None:
    assert len(CASES) > 50
    assert sorted({case.name for case in (*CASES, *LEAVING)} - SCENES.keys()) == []


def test_every_scene_is_of_a_method_that_there_is() -> None:
    assert sorted(SCENES.keys() - {case.name for case in (*CASES, *LEAVING)}) == []


def test_methods_without_a_request_id_say_why_and_have_a_secret() -> None:
    for method in EXEMPT:
        options: Any = method.GetOptions()
        assert len(options.Extensions[options_pb2.request_id_exempt]) > 20, method.full_name
        assert [*_secrets(method.input_type), *_secrets(method.output_type)], method.full_name


def test_no_answer_that_is_kept_has_a_field_for_a_secret() -> None:
    for case in (*CASES, *LEAVING):
        assert not list(_secrets(case.method.output_type)), case.name
