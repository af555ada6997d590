"""HTTP/2 frame by frame, for what no client library would send."""

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from hpack import Decoder, Encoder

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS = 1, 1, 4
MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE = 3, 4  # settings

REQUEST = ((":method", "GET"), (":scheme", "http"), (":authority", "lumi"), (":path", "/v1/products"))


def frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    """One frame."""
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def block(*headers: tuple[str, str]) -> bytes:
    """Headers, packed so that they can be sent on any connection at any time."""
    return bytes(Encoder().encode([(name, value, True) for name, value in headers], huffman=False))


def setting(key: int, value: int) -> bytes:
    """A SETTINGS frame with one setting."""
    return frame(SETTINGS, payload=key.to_bytes(2, "big") + value.to_bytes(4, "big"))


@dataclass(frozen=True)
class Frame:
    """A frame as it came."""

    kind: int
    flags: int
    stream: int
    payload: bytes


@dataclass
class Connection:
    """A connection to the gateway that has said the preface."""

    address: tuple[str, int]
    tls: ssl.SSLContext | None = None
    patience: float = 30.0
    settings: bytes = frame(SETTINGS)
    _rest: bytes = field(default=b"", init=False)

    def __enter__(self) -> Self:
        self._socket = socket.create_connection(self.address, timeout=self.patience)
        self._decoder = Decoder()
        self.send(PREFACE, self.settings)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._socket.close()

    def send(self, *frames: bytes) -> bool:
        """False when the gateway has hung up."""
        try:
            self._socket.sendall(b"".join(frames))
        except OSError:
            return False
        return True

    def frames(self) -> Iterator[Frame]:
        """What comes, until the gateway hangs up; TimeoutError when it neither speaks nor hangs up for too long."""
        while True:
            while len(self._rest) >= 9 and len(self._rest) >= 9 + (size := int.from_bytes(self._rest[:3], "big")):
                head, payload = self._rest[:9], self._rest[9 : 9 + size]
                self._rest = self._rest[9 + size :]
                yield Frame(head[3], head[4], int.from_bytes(head[5:9], "big"), payload)
            more = b""
            with suppress(ConnectionError):
                more = self._socket.recv(65536)
            if not more:
                return
            self._rest += more

    def hung_up(self, within: float) -> bool:
        """Whether the gateway hangs up in so many seconds, whatever it says before."""
        end = time.monotonic() + within
        self._socket.settimeout(within)
        with suppress(TimeoutError):
            for _ in self.frames():
                self._socket.settimeout(max(0.01, end - time.monotonic()))
            return True
        return False

    def answer(self, stream: int) -> dict[str, str]:
        """The headers of a stream's answer; `reset` alone when the stream or the connection ended without one."""
        for each in self.frames():
            if each.kind == HEADERS:
                headers = {str(name): str(value) for name, value in self._decoder.decode(each.payload)}
                if each.stream == stream:
                    return headers
            elif each.kind == GOAWAY or (each.kind == RST_STREAM and each.stream == stream):
                return {"reset": str(int.from_bytes(each.payload[-4:], "big"))}
        return {"reset": "hung up"}
