"""What the deployed functions write: a request is followed from POST to push, and nothing secret stands there."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from http import HTTPStatus
from urllib.parse import urlsplit

import aiohttp
import pytest

from localstack.local_stack.processes import wait_until
from localstack.local_stack.stack_for_tests import Stack
from localstack.logs.log_lines import Line as KeptLine
from localstack.logs.log_lines import is_platform, order_of
from localstack.logs.log_reader import KeptLines
from tests.e2e.roles import Line, Roles
from tests.e2e.trader import ORDER, Trader

WALLET = "9xQeWvG816bUx9EPjHmaT23yvVM2ZWbrrpZb9PusVFin"
LIMIT_SECONDS = 30


@pytest.fixture(scope="module")
def roles(stack: Stack) -> Iterator[Roles]:
    roles = Roles(stack)
    yield roles
    roles.close()


@pytest.fixture
async def trader(stack: Stack) -> AsyncIterator[Trader]:
    async with aiohttp.ClientSession(base_url=stack.base_url) as http:
        yield Trader(http)


async def lines_of(roles: Roles, function: str, since: float, last: str) -> list[Line]:
    """What the function logged, once the line that is waited for is there: an invocation's lines come at its end."""

    def there() -> bool:
        return any(line.get("message") == last for line in roles.logged(function, since))

    assert await asyncio.to_thread(wait_until, there, LIMIT_SECONDS)
    return roles.logged(function, since)


def about(order_id: str, lines: list[Line]) -> list[Line]:
    return [line for line in lines if line.get("order_id") == order_id]


async def test_a_request_is_followed_from_function_to_function(roles: Roles, trader: Trader) -> None:
    since, user = time.time(), f"user-{time.time_ns()}"
    # Follows before there is anything: each status of the order is told as it comes.
    async with trader.http.ws_connect(f"/api/orders/execute?userId={user}") as stream:
        async with trader.http.post(
            "/api/orders/execute",
            json={**ORDER, "userId": user, "walletAddress": WALLET},
            headers={"X-Request-Id": "e2e-request"},
        ) as answer:
            assert answer.status == HTTPStatus.ACCEPTED
            order_id = str((await answer.json())["orderId"])
        async with asyncio.timeout(LIMIT_SECONDS):
            while (frame := await stream.receive_json()).get("status") != "confirmed":
                assert frame["type"] != "error", frame

    (accepted,) = about(order_id, await lines_of(roles, "Api", since, "invocation"))[:1]
    worker = about(order_id, await lines_of(roles, "ExecuteOrders", since, "order_ended"))
    pushed = about(order_id, await lines_of(roles, "PushStatus", since, "status_pushed"))
    pushes = [line for line in pushed if line.get("request_id") == "e2e-request"]
    assert accepted["request_id"] == "e2e-request"
    assert {line["message"] for line in worker} == {"order_ended"}
    assert {line["request_id"] for line in worker} == {"e2e-request"}
    assert {line["trace_id"] for line in worker} == {accepted["xray_trace_id"]}
    assert pushes
    assert {line["trace_id"] for line in pushes} <= {line["xray_trace_id"] for line in worker}
    for line in (accepted, *worker, *pushes):
        assert line["function_request_id"]
        assert line["xray_trace_id"]


async def test_the_local_stack_keeps_what_functions_log_by_their_names(stack: Stack, trader: Trader) -> None:
    with KeptLines(stack.runtime.settings.function_log) as kept:
        kept.skip()
        order_id = await trader.place()
        await trader.follow(order_id)
        lines: list[KeptLine] = []

        def both_are_there() -> bool:
            lines.extend(line for line in kept.added() if order_of(line.text) == order_id)
            return {"api", "execute-orders"} <= {line.function for line in lines}

        assert await asyncio.to_thread(wait_until, both_are_there, LIMIT_SECONDS)


async def test_no_log_has_a_wallet_or_a_secret(stack: Stack, roles: Roles, trader: Trader) -> None:
    since = time.time()
    order_id = await trader.place(walletAddress=WALLET)
    await trader.follow(order_id)
    wrong = {**ORDER, "walletAddress": WALLET, "amount": -1}
    async with trader.http.post("/api/orders/execute", json=wrong) as refused:
        assert refused.status in (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY)
    await lines_of(roles, "PushStatus", since, "status_pushed")
    password = urlsplit(stack.database_url).password
    assert password
    secrets = (WALLET, "a secret for tests", password)
    logs = stack.clients.logs
    seen = 0
    for group in logs.describe_log_groups(logGroupNamePrefix="/aws/lambda/")["logGroups"]:
        for event in logs.filter_log_events(logGroupName=group["logGroupName"])["events"]:
            seen += 1
            assert not [secret for secret in secrets if secret in event["message"]], group["logGroupName"]
            if event["timestamp"] >= since * 1000 and not is_platform(event["message"]):
                json.loads(event["message"])
    assert seen > 10
