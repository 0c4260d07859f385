"""A trading client, as the tests of the deployed stack need one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus

import aiohttp

from order_engine import OVER

LIMIT_SECONDS = 90
ORDER = {
    "userId": "trader",
    "walletAddress": "wallet_12345",
    "inputToken": "SOL",
    "outputToken": "USDC",
    "amount": "1.5",
    "side": "sell",
}
Json = dict[str, object]


@dataclass
class Trader:
    """Places orders and follows them."""

    http: aiohttp.ClientSession
    placed: list[str] = field(default_factory=list)

    async def place(self, **changes: object) -> str:
        """Gives the id of an accepted order."""
        async with self.http.post("/api/orders/execute", json={**ORDER, **changes}) as answer:
            assert answer.status == HTTPStatus.ACCEPTED, await answer.text()
            order_id = str((await answer.json())["orderId"])
        self.placed.append(order_id)
        return order_id

    async def get(self, path: str) -> Json:
        """The JSON of a 200."""
        async with self.http.get(path) as answer:
            assert answer.status == HTTPStatus.OK, await answer.text()
            body: Json = await answer.json()
            return body

    @asynccontextmanager
    async def socket(self, order_id: str, after: int = 0) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """An open stream."""
        async with (
            asyncio.timeout(LIMIT_SECONDS),
            self.http.ws_connect(f"/api/orders/execute?orderId={order_id}&after={after}") as socket,
        ):
            yield socket

    async def follow(self, order_id: str, after: int = 0) -> list[Json]:
        """Every status behind `after`, until the order is over."""
        seen: list[Json] = []
        async with self.socket(order_id, after) as socket:
            async for frame in socket:
                message: Json = frame.json()
                if message["type"] == "status":
                    seen.append(message)
                    if message["status"] in OVER:
                        break
        return seen


def column(messages: list[Json], name: str) -> list[object]:
    """One field of every message."""
    return [message[name] for message in messages]
