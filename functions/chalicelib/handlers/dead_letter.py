"""What happens to a message of the dead-letter queue: its order ends or goes on, and the message is kept."""

from __future__ import annotations

from datetime import datetime

from chalice.app import SQSEvent

from chalicelib import bootstrap
from chalicelib.domain.errors import ErrorCode, OrderNotFound
from chalicelib.handlers import sqs_batch
from chalicelib.handlers.sqs_message import Message, messages_of, order_id_of
from chalicelib.ports.dead_letters import DeadLetterArchive
from chalicelib.services.fail_dead_order import DeadLetter, fail_dead_order
from chalicelib.services.worker import Ack, ExecutionTimings, RetryAfter, Worker


def handle(event: SQSEvent) -> sqs_batch.BatchResponse:
    """Ends the order of each message, or leaves it to reconcile."""
    worker, archive = bootstrap.worker(), bootstrap.dead_letters()
    until = sqs_batch.deadline(bootstrap.clock().now(), sqs_batch.remaining_ms(event))
    return sqs_batch.run_each(
        messages_of(event),
        lambda message: end_order(message, worker=worker, archive=archive, until=until),
        postpone=bootstrap.dead_letter_queue().postpone,
        telemetry=bootstrap.telemetry(),
        in_time=lambda: sqs_batch.may_postpone(bootstrap.clock().now(), until),
    )


def end_order(message: Message, *, worker: Worker, archive: DeadLetterArchive, until: datetime) -> Ack | RetryAfter:
    """Ends the order of the message or leaves it to reconcile, then archives the message. Raises `Unavailable`."""
    try:
        order_id = order_id_of(message)
    except ValueError as error:
        archive.keep(message.id, None, message.body, message.receive_count, str(error))
        return Ack()
    outcome = fail_dead_order(
        DeadLetter(order_id, message.receive_count), worker=worker, timings=ExecutionTimings(), until=until
    )
    if isinstance(outcome, Ack):
        archive.keep(message.id, order_id, message.body, message.receive_count, _outcome(order_id, worker))
    return outcome


def _outcome(order_id: str, worker: Worker) -> str:
    """What an operator reads: not every dead letter has an order that had to fail."""
    try:
        order = worker.store.get(order_id).order
    except OrderNotFound:
        return "no such order"
    if order.failure is not None and order.failure.code is ErrorCode.PROCESSING_FAILED:
        return "failed"
    return f"left as it is: {order.status}" if order.status.is_terminal else f"enqueued anew soon: {order.status}"
