"""The ways in: a service's own two ports, and the gateway in front of them, by gRPC and by JSON over HTTP.

A call is made with a request that no method takes (a request id that is none) or with an empty one: who may call is
decided before what they say, so nothing comes of it.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable
from functools import cache
from typing import Any, TypeVar

import grpc
import httpx
from google.api import annotations_pb2
from google.protobuf import json_format
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from lumi_common.errors import LumiError
from lumi_common.rpc.status import from_call_error
from tests.access.callers import NOBODY, Caller
from tests.access.declared import ADMITTED, UNKNOWN
from tests.gateway.gateway import grpc_path, http_form
from tests.kit.client import TIMEOUT, Client, stub_of
from tests.kit.shop import Shop

AT_ONCE = 24
NONE_OF_OURS = "not a request id"
# Refusals of who calls; any other is about what they asked for, and so comes after.
OF_ACCESS = {
    "TOKEN_MISSING",
    "TOKEN_INVALID",
    "TOKEN_EXPIRED",
    "USER_REQUIRED",
    "PERMISSION_MISSING",
    "STEP_UP_REQUIRED",
    "SERVICE_NOT_ALLOWED",
}
# What tells nothing of access: it would hide a refusal, or an effect.
BROKEN = {
    "INTERNAL",
    "UNKNOWN",
    "UNAVAILABLE",
    "DEADLINE_EXCEEDED",
    "RESOURCE_EXHAUSTED",
    "CANCELLED",
    "DATA_LOSS",
}  # fmt: skip

T = TypeVar("T")


def verdict(code: str, reason: str) -> str:
    """Of a refusal, what it says of access."""
    if code == UNKNOWN or code in BROKEN:
        return code
    return reason if reason in OF_ACCESS else ADMITTED


def request_for(method: MethodDescriptor) -> Message:
    """A request that has no effect."""
    request: Any = GetMessageClass(method.input_type)()
    if "request_id" in method.input_type.fields_by_name:
        request.request_id = NONE_OF_OURS
    return request


async def by_grpc(channel: Any, method: MethodDescriptor, caller: Caller) -> str:
    """By gRPC, at whatever the channel leads to."""
    call = channel.unary_unary(grpc_path(method), request_serializer=lambda request: request.SerializeToString())
    try:
        await call(request_for(method), metadata=tuple(caller.headers.items()), timeout=TIMEOUT)
    except grpc.aio.AioRpcError as error:
        refusal = from_call_error(error, "gateway")
        return verdict(refusal.code, refusal.reason)
    return ADMITTED


async def on_internal_port(shop: Shop, method: MethodDescriptor, service: str, caller: Caller = NOBODY) -> str:
    """By gRPC at the internal port of the method's service, with the certificate of this one and the caller's token."""
    try:
        await getattr(_internal(shop, stub_of(method), service, caller), method.name)(request_for(method))
    except LumiError as refusal:
        return verdict(refusal.code, refusal.reason)
    return ADMITTED


async def by_http(http: httpx.AsyncClient, method: MethodDescriptor, caller: Caller) -> str:
    """By JSON over HTTP through the gateway."""
    verb, path, body = http_form(method)
    said = {"requestId": NONE_OF_OURS} if "request_id" in method.input_type.fields_by_name else {}
    answer = await http.request(
        verb,
        path,
        headers=caller.headers,
        params=said if body is None else None,
        json=None if body is None else said,
    )
    if answer.is_success:
        return ADMITTED
    told = answer.json()
    reason = next(each["reason"] for each in told["details"] if "reason" in each)
    return verdict(grpc_code(told["code"]), reason)


def http_request(method: MethodDescriptor, request: Message) -> dict[str, Any]:
    """How a request is written over HTTP: verb, path, and the rest as body or as query."""
    rule: Any = method.GetOptions().Extensions[annotations_pb2.http]
    verb, said = rule.WhichOneof("pattern"), json_format.MessageToDict(request)

    def value(match: re.Match[str]) -> str:
        *above, last = (json_name(name) for name in match[1].split("."))
        place = said
        for name in above:
            place = place[name]
        return str(place.pop(last))

    path = re.sub(r"\{([^}]*)\}", value, getattr(rule, verb))
    return {"method": verb.upper(), "url": path, ("json" if rule.body else "params"): said}


def json_name(name: str) -> str:
    """`userId` of `user_id`."""
    head, *tail = name.split("_")
    return head + "".join(part.title() for part in tail)


def grpc_code(number: int) -> str:
    """The name of a status."""
    return next(code.name for code in grpc.StatusCode if code.value[0] == number)


async def all_of(calls: Iterable[Callable[[], Awaitable[T]]]) -> list[T]:
    """The outcomes in order, a few at once."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(call: Callable[[], Awaitable[T]]) -> T:
        async with turns:
            return await call()

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(call)) for call in calls]
    return [task.result() for task in tasks]


@cache
def _internal(shop: Shop, stub_class: Any, service: str, caller: Caller) -> Client:
    client = shop.internal(stub_class, service=service)
    client.metadata = tuple(caller.headers.items())
    return client
