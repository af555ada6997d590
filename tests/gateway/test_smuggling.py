"""Requests that two readers may take for different ones: refused, or harmless, and nobody else's answer is touched."""

import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import httpx
import pytest

from lumi_envoy.settings import LOOPBACK
from tests.gateway.frames import DATA, END_HEADERS, END_STREAM, HEADERS, REQUEST, Connection, block, frame
from tests.gateway.gateway import Gateway, all_at_once

LIST, SIGN_IN = "ListProducts", "SignIn"
GET = b"GET /v1/products HTTP/1.1\r\nhost: lumi\r\n"
POST = b"POST /v1/auth:signIn HTTP/1.1\r\nhost: lumi\r\ncontent-type: application/json\r\n"
CHUNKED = POST + b"transfer-encoding: chunked\r\n\r\n"
EMPTY = b"0\r\n\r\n"
SECRET = b"GET /v1/products:bySlug/smuggled HTTP/1.1\r\nhost: lumi\r\n\r\n"  # never to be taken for a request

REFUSED = {
    "length, then chunks": POST + b"content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n" + EMPTY + SECRET,
    "chunks, then length": POST + b"transfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n3c\r\n" + SECRET + EMPTY,
    "two lengths": POST + b"content-length: 2\r\ncontent-length: 60\r\n\r\n{}" + SECRET,
    "the same length twice": POST + b"content-length: 2\r\ncontent-length: 2\r\n\r\n{}",
    "lengths in a list": POST + b"content-length: 2, 60\r\n\r\n{}" + SECRET,
    **{
        f"a length of {length!r}": POST + b"content-length: " + length + b"\r\n\r\n{}" + SECRET
        for length in (b"+2", b"-2", b"0x2", b"2 2", b"", b"2;", b"2.0", b"18446744073709551618", b"\x0b2", b"\xb2")
    },
    "a length with a space before its colon": POST + b"content-length : 2\r\n\r\n{}" + SECRET,
    **{
        f"an encoding of {encoding!r}": POST + b"transfer-encoding: " + encoding + b"\r\n\r\n" + EMPTY + SECRET
        for encoding in (
            *(b"xchunked", b"chunk", b"chunked, identity", b"identity", b"gzip, chunked", b"chunked, chunked"),
            *(
                b"chunked,",
                b"chunked;x",
                b'"chunked"',
                b"\x0bchunked",
                b"chunked\0",
                b"chunked\r\ntransfer-encoding: x",
            ),
            b"x\r\ntransfer-encoding: chunked",
        )
    },
    "an encoding with a space before its colon": POST + b"transfer-encoding : chunked\r\n\r\n" + EMPTY + SECRET,
    "an encoding with a null in its name": POST + b"transfer-encoding\0: chunked\r\n\r\n" + EMPTY + SECRET,
    **{
        f"a chunk of {size!r}": CHUNKED + size + b"\r\n{}\r\n" + EMPTY + SECRET
        for size in (b"10000000000000002", b"0x2", b"-2", b"+2", b" 2", b"", b"x", b"2\r")
    },
    "a chunk that does not end": CHUNKED + b"2\r\n{}0\r\n\r\n" + SECRET,
    "a chunk with a bare line feed": CHUNKED + b"2\n{}\r\n" + EMPTY + SECRET,
    "a chunk's extension with a bare line feed": CHUNKED + b"2;a\nb\r\n{}\r\n" + EMPTY + SECRET,
    "a null in a value": GET + b"x-a: b\0c\r\n\r\n",
    "a space in a name": GET + b"x a: b\r\n\r\n",
    "a name without a colon": GET + b"xab\r\n\r\n",
    "a header without a name": GET + b": b\r\n\r\n",
    "a first header that goes on": b"GET /v1/products HTTP/1.1\r\n host: lumi\r\n\r\n",
    "no host": b"GET /v1/products HTTP/1.1\r\n\r\n",
    "a host with a path": b"GET /v1/products HTTP/1.1\r\nhost: lumi/v1/orders?\r\n\r\n",
    "a host with a space": b"GET /v1/products HTTP/1.1\r\nhost: lumi evil\r\n\r\n",
    "HTTP/0.9": b"GET /v1/products\r\n\r\n",
    "HTTP/1.0": b"GET /v1/products HTTP/1.0\r\nhost: lumi\r\n\r\n",
    "HTTP/1.2": b"GET /v1/products HTTP/1.2\r\nhost: lumi\r\n\r\n",
    "HTTP/2.0 in one line": b"GET /v1/products HTTP/2.0\r\nhost: lumi\r\n\r\n",
    "more after the version": b"GET /v1/products HTTP/1.1 x\r\nhost: lumi\r\n\r\n",
    "a method in lower case": b"get /v1/products HTTP/1.1\r\nhost: lumi\r\n\r\n",
    "a body of what is read": GET + b"content-length: %d\r\n\r\n" % len(SECRET) + SECRET,
    "a websocket": GET + b"connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n"
    b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
}

# What is read in one way only here: the answers, and which calls reach a service.
HARMLESS: dict[str, tuple[bytes, list[int], list[str]]] = {
    "a header that goes on": (GET + b"x-a: b\r\n x-lumi-actor: c\r\n\r\n", [200], [LIST]),
    "an encoding that goes on": (POST + b"transfer-encoding:\r\n chunked\r\n\r\n" + EMPTY, [200], [SIGN_IN]),
    "an encoding as more of another header": (
        POST + b" transfer-encoding: chunked\r\n\r\n" + EMPTY + SECRET,
        [200, 400],
        [SIGN_IN],
    ),
    "an encoding with an underscore": (
        POST + b"transfer_encoding: chunked\r\n\r\n" + EMPTY + SECRET,
        [200, 400],
        [SIGN_IN],
    ),
    "an encoding in capitals": (POST + b"Transfer-Encoding: CHUNKED\r\n\r\n" + EMPTY, [200], [SIGN_IN]),
    "bare line feeds": (b"GET /v1/products HTTP/1.1\nhost: lumi\n\n", [200], [LIST]),
    "a header behind a bare line feed": (GET + b"x-a: b\nx-lumi-actor: c\r\n\r\n", [200], [LIST]),
    "a header behind a bare carriage return": (GET + b"x-a: b\rx-lumi-actor: c\r\n\r\n", [200], [LIST]),
    "a chunk's extension": (CHUNKED + b"2;a=b\r\n{}\r\n" + EMPTY, [200], [SIGN_IN]),
    "a chunk of more than a number": (CHUNKED + b"2 2\r\n{}\r\n" + EMPTY, [200], [SIGN_IN]),
    "a chunk's long extension": (CHUNKED + b"2;" + b"a" * 100_000 + b"\r\n{}\r\n" + EMPTY, [200], [SIGN_IN]),
    "an upgrade to HTTP/2": (
        GET + b"connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n\r\n",
        [200],
        [LIST],
    ),
    "an upgrade and HTTP/2 behind it": (
        GET + b"connection: Upgrade\r\nupgrade: h2c\r\n\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        [200, 400],
        [LIST],
    ),
    "a tunnel": (b"CONNECT 127.0.0.1:22 HTTP/1.1\r\nhost: 127.0.0.1:22\r\n\r\nSSH-2.0-x\r\n", [404], []),
    "a trace": (b"TRACE /v1/products HTTP/1.1\r\nhost: lumi\r\ncookie: x\r\n\r\n", [404], []),
    "options for all": (b"OPTIONS * HTTP/1.1\r\nhost: lumi\r\n\r\n", [404], []),
    "two hosts": (b"GET /v1/products HTTP/1.1\r\nhost: lumi\r\nhost: evil\r\n\r\n", [200], [LIST]),
    "another host": (b"GET /v1/products HTTP/1.1\r\nhost: 127.0.0.1:7901\r\n\r\n", [200], [LIST]),
    "a whole address": (b"GET http://evil.example/v1/products HTTP/1.1\r\nhost: lumi\r\n\r\n", [200], [LIST]),
    "a whole address of the inside": (b"GET http://127.0.0.1:7901/stats HTTP/1.1\r\nhost: lumi\r\n\r\n", [404], []),
    "what is expected": (POST + b"expect: 100-continue\r\ncontent-length: 2\r\n\r\n{}", [100, 200], [SIGN_IN]),
    "what nobody can expect": (POST + b"expect: 200-ok\r\ncontent-length: 2\r\n\r\n{}", [200], [SIGN_IN]),
}


@contextmanager
def another_client(gateway: Gateway) -> Iterator[None]:
    """Holds that whoever comes next, and whoever was there before, gets what they asked for."""
    with httpx.Client(base_url=gateway.url, trust_env=False, timeout=10) as before:
        assert before.get("/v1/products").json() == {"products": [], "nextPageToken": ""}
        gateway.backends.calls.clear()
        yield
        for client in (before, gateway.http):
            answer = client.get("/v1/orders", headers=gateway.headers())
            assert answer.json() == {"orders": [], "nextPageToken": ""}


def spoken(gateway: Gateway, request: bytes) -> tuple[list[int], bool]:
    """The statuses that a connection was answered, and whether the gateway hung up."""
    received, end = b"", time.monotonic() + 5
    with socket.create_connection((LOOPBACK, gateway.settings.gateway_port), timeout=0.5) as connection:
        connection.sendall(request)
        hung_up = False
        while not hung_up and time.monotonic() < end:
            more = b""
            try:
                with suppress(ConnectionError):
                    more = connection.recv(65536)
            except TimeoutError:
                if b" 400 " not in received and b" 501 " not in received:
                    break
                continue
            received, hung_up = received + more, not more
    return [int(status) for status in re.findall(rb"HTTP/1\.1 ([0-9]{3}) ", received)], hung_up


def called(gateway: Gateway) -> list[str]:
    return [call.path.rpartition("/")[2] for call in gateway.backends.calls]


def test_what_may_be_read_in_two_ways_is_refused_and_the_connection_closed(gateway: Gateway):
    with another_client(gateway):
        outcomes = all_at_once(lambda request: spoken(gateway, request), REFUSED)
        assert called(gateway) == []

    for what, (statuses, hung_up) in outcomes.items():
        assert statuses in ([400], [501]), what
        assert hung_up, what


@pytest.mark.parametrize(("request_", "answers", "calls"), HARMLESS.values(), ids=HARMLESS)
def test_what_others_may_read_otherwise_is_read_in_one_way(
    gateway: Gateway, request_: bytes, answers: list[int], calls: list[str]
):
    with another_client(gateway):
        assert spoken(gateway, request_)[0] == answers
        assert called(gateway) == calls
        assert not [name for call in gateway.backends.calls for name in call.metadata if "lumi" in name]


Headers = tuple[tuple[str, str], ...]

SIGN_IN_2: Headers = (
    (":method", "POST"), (":scheme", "http"), (":authority", "lumi"), (":path", "/v1/auth:signIn"),
    ("content-type", "application/json"),
)  # fmt: skip


def asking(**pseudo: str | None) -> Headers:
    """The request with pseudo headers of another value, or without them."""
    headers = dict(REQUEST) | {f":{name}": value for name, value in pseudo.items()}
    return tuple((name, value) for name, value in headers.items() if value is not None)


REFUSED_2: dict[str, tuple[Headers, bytes | None]] = {
    **{
        f"{name}: {value}": ((*REQUEST, (name, value)), None)
        for name, value in (
            *(("connection", "x-a"), ("keep-alive", "1"), ("proxy-connection", "close"), ("upgrade", "h2c")),
            *(("te", "gzip"), ("X-Lumi-Actor", "c"), ("x-a: b\r\nx-lumi-actor", "c"), ("x a", "c"), ("x:a", "c")),
            *(("", "c"), ("x-a", "b\r\nx-lumi-actor: c"), ("x-a", "b\nc"), ("x-a", "b\0c"), ("content-length", "5")),
            *((":path", "/v1/orders"), (":method", "POST"), (":x", "b"), (":status", "200")),
        )
    },
    "chunks": ((*SIGN_IN_2, ("transfer-encoding", "chunked")), b"0\r\n\r\n" + SECRET),
    **{
        f"a length of {length} for two": ((*SIGN_IN_2, ("content-length", length)), b"{}")
        for length in ("0", "1", "3", "+2", "x", "2, 2", "18446744073709551618")
    },
    "two lengths": ((*SIGN_IN_2, ("content-length", "2"), ("content-length", "3")), b"{}"),
    **{
        f"{name} as {value!r}": (asking(**{name: value}), None)
        for name, value in (
            *(
                ("path", None),
                ("path", ""),
                ("path", "*"),
                ("path", "/v1/products x"),
                ("path", "http://evil/v1/orders"),
            ),
            *(("path", "/v1/products HTTP/1.1\r\nx: y"), ("method", None), ("method", "GET /v1/orders HTTP/1.1")),
            *(("method", "GET\r\n"), ("scheme", None), ("scheme", "x://evil/?"), ("authority", "evil/v1/x?")),
            *(("authority", "a@lumi"), ("authority", None)),
        )
    },
    "a pseudo header behind others": ((*REQUEST[:3], ("x-a", "b"), REQUEST[3]), None),
    "a websocket": (((":method", "CONNECT"), (":protocol", "websocket"), *REQUEST[1:]), None),
    "a tunnel": (((":method", "CONNECT"), (":authority", "127.0.0.1:22")), None),
}


def test_what_http_1_would_read_otherwise_is_refused_over_http_2(gateway: Gateway):
    def told(case: tuple[Headers, bytes | None]) -> str:
        headers, body = case
        with Connection((LOOPBACK, gateway.settings.gateway_port)) as connection:
            connection.send(frame(HEADERS, END_HEADERS | (END_STREAM if body is None else 0), 1, block(*headers)))
            if body is not None:
                connection.send(frame(DATA, END_STREAM, 1, body))
            return connection.answer(1).get(":status", "reset")

    with another_client(gateway):
        outcomes = all_at_once(told, REFUSED_2)
        assert called(gateway) == []

    assert {what: answer for what, answer in outcomes.items() if answer != "reset"} == {"a tunnel": "404"}


def test_a_host_that_is_not_the_authority_changes_nothing(gateway: Gateway):
    with another_client(gateway), Connection((LOOPBACK, gateway.settings.gateway_port)) as connection:
        connection.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, block(*REQUEST, ("host", "evil.example"))))
        assert connection.answer(1)[":status"] == "200"
        assert called(gateway) == [LIST]
        assert "evil.example" not in gateway.backends.last.metadata.values()
