"""The pusher: brings each order's followers up to date."""

from __future__ import annotations

import json

from chalice.app import SQSEvent

from chalicelib import bootstrap
from chalicelib.handlers import sqs_batch
from chalicelib.services.push_status import Push, push_newest


def handle(event: SQSEvent) -> sqs_batch.BatchResponse:
    """Pushes an order's newest history to its followers; an order that can't be told of comes again."""
    pusher = bootstrap.pusher()
    until = sqs_batch.deadline(bootstrap.clock().now(), sqs_batch.remaining_ms(event))
    return sqs_batch.run_in_groups(
        sqs_batch.messages_of(event),
        lambda group: push_newest([parse_push(message.body) for message in group], pusher, until),
        bootstrap.telemetry(),
    )


def parse_push(body: str) -> Push:
    """The push of a status-events message, as `SqsStatusEvents` wrote it."""
    message = json.loads(body)
    return Push(message["history"], message["connectionId"], message["tries"])
