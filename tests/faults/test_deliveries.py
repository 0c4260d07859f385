"""Messages come twice, late, to many, or again after the end: an order settles once and everybody hears all of it."""

import json

import psycopg
import pytest
import typer
from typer.testing import CliRunner

from localstack.chaos import orders
from localstack.commands import dlq
from localstack.local_stack import state_file
from localstack.local_stack.stack_for_tests import Stack
from tests.scene import scene

# Where the tests run in several processes, these have one of them and so a stack for themselves: they take long.
pytestmark = [pytest.mark.timeout(500), pytest.mark.xdist_group("deliveries")]
LIMIT = 240.0


async def test_a_message_that_no_worker_can_process(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes to the dead letters by itself, its order fails and says why, and its client hears of it."""
    sqs, queue = stack.clients.sqs, stack.outputs["OrdersQueueUrl"]
    usual = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["VisibilityTimeout", "RedrivePolicy"])[
        "Attributes"
    ]
    few = json.dumps({**json.loads(usual["RedrivePolicy"]), "maxReceiveCount": 2})
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"VisibilityTimeout": "1", "RedrivePolicy": few})
    try:
        async with scene(stack) as on:
            order_id = await on.store_silently(status="building")  # without a route
            on.follow(order_id)
            await on.send(order_id)
            nonsense = sqs.send_message(QueueUrl=queue, MessageBody="no order at all")["MessageId"]
            seen = await on.ended(LIMIT)
            assert await orders.wait_until(lambda: is_archived(stack, nonsense), LIMIT)
        check_commands(stack, order_id, nonsense, monkeypatch)
        assert await orders.wait_until(lambda: not stack.clients.count_messages(stack.outputs["OrdersQueueUrl"]), LIMIT)
    finally:
        sqs.set_queue_attributes(QueueUrl=queue, Attributes=usual)
    order = seen.orders[0]
    assert (order.status, order.error_code) == ("failed", "processing_failed")
    assert order.error_message is not None
    assert "The last error was: An internal error (ValueError)." in order.error_message
    assert [frame.status for frame in seen.transcripts[0].connections[-1].frames] == ["pending", "failed"]
    assert [(letter.order_id, letter.verdict) for letter in seen.dead_letters] == [(order_id, "failed")]
    assert [each.status for each in on.evidence().orders] == ["failed"]


def is_archived(stack: Stack, message_id: str) -> bool:
    """Whether the message is among the dead letters that are kept."""
    with psycopg.connect(stack.database_url) as connection:
        return bool(connection.execute("SELECT FROM dead_letters WHERE message_id = %s", [message_id]).fetchall())


def check_commands(stack: Stack, order_id: str, nonsense: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`./dev dlq` against the stack of the test."""
    here = stack.runtime.running(stack.base_url)
    monkeypatch.setattr(state_file, "find", lambda: here)
    monkeypatch.setenv("COLUMNS", "300")

    app = typer.Typer()
    dlq.add_to(app)

    def say(*arguments: str) -> str:
        ended = CliRunner().invoke(app, ["dlq", *arguments])
        assert ended.exit_code == 0, ended.output
        return ended.output

    listed = say("list")
    assert f"{order_id} (failed)" in listed
    assert nonsense in listed
    shown = say("show", order_id)
    assert "failed" in shown
    assert "An internal error (ValueError)" in shown
    assert "names no order" in say("show", nonsense)
    assert "its order is failed and stays so" in say("redrive", order_id)
    # It comes back to the archive at its first delivery: what is sent again is sent again, each time.
    assert nonsense in say("redrive", "--all")
