"""Each call is taken and answered by the real gateway just as the document writes it."""

import json
from functools import cache
from typing import Any
from urllib.parse import quote

import pytest
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from lumi_openapi.__main__ import DOCUMENT
from lumi_openapi.contract import Method, methods
from lumi_openapi.operations import at, json_path, path_of, query_fields, without
from lumi_openapi.samples import answer_of, as_json, request_of
from tests.gateway.gateway import Gateway

METHODS = methods()


@cache
def document() -> dict[str, Any]:
    """The document as it is committed and served."""
    found: dict[str, Any] = json.loads(DOCUMENT.read_text(encoding="utf-8"))
    return found


def operation(method: Method) -> dict[str, Any]:
    """What the document says of a method."""
    found: dict[str, Any] = document()["paths"][path_of(method)][method.http[0]]
    return found


def as_documented(method: Method, request: Message) -> tuple[str, list[tuple[str, str]], dict[str, Any] | None]:
    """Path, query and body of a request."""
    written = as_json(request)
    path = path_of(method)
    for variable in method.variables:
        name = json_path(method.request, variable)
        path = path.replace(f"{{{name.split('.')[-1]}}}", quote(at(written, name), safe=""))
    body = without(as_json(request), method)
    if method.has_body:
        return path, [], body
    query = []
    for proto_path, _ in query_fields(method.request):
        name = json_path(method.request, proto_path)
        if proto_path not in method.variables and name.split(".")[0] in written:
            value = at(written, name)
            query += [(name, _plain(each)) for each in (value if isinstance(value, list) else [value])]
    return path, query, None


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


@pytest.mark.parametrize("whole", [False, True], ids=["usual", "whole"])
@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.descriptor.full_name)
def test_a_request_arrives_as_it_was_written(gateway: Gateway, method: Method, whole: bool):
    request = request_of(method, whole=whole)
    path, query, body = as_documented(method, request)

    answer = gateway.http.request(method.http[0], path, params=query, json=body, headers=gateway.headers())

    assert answer.status_code == 200, answer.text
    assert gateway.backends.last.path == method.routed.path
    assert GetMessageClass(method.request).FromString(gateway.backends.last.request) == request
    described = {parameter["name"] for parameter in operation(method).get("parameters", [])}
    assert {name for name, _ in query} <= described


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.descriptor.full_name)
def test_an_answer_comes_as_the_example_shows(gateway: Gateway, method: Method):
    path, query, body = as_documented(method, request_of(method))
    told = answer_of(method).SerializeToString()

    with gateway.backends.answering(method.routed.path, lambda _request, _wire: told):
        answer = gateway.http.request(method.http[0], path, params=query, json=body, headers=gateway.headers())

    assert answer.json() == operation(method)["responses"]["200"]["content"]["application/json"]["example"]
