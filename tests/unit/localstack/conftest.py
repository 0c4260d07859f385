"""A front door before a stub of what is behind it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import BaseTestServer, TestServer

from localstack.gateway.forwarding import Upstream
from localstack.gateway.front_door import FrontDoor
from localstack.gateway.websocket_relay import STREAM_PATH

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Answer = Callable[[web.Request], web.StreamResponse | Awaitable[web.StreamResponse]]
STAGE = "/_aws/execute-api/rest/live"
HANDSHAKE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
}


@dataclass
class Service:
    """The stub: `rest` answers every HTTP request, `websocket` every WebSocket."""

    rest: Answer
    websocket: Handler
    requests: list[web.Request] = field(default_factory=list)


@dataclass(frozen=True)
class Door:
    """The front door under test, the stub behind it and a client before it."""

    url: str
    service: Service
    front_door: FrontDoor
    server: BaseTestServer
    http: aiohttp.ClientSession

    @property
    def stream_url(self) -> str:
        """Where streams are opened."""
        return self.url + STREAM_PATH


async def _echo(request: web.Request) -> web.StreamResponse:
    socket = web.WebSocketResponse(protocols=("orders",))
    await socket.prepare(request)
    async for message in socket:
        if message.type is aiohttp.WSMsgType.TEXT:
            await socket.send_str(message.data)
        elif message.type is aiohttp.WSMsgType.BINARY:
            await socket.send_bytes(message.data)
    return socket


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    service = Service(lambda _: web.json_response({"ok": True}), _echo)

    async def rest(request: web.Request) -> web.StreamResponse:
        service.requests.append(request)
        answer = service.rest(request)
        return answer if isinstance(answer, web.StreamResponse) else await answer

    async def websocket(request: web.Request) -> web.StreamResponse:
        service.requests.append(request)
        return await service.websocket(request)

    app = web.Application(client_max_size=1 << 26)
    app.router.add_get("/_aws/execute-api/websocket/live", websocket)
    app.router.add_route("*", STAGE + "{tail:.*}", rest)
    server = TestServer(app, host="127.0.0.1")
    await server.start_server(max_line_size=1 << 14, max_field_size=1 << 14)
    async with server, aiohttp.ClientSession(auto_decompress=False) as http:
        base = f"http://127.0.0.1:{server.port}/_aws/execute-api"
        async with FrontDoor(Upstream(f"{base}/rest/live", f"{base}/websocket/live")) as front_door:
            port = await front_door.start(("127.0.0.1",), 0)
            yield Door(f"http://127.0.0.1:{port}", service, front_door, server, http)
