"""SQS batches: every message on its own, those that must come again reported one by one."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import cache
from typing import TypedDict

from chalice.app import CloudWatchEvent, SQSEvent

from chalicelib import correlation
from chalicelib.domain.errors import Unavailable
from chalicelib.handlers.sqs_message import Message, order_id_of
from chalicelib.ports.runtime import Telemetry
from chalicelib.services.worker import Ack, RetryAfter

# What a worker leaves of its invocation for the step that it has just begun, in milliseconds: quotes, a build or a
# submit takes up to 2.5 s, and telling of it 5 s where SQS hangs. Killed instead, it takes ten orders' turns along.
RESERVE_MS = 8_000
# What SQS hands over at once.
BATCH = 10
# A message is postponed only while there is time for a queue that hangs; it comes again all the same, only later.
POSTPONE_MS = 5_000
# A few returns after the queue's own visibility timeout bridge a restart. In a longer outage each wait doubles, so that
# the deliveries that a message has last for hours; reconcile enqueues anew as soon as the outage is over.
PROMPT_RETURNS = 3
FIRST_OUTAGE_PAUSE = 48
LONGEST_OUTAGE_PAUSE = 768


class ItemFailure(TypedDict):
    """One message that must come again."""

    itemIdentifier: str


class BatchResponse(TypedDict):
    """The partial-batch contract (`ReportBatchItemFailures`)."""

    batchItemFailures: list[ItemFailure]


def remaining_ms(event: SQSEvent | CloudWatchEvent) -> int:
    """What is left of the invocation; Chalice types the Lambda context as a dict, which it is not."""
    return int(event.context.get_remaining_time_in_millis())  # type: ignore[union-attr]


def deadline(now: datetime, remaining_ms: int) -> datetime:
    """When to stop starting new steps, so that the invocation still answers in time."""
    return now + timedelta(milliseconds=max(remaining_ms - RESERVE_MS, 0))


def may_postpone(now: datetime, until: datetime) -> bool:
    """Whether the invocation whose `deadline` this is has time left to postpone a message."""
    return now <= until + timedelta(milliseconds=RESERVE_MS - POSTPONE_MS)


def count_ages(messages: Sequence[Message], telemetry: Telemetry) -> None:
    """How long new messages waited; one that comes again waited on purpose."""
    for message in messages:
        if message.receive_count == 1 and message.sent_at:
            age = max(round((time.time() - message.sent_at) * 1000), 0)
            telemetry.add_metric("QueueAgeMs", age, queue=message.queue)


@cache
def _threads() -> ThreadPoolExecutor:
    """Kept from one invocation to the next: starting a thread for each order takes a sixth of what it costs."""
    return ThreadPoolExecutor(BATCH, thread_name_prefix="order")


def run_each(
    messages: Sequence[Message],
    work: Callable[[Message], Ack | RetryAfter],
    *,
    postpone: Callable[[str, int], None],
    telemetry: Telemetry,
    in_time: Callable[[], bool] = lambda: True,
) -> BatchResponse:
    """Works on all messages at once; one that fails or must wait comes again, the others are done.

    Nothing is postponed any more once `in_time` says no.
    """

    def postpone_in_time(receipt_handle: str, seconds: int) -> None:
        if not in_time():
            raise Unavailable("The invocation has no time left for it.")
        postpone(receipt_handle, seconds)

    count_ages(messages, telemetry)
    done = list(_threads().map(lambda message: _run(message, work, postpone_in_time, telemetry), messages))
    failures = [message for message, is_done in zip(messages, done, strict=True) if not is_done]
    return {"batchItemFailures": [{"itemIdentifier": message.id} for message in failures]}


def _run(
    message: Message,
    work: Callable[[Message], Ack | RetryAfter],
    postpone: Callable[[str, int], None],
    telemetry: Telemetry,
) -> bool:
    """Whether the message can go."""
    with correlation.scoped(
        order_id=_order_id_or_none(message), request_id=message.request_id, trace_id=message.trace_id
    ):
        # One that comes again shows what went on before.
        log = telemetry.debug if message.receive_count == 1 else telemetry.log
        log("message_received", message_id=message.id, receive_count=message.receive_count)
        pause: int | None
        try:
            outcome = work(message)
            if isinstance(outcome, Ack):
                return True
            pause = math.ceil(outcome.seconds)
        except Unavailable as error:
            telemetry.warn("message_returned", message_id=message.id, reason=str(error))
            pause = outage_pause(message.receive_count)
        except Exception as error:  # noqa: BLE001 - one message's defect must not take the rest of the batch along
            telemetry.exception("message_failed", error, message_id=message.id)
            telemetry.add_metric("MessagesFailed")
            return False
        if pause is not None:
            _postpone(message, pause, postpone, telemetry)
    return False


def _postpone(message: Message, pause: int, postpone: Callable[[str, int], None], telemetry: Telemetry) -> None:
    try:
        postpone(message.receipt_handle, pause)
    except Unavailable as error:
        # It comes back all the same, when the queue's own visibility timeout is over.
        telemetry.warn("message_not_postponed", message_id=message.id, reason=str(error))


def outage_pause(receive_count: int) -> int | None:
    """After how many seconds a message comes again that nothing is wrong with; None for the queue's own time."""
    if receive_count <= PROMPT_RETURNS:
        return None
    doublings = min(receive_count - PROMPT_RETURNS - 1, 8)
    return min(FIRST_OUTAGE_PAUSE << doublings, LONGEST_OUTAGE_PAUSE)


def _order_id_or_none(message: Message) -> str | None:
    """The order that the log lines are about. What else a message holds is not logged: it may be anything."""
    try:
        return order_id_of(message)
    except ValueError:
        return None
