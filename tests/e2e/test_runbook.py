"""What docs/runbook.md tells to do, done to the deployed stack. (MiniStack has no StartMessageMoveTask.)"""

import asyncio
import json
from collections.abc import AsyncIterator

import aiohttp
import pytest

from localstack.local_stack.processes import wait_until
from localstack.local_stack.stack_for_tests import Stack
from tests.e2e.trader import Trader, column

LIMIT_SECONDS = 60


@pytest.fixture
async def trader(stack: Stack) -> AsyncIterator[Trader]:
    async with aiohttp.ClientSession(base_url=stack.base_url) as http:
        yield Trader(http)


def waiting(stack: Stack, queue: str) -> int:
    attributes = stack.clients.sqs.get_queue_attributes(
        QueueUrl=stack.outputs[queue], AttributeNames=["ApproximateNumberOfMessages"]
    )["Attributes"]
    return int(attributes["ApproximateNumberOfMessages"])


async def test_trading_is_stopped_and_resumed(stack: Stack, trader: Trader) -> None:
    name = stack.function_names["ExecuteOrders"]
    (mapping,) = stack.clients.functions.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]
    stack.clients.functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    try:
        order_id = await trader.place()
        assert await asyncio.to_thread(wait_until, lambda: waiting(stack, "OrdersQueueUrl") > 0, LIMIT_SECONDS)
        assert (await trader.get(f"/api/orders/{order_id}"))["status"] == "pending"
    finally:
        stack.clients.functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)
    assert column(await trader.follow(order_id), "status")[-1] == "confirmed"


async def test_an_order_that_is_sent_again_stays_as_it_is(stack: Stack, trader: Trader) -> None:
    order_id = await trader.place()
    before = await trader.follow(order_id)
    body = json.dumps({"orderId": order_id})
    stack.clients.sqs.send_message(QueueUrl=stack.outputs["OrdersQueueUrl"], MessageBody=body)
    assert await asyncio.to_thread(wait_until, lambda: waiting(stack, "OrdersQueueUrl") == 0, LIMIT_SECONDS)
    assert column(await trader.follow(order_id), "sequence") == column(before, "sequence")
