"""The pusher: brings each order's followers up to date."""

from __future__ import annotations

import json

from chalice.app import SQSEvent

from chalicelib import bootstrap
from chalicelib.handlers import sqs_batch
from chalicelib.handlers.sqs_batch import Message
from chalicelib.services.push_status import Push, push_newest


def handle(event: SQSEvent) -> sqs_batch.BatchResponse:
    """Pushes an order's newest history to its followers; what can't be told comes again, and holds up nobody else."""
    pusher = bootstrap.pusher()
    until = sqs_batch.deadline(bootstrap.clock().now(), sqs_batch.remaining_ms(event))
    return sqs_batch.run_in_groups(
        sqs_batch.messages_of(event),
        lambda group: push_newest([parse_push(message) for message in group], pusher, until),
        queue=bootstrap.status_events(),
        telemetry=bootstrap.telemetry(),
        in_time=lambda: sqs_batch.may_postpone(bootstrap.clock().now(), until),
    )


def parse_push(message: Message) -> Push:
    """The push of a status-events message, as `SqsStatusEvents` wrote it."""
    body = json.loads(message.body)
    # What the version before put into the order's group says nothing of `apart`.
    return Push(body["history"], body["connectionId"], body.get("apart", False), message.receive_count - 1)
