"""`bench`: posts orders as fast as the connections allow, waits for their ends, and prints the figures."""

import asyncio
import statistics
import time
import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated

import aiohttp
import typer
from rich.table import Table

from localstack.client import service
from localstack.client.console import Console
from localstack.client.service import Placed
from localstack.client.statuses import TERMINAL
from localstack.errors import NotOver

_POLL_SECONDS = 0.2


@dataclass
class Figures:
    """What was measured, in seconds."""

    posts: list[float] = field(default_factory=list)
    pushes: list[float] = field(default_factory=list)
    posted: float = 0.0
    over: float = 0.0
    ends: dict[str, int] = field(default_factory=dict)


class Bench:
    """One run with a user of its own, so that the history tells how its orders stand."""

    def __init__(self, http: aiohttp.ClientSession, url: str, orders: int, follow: int) -> None:
        self.http, self.url, self.orders, self.follow = http, url, orders, follow
        self.user = f"bench-{uuid.uuid4()}"
        self.figures = Figures()
        self._left = orders
        self._followers: list[asyncio.Task[None]] = []

    async def run(self, connections: int, seconds: float) -> Figures:
        start = time.monotonic()
        async with asyncio.timeout(seconds):
            await asyncio.gather(*(self._post_some() for _ in range(connections)))
            self.figures.posted = time.monotonic() - start
            await self._wait_for_ends()
            self.figures.over = time.monotonic() - start
            await asyncio.gather(*self._followers)
        return self.figures

    async def _post_some(self) -> None:
        while self._left:
            self._left -= 1
            number = self._left
            body = {
                "userId": self.user,
                "walletAddress": "wallet_bench",
                "inputToken": "SOL",
                "outputToken": "USDC",
                "amount": "1.5",
                "side": "sell",
            }
            start = time.monotonic()
            placed = await service.place(self.http, self.url, body)
            self.figures.posts.append(time.monotonic() - start)
            if number < self.follow:
                self._followers.append(asyncio.create_task(self._follow(placed)))

    async def _follow(self, placed: Placed) -> None:
        """Times live statuses only: those that were committed after the socket was open."""
        try:
            async with self.http.ws_connect(placed.websocket_url) as socket:
                opened = time.time()
                async for frame in socket:
                    status = frame.json()
                    if status["type"] != "status":
                        continue
                    committed = datetime.fromisoformat(status["at"]).timestamp()
                    if committed > opened:
                        self.figures.pushes.append(time.time() - committed)
                    if status["status"] in TERMINAL:
                        return
        except aiohttp.ClientError as error:
            raise service.stream_not_reached(placed, error) from error
        raise NotOver(f"The stream {placed.websocket_url} ended before its order: run it again.")

    async def _wait_for_ends(self) -> None:
        while True:
            ends = {status: await self._count(status) for status in TERMINAL}
            if sum(ends.values()) >= self.orders:
                self.figures.ends = {status: count for status, count in ends.items() if count}
                return
            await asyncio.sleep(_POLL_SECONDS)

    async def _count(self, status: str) -> int:
        count, cursor = 0, None
        while True:
            query = {"userId": self.user, "status": status, "limit": "200", **({"cursor": cursor} if cursor else {})}
            async with self.http.get(f"{self.url}/api/orders", params=query) as response:
                response.raise_for_status()
                page = await response.json()
            count += len(page["orders"])
            cursor = page["nextCursor"]
            if cursor is None:
                return count


def _percentiles(samples: list[float]) -> str:
    ordered = sorted(samples)
    last = len(ordered) - 1
    p50, p99 = statistics.median(ordered), ordered[min(last, int(len(ordered) * 0.99))]
    return f"p50 {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms, worst {ordered[-1] * 1000:.0f} ms ({len(ordered)})"


def _table(figures: Figures, orders: int, connections: int) -> Table:
    table = Table(show_header=False, box=None)
    table.add_row("posted", f"{orders} orders over {connections} connections in {figures.posted:.1f} s")
    table.add_row("all over", f"after {figures.over:.1f} s = {orders / figures.over:.1f} orders/s")
    table.add_row("ends", ", ".join(f"{count} {status}" for status, count in figures.ends.items()))
    table.add_row("POST", _percentiles(figures.posts))
    if figures.pushes:
        table.add_row("commit to frame", _percentiles(figures.pushes))
    return table


def bench(
    *,
    orders: Annotated[int, typer.Option(min=1, max=100_000)] = 200,
    connections: Annotated[int, typer.Option(min=1, max=256)] = 16,
    follow: Annotated[int, typer.Option(min=0, help="How many of the orders to follow over a WebSocket.")] = 0,
    url: Annotated[str, typer.Option(help="Of the service; without it the one that runs in this clone.")] = "",
    timeout: Annotated[float, typer.Option(min=1, help="Seconds until it gives up.")] = 300.0,
) -> None:
    """Posts orders as fast as the connections allow and times their way to the end.

    Exit status: 0 all are over, however they ended; else as that of order.
    """

    async def measure() -> Figures:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
            return await Bench(http, service.url_of(url), orders, follow).run(connections, timeout)

    try:
        figures = asyncio.run(measure())
    except TimeoutError as error:
        raise NotOver(f"Not all orders were over within {timeout:.0f} s.") from error
    except aiohttp.ClientError as error:
        raise NotOver(f"The service stopped answering while the orders ran: {error}") from error
    Console().print(_table(figures, orders, connections))


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(bench)
