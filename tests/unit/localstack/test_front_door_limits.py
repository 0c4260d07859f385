"""Clients that stall, stay or go early: what they may hold up, and for how long."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from aiohttp import web
from yarl import URL

from localstack.gateway import admission, connections
from localstack.gateway.concurrency_limiter import ConcurrencyLimiter
from localstack.gateway.front_door import AT_ONCE, FrontDoor
from localstack.gateway.websocket_relay import STREAM_PATH
from tests.unit.localstack.conftest import HANDSHAKE, Door

LIMIT_SECONDS = 20
NEVER = 1000.0
SOON = 0.2
GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
HALF_A_BODY = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nhalf"

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def opened(door: Door, sent: bytes) -> Stream:
    reader, writer = await asyncio.open_connection("127.0.0.1", URL(door.url).port)
    writer.write(sent)
    await writer.drain()
    return reader, writer


async def closed(streams: list[Stream]) -> None:
    for _, writer in streams:
        writer.close()


async def read(stream: Stream) -> bytes:
    """Everything until the connection ends."""
    async with asyncio.timeout(LIMIT_SECONDS):
        return await stream[0].read()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(LIMIT_SECONDS):
        while not condition():  # noqa: ASYNC110 - what it waits for tells nobody
            await asyncio.sleep(0.01)


async def test_clients_that_stall_in_a_body_hold_up_nobody(door: Door) -> None:
    # Only a place that is really free lets the order through in this test: patience has no end.
    door.front_door._requests = ConcurrencyLimiter(AT_ONCE, NEVER, NEVER)
    stalled = [await opened(door, HALF_A_BODY) for _ in range(24)]
    async with asyncio.timeout(LIMIT_SECONDS), door.http.get(f"{door.url}/") as response:
        assert response.status == 200
    await closed(stalled)
    assert len(door.service.requests) == 1


async def test_clients_that_read_no_large_answer_hold_up_nobody(door: Door) -> None:
    door.service.rest = lambda request: web.Response(body=bytes(20_000_000 if request.path.endswith("/large") else 2))
    door.front_door._requests = ConcurrencyLimiter(AT_ONCE, NEVER, NEVER)
    stalled = [await opened(door, b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n") for _ in range(24)]
    await until(lambda: len(door.service.requests) == 24)
    async with asyncio.timeout(LIMIT_SECONDS), door.http.get(f"{door.url}/") as response:
        assert response.status == 200
    await closed(stalled)


async def test_a_body_without_end_is_answered_408(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "BODY_SECONDS", SOON)
    head = b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    reader, writer = await opened(door, head)

    async def drip() -> None:
        while True:
            writer.write(b"1\r\nx\r\n")
            await asyncio.sleep(SOON / 10)

    dripping = asyncio.create_task(drip())
    async with asyncio.timeout(LIMIT_SECONDS):
        seen = await reader.readuntil(b"request_timeout")
    dripping.cancel()
    assert seen.startswith(b"HTTP/1.1 408 ")
    assert b"application/problem+json" in seen
    assert not door.service.requests
    await closed([(reader, writer)])


async def test_a_stalled_head_is_answered_408(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", SOON)
    stream = await opened(door, b"GET / HTTP/1.1\r\nHost: localhost\r\n")
    for _ in range(4):
        stream[1].write(b"X: y\r\n")
        await asyncio.sleep(SOON / 4)
    seen = await read(stream)
    assert seen.startswith(b"HTTP/1.1 408 ")
    assert b"request_timeout" in seen
    await closed([stream])


async def test_slow_answers_and_pauses_between_requests_are_no_stalled_heads(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def answer(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(SOON * 2)
        return web.Response()

    monkeypatch.setattr(connections, "HEAD_SECONDS", SOON * 3)
    door.service.rest = answer
    reader, writer = await opened(door, b"")
    for _ in range(3):
        writer.write(GET[:10])
        await asyncio.sleep(0.02)
        writer.write(GET[10:])
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), LIMIT_SECONDS)
        assert head.startswith(b"HTTP/1.1 200 ")
        await asyncio.sleep(SOON * 2)
    await closed([(reader, writer)])


@pytest.mark.parametrize("size", [20_000_000, 50_000])
async def test_who_never_reads_his_answer_is_cut_off(door: Door, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(body=bytes(size))

    monkeypatch.setattr(connections, "UNREAD_SECONDS", SOON)
    door.service.rest = answer
    loop = asyncio.get_running_loop()
    with socket.socket() as client:
        client.setblocking(False)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await loop.sock_connect(client, ("127.0.0.1", URL(door.url).port or 0))
        await until(lambda: len(_connections(door)) == 1)
        transport = _connections(door)[0].transport
        assert transport is not None
        # So small that most of the small answer stays with the door.
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        await loop.sock_sendall(client, b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        await until(lambda: bool(door.service.requests))
        await until(lambda: not _open(door))
        assert transport.get_write_buffer_size() == 0


def _connections(door: Door) -> list[web.RequestHandler]:
    assert door.front_door._runner is not None
    server = door.front_door._runner.server
    assert server is not None
    return server.connections


def _open(door: Door) -> int:
    return len(_connections(door))


async def test_a_client_that_only_sends_no_more_gets_its_answers(door: Door) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(SOON)
        return web.Response(text=await request.text())

    door.service.rest = answer
    post = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n"
    stream = await opened(door, post + b"aa" + post + b"bb")
    stream[1].write_eof()
    seen = await read(stream)
    assert seen.count(b"HTTP/1.1 200 OK") == 2
    assert b"aa" in seen
    assert seen.endswith(b"bb")
    await closed([stream])


@pytest.mark.parametrize("sent", [b"", b"GET / HT", HALF_A_BODY])
async def test_a_client_that_stops_before_its_request_is_whole_is_let_go(door: Door, sent: bytes) -> None:
    stream = await opened(door, sent)
    stream[1].write_eof()
    assert await read(stream) == b""
    await until(lambda: not _open(door))
    assert not door.service.requests
    await closed([stream])


async def test_a_websocket_whose_client_sends_no_more_ends(door: Door) -> None:
    fields = "".join(f"{name}: {value}\r\n" for name, value in HANDSHAKE.items())
    handshake = f"GET {STREAM_PATH} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n".encode()
    before, during = await opened(door, handshake), await opened(door, handshake)
    assert b" 101 " in await asyncio.wait_for(before[0].readline(), LIMIT_SECONDS)
    for stream in (before, during):
        stream[1].write_eof()
    await until(lambda: not _open(door))
    await closed([before, during])


async def test_a_client_that_has_gone_leaves_no_connection_behind(door: Door) -> None:
    async def answer(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(SOON)
        return web.Response()

    door.service.rest = answer
    await closed([await opened(door, GET) for _ in range(10)])
    await until(lambda: len(door.service.requests) == 10 and not _open(door))


@asynccontextmanager
async def narrow(door: Door, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Door]:
    """A second door before the same service, for three connections."""
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 3)
    async with FrontDoor(door.front_door.upstream) as second:
        port = await second.start(("127.0.0.1",), 0)
        yield replace(door, url=f"http://127.0.0.1:{port}", front_door=second)


async def test_a_new_client_takes_the_place_of_the_longest_idle_one(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with narrow(door, monkeypatch) as small:
        idle = [await opened(small, GET) for _ in range(3)]
        for stream in idle:
            await asyncio.wait_for(stream[0].readuntil(b"true}"), LIMIT_SECONDS)
        fourth = await opened(small, GET)
        assert b" 200 " in await asyncio.wait_for(fourth[0].readline(), LIMIT_SECONDS)
        assert await read(idle[0]) == b""
        assert not idle[1][0].at_eof()
        await closed([*idle, fourth])


async def test_where_every_connection_is_at_work_a_new_one_is_told_so(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with narrow(door, monkeypatch) as small:
        busy = [await opened(small, HALF_A_BODY) for _ in range(3)]
        await asyncio.sleep(SOON)
        fourth = await opened(small, b"")
        seen = await read(fourth)
        assert seen.startswith(b"HTTP/1.1 503 ")
        assert b"Retry-After: " in seen
        assert b"Content-Security-Policy: default-src 'none'" in seen
        assert b"overloaded" in seen
        await closed([*busy, fourth])


async def test_so_many_wait_and_no_more(door: Door) -> None:
    go_on = asyncio.Event()

    async def answer(_: web.Request) -> web.StreamResponse:
        await go_on.wait()
        return web.Response()

    door.service.rest = answer
    door.front_door._requests = ConcurrencyLimiter(1, NEVER, NEVER, queue=1)
    first, second = await opened(door, GET), await opened(door, GET)
    await asyncio.sleep(SOON)
    async with asyncio.timeout(LIMIT_SECONDS), door.http.get(f"{door.url}/") as response:
        assert response.status == 503
        assert (await response.json(content_type=None))["code"] == "overloaded"
    go_on.set()
    for stream in (first, second):
        assert b" 200 " in await asyncio.wait_for(stream[0].readline(), LIMIT_SECONDS)
    await closed([first, second])
