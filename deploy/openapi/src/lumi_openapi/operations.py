"""One method as one operation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from lumi_openapi import access, bounds, samples
from lumi_openapi.bounds import Json
from lumi_openapi.contract import Comments, Method
from lumi_openapi.reasons import Reason, Reasons
from lumi_openapi.schemas import WELL_KNOWN, Schemas
from lumi_openapi.texts import json_names, paragraphs, sentence, told
from lumi_openapi.values import VALUES

STATUS = {"$ref": "#/components/schemas/google.rpc.Status"}
TITLES = {
    400: "The request does not fit, or what it asks for cannot be done as things are.",
    401: "Who calls is not proved.",
    403: "Who calls may not.",
    404: "There is nothing of the kind, or nothing that this caller may see.",
    409: "It collides with what is there, or with a change made meanwhile.",
    429: "Too many calls at once, or more than the caller's quota.",
    500: "A fault of ours.",
    503: "Something needed is away for the moment.",
    504: "The time allowed is over.",
}


class Operations:
    """Writes operations; what they share goes to `schemas` and `examples`."""

    def __init__(self, comments: Comments, schemas: Schemas, reasons: Reasons) -> None:
        self.examples: dict[str, Json] = {}
        self._comments, self._schemas, self._reasons = comments, schemas, reasons

    def of(self, method: Method, name: str, tag: str) -> Json:
        """The operation object."""
        said = told(json_names(self._comments.of(method.descriptor.full_name), self._comments.field_names))
        who = access.in_words(method.routed)
        operation: Json = {
            "tags": [tag],
            "operationId": name,
            "summary": said.summary,
            "description": paragraphs(
                said.more,
                f"**Who may call:** {who}",
                said.refusals and f"**Refuses:** {said.refusals}",
                f"gRPC: `{method.routed.policy.name}`",
            ),
        }
        example = samples.as_json(samples.request_of(method))
        if parameters := [*self._in_path(method, example), *self._in_query(method, example)]:
            operation["parameters"] = parameters
        if method.has_body:
            body = self._schemas.body(method.request, method.variables)
            operation["requestBody"] = {"required": True, "content": _json(body, example=without(example, method))}
        operation["responses"] = self._responses(method)
        operation["security"] = access.security(method.routed)
        operation["x-lumi-access"] = access.extension(method.routed)
        return operation

    def responses_of_any(self) -> dict[str, Json]:
        """What any call may be answered, as components by name."""
        return {reason.name: self._refusal([reason]) for reason in self._reasons.everywhere()}

    def _in_path(self, method: Method, example: Json) -> Iterator[Json]:
        for variable in method.variables:
            field = _field_at(method.request, variable)
            schema = self._schemas.field(field) | bounds.from_above(method.request, variable)
            schema.pop("readOnly", None)
            parameter: Json = {"name": field.json_name, "in": "path", "required": True}
            yield parameter | _described(schema) | {"example": at(example, json_path(method.request, variable))}

    def _in_query(self, method: Method, example: Json) -> Iterator[Json]:
        if method.has_body:
            return
        for path, field in query_fields(method.request):
            if path in method.variables:
                continue
            name = json_path(method.request, path)
            parameter: Json = {"name": name, "in": "query"} | _described(self._schemas.field(field))
            # Those that may be left out have no example: the page would fill them in, and nothing be found.
            if bounds.is_required(field):
                parameter |= {"required": True, "example": at(example, name)}
            yield parameter

    def _responses(self, method: Method) -> Json:
        answer = method.answer
        example = samples.as_json(samples.answer_of(method), answer=True)
        said = told(self._comments.of(method.descriptor.full_name)).summary
        text = self._comments.of(answer.full_name) or ("Done." if method.routed.policy.mutating else sentence(said))
        responses: Json = {
            "200": {
                "description": json_names(text, self._comments.field_names),
                "content": _json(self._schemas.message(answer), example=example),
            }
        }
        by_status: dict[int, list[Reason]] = {}
        for reason in self._reasons.of(method):
            by_status.setdefault(reason.http, []).append(reason)
        for http, reasons in by_status.items():
            responses[str(http)] = self._refusal(reasons)
        for reason in self._reasons.everywhere():
            responses[str(reason.http)] = {"$ref": f"#/components/responses/{reason.name}"}
        return responses

    def _refusal(self, reasons: list[Reason]) -> Json:
        lines = "\n".join(f"- `{reason.name}`: {reason.text}" for reason in reasons)
        for reason in reasons:
            self.examples.setdefault(reason.key, {"summary": reason.name, "value": _status(reason)})
        examples = {reason.name: {"$ref": f"#/components/examples/{reason.key}"} for reason in reasons}
        return {
            "description": paragraphs(TITLES[reasons[0].http], lines),
            "content": {"application/json": {"schema": STATUS, "examples": examples}},
        }


def without(request: Json, method: Method) -> Json:
    """A body: a request as JSON less what the path holds, which is taken out of it."""
    for variable in method.variables:
        outer, _, last = json_path(method.request, variable).rpartition(".")
        (at(request, outer) if outer else request).pop(last, None)
    return request


def path_of(method: Method) -> str:
    """The path with its variables named as JSON names them: `/v1/carts/{cartId}/items`."""
    return re.sub(r"\{([^}]+)\}", lambda match: f"{{{_field_at(method.request, match[1]).json_name}}}", method.http[1])


def query_fields(request: Descriptor, prefix: str = "") -> Iterator[tuple[str, FieldDescriptor]]:
    """Every field that can stand in a query string, with its path; those of messages inside one by one."""
    for field in request.fields:
        inner = field.message_type
        if inner is None or inner.full_name in WELL_KNOWN:
            yield f"{prefix}{field.name}", field
        elif not field.is_repeated:
            yield from query_fields(inner, f"{prefix}{field.name}.")


def json_path(message: Descriptor, path: str) -> str:
    """`order.cart_id` as JSON names it."""
    names = []
    for name in path.split("."):
        field = message.fields_by_name[name]
        names.append(field.json_name)
        message = field.message_type or message
    return ".".join(names)


def at(value: Any, path: str) -> Any:
    """What is found at a dotted path."""
    for name in path.split("."):
        value = value[name]
    return value


def _described(schema: Json) -> Json:
    """A parameter's description and schema."""
    text = schema.pop("description", "")
    return ({"description": text} if text else {}) | {"schema": schema}


def _field_at(message: Descriptor, path: str) -> FieldDescriptor:
    *outer, last = path.split(".")
    for name in outer:
        message = bounds.inner(message.fields_by_name[name])
    return message.fields_by_name[last]


def _json(schema: Json, *, example: Json) -> Json:
    return {"application/json": {"schema": schema, "example": example}}


def _status(reason: Reason) -> Json:
    info: Json = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": reason.name,
        "domain": reason.domain,
    }
    if reason.metadata:
        info["metadata"] = {key: _metadata(key) for key in reason.metadata}
    details = [info]
    if reason.name == "INVALID_REQUEST":
        violation = {"field": "quantity", "description": "must be greater than or equal to 1"}
        details.append({"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [violation]})
    said = reason.text.partition(";")[0].partition(". ")[0]
    return {"code": reason.code, "message": said.rstrip("."), "details": details}


def _metadata(key: str) -> str:
    known = VALUES.get(key)
    if key.endswith("_id"):
        return samples.sample_id("variant" if key == "product_variant_id" else key.removesuffix("_id"))
    return known if isinstance(known, str) else _METADATA.get(key, "…")


_METADATA = {
    "status": "CHECKED_OUT",
    "from": "SHIPPED",
    "to": "CANCELLED",
    "requested": "5",
    "available": "3",
    "limit": "500",
    "permission": "orders.read",
    "reason": "COUPON_EXPIRED",
    "state": "RELEASED",
}
