"""A small server with the contract."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer


class Service:
    """Orders end after `life` seconds; answers stand still from the first until `frozen_until` has passed."""

    def __init__(self) -> None:
        self.placed: dict[str, float] = {}
        self.at_once = 0
        self.most_at_once = 0
        self.life = 0.0
        self.frozen_seconds = 0.0
        self.refuses = False
        self.busy_streams = 0
        self.streams = 0
        self.most_streams = 0
        self.statuses: tuple[str, ...] = ("routing", "confirmed")
        self.url = ""
        self._first = 0.0

    async def place(self, request: web.Request) -> web.Response:
        if self.refuses:
            return web.json_response({"code": "no", "detail": "Not today."}, status=422)
        now = asyncio.get_running_loop().time()
        self._first = self._first or now
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(max(self._first + self.frozen_seconds - now, 0))
        self.at_once -= 1
        order_id = f"ord_{len(self.placed)}"
        self.placed[order_id] = datetime.now(UTC).timestamp()
        stream = f"{self.url.replace('http', 'ws')}/stream?orderId={order_id}"
        return web.json_response({"orderId": order_id, "websocketUrl": stream}, status=202)

    def _ended(self, order_id: str) -> float | None:
        ended = self.placed[order_id] + self.life
        return ended if ended <= datetime.now(UTC).timestamp() else None

    async def page(self, request: web.Request) -> web.Response:
        asked, start = request.query["status"], int(request.query.get("cursor", "0"))
        orders = [
            {"orderId": order_id, "updatedAt": datetime.fromtimestamp(placed + self.life, UTC).isoformat()}
            for order_id, placed in self.placed.items()
            if asked == ("pending" if self._ended(order_id) is None else "confirmed")
        ]
        last = start + int(request.query["limit"])
        return web.json_response(
            {"orders": orders[start:last], "nextCursor": str(last) if last < len(orders) else None}
        )

    async def events(self, request: web.Request) -> web.Response:
        moments = [self.placed[request.match_info["id"]], self.placed[request.match_info["id"]] + 0.25]
        statuses = zip(("pending", "confirmed"), moments, strict=True)
        return web.json_response(
            {"events": [{"status": s, "at": datetime.fromtimestamp(at, UTC).isoformat()} for s, at in statuses]}
        )

    async def stream(self, request: web.Request) -> web.StreamResponse:
        if self.busy_streams:
            self.busy_streams -= 1
            return web.json_response({"code": "busy", "detail": "Too busy."}, status=503)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.streams += 1
        self.most_streams = max(self.most_streams, self.streams)
        for sequence, status in enumerate(self.statuses, 1):
            await asyncio.sleep(0.01)
            event = {"orderId": request.query["orderId"], "sequence": sequence, "status": status, "message": ""}
            await socket.send_json({"type": "status", **event, "at": datetime.now(UTC).isoformat()})
        self.streams -= 1
        return socket


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    found = Service()
    app = web.Application()
    app.router.add_post("/api/orders/execute", found.place)
    app.router.add_get("/api/orders", found.page)
    app.router.add_get("/api/orders/{id}/events", found.events)
    app.router.add_get("/stream", found.stream)
    server = TestServer(app)
    await server.start_server()
    found.url = str(server.make_url("")).rstrip("/")
    yield found
    await server.close()
