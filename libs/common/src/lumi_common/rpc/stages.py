"""The stages that every call passes, in this order: trace and log, errors, deadline, authentication, authorization,
validation, and then the servicer's method with our own Context in place of grpc's.

Each method is wrapped once, when it is registered. grpc's interceptors look up and wrap the handler anew for every
call: measured, an interceptor that does nothing costs 80 µs a call, more than all these stages together.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from logging import getLogger
from time import monotonic
from typing import TYPE_CHECKING, Any, cast

import grpc
from google.protobuf.message import DecodeError, Message

from lumi_common import crash
from lumi_common.context import Context
from lumi_common.errors import (
    DeadlineExceeded,
    Internal,
    InvalidArgument,
    LumiError,
    Reason,
    ResourceExhausted,
)
from lumi_common.logs import current_call
from lumi_common.principal import ANONYMOUS
from lumi_common.rpc.access import MethodPolicy
from lumi_common.rpc.caller import Caller, Metadata
from lumi_common.rpc.deadlines import Deadlines
from lumi_common.rpc.refused import RefusedCalls
from lumi_common.rpc.status import refuse
from lumi_common.rpc.validation import validate
from lumi_common.tracing import TRACEPARENT, kept_traceparent

if TYPE_CHECKING:
    from lumi_common.telemetry import Telemetry

Unary = Callable[[Any, Context], Awaitable[Any]]
Streaming = Callable[[Any, Context], AsyncIterator[Any]]

SLOW_SECONDS = 2.0
# Kept of a client's deadline, so that the answer that names the slow method arrives before the client hangs up.
ANSWER_SECONDS = 0.02

# What a peer says of our call to it, and not of our caller's to us: a fault between services.
_BETWEEN_SERVICES = frozenset({"UNAUTHENTICATED", "UNIMPLEMENTED", "INTERNAL", "UNKNOWN"})
_WORTH_A_LINE = frozenset({"UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED"})

_log = getLogger(__name__)


@dataclass(slots=True)
class Limits:
    """How long a call may take, in seconds, and how many may be served at once by one process."""

    request_seconds: float = 10.0
    stream_seconds: float = 900.0
    max_requests: int = 512
    in_flight: int = field(default=0, init=False)
    deadlines: Deadlines = field(default_factory=Deadlines, init=False)


class Stages:
    """Wraps the handlers of one port; `service` (`orders`) becomes the domain of its errors."""

    def __init__(
        self,
        service: str,
        caller: Caller,
        *,
        limits: Limits,
        refused: RefusedCalls,
        telemetry: "Telemetry | None" = None,
        needs_request_id: bool = False,
    ) -> None:
        self._domain = f"{service}.lumi"
        self._caller = caller
        self._limits = limits
        self._refused = refused
        self._telemetry = telemetry
        self._needs_request_id = needs_request_id

    def wrap(self, policy: MethodPolicy, handler: Any) -> Any:
        """The handler to register with grpc for a handler of the generated code."""
        most = None if handler.request_streaming else policy.max_bytes
        request, answer = _told_apart(handler.request_deserializer, most), handler.response_serializer
        if handler.unary_unary:
            call = self._unary(policy, handler.unary_unary)
            return grpc.unary_unary_rpc_method_handler(call, request, answer)
        if handler.unary_stream:
            stream = self._to_stream(policy, handler.unary_stream)
            return grpc.unary_stream_rpc_method_handler(stream, request, answer)
        if handler.stream_unary:
            call = self._from_stream(policy, handler.stream_unary)
            return grpc.stream_unary_rpc_method_handler(call, request, answer)
        stream = self._to_stream(policy, handler.stream_stream)
        return grpc.stream_stream_rpc_method_handler(stream, request, answer)

    def _unary(self, policy: MethodPolicy, method: Unary) -> Callable[[Message, Any], Awaitable[Any]]:
        limits, caller, finish = self._limits, self._caller, self._finish
        allowed = max(limits.request_seconds, policy.allowed_seconds)
        asks_request_id = self._needs_request_id and policy.mutating and policy.takes_request_id

        async def serve(request: Any, wire: Any) -> Any:
            metadata: Metadata = dict(wire.invocation_metadata())
            context, budget = self._begin(policy, metadata, wire, allowed)
            code = "CANCELLED"
            limits.in_flight += 1
            try:
                with limits.deadlines.at(context.deadline):
                    if limits.in_flight > limits.max_requests:
                        raise _overloaded(policy)
                    await caller.authenticate(policy, context, metadata, wire)
                    caller.authorize(policy, context)
                    _check(request)
                    if asks_request_id and not request.request_id:
                        raise _no_request_id()
                    answer = await method(request, context)
                code = "OK"
                if crash.armed:
                    crash.point(policy.name, "before_reply")
                return answer
            except Exception as error:
                failure = self._refusal(error, policy, context)
                code = failure.code
            finally:
                limits.in_flight -= 1
                finish(policy, context, budget, code)
            refusing = refuse(wire, failure, self._domain)
            del wire, failure  # the abort holds this frame, and grpc's context the abort
            return await refusing

        return serve

    def _to_stream(self, policy: MethodPolicy, method: Streaming) -> Callable[[Any, Any], AsyncIterator[Any]]:
        async def serve(request: Any, wire: Any) -> AsyncIterator[Any]:
            try:
                async with self._call(policy, wire) as context:
                    async for answer in method(_checked(request), context):
                        yield answer
                return
            except LumiError as error:
                failure = error
            await refuse(wire, failure, self._domain)

        return serve

    def _from_stream(self, policy: MethodPolicy, method: Unary) -> Callable[[Any, Any], Awaitable[Any]]:
        async def serve(requests: AsyncIterator[Message], wire: Any) -> Any:
            try:
                async with self._call(policy, wire) as context:
                    return await method(_checked(requests), context)
            except LumiError as error:
                failure = error
            return await refuse(wire, failure, self._domain)

        return serve

    @asynccontextmanager
    async def _call(self, policy: MethodPolicy, wire: Any) -> AsyncIterator[Context]:
        """The stages around a streaming method; whatever goes wrong leaves as the LumiError to refuse with."""
        metadata: Metadata = dict(wire.invocation_metadata())
        context, budget = self._begin(policy, metadata, wire, self._limits.stream_seconds)
        code = "CANCELLED"
        self._limits.in_flight += 1
        try:
            with self._limits.deadlines.at(context.deadline):
                if self._limits.in_flight > self._limits.max_requests:
                    raise _overloaded(policy)
                await self._caller.authenticate(policy, context, metadata, wire)
                self._caller.authorize(policy, context)
                yield context
            code = "OK"
        except Exception as error:
            failure = self._refusal(error, policy, context)
            code = failure.code
            raise failure from None
        finally:
            self._limits.in_flight -= 1
            self._finish(policy, context, budget, code)

    def _begin(self, policy: MethodPolicy, metadata: Metadata, wire: Any, most: float) -> tuple[Context, float]:
        """The call's context, with its span if it is sampled, and the seconds it may take."""
        incoming, span = metadata.get(TRACEPARENT), None
        if self._telemetry is None:
            traceparent = kept_traceparent(incoming)
        else:
            trusted = self._caller.decides_sampling(metadata)
            traceparent, span = self._telemetry.start(policy.name, incoming, trusted=trusted)
        remaining = wire.time_remaining()
        budget = most if remaining is None else min(most, remaining - ANSWER_SECONDS)
        context = Context(policy.name, ANONYMOUS, traceparent=traceparent, deadline=monotonic() + budget, span=span)
        current_call.set(context)
        return context, budget

    def _finish(self, policy: MethodPolicy, context: Context, budget: float, code: str) -> None:
        seconds = monotonic() - context.deadline + budget
        if seconds > SLOW_SECONDS and budget <= self._limits.request_seconds:
            _log.warning("slow call", extra={"seconds": round(seconds, 3), "code": code})
        if self._telemetry is not None:
            self._telemetry.finish(context.span, policy.name, code, seconds)

    def _refusal(self, error: Exception, policy: MethodPolicy, context: Context) -> LumiError:
        """What the caller is told; what is no refusal of ours is logged here, once, and told as INTERNAL."""
        if isinstance(error, TimeoutError):
            error = DeadlineExceeded(Reason.DEADLINE_EXCEEDED, f"{policy.name} ran out of time", method=policy.name)
        if not isinstance(error, LumiError) or (error.code == "INTERNAL" and not error.domain):
            _log.error("call failed", exc_info=error)
            return Internal(Reason.INTERNAL)
        if error.domain and (error.code in _BETWEEN_SERVICES or error.reason == Reason.SERVICE_NOT_ALLOWED):
            _log.error("a peer refused our call", extra={"peer": error.domain, "reason": str(error)})
            return Internal(Reason.INTERNAL)
        if error.code in _WORTH_A_LINE:
            _log.warning("call refused", extra={"code": error.code, "reason": str(error)})
        self._refused.note(context, error)
        return error.with_traceback(None)  # told from here on; it holds the frames that hold it


def _checked(request: Any) -> Any:
    """The request, validated; of a stream, each message as it comes."""
    if isinstance(request, Message | _Refused):
        _check(request)
        return request
    return _each_checked(request)


async def _each_checked(requests: AsyncIterator[Message]) -> AsyncIterator[Message]:
    async for request in requests:
        _check(request)
        yield request


@dataclass(frozen=True, slots=True)
class _Refused:
    """Stands for a request that was not read, until it is known who calls."""

    why: str


def _told_apart(deserialize: Callable[[bytes], Message], most: int | None) -> Callable[[bytes], Message]:
    """The same, for bytes that are no such message, or one nested too deeply, or more than `most`, as well.

    By itself grpc answers those as a fault of the service's, and before it is known who calls.
    """
    unreadable = cast(Message, _Refused("the message cannot be read"))
    too_large = cast(Message, _Refused(f"the message has more than {most} bytes"))

    def read(data: bytes) -> Message:
        if most is not None and len(data) > most:
            return too_large
        try:
            return deserialize(data)
        except DecodeError:
            return unreadable

    return read


def _check(request: Message | _Refused) -> None:
    if isinstance(request, _Refused):
        raise InvalidArgument(Reason.INVALID_REQUEST, request.why)
    validate(request)


def _overloaded(policy: MethodPolicy) -> ResourceExhausted:
    return ResourceExhausted(Reason.OVERLOADED, "too many calls at once; try again", method=policy.name)


def _no_request_id() -> InvalidArgument:
    return InvalidArgument(
        Reason.REQUEST_ID_REQUIRED, "services send a request id with every change", field="request_id"
    )
