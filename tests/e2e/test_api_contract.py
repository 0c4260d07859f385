"""What the deployed stack really answers, held against the specifications field by field."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from localstack.stack_for_tests import Stack
from tests.e2e.trader import ORDER, Trader
from tests.unit.http.specification import check_answer, check_message

SWAP = {name: value for name, value in ORDER.items() if name not in ("userId", "walletAddress")}
LIMIT_SECONDS = 90
LIFECYCLE = ["pending", "routing", "building", "submitted", "confirmed"]


@pytest.fixture
async def http(stack: Stack) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(base_url=stack.base_url) as session:
        yield session


async def ask(
    http: aiohttp.ClientSession, method: str, pattern: str, order_id: str = "", **options: Any
) -> tuple[int, Any]:
    """An answer that is as specified, with its request id."""
    sent = str(uuid.uuid4())
    headers = {"X-Request-Id": sent, **options.pop("headers", {})}
    path = pattern.replace("{order_id}", order_id)
    async with http.request(method, path, headers=headers, **options) as answer:
        text = await answer.text()
        body: Any = text if answer.content_type == "text/html" else json.loads(text)
        check_answer(method, pattern, answer.status, answer.content_type, body)
        assert answer.headers["X-Request-Id"] == sent
        if answer.status >= 400:
            assert (body["requestId"], body["instance"]) == (sent, path)
        if answer.status in (429, 503):
            assert int(answer.headers["Retry-After"]) > 0
        return answer.status, body


async def test_every_call_answers_as_specified(http: aiohttp.ClientSession) -> None:
    user, key = f"user-{uuid.uuid4()}", str(uuid.uuid4())
    order: dict[str, Any] = {**ORDER, "userId": user}
    seen: set[tuple[str, str, int]] = set()

    async def see(method: str, pattern: str, order_id: str = "", **options: Any) -> Any:
        status, body = await ask(http, method, pattern, order_id, **options)
        seen.add((method, pattern, status))
        return body

    post = "/api/orders/execute"
    placed = await see("POST", post, json=order, headers={"Idempotency-Key": key})
    order_id = placed["orderId"]
    await see("POST", post, json={**order, "amount": "7"}, headers={"Idempotency-Key": key})
    await see("POST", post, json={**order, "clientOrderId": "c"})
    await see("POST", post, json={**order, "clientOrderId": "c"})
    await see("POST", post, json={**order, "side": "buy", "orderType": "limit"})
    await see("POST", post, data=b"{", headers={"Content-Type": "application/json"})
    await see("POST", post, data=b"\xff", headers={"Content-Type": "application/json"})
    await see("POST", post, data=b"{}", headers={"Content-Type": "text/plain"})
    await see("POST", post, json={**order, "userId": "x" * 70_000})
    await see("GET", post)
    assert await Trader(http).follow(order_id)
    for pattern in ("/api/orders/{order_id}", "/api/orders/{order_id}/events"):
        await see("GET", pattern, order_id)
        await see("GET", pattern, "ord_does_not_exist")
    await see("POST", "/api/orders/{order_id}/cancel", order_id)
    await see("POST", "/api/orders/{order_id}/cancel", "ord_does_not_exist")
    page = await see("GET", "/api/orders", params={"userId": user, "limit": "1"})
    assert page["nextCursor"]
    await see("GET", "/api/orders", params={"userId": user, "limit": "1", "cursor": page["nextCursor"]})
    await see("GET", "/api/orders", params={"userId": "x", "limit": "1", "cursor": page["nextCursor"]})
    await see("GET", "/api/orders", params={"limit": "0"})
    await see("POST", "/api/quotes", json=SWAP)
    await see("POST", "/api/quotes", json={**SWAP, "side": "buy", "amount": "100000000"})
    for path in ("/api/tokens", "/health", "/openapi.json", "/docs", "/"):
        await see("GET", path)
    assert {(post, status) for _, path, status in seen if path == post} == {
        (post, status) for status in (202, 400, 409, 413, 415, 422, 426)
    }
    assert ("POST", "/api/orders/{order_id}/cancel", 409) in seen
    assert ("POST", "/api/quotes", 422) in seen


async def test_an_order_can_be_cancelled_before_it_is_signed(stack: Stack, http: aiohttp.ClientSession) -> None:
    with stack.deployed_with(SimulatedDelayScale="3"):
        trader = Trader(http)
        order_id = await trader.place()
        status, order = await ask(http, "POST", "/api/orders/{order_id}/cancel", order_id)
        assert (status, order["status"]) == (200, "cancelled")
        statuses = await trader.follow(order_id)
        assert statuses[-1]["status"] == "cancelled"
        assert await ask(http, "POST", "/api/orders/{order_id}/cancel", order_id) == (200, order)
    # The worker that had it has long seen that it is over: nothing follows.
    assert (await trader.follow(order_id))[-1]["status"] == "cancelled"


async def test_every_frame_of_the_stream_is_as_specified(http: aiohttp.ClientSession) -> None:
    trader = Trader(http)
    order_id = await trader.place()
    kinds = {"pong": "Pong", "subscribed": "Subscribed", "unsubscribed": "Unsubscribed", "error": "StreamError"}
    seen: list[str] = []
    async with trader.socket(order_id) as socket:
        for message in ({"action": "ping"}, {"action": "subscribe", "orderId": order_id}, {"action": "nothing"}):
            await socket.send_json(message)
        replies = 0
        while replies < 3 or seen[-1:] != ["confirmed"]:
            frame = await socket.receive_json()
            if frame["type"] == "status":
                check_message("StatusMessage", frame)
                if frame["status"] not in seen:
                    seen.append(frame["status"])
            elif frame["type"] != "heartbeat":
                check_message(kinds[frame["type"]], frame)
                replies += 1
    assert seen == LIFECYCLE


async def test_a_heartbeat_reaches_every_follower(stack: Stack, http: aiohttp.ClientSession) -> None:
    trader = Trader(http)
    order_id = await trader.place()
    await trader.follow(order_id)
    async with trader.socket(order_id, after=5) as first, trader.socket(order_id, after=5) as second:
        # As the schedule does each minute.
        stack.clients.sqs.send_message(QueueUrl=stack.outputs["HeartbeatsQueueUrl"], MessageBody='{"beat": 1}')
        for socket in (first, second):
            async with asyncio.timeout(LIMIT_SECONDS):
                while (frame := await socket.receive_json())["type"] != "heartbeat":
                    pass
            check_message("Heartbeat", frame)


async def test_too_many_requests_say_when_to_come_back(stack: Stack, http: aiohttp.ClientSession) -> None:
    with stack.deployed_with(ThrottleRate="1", ThrottleBurst="1"):
        limited = None
        for _ in range(50):
            async with http.get("/api/tokens") as answer:
                if answer.status == 429:
                    limited = answer
                    body = await answer.json(content_type="application/problem+json")
                    break
        assert limited is not None
        check_answer("GET", "/api/tokens", 429, limited.content_type, body)
        assert int(limited.headers["Retry-After"]) > 0
