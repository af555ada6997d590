"""A bare grpc.aio server that answers every call with the bytes of a file: `python -m lumi_bench.bare PORT FILE`.

With CA, CERT and KEY behind them it takes calls over mutual TLS only. The least that a Python server can do for the
same answer: no interceptor, no message parsed or made, no database.
"""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import uvloop

from lumi_common.settings import TlsFiles
from lumi_local.process import LOOPBACK, free_port


class _SameAnswer(grpc.GenericRpcHandler):  # type: ignore[misc]
    def __init__(self, answer: bytes) -> None:
        async def serve(_request: bytes, _context: Any) -> bytes:
            return answer

        self._handler = grpc.unary_unary_rpc_method_handler(serve)

    def service(self, _details: Any) -> Any:
        return self._handler


@contextmanager
def bare_server(answer: bytes, folder: Path, tls: TlsFiles | None = None) -> Iterator[tuple[str, int]]:
    """The server in a process of its own: its address and process id. Clients wait for it to be there."""
    port = free_port()
    file = folder / "answer"
    file.write_bytes(answer)
    files = () if tls is None else (tls.ca, tls.cert, tls.key)
    process = subprocess.Popen([sys.executable, "-m", "lumi_bench.bare", str(port), str(file), *map(str, files)])
    try:
        yield f"{LOOPBACK}:{port}", process.pid
    finally:
        process.terminate()
        process.wait()


async def _serve(port: int, answer: bytes, *tls: Path) -> None:
    server = grpc.aio.server(handlers=(_SameAnswer(answer),), options=[("grpc.so_reuseport", 0)])
    if tls:
        ca, certificate, key = (file.read_bytes() for file in tls)
        credentials = grpc.ssl_server_credentials([(key, certificate)], root_certificates=ca, require_client_auth=True)
        server.add_secure_port(f"{LOOPBACK}:{port}", credentials)
    else:
        server.add_insecure_port(f"{LOOPBACK}:{port}")
    await server.start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1]), Path(sys.argv[2]).read_bytes(), *map(Path, sys.argv[3:])))
