"""What the deployed functions write: a request is followed from POST to push, and nothing secret stands there."""

import asyncio
import json
import time
from collections.abc import Iterator
from http import HTTPStatus
from urllib.parse import urlsplit

import pytest

from localstack.local_stack.processes import wait_until
from localstack.local_stack.stack_for_tests import Stack
from localstack.logs.log_lines import Line as KeptLine
from localstack.logs.log_lines import is_platform, order_of
from localstack.logs.log_reader import LogReader
from tests.e2e.roles import Line, Roles
from tests.e2e.trader import ORDER, Trader

WALLET = "9xQeWvG816bUx9EPjHmaT23yvVM2ZWbrrpZb9PusVFin"
LIMIT_SECONDS = 30


@pytest.fixture(scope="module")
def roles(stack: Stack) -> Iterator[Roles]:
    roles = Roles(stack)
    yield roles
    roles.close()


async def lines_of(roles: Roles, function: str, since: float, last: str) -> list[Line]:
    """What the function logged, once the line that is waited for is there: an invocation's lines come at its end."""

    def there() -> bool:
        return any(line.get("message") == last for line in roles.logged(function, since))

    assert await asyncio.to_thread(wait_until, there, LIMIT_SECONDS)
    return roles.logged(function, since)


async def test_the_local_stack_keeps_what_functions_log_by_their_names(stack: Stack, trader: Trader) -> None:
    with LogReader(stack.runtime.settings.function_log) as kept:
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
