"""What the front door makes of requests that clients get wrong: raw bytes, for a client library would refuse them."""

import asyncio
import gzip
import json
import logging

import pytest
from aiohttp import web
from yarl import URL

from chalicelib.http.responses import SECURITY_HEADERS
from localstack.gateway.connections import MAX_HEAD_BYTES
from tests.unit.localstack.conftest import STAGE, Door

LIMIT_SECONDS = 20
HOST = b"Host: localhost\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"


async def answered(door: Door, *pieces: bytes) -> tuple[int, bytes, bytes]:
    """Status, head and body of the answer to pieces that arrive one after another."""
    reader, writer = await asyncio.open_connection("127.0.0.1", URL(door.url).port)
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0.02)
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(
                int(line.split(b":")[1]) for line in head.splitlines() if line.lower().startswith(b"content-length")
            )
            return int(head.split()[1]), head, await reader.readexactly(length)
    finally:
        writer.close()


async def code(door: Door, *pieces: bytes) -> tuple[int, str]:
    """Status and code of the problem."""
    status, head, body = await answered(door, *pieces)
    assert b"application/problem+json" in head
    for name, value in {**SECURITY_HEADERS, "Cache-Control": "no-store"}.items():
        assert f"\r\n{name}: {value}\r\n".encode() in head
    view = json.loads(body)
    assert view["status"] == status
    assert view["detail"]
    return status, view["code"]


@pytest.mark.parametrize(
    "pieces",
    [
        (b"garbage\r\n\r\n",),
        (b"GET / HTTP/9.9\r\n" + HOST + b"\r\n",),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",),
        (b"GET / HTTP/1.1\r\n\r\n",),
        (b"GET / HTTP/1.1\r\n" + HOST + HOST + b"\r\n",),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde",),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: +4\r\n\r\nabcd",),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",),
        (b"POST / HTTP/1.0\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",),
        (CHUNKED + b"\r\nzz\r\nabc\r\n0\r\n\r\n",),
        (CHUNKED + b"\r\n", b"zz\r\nabc\r\n0\r\n\r\n"),
        (CHUNKED + b"\r\n3\r\nabc\r\n", b"3\r\nabcdef\r\n0\r\n\r\n"),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X: a\r\n b\r\n\r\n",),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X : a\r\n\r\n",),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X: a\x00b\r\n\r\n",),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X: a\rb\r\n\r\n",),
        (b"GET / HTTP/1.1\nHost: localhost\n\n",),
        (b"GET /\xe9 HTTP/1.1\r\n" + HOST + b"\r\n",),
        (b"GET /api#x HTTP/1.1\r\n" + HOST + b"\r\n",),
        (b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n",),
        (b"CONNECT elsewhere:443 HTTP/1.1\r\n" + HOST + b"\r\n",),
        (b"GET file:///etc/passwd HTTP/1.1\r\n" + HOST + b"\r\n",),
    ],
)
async def test_what_is_no_request_is_a_problem_and_goes_no_further(
    door: Door, caplog: pytest.LogCaptureFixture, pieces: tuple[bytes, ...]
) -> None:
    assert await code(door, *pieces) == (400, "malformed_request")
    assert not door.service.requests
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_a_method_that_nobody_knows_is_answered_as_http_1_1(door: Door) -> None:
    status, head, body = await answered(door, b"FOO /api/orders HTTP/1.1\r\n" + HOST + b"\r\n")
    assert (status, head.split(b" ", 1)[0]) == (400, b"HTTP/1.1")
    assert b"\r\nConnection: close\r\n" in head
    assert "a known method" in json.loads(body)["detail"]


@pytest.mark.parametrize("target", [
    "/../../_ministack/reset", "/api/..", "/api/./orders", "/api/%2e%2E/orders", "/api/.%2e/orders",
    "/api/..%2f..%2forders", "/api/%252e%252e/orders", "/api/%252e./orders", "/api/..%5c%2e%2e%5corders",
    "/api/..\\orders", "http://elsewhere/../x",
])  # fmt: skip
async def test_a_path_with_dot_segments_leads_nowhere(door: Door, target: str) -> None:
    assert await code(door, f"GET {target} HTTP/1.1\r\n".encode() + HOST + b"\r\n") == (400, "malformed_request")
    assert not door.service.requests


@pytest.mark.parametrize(
    ("target", "path"), [("http://localhost/api?q=1", "/api?q=1"), ("http://LOCALHOST:80", "/"), ("/a/...b", "/a/...b")]
)
async def test_a_whole_url_asks_for_its_path_here(door: Door, target: str, path: str) -> None:
    status, _, _ = await answered(door, f"GET {target} HTTP/1.1\r\n".encode() + HOST + b"\r\n")
    assert (status, door.service.requests[0].raw_path) == (200, STAGE + path)


async def test_a_header_whose_bytes_would_be_lost_is_refused(door: Door) -> None:
    key = "Idempotency-Key: clé".encode("latin-1")
    assert await code(door, b"GET / HTTP/1.1\r\n" + HOST + key + b"\r\n\r\n") == (400, "malformed_request")
    assert not door.service.requests


async def test_no_headers_bytes_are_changed(door: Door) -> None:
    keys = [b'"a"; ~!#$%&\'*+.^_`|\x7b\x7d', b"K1", b"K1", "clé".encode()]
    sent = b"".join(b"Idempotency-Key: " + key + b"\r\n" for key in keys)
    await answered(door, b"GET / HTTP/1.1\r\n" + HOST + sent + b"\r\n")
    arrived = [value for name, value in door.service.requests[0].raw_headers if name.lower() == b"idempotency-key"]
    assert arrived == keys


@pytest.mark.parametrize("what", ["cookie", "query"])
async def test_9_kb_pass_as_the_rest_does(door: Door, what: str) -> None:
    text = b"x" * 9000
    if what == "cookie":
        status, _, _ = await answered(door, b"GET / HTTP/1.1\r\n" + HOST + b"Cookie: a=" + text + b"\r\n\r\n")
        assert door.service.requests[0].headers["Cookie"] == "a=" + text.decode()
    else:
        status, _, _ = await answered(door, b"GET /?q=" + text + b" HTTP/1.1\r\n" + HOST + b"\r\n")
        assert door.service.requests[0].query["q"] == text.decode()
    assert status == 200


@pytest.mark.parametrize(
    ("line", "headers", "problem"),
    [
        (b"/?q=" + b"x" * MAX_HEAD_BYTES, b"", (414, "uri_too_long")),
        (b"/", b"Cookie: " + b"x" * MAX_HEAD_BYTES + b"\r\n", (431, "headers_too_large")),
        (b"/", (b"Cookie: " + b"x" * (MAX_HEAD_BYTES // 2) + b"\r\n") * 2, (431, "headers_too_large")),
        (b"/", b"X: y\r\n" * 200, (431, "headers_too_large")),
    ],
    ids=["query", "one header", "all headers", "many headers"],
)
async def test_a_larger_head_is_a_problem(
    door: Door, caplog: pytest.LogCaptureFixture, line: bytes, headers: bytes, problem: tuple[int, str]
) -> None:
    assert await code(door, b"GET " + line + b" HTTP/1.1\r\n" + HOST + headers + b"\r\n") == problem
    assert not door.service.requests
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_a_request_behind_a_good_one_is_refused_alone(door: Door) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", URL(door.url).port)
    writer.write(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
    assert b" 200 " in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), LIMIT_SECONDS)
    writer.write(b"garbage\r\n\r\n")
    assert b"malformed_request" in await asyncio.wait_for(reader.read(), LIMIT_SECONDS)
    writer.close()


async def test_a_defect_of_the_door_is_a_problem_and_logged(
    door: Door, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> web.StreamResponse:
        raise ArithmeticError

    monkeypatch.setattr("localstack.gateway.front_door._answer", broken)
    assert await code(door, b"GET / HTTP/1.1\r\n" + HOST + b"\r\n") == (502, "upstream_failed")
    assert "Error handling request" in caplog.text


async def test_a_body_that_unpacks_to_a_thousand_times_its_size_passes_as_it_is(door: Door) -> None:
    """The service refuses every Content-Encoding; nobody on the way there unpacks it."""
    bomb = gzip.compress(b"0" * 50_000_000, 9)
    assert len(bomb) < 100_000

    door.service.rest = lambda request: web.json_response(
        [request.headers["Content-Encoding"], request.headers["Content-Length"]]
    )
    head = b"POST / HTTP/1.1\r\n" + HOST + f"Content-Encoding: gzip\r\nContent-Length: {len(bomb)}\r\n\r\n".encode()
    status, _, body = await answered(door, head, bomb)
    assert (status, json.loads(body)) == (200, ["gzip", str(len(bomb))])


async def test_compressed_frames_are_not_agreed_on_and_end_the_connection(door: Door) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", URL(door.url).port)
    writer.write(
        b"GET /api/orders/execute?orderId=1 HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
    )
    async with asyncio.timeout(LIMIT_SECONDS):
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101")
        assert b"extensions" not in head.lower()
        writer.write(b"\xc1\x81\0\0\0\0x")  # RSV1: compressed
        frame = await reader.read()
    assert frame[:1] == b"\x88"
    assert int.from_bytes(frame[2:4]) == 1002
    writer.close()
