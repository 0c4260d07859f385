"""The worker: executes the orders of a batch, all at once."""

from __future__ import annotations

from datetime import datetime

from chalice.app import SQSEvent

from chalicelib import bootstrap
from chalicelib.handlers import sqs_batch
from chalicelib.handlers.sqs_message import Message, messages_of, order_id_of
from chalicelib.services.execute_order import execute_order
from chalicelib.services.worker import Ack, ExecutionTimings, RetryAfter, Worker


def handle(event: SQSEvent) -> sqs_batch.BatchResponse:
    """Executes each message's order as far as it gets; what isn't over comes again."""
    worker, timings = bootstrap.worker(), ExecutionTimings()
    until = sqs_batch.deadline(bootstrap.clock().now(), sqs_batch.remaining_ms(event))
    return sqs_batch.run_each(
        messages_of(event),
        lambda message: execute(message, worker, timings, until),
        postpone=bootstrap.orders_queue().postpone,
        telemetry=bootstrap.telemetry(),
        in_time=lambda: sqs_batch.may_postpone(bootstrap.clock().now(), until),
    )


def execute(message: Message, worker: Worker, timings: ExecutionTimings, until: datetime) -> Ack | RetryAfter:
    """Executes the message's order. One that names none is archived at once. Raises `Unavailable`."""
    try:
        order_id = order_id_of(message)
    except ValueError as error:
        # However often it came, it would name none: thirty deliveries keep workers busy for twelve minutes.
        bootstrap.dead_letters().keep(message.id, None, message.body, message.receive_count, str(error))
        bootstrap.telemetry().warn("message_unreadable", message_id=message.id)
        bootstrap.telemetry().add_metric("MessagesFailed")
        return Ack()
    return execute_order(order_id, worker=worker, timings=timings, until=until)
