"""A generated stub as tests like it."""

import asyncio
from collections.abc import Callable
from importlib import import_module
from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor

from lumi_common.errors import LumiError, Unavailable
from lumi_common.rpc.status import from_call_error

TIMEOUT = 20.0
PAUSE = 0.2


def stub_of(method: MethodDescriptor) -> Any:
    """The generated stub class of a method's service."""
    module = import_module(method.containing_service.file.name.replace("/", ".").replace(".proto", "_pb2_grpc"))
    return getattr(module, f"{method.containing_service.name}Stub")


class Client:
    """A generated stub whose methods take a request and raise the refusal as a LumiError.

    With `patience`, in seconds, a call that is told UNAVAILABLE is sent again as it is, request id and all: what any
    client may do.
    """

    def __init__(self, stub: Any, metadata: tuple[tuple[str, str], ...], *, patience: float = 0.0) -> None:
        self._stub, self.metadata, self._patience = stub, metadata, patience

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._stub, name)

        async def call(request: Any, *, timeout: float = TIMEOUT) -> Any:
            loop = asyncio.get_running_loop()
            end = loop.time() + self._patience
            while True:
                try:
                    return await method(request, metadata=self.metadata, timeout=timeout)
                except grpc.aio.AioRpcError as error:
                    refusal: LumiError = from_call_error(error, name)
                    if not isinstance(refusal, Unavailable) or loop.time() > end:
                        raise refusal from error
                await asyncio.sleep(PAUSE)

        return call
