"""The pusher: brings each order's followers up to date."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

from chalice.app import SQSEvent

from chalicelib import bootstrap
from chalicelib.handlers import sqs_batch
from chalicelib.handlers.fifo_batch import run_in_groups
from chalicelib.handlers.sqs_message import Message, messages_of
from chalicelib.ports.queues import Opening
from chalicelib.services.posting import Push
from chalicelib.services.push_opening import push_opening
from chalicelib.services.push_status import push_newest


def handle(event: SQSEvent) -> sqs_batch.BatchResponse:
    """Pushes an order's newest history to its followers; what can't be told comes again, and holds up nobody else."""
    pusher = bootstrap.pusher()
    until = sqs_batch.deadline(bootstrap.clock().now(), sqs_batch.remaining_ms(event))

    def push(group: Sequence[Message]) -> None:
        parsed = [parse(message) for message in group]
        push_opening([one for one in parsed if isinstance(one, Opening)], pusher, until)
        push_newest([one for one in parsed if isinstance(one, Push)], pusher, until)

    return run_in_groups(
        messages_of(event),
        push,
        queue=bootstrap.status_events(),
        telemetry=bootstrap.telemetry(),
        in_time=lambda: sqs_batch.may_postpone(bootstrap.clock().now(), until),
    )


def parse(message: Message) -> Push | Opening:
    """What a status-events message is, as `SqsStatusEvents` wrote it."""
    body = json.loads(message.body)
    tries = message.receive_count - 1
    if "frames" in body:
        subscribed_at = datetime.fromisoformat(body["subscribedAt"])
        return Opening(body["userId"], body["connectionId"], subscribed_at, body["first"], tuple(body["frames"]), tries)
    # What the version before put into the order's group says nothing of users.
    return Push(body["history"], body["connectionId"], body["apart"], tries, body.get("ofUser", True))
