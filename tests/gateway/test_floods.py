"""Who floods, dawdles or only holds on is hung up on in time, and others are served meanwhile."""

import select
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from lumi_envoy.bootstrap import MAX_RESETS
from lumi_envoy.listeners import MAX_REQUESTS_PER_CONNECTION, MAX_STREAMS
from lumi_envoy.settings import LOOPBACK
from lumi_local.process import wait_until
from tests.gateway.frames import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    PING,
    PRIORITY,
    REQUEST,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    Connection,
    block,
    frame,
    setting,
)
from tests.gateway.gateway import Gateway, admin, all_at_once, running_gateway

LIST = "/lumi.catalogue.v1.ProductService/ListProducts"
MAX_CONNECTIONS = 100
SECONDS = 2.0  # for headers, for a request, for reading and for doing nothing
PATIENCE = 30.0  # what may pass until the gateway hangs up: the seconds above, and its own for saying goodbye
SLOWEST = 10.0  # what another client may wait for an answer meanwhile, on a machine that does much else

GET = block(*REQUEST)
POST = block(
    (":method", "POST"), (":scheme", "http"), (":authority", "lumi"), (":path", "/v1/auth:signIn"),
    ("content-type", "application/json"),
)  # fmt: skip
CANCEL = (8).to_bytes(4, "big")

Attack = Callable[[int], bytes]  # what is sent at the n-th time


@pytest.fixture(scope="module")
def hasty() -> Iterator[Gateway]:
    """A gateway that waits for nobody long."""
    waits = dict.fromkeys(("headers_seconds", "request_seconds", "reading_seconds", "idle_seconds"), SECONDS)
    with (
        tempfile.TemporaryDirectory(prefix="lumi-gateway-") as folder,
        running_gateway(Path(folder), max_connections=MAX_CONNECTIONS, **waits) as gateway,
    ):
        yield gateway


@contextmanager
def others_served(gateway: Gateway) -> Iterator[None]:
    """Holds that another client, on new connections and on one that stays, gets its answers all the while."""
    stop, waits, faults = threading.Event(), [], []

    def ask() -> None:
        with httpx.Client(base_url=gateway.url, trust_env=False, timeout=SLOWEST) as staying:
            asked_after = False
            while not asked_after:
                asked_after = stop.is_set()
                for client in (staying, httpx):
                    started = time.monotonic()
                    try:
                        answer = client.get(f"{gateway.url}/v1/orders", headers=gateway.headers())
                        if answer.status_code != 200:
                            faults.append(str(answer.status_code))
                    except httpx.HTTPError as error:
                        faults.append(repr(error))
                    waits.append(time.monotonic() - started)
                stop.wait(0.02)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    assert faults == []
    assert len(waits) >= 2
    assert max(waits) < SLOWEST


def h2(gateway: Gateway, **options: bytes) -> Connection:
    return Connection((LOOPBACK, gateway.settings.gateway_port), patience=PATIENCE, **options)


def rapid_resets(at: int) -> bytes:
    stream = 2 * at + 1
    return frame(HEADERS, END_STREAM | END_HEADERS, stream, GET) + frame(RST_STREAM, 0, stream, CANCEL)


def headers_without_end(at: int) -> bytes:
    if at == 0:
        return frame(HEADERS, END_STREAM, 1, GET)
    return frame(CONTINUATION, 0, 1, block(("x-more", "x" * 1000)))


def continuations_of_nothing(at: int) -> bytes:
    return frame(HEADERS, END_STREAM, 1, GET) if at == 0 else frame(CONTINUATION, 0, 1)


def data_of_nothing(at: int) -> bytes:
    return frame(HEADERS, END_HEADERS, 1, POST) if at == 0 else frame(DATA, 0, 1)


def small_windows(at: int) -> bytes:
    return frame(HEADERS, END_HEADERS, 1, POST) if at == 0 else frame(WINDOW_UPDATE, 0, 1, b"\0\0\0\1")


FLOODS: dict[str, Attack] = {
    "rapid resets": rapid_resets,
    "headers without end": headers_without_end,
    "continuations of nothing": continuations_of_nothing,
    "data of nothing": data_of_nothing,
    "windows": small_windows,
    "settings": lambda _: frame(SETTINGS),
    "settings with something": lambda at: setting(INITIAL_WINDOW_SIZE, 65_535 - at % 2),
    "pings": lambda _: frame(PING, payload=b"12345678"),
    "priorities": lambda at: frame(PRIORITY, 0, 2 * at + 1, b"\0\0\0\0\x10"),
}


def test_who_floods_over_http_2_is_hung_up_on_soon(hasty: Gateway):
    def is_hung_up_on(flood: Attack) -> bool:
        with h2(hasty) as connection:
            for at in range(0, 20_000, 50):
                if not connection.send(*map(flood, range(at, at + 50))):
                    break
            return connection.hung_up(within=SECONDS + 5)

    with others_served(hasty):
        for _ in range(2):
            assert all_at_once(is_hung_up_on, FLOODS) == dict.fromkeys(FLOODS, True)
    assert hasty.http.get("/healthz").status_code == 200


def test_requests_that_are_reset_at_once_hardly_reach_a_service(hasty: Gateway):
    hasty.backends.calls.clear()

    with h2(hasty) as connection:
        for at in range(20 * MAX_RESETS):
            if not connection.send(rapid_resets(at)):
                break
        assert connection.hung_up(within=SECONDS + 5)

    assert len(hasty.backends.calls) < 2 * MAX_RESETS


DAWDLERS = {
    "headers that never end": frame(HEADERS, 0, 1, GET),
    "a body that never comes": frame(HEADERS, END_HEADERS, 1, POST),
    "nothing at all": b"",
    "what nobody knows": frame(0x77, payload=b"x" * 100) * 1000,
}


def test_who_dawdles_over_http_2_is_hung_up_on_in_time(hasty: Gateway):
    def are_hung_up_on(said: bytes) -> bool:
        with ExitStack() as stack:
            connections = [stack.enter_context(h2(hasty)) for _ in range(20)]
            for connection in connections:
                connection.send(said)
            return all(connection.hung_up(within=PATIENCE) for connection in connections)

    with others_served(hasty):
        assert all_at_once(are_hung_up_on, DAWDLERS) == dict.fromkeys(DAWDLERS, True)


def test_a_body_that_comes_too_slowly_is_answered_so(hasty: Gateway):
    with h2(hasty) as connection:
        connection.send(frame(HEADERS, END_HEADERS, 1, POST))
        assert connection.answer(1)[":status"] == "408"


# The body is for the method that may take longest: that it takes its time is not what ends these.
IMPORT = b"POST /v1/products:import HTTP/1.1\r\nhost: lumi\r\ncontent-type: application/json\r\n%(token)s\r\n"
HALVES = {
    "a request line": b"GET /v1/pro",
    "headers": b"GET /v1/products HTTP/1.1\r\nhost: lumi\r\nx-slow: ",
    "a body": IMPORT + b"content-length: 9999\r\n\r\n{",
    "a chunk": IMPORT + b"transfer-encoding: chunked\r\n\r\nfff\r\n{",
}


def test_who_sends_a_byte_at_a_time_is_refused_in_time(hasty: Gateway):
    token, began = f"authorization: Bearer {hasty.token()}".encode(), time.monotonic()

    def told(half: bytes) -> set[bytes]:
        with ExitStack() as stack:
            address = (LOOPBACK, hasty.settings.gateway_port)
            connections = [stack.enter_context(socket.create_connection(address, timeout=PATIENCE)) for _ in range(20)]
            for connection in connections:
                connection.sendall(half.replace(b"%(token)s", token))
            answers: list[bytes] = []
            while len(answers) < len(connections):
                assert time.monotonic() - began < PATIENCE
                time.sleep(0.2)
                for connection in connections[len(answers) :]:
                    try:
                        connection.sendall(b"x")
                        connection.settimeout(0.01)
                        answers.append(connection.recv(4096))
                    except TimeoutError:
                        break
                    except ConnectionError:
                        answers.append(b"")
        return {answer[:12] for answer in answers}

    with others_served(hasty):
        outcomes = all_at_once(told, HALVES)
    for half, answers in outcomes.items():
        assert b"HTTP/1.1 408" in answers and answers <= {b"", b"HTTP/1.1 408"}, half


def large_answer(_request: bytes, _wire: object) -> bytes:
    return b"\x12\x80\x80\x80\x01" + b"x" * 2**21  # `next_page_token` of two megabytes


def test_who_does_not_read_is_hung_up_on_over_http_2(hasty: Gateway):
    with (
        others_served(hasty),
        ExitStack() as stack,
        hasty.backends.answering(LIST, large_answer),
        h2(hasty, settings=setting(INITIAL_WINDOW_SIZE, 0)) as first,
    ):
        connections = [first]
        connections += [stack.enter_context(h2(hasty, settings=setting(INITIAL_WINDOW_SIZE, 0))) for _ in range(4)]
        for connection in connections:
            connection.send(*(frame(HEADERS, END_STREAM | END_HEADERS, 2 * at + 1, GET) for at in range(5)))
        for connection in connections:
            assert connection.hung_up(within=PATIENCE)


def test_who_does_not_read_is_hung_up_on_over_http_1(hasty: Gateway):
    before = given_up(hasty)
    with others_served(hasty), hasty.backends.answering(LIST, large_answer), ExitStack() as stack:
        connections = []
        for _ in range(5):
            connection = stack.enter_context(socket.socket())
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect((LOOPBACK, hasty.settings.gateway_port))
            connection.sendall(b"GET /v1/products HTTP/1.1\r\nhost: lumi\r\n\r\n" * 5)
            connections.append(connection)
        # Whoever reads now and then is waited for: so nothing is read before they were given up on.
        wait_until(lambda: given_up(hasty) == before + 5, "the gateway went on waiting", seconds=PATIENCE)
        for connection in connections:
            connection.settimeout(PATIENCE)
            assert read_to_the_end(connection) < 5 * 2**21


def given_up(gateway: Gateway) -> int:
    """How many connections have been closed so far without their answers having been read."""
    stats = admin(gateway.settings, "/stats?filter=^http.clients.downstream_cx_delayed_close_timeout$")
    return int(stats.rpartition(": ")[2])


def read_to_the_end(connection: socket.socket) -> int:
    """Bytes until the gateway hangs up."""
    size = 0
    while True:
        try:
            more = connection.recv(65536)
        except ConnectionError:
            return size
        if not more:
            return size
        size += len(more)


def test_connections_that_do_nothing_are_closed_and_others_served_meanwhile(hasty: Gateway):
    address = (LOOPBACK, hasty.settings.gateway_port)
    with others_served(hasty), ExitStack() as stack:
        idle = [stack.enter_context(socket.create_connection(address, timeout=PATIENCE)) for _ in range(80)]
        assert [connection.recv(1) for connection in idle] == [b""] * len(idle)


def test_connections_beyond_the_limit_are_closed_at_once_and_those_within_go_on(hasty: Gateway):
    address = (LOOPBACK, hasty.settings.gateway_port)
    with ExitStack() as stack, httpx.Client(base_url=hasty.url, trust_env=False, timeout=10) as early:
        assert early.get("/v1/products").status_code == 200
        many = [
            stack.enter_context(socket.create_connection(address, timeout=PATIENCE)) for _ in range(2 * MAX_CONNECTIONS)
        ]
        assert is_closed(many[-1])
        # The last one is closed while the first one is not: it was not for doing nothing.
        closed, _, _ = select.select(many, [], [], 0)
        assert many[0] not in closed and len(closed) >= MAX_CONNECTIONS - 1
        assert early.get("/v1/products").status_code == 200

    assert eventually_served(hasty)


def is_closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True


def eventually_served(gateway: Gateway) -> bool:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            if httpx.get(f"{gateway.url}/v1/products", trust_env=False).status_code == 200:
                return True
        except httpx.HTTPError:
            time.sleep(0.1)
    return False


def test_streams_beyond_the_limit_are_refused_and_those_within_answered(hasty: Gateway):
    go_on = threading.Event()

    def wait(_request: bytes, _wire: object) -> bytes:
        go_on.wait(10)
        return b""

    with hasty.backends.answering(LIST, wait), h2(hasty) as connection:
        streams = range(1, 2 * MAX_STREAMS + 3, 2)
        connection.send(*(frame(HEADERS, END_STREAM | END_HEADERS, stream, GET) for stream in streams))
        refused = connection.answer(streams[-1])
        go_on.set()
        answered = connection.answer(streams[-2])
    assert "reset" in refused
    assert answered[":status"] == "200"


def test_a_connection_has_so_many_requests(hasty: Gateway):
    request = b"GET /healthz HTTP/1.1\r\nhost: lumi\r\n\r\n"
    with socket.create_connection((LOOPBACK, hasty.settings.gateway_port), timeout=PATIENCE) as connection:
        answers, received = 0, b"begin"
        while received:
            connection.sendall(request)
            received = connection.recv(4096)
            answers += received.startswith(b"HTTP/1.1 200")
            if b"connection: close" in received:
                break
    assert answers == MAX_REQUESTS_PER_CONNECTION
