"""The service as its clients see it, on real sockets: REST below /live at one address, the stream at another."""

import dataclasses
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from aiohttp.test_utils import BaseTestServer, TestServer

from order_engine import NewOrder

ID = "ord_1"
AT = "2026-01-01T00:00:0{}.000Z"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
# In CI several processes run tests: none of theirs listens here.
HOST = "127.0.0.9"


def an_order(user: str = "dev", **changes: Any) -> NewOrder:
    """An order to place."""
    usual = NewOrder(
        user_id=user, wallet_address="wallet_12345", input_token="SOL", output_token="USDC", side="sell", amount="1.5"
    )
    return dataclasses.replace(usual, **changes)


def amount(value: str, token: str, units: int = 0) -> dict[str, object]:
    return {"amount": value, "baseUnits": str(units), "token": token}


def order(status: str = "confirmed", **more: object) -> dict[str, object]:
    """An order as the service shows it."""
    view: dict[str, object] = {
        "id": ID,
        "orderId": ID,
        "userId": "dev",
        "walletAddress": "wallet_dev",
        "orderType": "market",
        "inputToken": "SOL",
        "outputToken": "USDC",
        "side": "sell",
        "amount": "1.5",
        "status": status,
        "sequence": 5,
        "slippageBps": 50,
        "createdAt": AT.format(0),
        "updatedAt": AT.format(4),
    }
    filled = {
        "chosenDex": "raydium",
        "expectedOutput": "250.49",
        "executedPrice": "166.82634",
        "executedInput": amount("1.5", "SOL", 1_500_000_000),
        "executedOutput": amount("250.23951", "USDC", 250_239_510),
        "fee": amount("0.00375", "SOL", 3_750_000),
        "txHash": "5VERv8NMvzbJMEkV8xnrLkEaWRtSz9CosKDYjCJjBRnb",
    }
    return view | (filled if status == "confirmed" else {}) | more


def launch(token: str) -> dict[str, object]:
    """A launch of a token."""
    return {
        "pool": "p",
        "eventId": "e",
        "token": token,
        "mint": "m",
        "kind": "launch",
        "venue": "meteora",
        "confirmedAt": AT.format(1),
        "opensAt": AT.format(2),
        "liquidityUsd": "41200",
        "safe": True,
        "flags": [],
    }


def route() -> dict[str, object]:
    """Two quotes and the choice."""
    return {
        "chosenDex": "raydium",
        "reason": "raydium gives 166.99 USDC per SOL after fees, meteora 161.7.",
        "steps": ["wrap SOL"],
        "spreadBps": 322,
        "minimumOutput": amount("249.2", "USDC"),
        "maximumInput": amount("1.5", "SOL"),
        "quotes": [_quote("raydium", "166.99", "250.49"), _quote("meteora", "161.7", "242.55")],
        "unavailable": [],
    }


def _quote(venue: str, price: str, out: str) -> dict[str, object]:
    return {
        "venue": venue,
        "amountIn": amount("1.5", "SOL", 1_500_000_000),
        "amountOut": amount(out, "USDC"),
        "fee": amount("0.00375", "SOL"),
        "effectivePrice": price,
        "priceImpactPct": "0.01",
        "minimumOutput": amount("249.2", "USDC"),
        "maximumInput": amount("1.5", "SOL"),
        "expiresAt": AT.format(9),
    }


@dataclass
class Service:
    """One order with a whole history, and how the service misbehaves on the way.

    `answers` are for the next POSTs of orders, `cuts` for the next streams: after so many frames the connection breaks.
    """

    statuses: Sequence[str] = ("pending", "routing", "building", "submitted", "confirmed")
    answers: list[Handler] = field(default_factory=list)
    cuts: list[int] = field(default_factory=list)
    has_streams: bool = True
    url: str = ""
    stream: str = ""
    view: dict[str, object] | None = None
    placed: list[dict[str, object]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    connections: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    amended: list[dict[str, object]] = field(default_factory=list)

    async def place(self, request: web.Request) -> web.StreamResponse:
        self.placed.append(await request.json())
        self.keys.append(request.headers["Idempotency-Key"])
        self.tokens.append(request.headers.get("Authorization", ""))
        if self.answers:
            return await self.answers.pop(0)(request)
        return web.json_response({"orderId": ID, "status": "pending", "websocketUrl": self.stream}, status=202)

    async def rest(self, request: web.Request) -> web.StreamResponse:
        path = request.path.removeprefix("/live")
        self.calls.append(f"{request.method} {path}")
        match path.removeprefix("/api"):
            case "/orders":
                count = len(self.placed) if request.query.get("status") in (None, self.statuses[-1]) else 0
                return web.json_response({"orders": [self.order()] * count, "nextCursor": None})
            case "/orders/ord_1" if request.method == "PATCH":
                self.amended.append(await request.json())
                return web.json_response({**self.order(), **self.amended[-1], "status": "waiting"})
            case "/orders/ord_1":
                return web.json_response(self.order())
            case "/orders/ord_1/events":
                return web.json_response({"orderId": ID, "events": [self.event(n) for n in self.sequences()]})
            case "/orders/ord_1/cancel":
                self.statuses = ("pending", "cancelled")
                return web.json_response(self.order())
            case "/stream-tickets" if (await request.json()).get("orderId") in (ID, None):
                stream = f"{self.stream.partition('?')[0]}?{urlencode(await request.json())}&ticket=t"
                ticket = {"ticket": "t", "websocketUrl": stream, "expiresAt": AT.format(9)}
                return web.json_response(ticket, status=201)
            case "/health":
                check = {"ok": True, "milliseconds": 1, "error": None}
                return web.json_response({"ok": True, "version": "1", "checks": {"database": check, "queue": check}})
        market = self.market(path.removeprefix("/api"), request.query)
        missing = problem("order_not_found", "There is no such order")
        return web.json_response(market or missing, status=200 if market else 404)

    def market(self, path: str, query: Mapping[str, str]) -> dict[str, object] | None:
        venues = [{"venue": "raydium", "price": "168.21"}, {"venue": "meteora", "price": "162.5"}]
        answers: dict[str, dict[str, object]] = {
            "/quotes": route(),
            "/tokens": {"tokens": [{"symbol": n, "name": n, "mint": "m", "decimals": 9} for n in ("SOL", "USDC")]},
            "/prices": {**query, "points": [{"at": AT.format(1), "best": "168.21", "venues": venues}]},
            "/launches": {"launches": [launch("LNCH-1")], "upcoming": [], "nextBefore": None},
        }
        return answers.get(path)

    def order(self) -> dict[str, object]:
        return self.view or order(self.statuses[-1], sequence=len(self.statuses))

    def sequences(self) -> range:
        return range(1, len(self.statuses) + 1)

    def event(self, sequence: int) -> dict[str, object]:
        return {
            "orderId": ID,
            "sequence": sequence,
            "status": self.statuses[sequence - 1],
            "attempt": 1,
            "at": AT.format(sequence - 1),
            "message": f"Message {sequence}.",
            "meta": {"attempt": 1},
        }

    async def follow(self, request: web.Request) -> web.StreamResponse:
        self.connections.append(request.query_string)
        if not self.has_streams:
            return web.Response(status=403, text="No WebSockets here.")
        left = self.cuts.pop(0) if self.cuts else 1_000
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_json({"type": "of the future", "at": 1})
        if "userId" in request.query:
            await socket.send_json({"type": "snapshot", "userId": "dev", "at": AT.format(0), "open": [], "more": False})
        for sequence in self.sequences():
            if sequence <= int(request.query.get("after", "0")):
                continue
            if not left:
                assert request.transport is not None
                request.transport.abort()
                return socket
            left -= 1
            await socket.send_json({"type": "status", **self.event(sequence), "txHash": None})
        if left < 1_000 and not left:
            return socket
        async for message in socket:
            wanted = json.loads(message.data)
            await socket.send_json({"type": "subscribed", "orderId": wanted["orderId"], "after": 0, "sequence": 1})
        return socket


def problem(code: str, title: str, **more: object) -> dict[str, object]:
    return {"type": f"urn:order-engine:problem:{code}", "title": title, "code": code, "detail": f"{title}.", **more}


def refusing(status: int, code: str = "a_code", headers: dict[str, str] | None = None, **more: object) -> Handler:
    """Answers with a problem."""

    async def answer(_: web.Request) -> web.StreamResponse:
        body = problem(code, "Not today", status=status, **more)
        return web.json_response(body, status=status, headers=headers, content_type="application/problem+json")

    return answer


def saying(status: int, text: str, headers: dict[str, str] | None = None) -> Handler:
    """Answers with a text."""

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text=text, headers=headers)

    return answer


async def cut(request: web.Request) -> web.StreamResponse:
    """Takes the order and breaks the connection off."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


@asynccontextmanager
async def served(service: Service, context: ssl.SSLContext | None = None) -> AsyncIterator[Service]:
    """The service on two ports, with its addresses filled in."""
    rest, streams = web.Application(), web.Application()
    rest.router.add_post("/live/api/orders/execute", service.place)
    rest.router.add_get("/live/api/orders/execute", service.follow)
    rest.router.add_route("*", "/live/{tail:.*}", service.rest)
    streams.router.add_get("/elsewhere", service.follow)
    scheme = "https" if context else "http"
    servers: Sequence[BaseTestServer] = [TestServer(app, host=HOST, scheme=scheme) for app in (rest, streams)]
    for server in servers:
        await server.start_server(ssl=context)
    service.url = f"{scheme}://{HOST}:{servers[0].port}/live"
    service.stream = f"{scheme.replace('http', 'ws')}://{HOST}:{servers[1].port}/elsewhere?orderId={ID}"
    try:
        yield service
    finally:
        for server in servers:
            await server.close()
