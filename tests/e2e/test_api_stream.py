"""One connection and many orders, and everything that a client may get wrong, over the wire."""

import asyncio
import json
from collections.abc import Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest

from chalicelib.domain.order import new_order_id
from localstack.local_stack.stack_for_tests import Stack
from order_engine import Client, Event, Snapshot
from tests.e2e.trader import LIMIT_SECONDS, Trader
from tests.fakes.service import an_order


async def say(socket: aiohttp.ClientWebSocketResponse, message: object) -> dict[str, Any]:
    """Sends a message and waits for its reply, past whatever statuses come in between."""
    await socket.send_str(message if isinstance(message, str) else json.dumps(message))
    while True:
        frame: dict[str, Any] = await socket.receive_json()
        if frame["type"] not in ("status", "heartbeat"):
            return frame


async def next_frame(socket: aiohttp.ClientWebSocketResponse) -> dict[str, Any]:
    """The next frame but for heartbeats."""
    while True:
        frame: dict[str, Any] = await socket.receive_json(timeout=20)
        if frame["type"] != "heartbeat":
            return frame


class OfUser:
    """A client that follows all orders of a user, and comes back with the newest time that it has."""

    def __init__(self, trader: Trader, user_id: str, since: str | None) -> None:
        self.trader, self.user_id, self.newest = trader, user_id, since
        self.shown: dict[str, int] = {}
        self.seen: dict[str, list[int]] = {}

    async def until(self, order_ids: Sequence[str], sequence: int = 5) -> None:
        """Follows on a new connection until each of the orders is at the sequence, or beyond."""
        query = {"userId": self.user_id} | ({"since": self.newest} if self.newest else {})
        came: set[tuple[str, int]] = set()
        async with (
            asyncio.timeout(LIMIT_SECONDS),
            self.trader.http.ws_connect("/api/orders/execute", params=query) as socket,
        ):
            first = await next_frame(socket)
            assert first["type"] == "snapshot"
            self.shown = {order["orderId"]: order["sequence"] for order in first["open"]}
            # Without a time nothing comes of what was over before.
            told = order_ids if "since" in query else [order_id for order_id in order_ids if order_id in self.shown]
            while any(self.seen.get(order_id, [0])[-1] < sequence for order_id in told):
                frame = await socket.receive_json()
                if frame["type"] != "status":
                    continue
                order_id, number = frame["orderId"], frame["sequence"]
                assert (order_id, number) not in came, "It came twice on one connection."
                came.add((order_id, number))
                self.newest = max(self.newest or "", frame["at"])
                known = self.seen.setdefault(order_id, [])
                if number not in known:
                    known.append(number)


def a_moment_ago() -> str:
    return (datetime.now(UTC) - timedelta(seconds=1)).isoformat(timespec="milliseconds")


async def test_whenever_a_client_follows_a_user_it_gets_every_status_of_every_order_once_in_order(
    trader: Trader,
) -> None:
    user = f"stream {new_order_id()} ü"
    since = a_moment_ago()
    clients = [OfUser(trader, user, since) for _ in range(10)]
    from_now_on = OfUser(trader, user, None)

    async def follow(client: OfUser, delay: float, order_ids: Sequence[str]) -> None:
        await asyncio.sleep(delay)
        # Cut off once, and back again.
        await client.until(order_ids[:1], sequence=2)
        await client.until(order_ids)

    # After this no handshake is the first, which takes longer than an order.
    await trader.follow(await trader.place())
    first = [await trader.place(userId=user) for _ in range(2)]
    following = [asyncio.create_task(follow(client, 0.4 * n, first)) for n, client in enumerate(clients)]
    live = asyncio.create_task(from_now_on.until(first))
    await asyncio.gather(*following, live)
    for client in clients:
        assert client.seen == {order_id: [1, 2, 3, 4, 5] for order_id in first}
    for order_id, sequences in from_now_on.seen.items():
        assert sequences == list(range(from_now_on.shown.get(order_id, 0) + 1, 6))


async def test_the_client_follows_a_user_s_orders_and_the_feed_has_the_same(stack: Stack) -> None:
    user = f"client {new_order_id()}"
    async with Client(stack.base_url) as client, asyncio.timeout(LIMIT_SECONDS):
        seen: list[tuple[str, int]] = []
        placed: set[str] = set()
        async with aclosing(client.follow_user(user)) as following:
            async for frame in following:
                if isinstance(frame, Snapshot):
                    placed |= {(await client.place(an_order(user))).order_id for _ in range(2)}
                    continue
                assert isinstance(frame, Event)
                seen.append((frame.order_id, frame.sequence))
                if len(seen) == 10:
                    break
        assert sorted(seen) == sorted((order_id, sequence) for order_id in placed for sequence in range(1, 6))
        listed: list[tuple[str, int]] = []
        after = None
        while len(listed) < len(seen):
            page = await client.feed(user, after=after, limit=3)
            listed += [(event.order_id, event.sequence) for event in page.events]
            after = page.next_cursor
            await asyncio.sleep(0 if page.more else 0.5)
    assert sorted(listed) == sorted(seen)


async def test_nonsense_is_answered_and_the_connection_stays(trader: Trader) -> None:
    order_id = await trader.place()
    async with trader.socket(order_id) as socket:
        # Deep nesting is left to the unit tests: MiniStack's own route selection breaks on it and hangs up.
        for message, code in (
            ("", "malformed_json"),
            ({"action": "subscribe", "orderId": "\x00"}, "order_not_found"),
            ({"action": "ping", "padding": "x" * 33_000}, "message_too_large"),
        ):
            reply = await say(socket, message)
            assert (reply["type"], reply["code"]) == ("error", code)
        assert (await say(socket, {"action": "ping"}))["type"] == "pong"
        await socket.send_bytes(b"\xff\xfe")
        assert (await say(socket, {"action": "ping"}))["type"] in ("error", "pong")
        assert not socket.closed


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", 400),
        ("?orderId=%00", 404),
        ("?userId=a&userId=a", 400),
    ],
)
async def test_a_handshake_that_names_nothing_to_follow_is_refused(trader: Trader, query: str, status: int) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
        await trader.http.ws_connect(f"/api/orders/execute{query}")
    assert refusal.value.status == status
