"""A small service of the tests' own, compiled from `echo.proto` when this module is imported."""

import asyncio
import importlib
import json
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from grpc_tools import protoc

from lumi_common.context import Context
from lumi_common.errors import FailedPrecondition

HERE = Path(__file__).parent
PROTOS = Path(__file__).parents[4] / "protos"
WELL_KNOWN = Path(protoc.__file__).parent / "_proto"


def _compile() -> tuple[Any, Any]:
    with tempfile.TemporaryDirectory() as out:
        folders = [f"-I{folder}" for folder in (HERE, PROTOS, WELL_KNOWN)]
        assert protoc.main(["protoc", *folders, f"--python_out={out}", f"--grpc_python_out={out}", "echo.proto"]) == 0
        sys.path.insert(0, out)
        try:
            return importlib.import_module("echo_pb2"), importlib.import_module("echo_pb2_grpc")
        finally:
            sys.path.remove(out)


pb, stubs = _compile()
SayRequest, SayResponse, Word = pb.SayRequest, pb.SayResponse, pb.Word
METHOD = "lumi.echo.v1.EchoService"


class EchoService(stubs.EchoServiceServicer):  # type: ignore[misc, name-defined]
    """Says who called, or does what the text asks for."""

    def __init__(self) -> None:
        self.calls = 0

    async def Say(self, request: Any, context: Context) -> Any:
        self.calls += 1
        match request.text:
            case "boom":
                raise RuntimeError("the password is hunter2")
            case "refuse":
                raise FailedPrecondition("ECHO_FORBIDDEN", "not today", field="text", day="Monday", tries=3)
            case "sleep":
                await asyncio.sleep(30)
            case "nap":
                await asyncio.sleep(0.3)
            case "loaded":
                return SayResponse(text=json.dumps([name for name in sys.modules if name.startswith("opentelemetry")]))
        return SayResponse(text=json.dumps(told(context)))

    SayAtLength = SayAsGuest = SayAsUser = SayWithPermission = SayOwn = Change = ChangeInside = ChangeOnce = Say

    async def Count(self, request: Any, context: Context) -> AsyncIterator[Any]:
        for number in range(request.times):
            yield SayResponse(text=str(number))
        if request.text:
            yield await self.Say(request, context)

    async def Gather(self, requests: AsyncIterator[Any], context: Context) -> Any:
        texts = [request.text async for request in requests]
        return SayResponse(text=" ".join(texts))


def told(context: Context) -> dict[str, Any]:
    return {
        "principal": context.principal.key,
        "actor": list(context.actor),
        "ip": context.ip,
        "agent": context.user_agent,
        "trace": context.trace_id,
        "owner_only": context.owner_only,
        "seconds": context.remaining(),
    }


def id_of(name: str) -> str:
    """A cuid that can be told from others."""
    return f"c{name:0<24}"
