"""Errors on the wire: a LumiError becomes `google.rpc.Status` with ErrorInfo, and a peer's status a LumiError."""

from asyncio import CancelledError
from typing import Any, NoReturn

import grpc
from google.rpc import code_pb2, error_details_pb2, status_pb2

from lumi_common import errors
from lumi_common.errors import FieldViolation, Internal, LumiError, Reason, ResourceExhausted

DETAILS_KEY = "grpc-status-details-bin"

_CLASSES: dict[str, type[LumiError]] = {
    each.code: each
    for each in vars(errors).values()
    if isinstance(each, type) and issubclass(each, LumiError) and each is not LumiError
}
_STATUS_CODES = {code: grpc.StatusCode[code] for code in _CLASSES}


def to_status(error: LumiError, domain: str) -> status_pb2.Status:
    """The status of an error; `domain` (`orders.lumi`) is who says so, unless the error came from a peer."""
    status = status_pb2.Status(code=code_pb2.Code.Value(error.code), message=error.message or error.reason)
    info = error_details_pb2.ErrorInfo(reason=error.reason, domain=error.domain or domain)
    for name, value in error.facts.items():
        info.metadata[name] = str(value)
    status.details.add().Pack(info)
    if isinstance(error, ResourceExhausted) and "seconds" in error.facts:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.seconds = int(str(error.facts["seconds"]))
        status.details.add().Pack(retry)
    if error.violations:
        fault = error_details_pb2.BadRequest()
        for violation in error.violations:
            fault.field_violations.add(field=violation.field, description=violation.description, reason=error.reason)
        status.details.add().Pack(fault)
    return status


async def refuse(wire: Any, error: LumiError, domain: str) -> NoReturn:
    """End a call of grpc's with this error.

    grpc's way to do so is to raise: call it last, where no `except` of ours can swallow the abort.
    """
    status = to_status(error, domain)
    details = ((DETAILS_KEY, status.SerializeToString()),)
    aborting = wire.abort(_STATUS_CODES[error.code], status.message, details)
    del wire, error  # it keeps what it raises, which holds this frame: only the collector would end that
    try:
        await aborting
    except grpc.aio.InternalError:
        # The client hung up meanwhile: nobody is there to be told, and grpc need not log it as a fault.
        raise CancelledError from None
    raise AssertionError("abort always raises")


def from_call_error(call_error: grpc.aio.AioRpcError, peer: str) -> LumiError:
    """What a peer's refusal says, with its reason, facts and fields; never raises.

    A status without details comes from the transport: it keeps its code, with a reason of the same name, and not
    its text, which speaks of addresses.
    """
    code = call_error.code().name
    error_class = _CLASSES.get(code, Internal)
    error = error_class(error_class.code)
    error.domain = f"{peer}.lumi"
    for key, value in call_error.trailing_metadata() or ():
        if key == DETAILS_KEY:
            _read_details(error, value)
    if error.code == "INTERNAL":
        error.reason = Reason.INTERNAL
    return error


def _read_details(error: LumiError, value: bytes) -> None:
    info, fault = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    status = status_pb2.Status.FromString(value)
    error.message = status.message
    for detail in status.details:
        if detail.Unpack(info):
            error.reason, error.domain, error.facts = info.reason, info.domain, dict(info.metadata)
        elif detail.Unpack(fault):
            error.violations = tuple(FieldViolation(each.field, each.description) for each in fault.field_violations)
