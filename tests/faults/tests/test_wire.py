"""The line between two who talk: what comes through, what is lost, what comes late."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from lumi_faults.wire import ANSWER_BYTES, Wire

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def line(heard: list[bytes], answer: bytes = b"yes" * ANSWER_BYTES) -> AsyncIterator[tuple[Wire, Connection]]:
    """A server that keeps what it hears and answers each line, and a client on a wire to it."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while request := await reader.readline():
            heard.append(request)
            writer.write(answer + b"\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    wire = Wire(server.sockets[0].getsockname()[1])
    await wire.open()
    host, _, port = wire.address.partition(":")
    client = await asyncio.open_connection(host, int(port))
    try:
        yield wire, client
    finally:
        client[1].close()
        await wire.close()
        server.close()


async def ask(client: Connection, question: bytes) -> bytes:
    client[1].write(question + b"\n")
    return await client[0].readline()


async def test_what_is_said_comes_through() -> None:
    heard: list[bytes] = []
    async with line(heard, b"no") as (_, client):
        assert [await ask(client, each) for each in (b"one", b"two")] == [b"no\n", b"no\n"]
        assert heard == [b"one\n", b"two\n"]


async def test_a_line_that_is_cut_loses_the_answer_and_not_the_question() -> None:
    heard: list[bytes] = []
    async with line(heard) as (wire, client):
        assert (await ask(client, b"one")).startswith(b"yes")
        wire.cut()
        assert await ask(client, b"two") == b""
        assert (heard, wire.lost) == ([b"one\n", b"two\n"], 1)


async def test_what_is_too_short_for_an_answer_is_none() -> None:
    heard: list[bytes] = []
    async with line(heard, b"ping") as (wire, client):
        wire.cut()
        assert await ask(client, b"one") == b"ping\n"
        assert wire.lost == 0


async def test_answers_are_held_back_and_questions_are_not() -> None:
    heard: list[bytes] = []
    async with line(heard) as (wire, client):
        holding = asyncio.create_task(wire.hold(3600))
        await asyncio.sleep(0)
        asking = asyncio.create_task(ask(client, b"one"))
        async with asyncio.timeout(20):
            while not heard:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert not asking.done()
        holding.cancel()
        assert (await asking).startswith(b"yes")


async def test_a_server_that_is_away_is_a_line_that_ends() -> None:
    wire = Wire(1)
    await wire.open()
    host, _, port = wire.address.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    assert await reader.read() == b""
    writer.close()
    await wire.close()
