"""Orders on the deployed stack, over real HTTP and WebSockets."""

import asyncio
import uuid
from collections.abc import Iterator
from decimal import Decimal
from http import HTTPStatus
from typing import cast

import pytest

from chalicelib.domain.quotes import VENUES
from localstack.chaos import orders
from localstack.local_stack.stack_for_tests import Stack
from order_engine import OVER
from tests.e2e.trader import LIMIT_SECONDS, Json, Trader, column
from tests.scene import scene

LIFECYCLE = ["pending", "routing", "building", "submitted", "confirmed"]


async def test_a_sale_is_priced_on_all_venues_and_settles_within_its_limit(trader: Trader) -> None:
    messages = await trader.follow(await trader.place(amount="10", slippageBps=100))

    assert column(messages, "status") == LIFECYCLE
    assert column(messages, "sequence") == [1, 2, 3, 4, 5]
    order = cast("Json", messages[-1]["order"])
    assert order == await trader.get(f"/api/orders/{order['id']}")
    events = cast("list[Json]", (await trader.get(f"/api/orders/{order['id']}/events"))["events"])
    assert column(events, "message") == column(messages, "message")
    route = cast("Json", order["route"])
    quotes = cast("list[Json]", route["quotes"])
    prices = {str(quote["venue"]): Decimal(str(quote["effectivePrice"])) for quote in quotes}
    assert set(prices) == set(VENUES)
    assert order["chosenDex"] == max(prices, key=lambda venue: prices[venue])
    received = int(str(cast("Json", order["executedOutput"])["baseUnits"]))
    # Prices move both ways between the quote and the block.
    expected = int(str(order["expectedOutputBaseUnits"]))
    assert int(str(order["minimumOutputBaseUnits"])) <= received <= expected * 1_003 // 1_000
    assert route["steps"] == ["wrap SOL", f"swap WSOL for USDC on {order['chosenDex']}"]


async def test_a_client_gets_everything_once_however_late_it_comes(trader: Trader) -> None:
    """Each follows an order of its own, which nobody is told of until then; an order is over after some 300 ms."""

    async def follow_after(milliseconds: int) -> list[Json]:
        order_id = await trader.place()
        await asyncio.sleep(milliseconds / 1000)
        return await trader.follow(order_id)

    delays = (0, 10, 25, 50, 80, 120, 170, 230, 300, 1000)
    streams = await asyncio.gather(*(follow_after(milliseconds) for milliseconds in delays))
    assert [column(messages, "sequence") for messages in streams] == [[1, 2, 3, 4, 5]] * len(delays)


async def test_a_hundred_orders_at_once_all_settle(trader: Trader) -> None:
    user = f"crowd-{uuid.uuid4()}"
    placed = await asyncio.gather(*(trader.place(userId=user) for _ in range(100)))

    followed = await asyncio.gather(*(trader.follow(order_id) for order_id in placed[::10]))
    async with asyncio.timeout(LIMIT_SECONDS):
        confirmed: list[Json] = []
        while len(confirmed) < 100:
            page = await trader.get(f"/api/orders?userId={user}&status=confirmed&limit=200")
            confirmed = cast("list[Json]", page["orders"])
            await asyncio.sleep(0.2)

    assert [column(messages, "status") for messages in followed] == [LIFECYCLE] * 10
    assert set(column(confirmed, "id")) == set(placed)


async def test_a_cancelled_order_ends_at_once_and_is_never_executed(stack: Stack, trader: Trader) -> None:
    async with scene(stack) as on:
        order_id = await on.store_silently()
        async with trader.http.post(f"/api/orders/{order_id}/cancel") as answer:
            assert answer.status == HTTPStatus.OK
        # A message of it that was still under way.
        await on.send(order_id)
        assert await orders.wait_until(
            lambda: not stack.clients.count_messages(stack.outputs["OrdersQueueUrl"]), LIMIT_SECONDS
        )

        messages = await trader.follow(order_id)

    assert column(messages, "status") == ["pending", "cancelled"]
    assert [each for each in on.evidence().chain if each.order_id == order_id] == []


@pytest.fixture(scope="class")
def moving(stack: Stack) -> Iterator[None]:
    """A market in which every attempt is past its slippage limit."""
    with stack.deployed_with(SimulatedFaults="price_move=1"):
        yield


@pytest.mark.usefixtures("moving")
class TestWhenThePriceKeepsMoving:
    async def test_a_follower_of_a_resting_order_gets_each_status_once_through_a_miss(self, trader: Trader) -> None:
        order_id = await trader.place(orderType="limit", limitPrice="1000")
        seen: list[Json] = []
        async with trader.socket(order_id) as socket:
            async for frame in socket:
                message: Json = frame.json()
                if message["type"] != "status":
                    continue
                seen.append(message)
                if message["status"] in OVER:
                    break
                # At first a price that is paid, so that it fires; where it rests again, its end.
                if len(seen) == 1:
                    await trader.http.patch(f"/api/orders/{order_id}", json={"limitPrice": "100"})
                elif message["status"] == "waiting" and "changed" not in cast("Json", message["meta"]):
                    await trader.http.post(f"/api/orders/{order_id}/cancel")
        fired = ["pending", "routing", "building", "submitted", "waiting"]
        assert column(seen, "status")[:7] == ["waiting", "waiting", *fired]
        assert column(seen, "sequence") == list(range(1, len(seen) + 1))
        assert seen[-1]["status"] == "cancelled"
        assert cast("Json", cast("Json", seen[6]["meta"])["error"])["code"] == "slippage_exceeded"
        # Who comes late is told the same.
        assert column(await trader.follow(order_id), "message") == column(seen, "message")


async def test_the_history_outlives_the_emulator(stack: Stack, trader: Trader) -> None:
    before = await trader.place()
    await trader.follow(before)

    await asyncio.to_thread(stack.kill_emulator)
    async with trader.http.get("/health") as answer:
        assert answer.status in (HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE)
        assert answer.content_type == "application/problem+json"
        assert int(answer.headers["Retry-After"]) > 0

    await asyncio.to_thread(stack.start_emulator)
    assert column(await trader.follow(before), "status") == LIFECYCLE
    assert column(await trader.follow(await trader.place()), "status") == LIFECYCLE
