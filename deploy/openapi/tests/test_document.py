"""The document: valid, complete, and its examples are what the contract takes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from openapi_spec_validator import OpenAPIV31SpecValidator

from lumi_common.rpc.validation import violations
from lumi_openapi.contract import Comments, Method, methods
from lumi_openapi.document import document, operation_names, tag_names
from lumi_openapi.operations import path_of
from lumi_openapi.reasons import HTTP
from lumi_openapi.samples import answer_of, request_of

Json = dict[str, Any]
METHODS = methods()


@pytest.fixture(scope="module")
def openapi() -> Json:
    return document(Comments.compiled(), METHODS)


def operations(openapi: Json) -> Iterator[Json]:
    for path in openapi["paths"].values():
        yield from path.values()


def of(openapi: Json, name: str) -> Json:
    """One operation."""
    return next(each for each in operations(openapi) if each["operationId"] == name)


def faults(openapi: Json, schema: Json, value: Any) -> list[str]:
    """What a schema of the document has against a value."""
    whole = {**schema, "components": openapi["components"]}
    return [error.message for error in Draft202012Validator(whole, format_checker=FormatChecker()).iter_errors(value)]


def test_it_is_valid_openapi(openapi: Json):
    assert openapi["openapi"].startswith("3.1")
    assert [error.message for error in OpenAPIV31SpecValidator(openapi).iter_errors()] == []


def test_every_routed_method_is_in_it_once(openapi: Json):
    found = [(verb, path) for path, verbs in openapi["paths"].items() for verb in verbs]

    assert sorted(found) == sorted((method.http[0], path_of(method)) for method in METHODS)
    assert len({each["operationId"] for each in operations(openapi)}) == len(METHODS)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.descriptor.full_name)
def test_examples_are_within_the_contracts_bounds(method: Method):
    assert violations(request_of(method)) == []
    assert violations(request_of(method, whole=True)) == []
    assert violations(answer_of(method)) == []


def test_examples_are_valid_by_their_schemas(openapi: Json):
    for each in operations(openapi):
        for parameter in each.get("parameters", []):
            if "example" in parameter:
                assert faults(openapi, parameter["schema"], parameter["example"]) == [], parameter
        written = [response["content"] for response in each["responses"].values() if "content" in response]
        written += [each["requestBody"]["content"]] if "requestBody" in each else []
        for content in (content["application/json"] for content in written):
            if "example" in content:
                assert faults(openapi, content["schema"], content["example"]) == [], each["operationId"]
    for name, example in openapi["components"]["examples"].items():
        assert faults(openapi, {"$ref": "#/components/schemas/google.rpc.Status"}, example["value"]) == [], name


def test_a_value_past_its_bounds_is_not_valid(openapi: Json):
    add = {"$ref": "#/components/schemas/orders.v1.AddCartItemRequest"}
    good = of(openapi, "AddCartItem")["requestBody"]["content"]["application/json"]["example"]

    assert faults(openapi, add, good) == []
    assert faults(openapi, add, good | {"quantity": 0})
    assert faults(openapi, add, good | {"productVariantId": "7"})
    assert faults(openapi, add, good | {"requestId": "first"})
    assert faults(openapi, add, good | {"requestId": ""}) == []
    assert faults(openapi, add, {"quantity": 1})


def test_what_the_path_holds_is_not_in_the_body(openapi: Json):
    schemas = openapi["components"]["schemas"]

    assert "cartId" not in schemas["orders.v1.AddCartItemRequest"]["properties"]
    address = schemas["identity.v1.UpdateAddressRequest"]["properties"]["address"]
    assert "id" not in address["properties"]
    assert "label" in address["properties"]
    (parameter,) = of(openapi, "UpdateAddress")["parameters"]
    assert (parameter["name"], parameter["schema"]["pattern"]) == ("id", "^c[a-z0-9]{24}$")


def test_what_a_query_string_takes_is_told_one_by_one(openapi: Json):
    parameters = {each["name"]: each for each in of(openapi, "ListProducts")["parameters"]}

    assert {"pageSize", "pageToken", "status", "categoryId"} <= parameters.keys()
    assert parameters["pageSize"]["schema"] == {"type": "integer", "format": "int32", "minimum": 0, "maximum": 1000}
    assert not parameters["pageSize"].get("required")
    assert of(openapi, "GetProductBySlug")["parameters"][0]["required"]


def test_a_method_tells_who_may_call_it(openapi: Json):
    sign_up, get_order, publish = (of(openapi, name) for name in ("SignUp", "GetOrder", "PublishProduct"))

    assert sign_up["x-lumi-access"] == {"who": "public", "owner": False, "stepUp": False}
    assert sign_up["security"] == []
    assert get_order["x-lumi-access"]["permission"] == "orders.read"
    assert get_order["security"] == [{"bearer": []}]
    assert publish["security"] == [{"bearer": ["products.write"]}]
    assert "Whoever it belongs to, and staff with the permission `orders.read`." in get_order["description"]
    for each in operations(openapi):
        assert "**Who may call:**" in each["description"]


def test_a_method_lists_the_reasons_that_its_comment_gives_and_those_of_what_it_takes(openapi: Json):
    responses = of(openapi, "AddCartItem")["responses"]

    def reasons(status: str) -> set[str]:
        return set(responses[status]["content"]["application/json"]["examples"])

    assert {"INVALID_REQUEST", "REQUEST_ID_REUSED", "CART_FULL", "INSUFFICIENT_STOCK"} <= reasons("400")
    assert {"TOKEN_MISSING", "TOKEN_EXPIRED", "TOKEN_INVALID"} == reasons("401")
    assert {"NOT_FOUND"} == reasons("404")
    assert {"ETAG_MISMATCH"} <= reasons("409")
    assert responses["503"] == {"$ref": "#/components/responses/UNAVAILABLE"}
    permissions = of(openapi, "PublishProduct")["responses"]["403"]["content"]["application/json"]["examples"]
    assert set(permissions) == {"PERMISSION_MISSING"}


def test_a_reason_stands_under_the_status_that_it_comes_with(openapi: Json):
    examples = openapi["components"]["examples"]

    full = examples["orders.CART_FULL"]["value"]
    assert (full["code"], full["details"][0]["metadata"]) == (9, {"limit": "500"})
    codes = {"INVALID_ARGUMENT": 3, "FAILED_PRECONDITION": 9, "NOT_FOUND": 5, "ABORTED": 10, "ALREADY_EXISTS": 6}
    for each in operations(openapi):
        for status, response in each["responses"].items():
            for name in response.get("content", {}).get("application/json", {}).get("examples", {}):
                keys = [key for key in examples if key.endswith(f".{name}")]
                found = {examples[key]["value"]["code"] for key in keys}
                assert {code for word, code in codes.items() if str(HTTP[word]) == status} & found or status in (
                    "401",
                    "403",
                ), (each["operationId"], name)


def test_answers_say_all_that_has_no_presence(openapi: Json):
    order, money = (openapi["components"]["schemas"][name] for name in ("orders.v1.Order", "google.type.Money"))

    assert money["properties"]["units"]["type"] == "string"
    assert openapi["components"]["schemas"]["orders.v1.Cart"]["properties"]["items"]["type"] == "array"
    assert {"id", "items", "status"} <= set(openapi["components"]["schemas"]["orders.v1.Cart"]["required"])
    assert order["properties"]["placedTime"]["format"] == "date-time"


def test_comments_name_fields_as_json_does(openapi: Json):
    texts = json.dumps([each["description"] for each in operations(openapi)])

    assert "`cartEtag`" in texts
    assert "`cart_etag`" not in texts


def test_links_in_the_introduction_lead_to_calls(openapi: Json):
    known = {(each["tags"][0], each["operationId"]) for each in operations(openapi)}
    links = re.findall(r"\(#/([^/)]+)/([^)]+)\)", openapi["info"]["description"])

    assert len(links) > 8
    for tag, name in links:
        assert (unquote(tag), name) in known


def test_what_several_services_have_is_told_apart():
    one = next(method for method in METHODS if method.descriptor.name == "GetOrder")
    policy = replace(one.routed.policy, name="lumi.payments.v1.OrderService/GetOrder")
    routed = replace(one.routed, context="payments", service="lumi.payments.v1.OrderService", policy=policy)
    both = [one, Method(one.descriptor, routed)]

    assert list(operation_names([one]).values()) == ["GetOrder"]
    assert list(operation_names(both).values()) == ["ordersGetOrder", "paymentsGetOrder"]
    assert list(tag_names([one]).values()) == ["Orders"]
    assert list(tag_names(both).values()) == ["Orders of orders", "Orders of payments"]


def test_tags_are_those_of_the_calls_in_the_pages_order(openapi: Json):
    tags = [tag["name"] for tag in openapi["tags"]]

    assert tags[0] == "Signing in"
    assert tags.index("Carts") < tags.index("Orders") < tags.index("Stock")
    assert {each["tags"][0] for each in operations(openapi)} == set(tags)
    assert sorted(name for group in openapi["x-tagGroups"] for name in group["tags"]) == sorted(tags)
