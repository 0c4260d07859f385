"""The worker: executes the orders of a batch, all at once."""

from __future__ import annotations

from chalice.app import SQSEvent

from chalicelib import bootstrap
from chalicelib.handlers import sqs_batch
from chalicelib.services.execute_order import ExecutionTimings, execute_order


def handle(event: SQSEvent) -> sqs_batch.BatchResponse:
    """Executes each message's order as far as it gets; what isn't over comes again."""
    worker, timings = bootstrap.worker(), ExecutionTimings()
    until = sqs_batch.deadline(bootstrap.clock().now(), sqs_batch.remaining_ms(event))
    return sqs_batch.run_each(
        sqs_batch.messages_of(event),
        lambda message: execute_order(sqs_batch.order_id_of(message), worker=worker, timings=timings, until=until),
        postpone=bootstrap.orders_queue().postpone,
        telemetry=bootstrap.telemetry(),
        in_time=lambda: sqs_batch.may_postpone(bootstrap.clock().now(), until),
    )
