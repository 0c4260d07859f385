"""WebSockets through the front door."""

import asyncio
import json
import socket
from collections.abc import Mapping

import aiohttp
import pytest
from aiohttp import WSMsgType, web
from yarl import URL

from chalicelib.services.subscriptions import MAX_FOLLOWERS
from localstack.gateway import websocket_relay
from localstack.gateway.websocket_relay import MAX_MESSAGE_BYTES
from tests.unit.localstack.conftest import HANDSHAKE, Door

LIMIT_SECONDS = 20


async def test_messages_pass_both_ways_with_the_query(door: Door) -> None:
    url = URL(f"{door.stream_url}?orderId=a%2Fb&after=2", encoded=True)
    async with door.http.ws_connect(url) as socket:
        await socket.send_str("tëxt")
        assert (await socket.receive(LIMIT_SECONDS)).data == "tëxt"
        await socket.send_bytes(b"\x00\xff")
        assert (await socket.receive(LIMIT_SECONDS)).data == b"\x00\xff"
    assert door.service.requests[0].raw_path == "/_aws/execute-api/websocket/live?orderId=a%2Fb&after=2"


async def test_the_largest_message_passes_and_a_larger_one_closes_with_1009(door: Door) -> None:
    text = "x" * (MAX_MESSAGE_BYTES - 1)
    async with door.http.ws_connect(door.stream_url, max_msg_size=0) as socket:
        await socket.send_str(text)
        assert (await socket.receive(LIMIT_SECONDS)).data == text
        await socket.send_str(text + "xx")
        assert (await socket.receive(LIMIT_SECONDS)).type is WSMsgType.CLOSE
        assert socket.close_code == 1009


async def test_order_is_kept_and_a_slow_reader_gets_everything(door: Door) -> None:
    count = 2000

    async def flood(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        for number in range(count):
            await socket.send_str(f"{number} " + "x" * 1000)
        await socket.close(code=4000, message=b"all sent")
        return socket

    door.service.websocket = flood
    async with asyncio.timeout(LIMIT_SECONDS), door.http.ws_connect(door.stream_url) as socket:
        await asyncio.sleep(0.1)
        seen = [int(frame.data.split()[0]) async for frame in socket if frame.type is WSMsgType.TEXT]
        assert seen == list(range(count))
        assert socket.close_code == 4000


async def closing(door: Door) -> "asyncio.Future[tuple[int | None, str | None]]":
    """What the service sees of the end of the next connection."""
    seen: asyncio.Future[tuple[int | None, str | None]] = asyncio.get_running_loop().create_future()

    async def listen(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        while (message := await socket.receive()).type is WSMsgType.TEXT:
            pass
        seen.set_result((socket.close_code, message.extra))
        return socket

    door.service.websocket = listen
    return seen


@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (1001, "gone"), (4321, "ends hëre")])
async def test_the_clients_close_reaches_the_service(door: Door, code: int, reason: str) -> None:
    seen = await closing(door)
    async with door.http.ws_connect(door.stream_url) as socket:
        await socket.close(code=code, message=reason.encode())
    assert await asyncio.wait_for(seen, LIMIT_SECONDS) == (code, reason)


async def test_a_client_that_is_lost_is_going_away(door: Door) -> None:
    seen = await closing(door)
    socket = await door.http.ws_connect(door.stream_url)
    assert socket._response.connection is not None
    assert socket._response.connection.transport is not None
    socket._response.connection.transport.abort()
    assert (await asyncio.wait_for(seen, LIMIT_SECONDS))[0] == 1001
    await socket.close()


@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (1011, "broken"), (4000, "überfüllt")])
async def test_the_services_close_reaches_the_client(door: Door, code: int, reason: str) -> None:
    async def close(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_str("last")
        await socket.close(code=code, message=reason.encode())
        return socket

    door.service.websocket = close
    async with door.http.ws_connect(door.stream_url) as socket:
        assert (await socket.receive(LIMIT_SECONDS)).data == "last"
        message = await socket.receive(LIMIT_SECONDS)
        assert (message.type, message.data, message.extra) == (WSMsgType.CLOSE, code, reason)


async def test_a_service_that_is_lost_restarts(door: Door) -> None:
    async def crash(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        assert request.transport is not None
        request.transport.abort()
        return socket

    door.service.websocket = crash
    async with door.http.ws_connect(door.stream_url) as socket:
        assert (await socket.receive(LIMIT_SECONDS)).data == 1012


async def test_the_door_says_that_it_goes_away(door: Door) -> None:
    async with door.http.ws_connect(door.stream_url) as socket:
        await socket.send_str("x")
        await socket.receive(LIMIT_SECONDS)
        stopping = asyncio.create_task(door.front_door.stop())
        assert (await socket.receive(LIMIT_SECONDS)).data == 1001
        await stopping


async def test_a_subprotocol_is_agreed_with_the_service_else_the_first_offered(door: Door) -> None:
    async with door.http.ws_connect(door.stream_url, protocols=("other", "orders")) as socket:
        assert socket.protocol == "orders"
    async with door.http.ws_connect(door.stream_url, protocols=("first", "second")) as socket:
        assert socket.protocol == "first"
    async with door.http.ws_connect(door.stream_url) as socket:
        assert socket.protocol is None


async def refuse(_: web.Request) -> web.StreamResponse:
    return web.Response(status=403)


async def handshake(door: Door, query: str, headers: Mapping[str, str] = HANDSHAKE) -> tuple[int, dict[str, object]]:
    async with door.http.get(f"{door.stream_url}{query}", headers=headers) as response:
        assert response.content_type == "application/problem+json"
        return response.status, json.loads(await response.read())


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("", 400, "order_id_missing"),
        *((f"?orderId=known&after={after}", 400, "invalid_after") for after in ("x", "-1", "1000001", "", "1.5")),
        ("?orderId=known&after=1000000", 403, "connection_refused"),
    ],
)
async def test_a_refused_handshake_says_why(door: Door, query: str, status: int, code: str) -> None:
    door.service.websocket = refuse
    answered, problem = await handshake(door, query)
    assert (answered, problem["code"]) == (status, code)


@pytest.mark.parametrize("answered", [404, 503])
async def test_refused_for_an_order_that_the_service_does_not_give(door: Door, answered: int) -> None:
    said = {"title": "as the service says", "instance": "/api/orders/unknown"}

    async def unknown(request: web.Request) -> web.StreamResponse:
        assert request.raw_path.endswith("/api/orders/unknown")
        headers = {"X-Request-Id": "the service's"}
        return web.json_response(said, status=answered, headers=headers, content_type="application/problem+json")

    door.service.websocket, door.service.rest = refuse, unknown
    assert await handshake(door, "?orderId=unknown") == (answered, said)


@pytest.mark.parametrize(
    "order_id", ["..%2Ftokens", "x%2Fy", "a%2Fevents", "%2E%2E", "a%3Fb", "a%00", "%C3%BC", "a%20b"]
)
@pytest.mark.parametrize(("answered", "status", "code"), [(404, 404, "order_not_found"), (401, 401, "unauthenticated")])
async def test_an_id_that_leads_elsewhere_in_a_path_is_no_order_s(
    door: Door, order_id: str, answered: int, status: int, code: str
) -> None:
    asked: list[str] = []

    async def unknown(request: web.Request) -> web.StreamResponse:
        asked.append(request.raw_path.rpartition("/live")[2])
        return web.json_response({}, status=answered, content_type="application/problem+json")

    door.service.websocket, door.service.rest = refuse, unknown
    refused, problem = await handshake(door, f"?orderId={order_id}")
    assert (refused, problem["code"], asked) == (status, code, ["/api/orders/-"])
    assert problem["instance"] == websocket_relay.STREAM_PATH


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/", 404, "not_found"),
        ("GET", "/api/orders", 404, "not_found"),
        ("GET", "/api/orders/execute/", 404, "not_found"),
        ("GET", "/api/orders/%65xecute", 404, "not_found"),
        ("POST", "/api/orders/execute", 400, "not_a_websocket"),
        ("PUT", "/api/orders/execute", 400, "not_a_websocket"),
        ("POST", "/api/quotes", 404, "not_found"),
    ],
)
async def test_streams_are_opened_by_get_at_their_path_alone(
    door: Door, method: str, path: str, status: int, code: str
) -> None:
    url = URL(f"{door.url}{path}?orderId=known", encoded=True)
    async with door.http.request(method, url, headers=HANDSHAKE) as response:
        assert (response.status, json.loads(await response.read())["code"]) == (status, code)
    assert not door.service.requests


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("?orderId=mine", 401, "unauthenticated"),
        ("?orderId=mine&after=1", 401, "unauthenticated"),
        ("?orderId=mine&ticket=", 403, "connection_refused"),
        ("?orderId=mine&ticket=t1.1.x.y", 403, "connection_refused"),
        ("?orderId=mine&after=x&ticket=t1.1.x.y", 400, "invalid_after"),
        ("?orderId=mine&ticket=a&ticket=a", 400, "repeated_parameter"),
        ("?orderId=mine&orderId=other&ticket=a", 400, "repeated_parameter"),
    ],
)
async def test_refused_where_the_service_asks_for_tokens(door: Door, query: str, status: int, code: str) -> None:
    async def asks_for_tokens(_request: web.Request) -> web.StreamResponse:
        return web.json_response({"code": "unauthenticated"}, status=401, content_type="application/problem+json")

    door.service.websocket, door.service.rest = refuse, asks_for_tokens
    answered, problem = await handshake(door, query)
    assert (answered, problem["code"]) == (status, code)
    assert "t1.1" not in str(problem)


@pytest.mark.parametrize("query", ["?orderId=mine", "?userId=ann"])
async def test_a_token_in_a_header_is_no_ticket(door: Door, query: str) -> None:
    async def asks_for_tokens(request: web.Request) -> web.StreamResponse:
        status = 200 if "Authorization" in request.headers else 401
        return web.json_response({}, status=status, content_type="application/problem+json")

    door.service.websocket, door.service.rest = refuse, asks_for_tokens
    status, problem = await handshake(door, query, {**HANDSHAKE, "Authorization": "Bearer mine"})
    assert (status, problem["code"]) == (401, "unauthenticated")


def test_the_door_names_as_many_followers_as_the_service_takes() -> None:
    assert websocket_relay._MAX_FOLLOWERS == MAX_FOLLOWERS


async def test_an_incomplete_handshake(door: Door) -> None:
    async with door.http.get(door.stream_url, headers={"Connection": "Upgrade", "Upgrade": "websocket"}) as response:
        assert response.status == 400
    assert not door.service.requests


async def test_nothing_behind_the_door(door: Door) -> None:
    await door.server.close()
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await door.http.ws_connect(door.stream_url)
    assert refused.value.status == 503


async def deaf(door: Door) -> asyncio.StreamWriter:
    """A client that reads nothing any more, with more on its way to it than the buffers hold."""
    url = URL(door.url)
    with_small_buffer = socket.socket()
    with_small_buffer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    with_small_buffer.setblocking(False)
    await asyncio.get_running_loop().sock_connect(with_small_buffer, (url.host, url.port))
    reader, writer = await asyncio.open_connection(sock=with_small_buffer, limit=1024)
    fields = "".join(f"{name}: {value}\r\n" for name, value in HANDSHAKE.items())
    writer.write(f"GET {websocket_relay.STREAM_PATH} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n".encode())
    assert b"101" in await reader.readline()
    return writer


def filling(door: Door, left: asyncio.Event | None = None) -> asyncio.Event:
    """Has the service send without end; set when what is between it and the client is full."""
    full = asyncio.Event()

    async def flood(request: web.Request) -> web.StreamResponse:
        websocket = web.WebSocketResponse()
        await websocket.prepare(request)
        try:
            while True:
                sending = asyncio.create_task(websocket.send_str("x" * 100_000))
                await asyncio.wait((sending,), timeout=1)
                if not sending.done():
                    full.set()
                await sending
        finally:
            if left is not None:
                left.set()

    door.service.websocket = flood
    return full


async def test_a_client_that_reads_nothing_does_not_hold_up_the_doors_end(door: Door) -> None:
    full = filling(door)
    client = await deaf(door)
    async with asyncio.timeout(LIMIT_SECONDS):
        await full.wait()
        await door.front_door.stop()
    client.close()


async def test_a_client_that_reads_nothing_is_cut_off(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket_relay, "_STALLED_SECONDS", 0.2)
    left = asyncio.Event()
    filling(door, left)
    client = await deaf(door)
    await asyncio.wait_for(left.wait(), LIMIT_SECONDS)
    client.close()
