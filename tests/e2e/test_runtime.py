"""The local runtime around the deployed stack: what happens when its parts go and come back."""

import asyncio
import json
from collections.abc import AsyncIterator
from http import HTTPStatus

import aiohttp
import pytest

from localstack.local_stack.stack_for_tests import Stack

ORDER = {
    "userId": "runtime",
    "walletAddress": "wallet_12345",
    "inputToken": "SOL",
    "outputToken": "USDC",
    "amount": "1.5",
    "side": "sell",
}
LIMIT_SECONDS = 60


@pytest.fixture
async def http(stack: Stack) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(base_url=stack.base_url) as session:
        yield session


async def place(http: aiohttp.ClientSession) -> str:
    async with http.post("/api/orders/execute", json=ORDER) as answer:
        assert answer.status == HTTPStatus.ACCEPTED, await answer.text()
        order_id: str = (await answer.json())["orderId"]
        return order_id


async def statuses(http: aiohttp.ClientSession, order_id: str) -> list[str]:
    seen: list[str] = []
    async with asyncio.timeout(LIMIT_SECONDS), http.ws_connect(f"/api/orders/execute?orderId={order_id}") as socket:
        async for frame in socket:
            message = json.loads(frame.data)
            if message["type"] != "status":
                continue
            seen.append(message["status"])
            if seen[-1] in ("confirmed", "failed"):
                break
    return seen


async def refusal(http: aiohttp.ClientSession, query: str) -> tuple[int, str]:
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }
    async with http.get(f"/api/orders/execute{query}", headers=headers) as answer:
        return answer.status, answer.content_type


async def test_an_order_runs_through_the_front_door(http: aiohttp.ClientSession) -> None:
    order_id = await place(http)
    assert await statuses(http, order_id) == ["pending", "routing", "building", "submitted", "confirmed"]


@pytest.mark.parametrize(("query", "status"), [("", 400), ("?orderId=ord_does_not_exist", 404)])
async def test_a_refused_stream_says_why(http: aiohttp.ClientSession, query: str, status: int) -> None:
    assert await refusal(http, query) == (status, "application/problem+json")


async def test_faults_are_a_parameter_of_the_stack(stack: Stack, http: aiohttp.ClientSession) -> None:
    with stack.deployed_with(SimulatedFaults="quote_error=1", SimulatedDelayScale="0"):
        order_id = await place(http)
        assert (await statuses(http, order_id))[-1] == "failed"
    assert (await statuses(http, await place(http)))[-1] == "confirmed"


async def test_the_history_outlives_the_emulator(stack: Stack, http: aiohttp.ClientSession) -> None:
    before = await place(http)
    await statuses(http, before)

    await asyncio.to_thread(stack.kill_emulator)
    async with http.get("/health") as answer:
        assert answer.status in (HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE)
        assert answer.content_type == "application/problem+json"
        assert int(answer.headers["Retry-After"]) > 0

    await asyncio.to_thread(stack.start_emulator)
    assert await statuses(http, before) == ["pending", "routing", "building", "submitted", "confirmed"]
    assert (await statuses(http, await place(http)))[-1] == "confirmed"
