"""The gateway, over gRPC and JSON, and every word of every refusal that came back through it."""

import re
from collections.abc import Iterator
from typing import Any

import grpc
import httpx
from google.api import annotations_pb2
from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from lumi_common.clock import utc_now
from lumi_common.cuid import cuid
from lumi_common.rpc.access import read_policy
from lumi_envoy.contract import all_methods
from tests.kit.buying import request_id
from tests.kit.client import Client
from tests.scan.planted import Planted

_DEPTH = 3
_LEAVING = {"SignOut", "RevokeAllSessions"}  # whoever swept with them would be nobody for the rest


class Gate:
    """Calls whose refusals are kept, as bytes; `refusals` maps what was called to what came."""

    def __init__(self, address: str) -> None:
        self.http = httpx.AsyncClient(base_url=address, timeout=20, trust_env=False)
        self.channel = grpc.aio.insecure_channel(address.removeprefix("http://"))
        self.refusals: list[tuple[str, bytes]] = []
        self.codes: set[str] = set()

    async def call(self, name: str, request: Message, token: str = "") -> Any:
        """The answer of `identity.v1.AuthService/SignUp`, None where it is refused."""
        method = f"/lumi.{name}"
        answer = next(each for each in all_methods() if f"/{each.full_name}" == method.replace("Service/", "Service."))
        send = self.channel.unary_unary(
            method,
            request_serializer=type(request).SerializeToString,
            response_deserializer=GetMessageClass(answer.output_type).FromString,
        )
        metadata = (("authorization", f"Bearer {token}"),) if token else ()
        try:
            return await send(request, metadata=metadata, timeout=20)
        except grpc.aio.AioRpcError as error:
            parts = [error.details() or "", *(f"{key}: {value!r}" for key, value in error.trailing_metadata() or ())]
            self.refusals.append((name, "\n".join(parts).encode()))
            self.codes.add(error.code().name)
            return None

    def stub(self, stub_class: Any, token: str = "") -> Client:
        """A generated stub with this token, for calls that are not refused."""
        return Client(stub_class(self.channel), (("authorization", f"Bearer {token}"),))

    async def send(self, verb: str, path: str, **how: Any) -> httpx.Response:
        """An HTTP request; its answer is kept where it is a refusal."""
        answer = await self.http.request(verb, path, **how)
        if answer.status_code >= 400:
            self.refusals.append((f"{verb} {path}", answer.content + repr(answer.headers).encode()))
            self.codes.add(str(answer.status_code))
        return answer

    async def close(self) -> None:
        """Hang up."""
        await self.http.aclose()
        await self.channel.close()


def public_methods() -> Iterator[MethodDescriptor]:
    """Every unary method that clients may try, but for those that end the caller's own session."""
    for method in all_methods():
        if read_policy(method).on_public_port and method.name not in _LEAVING and not method.server_streaming:
            yield method


def called(method: MethodDescriptor) -> str:
    """`identity.v1.AuthService/SignUp`."""
    return f"{method.containing_service.full_name}/{method.name}".removeprefix("lumi.")


def posts() -> Iterator[tuple[str, str]]:
    """Verb and path of every method that has a body, with ids that nobody has."""
    for method in public_methods():
        rule: Any = method.GetOptions().Extensions[annotations_pb2.http]
        verb = rule.WhichOneof("pattern")
        if rule.body:
            yield verb.upper(), re.sub(r"\{[^}]+\}", cuid(), getattr(rule, verb))


def filled(message: type[Message], planted: Planted, depth: int = 0) -> Any:
    """A message with something planted in every text: ids are nobody's, and all else is as the contract wants it."""
    made: Any = message()
    for field in made.DESCRIPTOR.fields:
        if depth < _DEPTH and (field.containing_oneof is None or field.containing_oneof.fields[0] is field):
            _fill(made, field, planted, depth)
    return made


def _fill(made: Any, field: FieldDescriptor, planted: Planted, depth: int) -> None:
    if field.message_type is not None:
        kind = field.message_type.full_name
        if kind == "google.protobuf.Timestamp":
            getattr(made, field.name).FromDatetime(utc_now())
        elif kind == "google.protobuf.FieldMask":
            getattr(made, field.name).paths.append(planted.mark)
        elif not field.message_type.GetOptions().map_entry:
            inner = filled(GetMessageClass(field.message_type), planted, depth + 1)
            if field.is_repeated:
                getattr(made, field.name).append(inner)
            else:
                getattr(made, field.name).CopyFrom(inner)
        return
    value = _value(field, planted)
    if field.is_repeated:
        getattr(made, field.name).append(value)
    else:
        setattr(made, field.name, value)


def _value(field: FieldDescriptor, planted: Planted) -> Any:
    if field.type == FieldDescriptor.TYPE_STRING:
        return _text(field, planted)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return planted.text.encode()
    return True if field.type == FieldDescriptor.TYPE_BOOL else 1


def _text(field: FieldDescriptor, planted: Planted) -> str:
    rules = str(field.GetOptions())
    if field.name == "request_id":
        return request_id()
    if "c[a-z0-9]" in rules:
        return cuid()
    if field.name == "currency_code":
        return "USD"
    if "country" in field.name:
        return "GB"
    if "email" in field.name:
        return planted.email
    longest = re.search(r"max_len: (\d+)", rules)
    return planted.text[: int(longest[1]) if longest else None]
