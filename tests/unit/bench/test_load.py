"""The load, before a small server with the contract."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from localstack.bench.load import Workload, measure
from order_engine import StreamLost, Unprocessable


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
        for sequence, status in enumerate(("routing", "confirmed"), 1):
            await asyncio.sleep(0.01)
            event = {"orderId": request.query["orderId"], "sequence": sequence, "status": status, "message": ""}
            await socket.send_json({"type": "status", **event, "at": datetime.now(UTC).isoformat()})
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


async def test_every_order_is_a_sample_and_the_history_tells_its_end(service: Service) -> None:
    samples = await measure(service.url, Workload(450, connections=8, followed=3), 60)
    assert len(samples.posts) == len(samples.orders) == len(samples.ended_at) == 450
    assert samples.ends == {"confirmed": 450}
    assert 1 <= len(samples.frames) <= 6
    assert samples.stages["pending"] == pytest.approx([0.25] * len(samples.stages["pending"]), abs=0.001)
    assert service.most_at_once <= 8
    assert list(samples.ended_at) == sorted(samples.ended_at)


async def test_at_a_constant_rate_waiting_counts_for_everybody_who_would_have_come(service: Service) -> None:
    service.frozen_seconds = 0.5
    # One client alone waits, and asks nothing meanwhile.
    closed = await measure(service.url, Workload(20, connections=1), 60)
    service.placed.clear()
    service._first = 0.0
    constant = await measure(service.url, Workload(20, rate=40), 60)
    assert sum(constant.posts) > 2 * sum(closed.posts)


async def test_one_by_one_waits_for_each_end(service: Service) -> None:
    service.life = 0.05
    await measure(service.url, Workload(3, connections=1, one_by_one=True), 60)
    moments = list(service.placed.values())
    assert all(after - before >= 0.05 for before, after in itertools.pairwise(moments))


async def test_orders_that_do_not_end_in_time_are_an_error_and_none_is_measured(service: Service) -> None:
    service.life = 60
    with pytest.raises(TimeoutError):
        await measure(service.url, Workload(2), 0.5)


async def test_a_refusal_ends_the_load_with_the_services_own_sentence(service: Service) -> None:
    service.refuses = True
    with pytest.raises(Unprocessable, match="Not today"):
        await measure(service.url, Workload(50), 60)


async def test_a_handshake_that_a_busy_server_refuses_is_tried_again(service: Service) -> None:
    service.busy_streams = 2
    samples = await measure(service.url, Workload(1, followed=1), 60)
    assert samples.refused == 2
    assert samples.frames


async def test_a_stream_that_ends_too_early_is_an_error(service: Service) -> None:
    async def cut(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.close()
        return socket

    app = web.Application()
    app.router.add_post("/api/orders/execute", service.place)
    app.router.add_get("/api/orders", service.page)
    app.router.add_get("/stream", cut)
    server = TestServer(app)
    await server.start_server()
    service.url = str(server.make_url("")).rstrip("/")
    with pytest.raises(StreamLost, match="ended before its order"):
        await measure(service.url, Workload(1, followed=1), 60)
    await server.close()
