"""What docs/runbook.md tells to do, done to the deployed stack. (MiniStack has no StartMessageMoveTask.)"""

import asyncio

from localstack.local_stack.processes import wait_until
from localstack.local_stack.stack_for_tests import Stack
from tests.e2e.trader import Trader, column

LIMIT_SECONDS = 60


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
