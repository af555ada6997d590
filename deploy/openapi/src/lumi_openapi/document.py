"""The whole OpenAPI document."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from importlib.resources import files

from lumi_openapi import access
from lumi_openapi.bounds import Json
from lumi_openapi.contract import Comments, Fault, Method, methods
from lumi_openapi.operations import Operations, path_of
from lumi_openapi.reasons import Reasons
from lumi_openapi.schemas import WELL_KNOWN, Schemas
from lumi_openapi.texts import json_names, paragraphs

# In the order in which a shop is met: who you are, what there is, buying, then what staff do. A service that is not
# here comes last, under its own name.
TAGS = {
    "AuthService": "Signing in",
    "TwoFactorService": "Second factor",
    "SessionService": "Sessions",
    "UserService": "Users",
    "AddressService": "Addresses",
    "ProductService": "Products",
    "VariantService": "Variants",
    "CategoryService": "Categories",
    "CollectionService": "Collections",
    "ReviewService": "Reviews",
    "CartService": "Carts",
    "OrderService": "Orders",
    "PaymentService": "Payments",
    "RefundService": "Refunds",
    "SavedCardService": "Saved cards",
    "CouponService": "Coupons",
    "CouponUsageService": "Coupon usage",
    "InventoryService": "Stock",
    "MediaService": "Media",
    "TransferService": "Import and export",
    "AccessService": "Roles and permissions",
    "AuditService": "Audit",
    "SecurityEventService": "Security events",
    "PrivacyService": "Privacy",
    "OperationsService": "Operations",
}
GROUPS = {
    "identity": "Accounts",
    "catalogue": "Catalogue",
    "orders": "Carts and orders",
    "payments": "Payments",
    "marketing": "Marketing",
}

_STATUS: Json = {
    "type": "object",
    "description": "Every refusal, by a service or by the gateway. Branch on `details[0].reason`; `message` is for"
    " people and may change.",
    "required": ["code", "message", "details"],
    "properties": {
        "code": {
            "type": "integer",
            "format": "int32",
            "description": "gRPC's status code.",
            "minimum": 0,
            "maximum": 16,
        },
        "message": {"type": "string", "description": "In English, for whoever writes the client."},
        "details": {
            "type": "array",
            "description": "An `ErrorInfo` first; a `BadRequest` after it where single fields are at fault.",
            "items": {
                "anyOf": [
                    {"$ref": "#/components/schemas/google.rpc.ErrorInfo"},
                    {"$ref": "#/components/schemas/google.rpc.BadRequest"},
                    WELL_KNOWN["google.protobuf.Any"],
                ]
            },
        },
    },
}
_ERROR_INFO: Json = {
    "type": "object",
    "description": "Why, for programs.",
    "required": ["@type", "reason", "domain"],
    "properties": {
        "@type": {"const": "type.googleapis.com/google.rpc.ErrorInfo"},
        "reason": {"type": "string", "pattern": "^[A-Z][A-Z0-9_]+$"},
        "domain": {"type": "string", "description": "Who says so: `<service>.lumi`, or `gateway.lumi`."},
        "metadata": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}
_BAD_REQUEST: Json = {
    "type": "object",
    "description": "Which fields break their bounds.",
    "required": ["@type", "fieldViolations"],
    "properties": {
        "@type": {"const": "type.googleapis.com/google.rpc.BadRequest"},
        "fieldViolations": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "description"],
                "properties": {
                    "field": {"type": "string", "description": "By the proto's names: `items[2].quantity`."},
                    "description": {"type": "string"},
                },
            },
        },
    },
}


def openapi() -> str:
    """The document as JSON text; the same for the same protos."""
    return json.dumps(document(Comments.compiled(), methods()), indent=1, ensure_ascii=False) + "\n"


def document(comments: Comments, routed: list[Method]) -> Json:
    """The document."""
    schemas, reasons = Schemas(comments, routed), Reasons(comments)
    operations = Operations(comments, schemas, reasons)
    ordered = sorted(
        routed, key=lambda method: (*_place(method.service), method.routed.service)
    )  # stable: a service keeps its own order
    names, tags = operation_names(ordered), tag_names(ordered)
    paths: dict[str, Json] = {}
    for method in ordered:
        verb, path = method.http[0], _known_path(path_of(method), paths)
        if verb in paths.setdefault(path, {}):
            raise Fault(f"{method.descriptor.full_name}: {verb} {path} is taken")
        paths[path][verb] = operations.of(method, names[method.routed.policy.name], tags[method.routed.service])
    responses = operations.responses_of_any()
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Lumi",
            "summary": "The back end of a shop.",
            "description": files("lumi_openapi").joinpath("intro.md").read_text(encoding="utf-8"),
            "version": version("lumi-protos"),
        },
        "servers": [{"url": "/", "description": "The gateway that serves this page"}],
        "tags": [_tag(comments, service, tag) for service, tag in tags.items()],
        "x-tagGroups": _groups(ordered, tags),
        "paths": paths,
        "components": {
            "securitySchemes": {
                access.BEARER: {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "An access token, from signing in, or a guest's, from createGuestSession.",
                }
            },
            "schemas": dict(
                sorted(
                    {
                        **schemas.components,
                        "google.rpc.Status": _STATUS,
                        "google.rpc.ErrorInfo": _ERROR_INFO,
                        "google.rpc.BadRequest": _BAD_REQUEST,
                    }.items()
                )
            ),
            "responses": responses,
            "examples": dict(sorted(operations.examples.items())),
        },
    }


def operation_names(methods: Iterable[Method]) -> dict[str, str]:
    """What each method, by full name, is called on the page; the context goes before what several have."""
    bare = {method.routed.policy.name: str(method.descriptor.name) for method in methods}
    contexts = {method.routed.policy.name: method.routed.context for method in methods}
    often = Counter(bare.values())
    return {full: name if often[name] == 1 else f"{contexts[full]}{name}" for full, name in bare.items()}


def tag_names(methods: Iterable[Method]) -> dict[str, str]:
    """What each service, by full name, is called on the page, in the page's order."""
    bare = {method.routed.service: TAGS.get(method.service, method.service) for method in methods}
    contexts = {method.routed.service: method.routed.context for method in methods}
    often = Counter(bare.values())
    return {full: name if often[name] == 1 else f"{name} of {contexts[full]}" for full, name in bare.items()}


def _place(service: str) -> tuple[int, str]:
    return (list(TAGS).index(service) if service in TAGS else len(TAGS)), service


def _tag(comments: Comments, service: str, name: str) -> Json:
    said = json_names(comments.of(service), comments.field_names)
    return {"name": name, "description": paragraphs(said, f"gRPC: `{service}`")}


def _groups(methods: Iterable[Method], tags: Mapping[str, str]) -> list[Json]:
    """Tags by context, for readers that know of groups."""
    groups: dict[str, dict[str, None]] = {name: {} for name in GROUPS.values()}
    for method in methods:
        groups[GROUPS[method.routed.context]][tags[method.routed.service]] = None
    return [{"name": name, "tags": list(found)} for name, found in groups.items() if found]


def _known_path(path: str, paths: dict[str, Json]) -> str:
    """The path; OpenAPI takes two that differ in the names of variables for one, so they have to be spelled alike."""
    shape = _shape(path)
    for known in paths:
        if _shape(known) == shape and known != path:
            raise Fault(f"{path} and {known} are one path to OpenAPI: name the variables alike in the protos")
    return path


def _shape(path: str) -> list[str]:
    return ["{}" if part.startswith("{") and part.endswith("}") else part for part in path.split("/")]
